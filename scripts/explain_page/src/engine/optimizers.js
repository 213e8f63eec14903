// What makes a step of a gradient. Each entry makes { slots, update } from its settings: `slots` is how many numbers it
// remembers of each parameter, and update(w, g, slots, rate, t) changes a row of parameters w in place, by its gradients
// g, at step t = 1, 2, ...
//
// sgd       w ← w - η g                        momentum  v ← m v - η g,  w ← w + v
// nesterov  v ← m v - η g,  w ← w + m v - η g  rmsprop   v ← d v + (1 - d) g²,  w ← w - η g / (√v + ε)
// adam      m ← b1 m + (1 - b1) g,  v ← b2 v + (1 - b2) g²,  w ← w - η (m / (1 - b1ᵗ)) / (√(v / (1 - b2ᵗ)) + ε)

export const optimizers = {
  sgd: () => ({
    slots: 0,
    update(w, g, slots, rate) {
      for (let k = 0; k < w.length; k += 1) w[k] -= rate * g[k];
    },
  }),

  momentum: ({ momentum = 0.9 } = {}) => ({
    slots: 1,
    update(w, g, [v], rate) {
      for (let k = 0; k < w.length; k += 1) {
        v[k] = momentum * v[k] - rate * g[k];
        w[k] += v[k];
      }
    },
  }),

  nesterov: ({ momentum = 0.9 } = {}) => ({
    slots: 1,
    update(w, g, [v], rate) {
      for (let k = 0; k < w.length; k += 1) {
        v[k] = momentum * v[k] - rate * g[k];
        w[k] += momentum * v[k] - rate * g[k];
      }
    },
  }),

  rmsprop: ({ decay = 0.9, eps = 1e-8 } = {}) => ({
    slots: 1,
    update(w, g, [v], rate) {
      for (let k = 0; k < w.length; k += 1) {
        v[k] = decay * v[k] + (1 - decay) * g[k] * g[k];
        w[k] -= (rate * g[k]) / (Math.sqrt(v[k]) + eps);
      }
    },
  }),

  adam: ({ b1 = 0.9, b2 = 0.999, eps = 1e-8 } = {}) => ({
    slots: 2,
    update(w, g, [m, v], rate, t) {
      const [first, second] = [1 - b1 ** t, 1 - b2 ** t];
      for (let k = 0; k < w.length; k += 1) {
        m[k] = b1 * m[k] + (1 - b1) * g[k];
        v[k] = b2 * v[k] + (1 - b2) * g[k] * g[k];
        w[k] -= (rate * (m[k] / first)) / (Math.sqrt(v[k] / second) + eps);
      }
    },
  }),
};
