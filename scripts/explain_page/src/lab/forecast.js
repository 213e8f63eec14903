// What the loss curve would be with the learning rate and optimizer that are set: the training from the first saved
// step, computed again a little at a time, up to where the curve of the page ends or the loss has grown without bound.

import { createRun, lossOver } from "../engine/training.js";

const SLICE = 8; // milliseconds
const PATIENCE = 4000; // milliseconds in all
const POINTS = 200;
const WITHOUT_BOUND = 1e6;

export function followLearningRate(store) {
  let current = null; // what the forecast is of
  let job = 0;

  store.subscribe((state) => {
    const { data, plan, learningRate } = state;
    const key = [data, plan.optimizer, plan.batchSize, learningRate];
    if (current && key.every((part, k) => part === current[k])) return;
    current = key;
    job += 1;
    const isOwn = learningRate === data.learning_rate && plan.optimizer === data.optimizer;
    if (isOwn || data.losses.step.length < 2) {
      if (state.forecast) store.set({ forecast: null });
    } else {
      start(job, state);
    }
  });

  function start(mine, { data, plan, learningRate }) {
    const network = { layers: data.layers, loss: data.loss };
    const run = createRun(network, data.snapshots[0].params, data.training, { ...plan, learningRate });
    const last = data.losses.step.at(-1);
    const curve = { step: [0], loss: [lossOver(network, run.params, data.training)] };
    const finish = performance.now() + PATIENCE;
    const pause = Math.max(1, Math.floor(last / POINTS));
    const slice = () => {
      if (mine !== job) return;
      const end = performance.now() + SLICE;
      let isLost = false;
      while (performance.now() < end && run.step < last && !isLost) {
        run.advance(Math.min(run.step < 20 ? 1 : pause, last - run.step));
        const loss = lossOver(network, run.params, data.training);
        isLost = !(loss < WITHOUT_BOUND * curve.loss[0]);
        curve.step.push(run.step);
        curve.loss.push(loss);
      }
      const isDone = isLost || run.step >= last || performance.now() > finish;
      const forecast = { step: [...curve.step], loss: [...curve.loss], learningRate, isDone, isLost };
      current = [data, plan.optimizer, plan.batchSize, learningRate];
      store.set({ forecast });
      if (!isDone) setTimeout(slice);
    };
    setTimeout(slice);
  }
}
