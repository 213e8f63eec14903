// Activation functions and their slopes, element by element, in float64.
// Each entry makes { value(z), slope(z, a) } from a layer's description; a is the value already computed at z.

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
  // A network is explained as it predicts: nothing is dropped.
  Dropout: () => ({ value: (z) => z, slope: () => 1 }),
};

export function softmax(row) {
  const top = Math.max(...row);
  const exps = row.map((z) => Math.exp(z - top));
  const total = exps.reduce((sum, e) => sum + e, 0);
  return exps.map((e) => e / total);
}

/** Softmax mixes its inputs, so its slope is a matrix: dy_to / dz_from = y_to ([to = from] - y_from). */
export const softmaxSlope = (y, to, from) => y[to] * ((to === from ? 1 : 0) - y[from]);
