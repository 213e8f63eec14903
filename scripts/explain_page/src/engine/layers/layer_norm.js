// The numbers of each sample are standardized, then scaled and shifted: y = γ n + β with n = (x - μ) / √(σ² + ε), where
// μ and σ² are mean and variance over the sample's own m numbers; γ is the parameter `weight`, β is `bias`.
//
//     dγ = Σ dy n        db = Σ dy over the rows        dn = dy γ        dx = (dn - mean(dn) - n mean(dn n)) / √(σ² + ε)

import { makeZeros } from "../arrays.js";

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** { n, inverse, mean, variance } of one row: n is it standardized, inverse is 1 / √(σ² + ε). */
export function standardize(row, eps) {
  const middle = mean(row);
  const variance = mean(row.map((value) => (value - middle) ** 2));
  const inverse = 1 / Math.sqrt(variance + eps);
  return { n: row.map((value) => (value - middle) * inverse), inverse, mean: middle, variance };
}

export const layerNorm = {
  forward({ eps }, { weight, bias }, x) {
    const cache = x.map((row) => standardize(row, eps));
    return { y: cache.map(({ n }) => n.map((value, k) => value * weight[k] + bias[k])), cache };
  },

  backward(layer, { weight }, cache, dy) {
    const grads = { weight: makeZeros(weight), bias: makeZeros(weight) };
    const dx = dy.map((d, row) => {
      const { n, inverse } = cache[row];
      d.forEach((value, k) => {
        grads.weight[k] += value * n[k];
        grads.bias[k] += value;
      });
      const dn = d.map((value, k) => value * weight[k]);
      const [shared, stretched] = [mean(dn), mean(dn.map((value, k) => value * n[k]))];
      return dn.map((value, k) => inverse * (value - shared - n[k] * stretched));
    });
    return { dx, grads };
  },

  /** dy_to / dx_from = γ_to ([to = from] - 1/m - n_to n_from / m) / √(σ² + ε) of one row. */
  slopeBetween({ eps }, { weight }, x, y, from, to) {
    const { n, inverse } = standardize(x, eps);
    return weight[to] * inverse * ((to === from ? 1 : 0) - (1 + n[to] * n[from]) / x.length);
  },
};
