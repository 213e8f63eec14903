// Losses of one sample: value(p, y) and gradient(p, y) with respect to the network's output p.
// squared_error   1/2 sum (p - y)^2            absolute_error  sum |p - y|        huber  quadratic near 0, then linear
// cross_entropy   -sum y log softmax(p)        binary_cross_entropy  sum log(1 + e^p) - y p        (p are logits)

import { sigmoid, softplus } from "./layers/activations.js";
import { softmax } from "./layers/softmax.js";

const sum = (values) => values.reduce((total, value) => total + value, 0);
const pairwise = (each) => (p, y) => p.map((value, k) => each(value, y[k]));

function logSumExp(row) {
  const top = Math.max(...row);
  return top + Math.log(sum(row.map((z) => Math.exp(z - top))));
}

/** Targets of a cross-entropy after label smoothing: (1 - s) y + s / classes. */
export const smoothed = (y, smoothing = 0) => y.map((value) => (1 - smoothing) * value + smoothing / y.length);

function elementwiseLoss(value, slope) {
  const values = pairwise(value);
  return { value: (p, y) => sum(values(p, y)), gradient: pairwise(slope) };
}

export const losses = {
  squared_error: () =>
    elementwiseLoss(
      (p, y) => 0.5 * (p - y) ** 2,
      (p, y) => p - y,
    ),
  absolute_error: () =>
    elementwiseLoss(
      (p, y) => Math.abs(p - y),
      (p, y) => Math.sign(p - y),
    ),
  huber: ({ delta = 1 }) =>
    elementwiseLoss(
      (p, y) => (Math.abs(p - y) <= delta ? 0.5 * (p - y) ** 2 : delta * (Math.abs(p - y) - 0.5 * delta)),
      (p, y) => Math.max(-delta, Math.min(delta, p - y)),
    ),
  binary_cross_entropy: () =>
    elementwiseLoss(
      (p, y) => softplus(p) - y * p,
      (p, y) => sigmoid(p) - y,
    ),
  cross_entropy: ({ label_smoothing: smoothing = 0 }) => ({
    value(p, y) {
      const logNorm = logSumExp(p);
      return sum(smoothed(y, smoothing).map((target, k) => (target === 0 ? 0 : target * (logNorm - p[k]))));
    },
    gradient(p, y) {
      const targets = smoothed(y, smoothing);
      const mass = sum(targets);
      return softmax(p).map((probability, k) => probability * mass - targets[k]);
    },
  }),
};

/** The probabilities that a loss on logits stands for, or null for the other losses. */
export function probabilities(kind, outputRow) {
  if (kind === "cross_entropy") return softmax(outputRow);
  if (kind === "binary_cross_entropy") return outputRow.map(sigmoid);
  return null;
}
