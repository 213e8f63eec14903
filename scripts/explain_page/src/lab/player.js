// Plays the training: a few steps a frame. The new weights and their losses are handed to the page less often, because
// to measure a loss over all rows takes as long as several steps, and to draw the page longer than a frame.

import { copyParams } from "../engine/arrays.js";
import { createRun, lossOver } from "../engine/training.js";

/** Speeds by name: steps a frame, and frames from one set of steps to the next. */
export const SPEEDS = {
  slow: { steps: 1, every: 20 },
  steady: { steps: 1, every: 1 },
  fast: { steps: 10, every: 1 },
  fastest: { steps: 1000, every: 1 },
};
const FRAME = 8; // milliseconds of a frame that training may take
const REST = 50; // milliseconds between two times that the page is told, at least
const SHARE = 4; // and so many times as long as it took to measure the losses
const MOST_POINTS = 400;

/** Half the points of a curve, the newest among them, once there are too many. */
function thin(curve) {
  if (curve.step.length <= MOST_POINTS) return curve;
  const keep = (_, k) => k % 2 === (curve.step.length - 1) % 2;
  return Object.fromEntries(Object.entries(curve).map(([name, values]) => [name, values.filter(keep)]));
}

export function createPlayer(store) {
  let run = null;
  let begun = null; // what the run began from; another choice of the reader begins another run
  let frames = 0;
  let told = { at: 0, took: 0, step: 0 }; // when the page was last told, and of which step of the run

  const paramsOf = ({ own, data, snapshot }) => own?.params ?? data.snapshots[snapshot].params;

  /** The run that goes on from what the page shows. */
  function currentRun() {
    const state = store.get();
    const { data, plan, own, snapshot } = state;
    const key = [data, own?.params ?? snapshot, plan.optimizer, plan.batchSize];
    if (!run || key.some((part, k) => part !== begun[k])) {
      const settings = { ...plan, learningRate: state.learningRate };
      run = createRun({ layers: data.layers, loss: data.loss }, paramsOf(state), data.training, settings);
      run.before = own?.taken ?? 0;
      begun = key;
      told = { at: 0, took: 0, step: 0 };
    }
    run.learningRate = state.learningRate;
    return run;
  }

  function publish() {
    const { data, own, snapshot } = store.get();
    const network = { layers: data.layers, loss: data.loss };
    const began = performance.now();
    const params = copyParams(run.params);
    const train = lossOver(network, params, data.training);
    const heldOut = lossOver(network, params, data.held_out);
    const start = own?.curve ?? startOfCurve(network, data, paramsOf(store.get()));
    const taken = run.before + run.step;
    const curve = {
      step: [...start.step, taken],
      loss: [...start.loss, train],
      heldOut: [...start.heldOut, heldOut],
    };
    begun[1] = params;
    told = { at: performance.now(), took: performance.now() - began, step: run.step };
    const isLost = !Number.isFinite(train);
    store.set({ own: { params, taken, curve: thin(curve) }, ...(isLost ? { playing: false } : {}), snapshot });
  }

  const startOfCurve = (network, data, params) => ({
    step: [0],
    loss: [lossOver(network, params, data.training)],
    heldOut: [lossOver(network, params, data.held_out)],
  });

  function frame(now) {
    const { playing, speed } = store.get();
    if (!playing) return;
    const { steps, every } = SPEEDS[speed];
    frames += 1;
    if (frames % every === 0) {
      const going = currentRun();
      const end = performance.now() + FRAME;
      for (let n = 0; n < steps && performance.now() < end; n += 1) going.advance(1);
      if (now - told.at > Math.max(REST, SHARE * told.took)) publish();
    }
    requestAnimationFrame(frame);
  }

  return {
    play() {
      if (store.get().playing) return;
      store.set({ playing: true });
      requestAnimationFrame(frame);
    },
    pause() {
      if (!store.get().playing) return;
      const going = currentRun();
      if (going.step !== told.step) publish();
      store.set({ playing: false });
    },
    step(count = 1) {
      currentRun().advance(count);
      publish();
    },
  };
}
