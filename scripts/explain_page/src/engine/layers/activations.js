// Activation functions and their slopes, element by element, in float64.
// Each entry of `elementwise` makes { value(z), slope(z, a) } from a layer's description; a is the value already computed at z.

export const sigmoid = (z) => 1 / (1 + Math.exp(-z));
export const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));

/** erf by a series whose terms are all positive, so nothing cancels (Abramowitz & Stegun 1964, eq. 7.1.6). */
export function erf(x) {
  if (Number.isNaN(x)) return NaN;
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n += 1) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const normalCdf = (z) => 0.5 * (1 + erf(z / Math.SQRT2));
const normalPdf = (z) => Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);

export const elementwise = {
  Sigmoid: () => ({ value: sigmoid, slope: (z, a) => a * (1 - a) }),
  Tanh: () => ({ value: Math.tanh, slope: (z, a) => 1 - a * a }),
  // At the kink, z = 0, the slope is that of the left side: 0 here, the layer's `slope` in LeakyReLU.
  ReLU: () => ({ value: (z) => Math.max(z, 0), slope: (z) => (z > 0 ? 1 : 0) }),
  LeakyReLU: ({ slope }) => ({ value: (z) => (z > 0 ? z : slope * z), slope: (z) => (z > 0 ? 1 : slope) }),
  GELU: () => ({ value: (z) => z * normalCdf(z), slope: (z) => normalCdf(z) + z * normalPdf(z) }),
  SiLU: () => ({ value: (z) => z * sigmoid(z), slope: (z) => sigmoid(z) * (1 + z * (1 - sigmoid(z))) }),
  Softplus: () => ({ value: softplus, slope: sigmoid }),
  Identity: () => ({ value: (z) => z, slope: () => 1 }),
};

/** y = f(x), dx = dy * f'(x), number by number. */
export const activation = {
  forward(layer, params, x) {
    const { value } = elementwise[layer.kind](layer);
    const y = x.map((row) => row.map(value));
    return { y, cache: { x, y } };
  },

  backward(layer, params, cache, dy) {
    const slopes = activation.slopes(layer, params, cache);
    return { dx: dy.map((row, n) => row.map((d, k) => d * slopes[n][k])), grads: {} };
  },

  slopes(layer, params, { x, y }) {
    const { slope } = elementwise[layer.kind](layer);
    return x.map((row, n) => row.map((z, k) => slope(z, y[n][k])));
  },
};
