// A row of inputs times a matrix of weights, plus a bias: y = x W + b.
//
//     dW = xᵀ dy        db = Σ dy over the rows        dx = dy Wᵀ

import { makeZeros } from "../arrays.js";

export const linear = {
  forward(layer, { weight, bias }, x) {
    const width = weight[0].length;
    const y = x.map((row) => {
      const sum = bias ? bias.slice() : new Array(width).fill(0);
      for (let i = 0; i < row.length; i += 1) {
        const w = weight[i];
        for (let j = 0; j < width; j += 1) sum[j] += row[i] * w[j];
      }
      return sum;
    });
    return { y, cache: x };
  },

  backward(layer, { weight, bias }, x, dy) {
    const width = weight[0].length;
    const dWeight = makeZeros(weight);
    const dBias = new Array(width).fill(0);
    const dx = dy.map((d, n) => {
      for (let j = 0; j < width; j += 1) dBias[j] += d[j];
      return weight.map((w, i) => {
        let sum = 0;
        for (let j = 0; j < width; j += 1) {
          sum += d[j] * w[j];
          dWeight[i][j] += x[n][i] * d[j];
        }
        return sum;
      });
    });
    return { dx, grads: bias ? { weight: dWeight, bias: dBias } : { weight: dWeight } };
  },
};
