// Formulas of the update; see formulas.js for what a rule gets and gives.

import { exactTex } from "./format.js";
import { scaleTex } from "./structure_text.js";
import { aligned, B, inner, isSmall, matrix, num, partial, plus, W, w } from "./tex.js";

/** Scale and shift of a normalization. */
function changeOfScale({ net, pass, learningRate, unitOf }, { layer, block }) {
  const [scale, shift] = ["gamma", "beta"].map((name) => scaleTex(net, layer, name));
  const j = unitOf(block);
  const change = pass.changes[layer].weight;
  const symbols = (name, tex) =>
    `\\Delta ${tex} = ${net.isFrozen(layer, name) ? "0" : `-\\eta\\, ${partial("L", tex)}`}`;
  return {
    symbols: `${symbols("weight", scale)} \\qquad ${symbols("bias", shift)}`,
    unit: aligned(
      `\\Delta ${scaleTex(net, layer, "gamma", j + 1)}`,
      net.isFrozen(layer, "weight")
        ? ["0"]
        : [`-${exactTex(learningRate)} \\cdot ${inner(pass.grads[layer].weight[j])}`, num(change[j])],
    ),
  };
}

function newScale({ net, pass, unitOf }, { layer, block }) {
  const [scale, shift] = ["gamma", "beta"].map((name) => scaleTex(net, layer, name));
  const j = unitOf(block);
  const [old, change, fresh] = [pass.params, pass.changes, pass.newParams].map((params) => params[layer].weight[j]);
  const left = (tex) => `${tex} \\leftarrow ${tex} + \\Delta ${tex}`;
  return {
    symbols: `${left(scale)} \\qquad ${left(shift)}`,
    unit: `${scaleTex(net, layer, "gamma", j + 1)} \\leftarrow ${num(old)} ${plus(num(change))} = ${num(fresh)}`,
  };
}

export const updateFormulas = {
  change({ net, pass, learningRate, weightIn, unitOf }, { layer, block }) {
    if (net.layers[layer].kind !== "Linear")
      return changeOfScale({ net, pass, learningRate, unitOf }, { layer, block });
    const { i, j } = weightIn(block);
    const frozen = net.isFrozen(layer, "weight");
    const change = pass.changes[layer].weight;
    const symbols = (name, tex) =>
      `\\Delta ${tex} = ${net.isFrozen(layer, name) ? "0" : `-\\eta\\, ${partial("L", tex)}`}`;
    return {
      symbols: net.hasBias(layer)
        ? `${symbols("weight", W(block))} \\qquad ${symbols("bias", B(block))}`
        : symbols("weight", W(block)),
      matrices: isSmall(change.length, change[0].length) ? `\\Delta ${W(block)} = ${matrix(change)}` : null,
      unit: aligned(
        `\\Delta ${w(block, i, j)}`,
        frozen
          ? ["0"]
          : [`-${exactTex(learningRate)} \\cdot ${inner(pass.grads[layer].weight[i][j])}`, num(change[i][j])],
      ),
    };
  },

  new({ net, pass, weightIn, unitOf }, { layer, block }) {
    if (net.layers[layer].kind !== "Linear") return newScale({ net, pass, unitOf }, { layer, block });
    const { i, j } = weightIn(block);
    const [old, change, fresh] = [pass.params, pass.changes, pass.newParams].map((params) => params[layer].weight);
    const left = (tex) => `${tex} \\leftarrow ${tex} + \\Delta ${tex}`;
    return {
      symbols: net.hasBias(layer) ? `${left(W(block))} \\qquad ${left(B(block))}` : left(W(block)),
      matrices: isSmall(fresh.length, fresh[0].length) ? `${W(block)} \\leftarrow ${matrix(fresh)}` : null,
      unit: `${w(block, i, j)} \\leftarrow ${num(old[i][j])} ${plus(num(change[i][j]))} = ${num(fresh[i][j])}`,
    };
  },

  after: ({ pass }) => ({
    symbols: "L(W + \\Delta W,\\; b + \\Delta b)",
    matrices: `${num(pass.loss.value)} \\;\\longrightarrow\\; ${num(pass.newLoss)}`,
  }),
};
