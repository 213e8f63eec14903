// What the page shows at the steps of the lesson: networks, data and trainings, made by the page's own engine.
//
// A scene is a function that gives the page's data (see bpx/explanation/page.py); it is made once, when it is first seen.

import { FORMAT } from "../data.js";
import { createRandom } from "../engine/random.js";
import { createRun, lossOver } from "../engine/training.js";
import { datasets } from "../lab/datasets.js";

const STEPS = [100, 300, 1000, 3000, 10_000];
const SGD = { kind: "sgd" };

function once(make) {
  let made = null;
  return () => (made ??= make());
}

/** The page's data of a network: at its start, or with snapshots of a training by plain gradient descent. */
function present({ title, layers, loss, params, training, rate, names, classes = null, moments = [], start = {} }) {
  const network = { layers, loss };
  const run = createRun(network, params, training, { optimizer: SGD, learningRate: rate });
  const snapshots = [0, ...moments].map((step) => {
    run.advance(step - run.step);
    return { step, loss: lossOver(network, run.params, training), params: structuredClone(run.params) };
  });
  return {
    format: FORMAT,
    title,
    layers,
    loss,
    learning_rate: rate,
    optimizer: SGD,
    feature_names: names,
    class_names: classes,
    notes: [],
    samples: { x: training.x.slice(0, 24), y: training.y.slice(0, 24) },
    training,
    held_out: null,
    snapshots,
    losses: { step: snapshots.map(({ step }) => step), loss: snapshots.map(({ loss: value }) => value) },
    start: { snapshot: snapshots.length - 1, ...start },
  };
}

const asRows = ({ x, y }) => ({ x, y: y.map((value) => [value]) });

/** The 2-2-1 network of bpx's notebook on exclusive or, with the weights and biases that its seed 0 draws. */
const exclusiveOr = ({ frozen, ...options }) =>
  present({
    layers: [
      { kind: "Linear", n_in: 2, n_out: 2, frozen },
      { kind: "Sigmoid" },
      { kind: "Linear", n_in: 2, n_out: 1, frozen },
      { kind: "Sigmoid" },
    ],
    loss: { kind: "squared_error", reduction: "sum" },
    params: [
      {
        weight: [
          [0.5488135039273248, 0.7151893663724195],
          [0.6027633760716439, 0.5448831829968969],
        ],
        bias: [0.4375872112626925, 0.8917730007820798],
      },
      {},
      { weight: [[0.4236547993389047], [0.6458941130666561]], bias: [0.9636627605010293] },
      {},
    ],
    training: asRows(datasets.xor.draw()),
    rate: 0.5,
    names: ["x₁", "x₂"],
    ...options,
  });

/** Four hidden units whose biases stand at −6, on two blobs. */
const thrownOff = ({ activation, ...options }) =>
  present({
    layers: [
      { kind: "Linear", n_in: 2, n_out: 4, frozen: [] },
      activation,
      { kind: "Linear", n_in: 4, n_out: 1, frozen: [] },
    ],
    loss: { kind: "binary_cross_entropy", reduction: "mean" },
    params: [
      {
        weight: [
          [-0.8, -1.7, -1, -1.2],
          [-0.1, 0.2, 0.4, 0.5],
        ],
        bias: [-6, -6, -6, -6],
      },
      {},
      { weight: [[-0.1], [0.2], [-0.6], [-0.9]], bias: [0] },
    ],
    training: asRows(datasets.blobs.draw(createRandom(1000), 200)),
    rate: 0.5,
    names: ["x₁", "x₂"],
    classes: ["right?"],
    ...options,
  });

export const scenes = {
  fixedBiases: once(() =>
    exclusiveOr({ title: "Exclusive or, biases fixed", frozen: ["bias"], start: { sample: "all" } }),
  ),
  fixedBiasesTrained: once(() =>
    exclusiveOr({
      title: "Exclusive or, biases fixed, trained",
      frozen: ["bias"],
      moments: STEPS,
      start: { sample: 0, weight: "0.weight[0,0]" },
    }),
  ),
  freeBiases: once(() =>
    exclusiveOr({ title: "Exclusive or, biases trained too", frozen: [], start: { sample: "all" } }),
  ),
  freeBiasesTrained: once(() =>
    exclusiveOr({ title: "Exclusive or, learned", frozen: [], moments: STEPS, start: { sample: "all" } }),
  ),
  line: once(() =>
    present({
      title: "A line through five points",
      layers: [{ kind: "Linear", n_in: 1, n_out: 1, frozen: [] }],
      loss: { kind: "squared_error", reduction: "mean" },
      params: [{ weight: [[0]], bias: [0] }],
      training: { x: [[-2], [-1], [0], [1], [2]], y: [[-3], [-1], [1], [3], [5]] },
      rate: 1.1,
      names: ["x"],
      start: { sample: "all" },
    }),
  ),
  deadUnits: once(() =>
    thrownOff({ title: "Two blobs, units that are dead", activation: { kind: "ReLU" }, start: { sample: 0 } }),
  ),
  leakyUnits: once(() =>
    thrownOff({
      title: "Two blobs, units that leak",
      activation: { kind: "LeakyReLU", slope: 0.1 },
      start: { sample: 0 },
    }),
  ),
};
