// Numbers into shares that add up to 1: y_k = e^{x_k} / Σ_m e^{x_m}.
//
//     dx_k = y_k (dy_k - Σ_m dy_m y_m)

export function softmax(row) {
  const top = Math.max(...row);
  const exps = row.map((z) => Math.exp(z - top));
  const total = exps.reduce((sum, e) => sum + e, 0);
  return exps.map((e) => e / total);
}

/** Softmax mixes its inputs, so its slope is a matrix: dy_to / dx_from = y_to ([to = from] - y_from). */
export const softmaxSlope = (y, to, from) => y[to] * ((to === from ? 1 : 0) - y[from]);

export const softmaxLayer = {
  forward(layer, params, x) {
    const y = x.map(softmax);
    return { y, cache: y };
  },

  backward(layer, params, y, dy) {
    const dx = dy.map((d, n) => {
      const mean = d.reduce((sum, value, k) => sum + value * y[n][k], 0);
      return d.map((value, k) => y[n][k] * (value - mean));
    });
    return { dx, grads: {} };
  },

  slopeBetween: (layer, params, x, y, from, to) => softmaxSlope(y, to, from),
};
