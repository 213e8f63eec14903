// Each number is standardized over the samples, then scaled and shifted: y = γ n + β with n = (x - μ) / √(σ² + ε), where
// γ is the parameter `weight` and β is `bias`. In training μ and σ² are mean and variance of the batch, and
//
//     running += momentum (the batch's - running),        with the variance's Σ (x - μ)² / (rows - 1);
//
// in prediction the running ones take their place. They stand beside the parameters, but no gradient moves them.
//
//     dγ = Σ dy n        db = Σ dy over the rows        dn = dy γ
//     dx = (dn - mean(dn) - n mean(dn n)) / √(σ² + ε), means over the batch; in prediction dx = dn / √(σ² + ε)

const column = (rows, k) => rows.map((row) => row[k]);
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function statistics({ running_mean: middle, running_var: variance }, x, training) {
  if (!training) return { mean: middle, variance };
  const means = x[0].map((_, k) => mean(column(x, k)));
  return { mean: means, variance: means.map((m, k) => mean(column(x, k).map((value) => (value - m) ** 2))) };
}

export const batchNorm = {
  state: ["running_mean", "running_var"],

  forward({ eps }, params, x, { training = false } = {}) {
    const found = statistics(params, x, training);
    const inverse = found.variance.map((value) => 1 / Math.sqrt(value + eps));
    const n = x.map((row) => row.map((value, k) => (value - found.mean[k]) * inverse[k]));
    const y = n.map((row) => row.map((value, k) => value * params.weight[k] + params.bias[k]));
    return { y, cache: { ...found, n, inverse, training } };
  },

  backward(layer, { weight }, { n, inverse, training }, dy) {
    const columns = weight.map((scale, k) => {
      const [d, standardized] = [column(dy, k), column(n, k)];
      const dn = d.map((value) => value * scale);
      const shared = training ? mean(dn) : 0;
      const stretched = training ? mean(dn.map((value, row) => value * standardized[row])) : 0;
      return {
        weight: d.reduce((sum, value, row) => sum + value * standardized[row], 0),
        bias: d.reduce((sum, value) => sum + value, 0),
        dx: dn.map((value, row) => inverse[k] * (value - shared - standardized[row] * stretched)),
      };
    });
    return {
      dx: dy.map((_, row) => columns.map(({ dx }) => dx[row])),
      grads: { weight: columns.map((each) => each.weight), bias: columns.map((each) => each.bias) },
    };
  },

  /** In prediction each number is on its own: dy/dx = γ / √(σ² + ε). */
  slopes: (layer, { weight }, { inverse }, x) => x.map((row) => row.map((_, k) => weight[k] * inverse[k])),

  /** The running statistics after a training pass; one row has no variance, and leaves them as they are. */
  nextState({ momentum }, params, { mean: means, variance, n }) {
    const rows = n.length;
    const { running_mean: middle, running_var: spread } = params;
    if (rows === 1) return { running_mean: middle, running_var: spread };
    return {
      running_mean: middle.map((old, k) => old + momentum * (means[k] - old)),
      running_var: spread.map((old, k) => old + momentum * (variance[k] * (rows / (rows - 1)) - old)),
    };
  },
};
