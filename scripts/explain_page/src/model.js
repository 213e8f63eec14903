// What the state means in numbers: the training step of the chosen weights, samples and learning rate, and the chain
// of the chosen weight. Recomputed only when something it depends on has changed.

import { chain, trainingStep } from "./engine/engine.js";
import { sessionOf } from "./session.js";
import { renewed } from "./steps.js";

/** Remember the last result for the last arguments. */
function memo(compute) {
  let last = null;
  let result;
  return (...args) => {
    if (!last || args.some((arg, k) => !Object.is(arg, last[k]))) {
      result = compute(...args);
      last = args;
    }
    return result;
  };
}

export function createModel() {
  const passOf = memo(({ layers, loss, samples: { x, y } }, params, sample, learningRate) =>
    sample === "all"
      ? trainingStep({ layers, loss }, params, x, y, learningRate)
      : trainingStep({ layers, loss }, params, [x[sample]], [y[sample]], learningRate),
  );
  const chainOf = memo(({ layers }, pass, row, weight) => chain(layers, pass, row, weight));

  return function model(state) {
    const { data } = state;
    const { net, steps } = sessionOf(data);
    const { weight } = state;
    const params = state.own?.params ?? data.snapshots[state.snapshot].params;
    const row = state.sample === "all" ? state.shown : 0;
    const fresh = renewed(steps, state.step);
    const unitOf = (block) => state.units[block.index] ?? defaultUnit(net, block, weight);
    return {
      data,
      net,
      steps,
      state,
      step: steps[state.step],
      params,
      row,
      weight,
      batch: state.sample === "all" ? data.samples.x.length : 1,
      learningRate: state.learningRate,
      // Computed where they are asked for: while training plays, most of the page rests.
      get pass() {
        return passOf(data, params, state.sample, state.learningRate);
      },
      get chain() {
        return chainOf(data, this.pass, row, weight);
      },
      isRenewed: (layer) => fresh.has(layer),
      unitOf,
      weightIn: (block) =>
        weight.layer === block.linear && weight.name === "weight"
          ? weight
          : { layer: block.linear, name: "weight", i: unitOf(net.blocks[block.index - 1]), j: unitOf(block) },
    };
  };
}

/** The unit whose formula is spelled out: an end of the chosen weight where it has one, else the first. */
function defaultUnit(net, block, weight) {
  const fed = net.blocks.find(({ linear }) => linear === weight.layer);
  if (block === fed) return weight.j;
  return block.index === fed.index - 1 && weight.name === "weight" ? weight.i : 0;
}

/** Everything on the page as plain data, for tests and for the curious: window.bpx.state(). */
export function snapshotOf(model) {
  const { state, step, steps, pass, weight, net } = model;
  return {
    step: { index: state.step, count: steps.length, part: step.part, kind: step.kind, layer: step.layer },
    snapshot: {
      index: state.snapshot,
      step: model.data.snapshots[state.snapshot].step,
      own_steps: state.own?.taken ?? 0,
    },
    lab: {
      source: state.plan.source,
      hidden: state.plan.hidden,
      playing: state.playing,
      curve: state.own?.curve ?? null,
      forecast: state.forecast,
    },
    lesson: state.lesson && { number: state.lesson.index + 1, is_done: state.lesson.isDone },
    sample: state.sample,
    row: model.row,
    learning_rate: state.learningRate,
    loss: pass.loss.value,
    loss_per_sample: pass.loss.perSample,
    loss_after: pass.newLoss,
    output: pass.output,
    probabilities: pass.probabilities,
    layers: net.layers.map(({ kind }, k) => ({
      kind,
      input: pass.values[k],
      output: pass.values[k + 1],
      slope: pass.slopes[k],
      d_output: pass.dValues[k + 1],
      d_input: pass.dValues[k],
      params: pass.params[k],
      gradients: pass.grads[k],
      changes: pass.changes[k],
      new_params: pass.newParams[k],
    })),
    weight: {
      key: net.keyOf(weight),
      ...weight,
      gradient: model.chain.gradient,
      sum: model.chain.sum,
      contributions: model.chain.contributions,
      count: model.chain.count,
      grouped: model.chain.grouped,
      paths: model.chain.paths,
    },
  };
}
