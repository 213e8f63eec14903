// The losses in words and TeX, for one sample: `p` and `y` are symbols or numbers, given by the caller.

import { smoothed } from "../engine/losses.js";
import { exactTex } from "./format.js";
import { inner, num } from "./tex.js";

const squared = (p, y) => `(${p} - ${y})^2`;

export const lossText = {
  squared_error: {
    name: "squared error",
    symbols: (p) => `\\tfrac12 \\sum_k ${squared(p("k"), "y_k")}`,
    term: (p, y) => `\\tfrac12\\,${squared(num(p), inner(y))}`,
    error: (p) => `${p} - y_k`,
    errorValues: (p, y) => `${num(p)} - ${inner(y)}`,
    why: "The squared distance of each output from its target, halved so that the derivative is just the difference.",
    errorWhy: "How the loss moves with each output: the output minus its target.",
  },
  absolute_error: {
    name: "absolute error",
    symbols: (p) => `\\sum_k |${p("k")} - y_k|`,
    term: (p, y) => `|${num(p)} - ${inner(y)}|`,
    error: (p) => `\\operatorname{sign}(${p} - y_k)`,
    errorValues: (p, y) => `\\operatorname{sign}(${num(p)} - ${inner(y)})`,
    why: "The distance of each output from its target.",
    errorWhy: "Only the side counts: +1 above the target, −1 below it, 0 on it.",
  },
  huber: {
    name: "Huber loss",
    symbols: (p) =>
      `\\sum_k h(${p("k")} - y_k),\\; h(e) = \\begin{cases} e^2/2 & |e| \\le d \\\\ d\\,(|e| - d/2) & |e| > d \\end{cases}`,
    term: (p, y) => `h(${num(p)} - ${inner(y)})`,
    error: (p) => `\\min(d, \\max(-d,\\; ${p} - y_k))`,
    errorValues: (p, y, { delta = 1 }) =>
      `\\min(${exactTex(delta)}, \\max(-${exactTex(delta)},\\; ${num(p)} - ${inner(y)}))`,
    why: "Squared for small errors, a straight line for large ones, so that outliers pull less; d is where it changes.",
    errorWhy: "The output minus its target, but never more than d in size.",
  },
  binary_cross_entropy: {
    name: "binary cross-entropy",
    symbols: () => `-\\sum_k \\bigl( y_k \\ln p_k + (1 - y_k) \\ln(1 - p_k) \\bigr)`,
    term: (p, y, loss, probability) =>
      y === 1
        ? `-\\ln ${num(probability)}`
        : y === 0
          ? `-\\ln(1 - ${num(probability)})`
          : `-\\bigl(${num(y)} \\ln ${num(probability)} + ${num(1 - y)} \\ln(1 - ${num(probability)})\\bigr)`,
    error: () => "p_k - y_k",
    errorValues: (p, y, loss, probability) => `${num(probability)} - ${inner(y)}`,
    probability: (z) => `p_k = \\sigma(${z}) = \\frac{1}{1 + e^{-${z}}}`,
    why: "The output is a logit; the sigmoid makes it a probability p, and the loss is the surprise at the target, in nats.",
    errorWhy: "Sigmoid and logarithm together leave the simplest of all errors: probability minus target.",
  },
  cross_entropy: {
    name: "cross-entropy",
    symbols: (p, { label_smoothing: s }) => `-\\sum_k ${s ? "\\tilde{y}_k" : "y_k"} \\ln p_k`,
    term: (p, y, loss, probability) => (y === 1 ? `-\\ln ${num(probability)}` : `-${num(y)} \\ln ${num(probability)}`),
    error: (p, { label_smoothing: s }) => `p_k - ${s ? "\\tilde{y}_k" : "y_k"}`,
    errorValues: (p, y, loss, probability) => `${num(probability)} - ${inner(y)}`,
    probability: (z) => `p_k = \\frac{e^{${z}}}{\\sum_m e^{${z.replace(/_\{?k\}?$/, "_m")}}}`,
    why: "The outputs are logits; softmax makes them probabilities p, and the loss is the surprise at the target, in nats.",
    errorWhy: "Softmax and logarithm together leave the simplest of all errors: probability minus target.",
  },
};

/** Targets as the loss uses them: label smoothing moves a little of each target to the other classes. */
export const targetsOf = (loss, y) => (loss.kind === "cross_entropy" ? smoothed(y, loss.label_smoothing) : y);
