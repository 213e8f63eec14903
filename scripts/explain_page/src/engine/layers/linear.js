// A row of inputs times a matrix of weights, plus a bias: y = x W + b.
//
//     dW = xᵀ dy        db = Σ dy over the rows        dx = dy Wᵀ
//
// Nearly all the time of a training goes by here. So the matrices are copied into typed arrays first, and the innermost
// loops, `addScaled` and `dot`, see nothing else: engines then keep one fast version of each.

import { addScaled, dot, toList, toTyped } from "../arrays.js";

export const linear = {
  forward(layer, { weight, bias }, x) {
    const w = weight.map(toTyped);
    const start = bias ? toTyped(bias) : new Float64Array(w[0].length);
    const sum = new Float64Array(start.length);
    const y = x.map((row) => {
      sum.set(start);
      for (let i = 0; i < row.length; i += 1) addScaled(sum, row[i], w[i]);
      return toList(sum);
    });
    return { y, cache: x };
  },

  /** dx is null where nobody asks for the gradient of the inputs. */
  backward(layer, { weight, bias }, x, dy, { inputGradient = true } = {}) {
    const w = weight.map(toTyped);
    const dWeight = w.map((row) => new Float64Array(row.length));
    const dBias = new Float64Array(w[0].length);
    const d = new Float64Array(dBias.length);
    const dx = dy.map((dRow, n) => {
      d.set(dRow);
      addScaled(dBias, 1, d);
      for (let i = 0; i < w.length; i += 1) addScaled(dWeight[i], x[n][i], d);
      return inputGradient ? w.map((row) => dot(row, d)) : null;
    });
    const grads = { weight: dWeight.map(toList) };
    if (bias) grads.bias = toList(dBias);
    return { dx: inputGradient ? dx : null, grads };
  },
};
