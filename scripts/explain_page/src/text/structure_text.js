// Normalizations and the end of a shortcut in words and TeX: what they are, and their formulas filled with numbers.
//
// forward and slope get { net, pass, row, layer, unit } and give { symbols, filled }: with symbols for unit j, and with the
// numbers of one unit. `slope` of a layer that mixes its inputs is that of output i by input j, and filled at i = j.

import { standardize } from "../engine/layers/layer_norm.js";
import { exactTex } from "./format.js";
import { inner, num, plus } from "./tex.js";

/** γ or β of a normalization, marked as its output is. */
export const scaleTex = (net, layer, name, sub = "") =>
  `\\${name}^{(${net.symbols[layer + 1].mark})}${sub === "" ? "" : `_{${sub}}`}`;

/** γ (x - μ) / √(σ² + ε) + β of one number. */
const normalized = (scale, value, center, variance, eps, shift) =>
  `${scale} \\cdot \\frac{${value} - ${center}}{\\sqrt{${variance} + ${eps}}} ${plus(shift)}`;

export const structureText = {
  LayerNorm: {
    name: "layer normalization",
    why: () =>
      "The numbers of a sample are standardized to mean 0 and variance 1, then scaled by γ and shifted by β, which are " +
      "learned: each output depends on every input.",
    forward({ net, pass, row, layer, unit }) {
      const { eps } = net.layers[layer];
      const { weight, bias } = pass.params[layer];
      const { mean, variance } = standardize(pass.values[layer][row], eps);
      const [x, gamma, beta] = [
        net.symbols[layer].tex("j"),
        scaleTex(net, layer, "gamma", "j"),
        scaleTex(net, layer, "beta", "j"),
      ];
      return {
        symbols: normalized(gamma, x, "\\mu", "\\sigma^2", "\\varepsilon", beta),
        filled: normalized(
          inner(weight[unit]),
          num(pass.values[layer][row][unit]),
          inner(mean),
          num(variance),
          exactTex(eps),
          num(bias[unit]),
        ),
      };
    },
    slope({ net, pass, row, layer, unit }) {
      const { eps } = net.layers[layer];
      const { n, variance } = standardize(pass.values[layer][row], eps);
      const m = n.length;
      const between = (gamma, spread, small, same, standard) =>
        `\\frac{${gamma}}{\\sqrt{${spread} + ${small}}} \\Bigl(${same} - \\frac{1 + ${standard}}{${m}}\\Bigr)`;
      return {
        symbols: between(scaleTex(net, layer, "gamma", "i"), "\\sigma^2", "\\varepsilon", "[\\,i = j\\,]", "n_i n_j"),
        filled: between(num(pass.params[layer].weight[unit]), num(variance), exactTex(eps), "1", `${inner(n[unit])}^2`),
      };
    },
  },

  BatchNorm: {
    name: "batch normalization",
    why: () =>
      "Each unit is standardized, then scaled by γ and shifted by β, which are learned. The walk takes the running mean μ " +
      "and variance σ² of the training, as predictions do; while it trains, those of the batch take their place.",
    forward({ net, pass, row, layer, unit }) {
      const { eps } = net.layers[layer];
      const { weight, bias, running_mean: mean, running_var: variance } = pass.params[layer];
      const [x, gamma, beta] = [
        net.symbols[layer].tex("j"),
        scaleTex(net, layer, "gamma", "j"),
        scaleTex(net, layer, "beta", "j"),
      ];
      return {
        symbols: normalized(gamma, x, "\\mu_j", "\\sigma_j^2", "\\varepsilon", beta),
        filled: normalized(
          inner(weight[unit]),
          num(pass.values[layer][row][unit]),
          inner(mean[unit]),
          num(variance[unit]),
          exactTex(eps),
          num(bias[unit]),
        ),
      };
    },
    slope({ net, pass, layer, unit }) {
      const { eps } = net.layers[layer];
      const { weight, running_var: variance } = pass.params[layer];
      const of = (gamma, spread, small) => `\\frac{${gamma}}{\\sqrt{${spread} + ${small}}}`;
      return {
        symbols: of(scaleTex(net, layer, "gamma", "j"), "\\sigma_j^2", "\\varepsilon"),
        filled: of(num(weight[unit]), num(variance[unit]), exactTex(eps)),
      };
    },
  },

  Shortcut: {
    name: "shortcut",
    why: ({ from }, net) =>
      `Here a residual block ends: what came into it, ${net.symbols[from].text}, is added to what its layers made of it. ` +
      "So each layer of the block has to learn only what is to be changed.",
    forward({ net, pass, row, layer, unit }) {
      const { from } = net.layers[layer];
      const [made, input] = [net.symbols[layer], net.symbols[from]];
      return {
        symbols: `${made.tex("j")} + ${input.tex("j")}`,
        filled: `${num(pass.values[layer][row][unit])} ${plus(num(pass.values[from][row][unit]))}`,
      };
    },
    slope: () => ({ symbols: "1", filled: "1" }),
  },
};
