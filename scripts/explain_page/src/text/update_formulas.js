// Formulas of the update; see formulas.js for what a rule gets and gives.

import { exactTex } from "./format.js";
import { aligned, B, inner, isSmall, matrix, num, partial, plus, W, w } from "./tex.js";

export const updateFormulas = {
  change({ net, pass, learningRate, weightIn }, { layer, block }) {
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

  new({ net, pass, weightIn }, { layer, block }) {
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
