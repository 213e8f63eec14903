// Backpropagation in float64: forward, loss, backward, update. Pure functions on nested arrays, a row per sample.
// The conventions are bpx's: y = x @ weight + bias, and a gradient is called d + the name of what it belongs to.

import { elementwise, softmax } from "./activations.js";
import { losses, probabilities } from "./losses.js";

export { chain } from "./chain.js";

const mapRows = (rows, each) => rows.map((row, n) => row.map((value, k) => each(value, n, k)));

/** Every layer: forward(params, x) -> y, and backward(params, x, y, dy) -> { dx, grads, slope }. */
export function layerRule(layer) {
  if (layer.kind === "Linear") return linear;
  if (layer.kind === "Softmax") return softmaxLayer;
  const { value, slope } = elementwise[layer.kind](layer);
  return {
    forward: (params, x) => mapRows(x, value),
    backward(params, x, y, dy) {
      const slopes = mapRows(x, (z, n, k) => slope(z, y[n][k]));
      return { dx: mapRows(dy, (d, n, k) => d * slopes[n][k]), grads: {}, slope: slopes };
    },
  };
}

const linear = {
  forward({ weight, bias }, x) {
    return x.map((row) => {
      const y = bias ? [...bias] : new Array(weight[0].length).fill(0);
      row.forEach((value, i) => weight[i].forEach((w, j) => (y[j] += value * w)));
      return y;
    });
  },
  backward({ weight, bias }, x, y, dy) {
    const dw = weight.map((row, i) => row.map((_, j) => dy.reduce((sum, d, n) => sum + x[n][i] * d[j], 0)));
    const db = weight[0].map((_, j) => dy.reduce((sum, d) => sum + d[j], 0));
    const dx = dy.map((d) => weight.map((row) => row.reduce((sum, w, j) => sum + d[j] * w, 0)));
    return { dx, grads: bias ? { weight: dw, bias: db } : { weight: dw }, slope: null };
  },
};

const softmaxLayer = {
  forward: (params, x) => x.map(softmax),
  backward(params, x, y, dy) {
    const dx = dy.map((d, n) => {
      const mean = d.reduce((sum, value, k) => sum + value * y[n][k], 0);
      return d.map((value, k) => y[n][k] * (value - mean));
    });
    return { dx, grads: {}, slope: null };
  },
};

/** All values on the way: values[0] is x, values[k + 1] the output of layer k. */
export function forward(layers, params, x) {
  const values = [x];
  layers.forEach((layer, k) => values.push(layerRule(layer).forward(params[k], values[k])));
  return values;
}

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

/** Backward through all layers: dValues[k] is dL/dvalues[k]; grads and slopes have one entry per layer. */
export function backward(layers, params, values, dOutput) {
  const dValues = [...values.keys()].fill(null);
  const grads = [];
  const slopes = [];
  dValues[layers.length] = dOutput;
  for (let k = layers.length - 1; k >= 0; k -= 1) {
    const result = layerRule(layers[k]).backward(params[k], values[k], values[k + 1], dValues[k + 1]);
    dValues[k] = result.dx;
    grads[k] = result.grads;
    slopes[k] = result.slope;
  }
  return { dValues, grads, slopes };
}

const mapArray = (array, each, ...others) =>
  Array.isArray(array)
    ? array.map((item, k) => mapArray(item, each, ...others.map((other) => other[k])))
    : each(array, ...others);

/** Plain gradient descent: the changes -learning_rate * gradient (0 where frozen) and the parameters after them. */
export function update(layers, params, grads, learningRate) {
  const changes = params.map((layerParams, k) => {
    const frozen = layers[k].frozen ?? [];
    const change = (name) => mapArray(grads[k][name], (g) => (frozen.includes(name) ? 0 : -learningRate * g));
    return Object.fromEntries(Object.keys(layerParams).map((name) => [name, change(name)]));
  });
  const add =
    (layerParams, k) =>
    ([name, array]) => [name, mapArray(array, (w, dw) => w + dw, changes[k][name])];
  const newParams = params.map((layer, k) => Object.fromEntries(Object.entries(layer).map(add(layer, k))));
  return { changes, newParams };
}

/** One whole training step on a batch, with everything that was computed on the way. */
export function trainingStep(network, params, x, y, learningRate) {
  const { layers, loss } = network;
  const values = forward(layers, params, x);
  const output = values[layers.length];
  const lossNow = lossOf(loss, output, y);
  const back = backward(layers, params, values, lossNow.dOutput);
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
    ...back,
    ...step,
    newLoss: lossOf(loss, newOutput, y).value,
  };
}
