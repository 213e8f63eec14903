// Name, formula and slope of each activation in TeX, and why it is there; z and a stand for what the caller puts in, symbol or number.

import { exactTex } from "./format.js";
import { structureText } from "./structure_text.js";

/** TeX allows one superscript: a symbol that has a mark already stands in parentheses. */
const squared = (a) => (a.includes("^") && !a.startsWith("(") ? `\\bigl(${a}\\bigr)^2` : `${a}^2`);

export const activationText = {
  Sigmoid: {
    name: "sigmoid",
    value: (z) => `\\frac{1}{1 + e^{-${z}}}`,
    slope: (z, a) => `${a}\\,(1 - ${a})`,
    why: "It squashes any number into the range from 0 to 1; far from zero it is flat, and little gets through it.",
  },
  Tanh: {
    name: "hyperbolic tangent",
    value: (z) => `\\tanh(${z})`,
    slope: (z, a) => `1 - ${squared(a)}`,
    why: "It squashes any number into the range from −1 to 1; far from zero it is flat, and little gets through it.",
  },
  ReLU: {
    name: "ReLU",
    value: (z) => `\\max(0, ${z})`,
    slope: (z) => `[\\,${z} > 0\\,]`,
    why: "It lets positive numbers through and turns the others into 0; its slope is 1 where it is on and 0 where off.",
  },
  LeakyReLU: {
    name: "leaky ReLU",
    value: (z, { slope }) => `\\max(0, ${z}) + ${exactTex(slope)} \\min(0, ${z})`,
    slope: (z, a, { slope }) => `[\\,${z} > 0\\,] + ${exactTex(slope)}\\,[\\,${z} \\le 0\\,]`,
    why: "It lets positive numbers through and scales the others down.",
  },
  GELU: {
    name: "GELU",
    value: (z) => `${z}\\,\\Phi(${z})`,
    slope: (z) => `\\Phi(${z}) + ${z}\\,\\varphi(${z})`,
    why: "A smooth ReLU: each number is weighted by Φ, the share of a normal distribution that lies below it.",
  },
  SiLU: {
    name: "SiLU",
    value: (z) => `${z}\\,\\sigma(${z})`,
    slope: (z) => `\\sigma(${z})\\,\\bigl(1 + ${z}\\,(1 - \\sigma(${z}))\\bigr)`,
    why: "A smooth ReLU: each number is weighted by its own sigmoid.",
  },
  Softplus: {
    name: "softplus",
    value: (z) => `\\ln(1 + e^{${z}})`,
    slope: (z) => `\\frac{1}{1 + e^{-${z}}}`,
    why: "A smooth ReLU that is never quite 0; its slope is the sigmoid.",
  },
  Identity: { name: "identity", value: (z) => z, slope: () => "1", why: "It changes nothing." },
  Dropout: {
    name: "dropout",
    value: (z) => z,
    slope: () => "1",
    why: ({ rate }) =>
      `While it trains, each number is left out with probability ${rate}, and those that stay are divided by ` +
      `${Number((1 - rate).toPrecision(12))}. The walk shows the network as it predicts, so nothing is left out here.`,
  },
  Softmax: {
    name: "softmax",
    value: (z) => `\\frac{e^{${z}}}{\\sum_k e^{z_k}}`,
    slope: null,
    why: "It turns numbers into shares that add up to 1, so each output depends on every input.",
  },
};

/** What a layer other than Linear is called. */
export const layerName = ({ kind }) => (structureText[kind] ?? activationText[kind]).name;

/** Why it is there, in a sentence or two. */
export function reasonFor(layer, net) {
  const { why } = structureText[layer.kind] ?? activationText[layer.kind];
  return typeof why === "string" ? why : why(layer, net);
}
