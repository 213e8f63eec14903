// In training each number is left out with probability `rate`, and those that stay are scaled by 1 / (1 - rate);
// in prediction nothing happens.
//
//     y = x m        dx = dy m,        m = 0 or 1 / (1 - rate)

export const dropout = {
  forward({ rate }, params, x, { training = false, random } = {}) {
    if (!training || rate === 0) return { y: x, cache: null };
    const mask = x.map((row) => row.map(() => (random() < rate ? 0 : 1 / (1 - rate))));
    return { y: x.map((row, n) => row.map((value, k) => value * mask[n][k])), cache: mask };
  },

  backward(layer, params, mask, dy) {
    return { dx: mask ? dy.map((row, n) => row.map((d, k) => d * mask[n][k])) : dy, grads: {} };
  },

  slopes: (layer, params, mask, x) => mask ?? x.map((row) => row.map(() => 1)),
};
