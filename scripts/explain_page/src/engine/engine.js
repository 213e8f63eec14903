// Backpropagation in float64: forward, loss, backward, update. Functions on nested arrays, a row per sample, that change
// nothing they are given. The conventions are bpx's: y = x @ weight + bias, and a gradient is called d + the name of
// what it belongs to.

import { mapArray } from "./arrays.js";
import { layerRules, parameterNames } from "./layers/index.js";
import { losses, probabilities } from "./losses.js";

export { chain } from "./chain.js";

/** All values on the way, values[0] = x and values[k + 1] the output of layer k, and what the way back needs. */
export function forwardPass(layers, params, x, context) {
  const values = [x];
  const caches = [];
  layers.forEach((layer, k) => {
    const seen = layer.from === undefined ? context : { ...context, shortcut: values[layer.from] };
    const { y, cache } = layerRules[layer.kind].forward(layer, params[k], values[k], seen);
    values.push(y);
    caches.push(cache);
  });
  return { values, caches };
}

/** The values alone. */
export const forward = (layers, params, x) => forwardPass(layers, params, x).values;

/** Loss of a batch: { value, perSample, dOutput }, with the factor 1/n of a mean inside dOutput. */
export function lossOf(loss, output, y) {
  const rule = losses[loss.kind](loss);
  const share = loss.reduction === "sum" ? 1 : 1 / y.length;
  const perSample = output.map((row, n) => rule.value(row, y[n]));
  return {
    perSample,
    share,
    value: perSample.reduce((sum, value) => sum + value, 0) * share,
    dOutput: output.map((row, n) => rule.gradient(row, y[n]).map((d) => d * share)),
  };
}

/** What comes back to value k: through layer k, and where a shortcut begins there, from its end too. */
function collect(layers, dValues, k, dx) {
  const ends = layers.flatMap(({ from }, end) => (from === k ? [dValues[end + 1]] : []));
  return ends.reduce((sum, dy) => sum.map((row, n) => row.map((d, i) => d + dy[n][i])), dx);
}

/**
 * Backward through all layers: dValues[k] is dL/dvalues[k]; grads has one entry per layer. Training has no use for the
 * gradient of the inputs, dValues[0], and leaves it out.
 */
export function backward(layers, params, caches, dOutput, { inputGradient = true } = {}) {
  const dValues = new Array(layers.length + 1).fill(null);
  const grads = [];
  dValues[layers.length] = dOutput;
  for (let k = layers.length - 1; k >= 0; k -= 1) {
    const { backward: back } = layerRules[layers[k].kind];
    const result = back(layers[k], params[k], caches[k], dValues[k + 1], { inputGradient: inputGradient || k > 0 });
    dValues[k] = result.dx && collect(layers, dValues, k, result.dx);
    grads[k] = result.grads;
  }
  return { dValues, grads };
}

/** The slope of each number of each layer; null for layers that mix their inputs. */
const slopesOf = (layers, params, { values, caches }) =>
  layers.map((layer, k) => layerRules[layer.kind].slopes?.(layer, params[k], caches[k], values[k]) ?? null);

/** What normalizations made of their inputs before γ and β, a matrix for each; null for other layers. */
const standardizedOf = (layers, { caches }) =>
  layers.map(({ kind }, k) => {
    if (kind === "LayerNorm") return caches[k].map(({ n }) => n);
    return kind === "BatchNorm" ? caches[k].n : null;
  });

/** Plain gradient descent: the changes -learning_rate * gradient (0 where frozen) and the parameters after them. */
export function update(layers, params, grads, learningRate) {
  const changes = params.map((layerParams, k) => {
    const frozen = layers[k].frozen ?? [];
    const change = (name) => mapArray(grads[k][name], (g) => (frozen.includes(name) ? 0 : -learningRate * g));
    return Object.fromEntries(parameterNames(layers[k], layerParams).map((name) => [name, change(name)]));
  });
  const add =
    (layerParams, k) =>
    ([name, array]) => [name, name in changes[k] ? mapArray(array, (w, dw) => w + dw, changes[k][name]) : array];
  const newParams = params.map((layer, k) => Object.fromEntries(Object.entries(layer).map(add(layer, k))));
  return { changes, newParams };
}

/** One whole training step on a batch, with everything that was computed on the way. */
export function trainingStep(network, params, x, y, learningRate) {
  const { layers, loss } = network;
  const pass = forwardPass(layers, params, x);
  const { values } = pass;
  const output = values[layers.length];
  const lossNow = lossOf(loss, output, y);
  const back = backward(layers, params, pass.caches, lossNow.dOutput);
  const step = update(layers, params, back.grads, learningRate);
  const newOutput = forward(layers, step.newParams, x)[layers.length];
  return {
    params,
    x,
    y,
    values,
    output,
    probabilities: loss.kind.endsWith("cross_entropy") ? output.map((row) => probabilities(loss.kind, row)) : null,
    loss: lossNow,
    slopes: slopesOf(layers, params, pass),
    standardized: standardizedOf(layers, pass),
    ...back,
    ...step,
    newLoss: lossOf(loss, newOutput, y).value,
  };
}
