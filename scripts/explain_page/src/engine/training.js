// Training as bpx's `fit` does it: batches of rows, in a new order each epoch, a gradient and a step for each.

import { copyParams, makeZeros, rowsOf } from "./arrays.js";
import { backward, forward, forwardPass, lossOf } from "./engine.js";
import { layerRules, parameterNames } from "./layers/index.js";
import { optimizers } from "./optimizers.js";
import { createRandom, shuffled } from "./random.js";

/**
 * A run of training from some parameters, of which it takes a copy.
 *
 * `network` is { layers, loss }, `data` { x, y }, and `settings` { optimizer: { kind, ... }, learningRate, batchSize (null:
 * all rows), shuffle, seed }. `advance(steps)` trains on; `learningRate` may be changed between its calls. What it has
 * reached is in `params`, which it changes in place, and `step`.
 */
export function createRun(network, params, data, settings) {
  const { layers, loss } = network;
  const rows = data.x.length;
  const batchSize = Math.min(settings.batchSize ?? rows, rows);
  const random = createRandom(settings.seed ?? 0);
  const rule = optimizers[settings.optimizer.kind](settings.optimizer);
  const run = { params: copyParams(params), step: 0, learningRate: settings.learningRate, advance };
  const slots = run.params.map((params, k) =>
    Object.fromEntries(
      parameterNames(layers[k], params).map((name) => [
        name,
        Array.from({ length: rule.slots }, () => rowsOf(makeZeros(params[name]))),
      ]),
    ),
  );
  let order = [];
  let at = rows; // where the next batch begins in the order; at its end a new epoch begins

  function takeBatch() {
    if (at >= rows) {
      order = settings.shuffle === false || batchSize === rows ? [...data.x.keys()] : shuffled(rows, random);
      at = 0;
    }
    const batch = order.slice(at, at + batchSize);
    at += batchSize;
    return [batch.map((n) => data.x[n]), batch.map((n) => data.y[n])];
  }

  function takeStep() {
    const [x, y] = takeBatch();
    const { values, caches } = forwardPass(layers, run.params, x, { training: true, random: random.uniform });
    const { dOutput } = lossOf(loss, values.at(-1), y);
    const { grads } = backward(layers, run.params, caches, dOutput, { inputGradient: false });
    run.step += 1;
    run.params.forEach((params, k) => {
      for (const name of parameterNames(layers[k], params)) {
        if (layers[k].frozen?.includes(name)) continue;
        const gradient = rowsOf(grads[k][name]);
        rowsOf(params[name]).forEach((w, row) => {
          const kept = slots[k][name].map((slot) => slot[row]);
          rule.update(w, gradient[row], kept, run.learningRate, run.step);
        });
      }
      Object.assign(params, layerRules[layers[k].kind].nextState?.(layers[k], params, caches[k]));
    });
  }

  function advance(steps) {
    for (let n = 0; n < steps; n += 1) takeStep();
  }

  return run;
}

/** Loss over all rows of some data, as in prediction; null without data. */
export function lossOver({ layers, loss }, params, data) {
  if (!data || data.x.length === 0) return null;
  return lossOf(loss, forward(layers, params, data.x).at(-1), data.y).value;
}

/** Share of rows whose class is right; null where the targets are no classes. */
export function accuracyOver({ layers, loss }, params, data) {
  if (!data || data.x.length === 0 || !loss.kind.endsWith("cross_entropy")) return null;
  const outputs = forward(layers, params, data.x).at(-1);
  const largest = (row) => row.indexOf(Math.max(...row));
  const isRight = (row, y) => (row.length === 1 ? row[0] > 0 === y[0] > 0.5 : largest(row) === largest(y));
  return outputs.filter((row, n) => isRight(row, data.y[n])).length / outputs.length;
}
