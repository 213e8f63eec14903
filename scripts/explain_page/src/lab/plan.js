// What a reader may choose of a network, and the page's data that follow from it.
//
// A plan is { source: "given", "table" or a key of `datasets`, hidden: [units, ...], activation, norm, dropout, shortcuts,
// optimizer, batchSize, seed }; norm is null or the kind of normalization before each activation, dropout the share left
// out after it, and shortcuts are around each hidden layer that has as many units as the one before it. "given" is the data that the page came with; a plan that changes nothing of them is the page as it came.

import { FORMAT } from "../data.js";
import { initialize } from "../engine/initialize.js";
import { createRandom } from "../engine/random.js";
import { lossOver } from "../engine/training.js";
import { datasets } from "./datasets.js";
import { blocksOf } from "../network.js";
import { PlanError } from "./plan_error.js";
import { dataOfTable } from "./table.js";

export const ACTIVATIONS = ["Tanh", "ReLU", "Sigmoid", "LeakyReLU", "GELU", "SiLU", "Softplus", "Identity"];
export const NORMS = ["LayerNorm", "BatchNorm"];
export const DROPOUTS = [0, 0.1, 0.2, 0.5];
export const OPTIMIZERS = {
  sgd: "Gradient descent",
  momentum: "Momentum",
  nesterov: "Nesterov momentum",
  rmsprop: "RMSprop",
  adam: "Adam",
};
export const BATCH_SIZES = [null, 1, 8, 32, 128];
export const MAX_WEIGHTS = 10_000;
const MAX_LAYERS = 6;
const MAX_UNITS = 128;
const ROWS = 200;
const SHOWN = 24;

/**
 * The plan that a page's own network follows; null as its activation where it has several, and as its norm, dropout and
 * shortcuts what most of its layers have.
 */
export function planOf(data) {
  const linears = data.layers.filter(({ kind }) => kind === "Linear");
  const last = data.layers.findLastIndex(({ kind }) => kind === "Linear");
  const kinds = new Set(data.layers.slice(0, last).map(({ kind }) => kind));
  for (const kind of ["Linear", "Dropout", "Shortcut", ...NORMS]) kinds.delete(kind);
  const has = (kind) => data.layers.some((layer) => layer.kind === kind);
  const [only] = kinds;
  return {
    source: "given",
    hidden: linears.slice(0, -1).map(({ n_out: units }) => units),
    activation: kinds.size === 1 && ACTIVATIONS.includes(only) ? only : null,
    norm: NORMS.find(has) ?? null,
    dropout: data.layers.find(({ kind }) => kind === "Dropout")?.rate ?? 0,
    shortcuts: has("Shortcut"),
    optimizer: data.optimizer,
    batchSize: data.batch_size ?? null,
    seed: 0,
  };
}

/** Read what was typed as hidden layers, such as "16, 16"; none are an empty text. */
export function readHidden(text) {
  const parts = text.split(/[\s,;–-]+/).filter(Boolean);
  const sizes = parts.map(Number);
  if (sizes.some((size) => !Number.isInteger(size) || size < 1 || size > MAX_UNITS))
    throw new PlanError(`Units of hidden layers, please: whole numbers from 1 to ${MAX_UNITS}, such as 8, 8.`);
  if (sizes.length > MAX_LAYERS) throw new PlanError(`At most ${MAX_LAYERS} hidden layers, please.`);
  return sizes;
}

function makeLayers(nIn, nOut, { hidden, activation, norm, dropout, shortcuts }) {
  const layers = [];
  const sizes = [nIn, ...hidden];
  hidden.forEach((units, k) => {
    const start = layers.length;
    const isBlock = shortcuts && k > 0 && sizes[k] === units;
    layers.push({ kind: "Linear", n_in: sizes[k], n_out: units, frozen: [] });
    if (norm === "LayerNorm") layers.push({ kind: norm, n_features: units, eps: 1e-5, frozen: [] });
    if (norm === "BatchNorm") layers.push({ kind: norm, n_features: units, eps: 1e-5, momentum: 0.1, frozen: [] });
    layers.push(activation === "LeakyReLU" ? { kind: activation, slope: 0.01 } : { kind: activation });
    if (dropout > 0) layers.push({ kind: "Dropout", rate: dropout });
    if (isBlock) layers.push({ kind: "Shortcut", from: start });
  });
  return named([...layers, { kind: "Linear", n_in: sizes.at(-1), n_out: nOut, frozen: [] }]);
}

/** Layers with the names that bpx gives them, where these are not their numbers: "2.0" is the first of the block 2. */
function named(layers) {
  const blocks = blocksOf(layers);
  return blocks.flatMap((block, place) =>
    block.map((k, n) => {
      const isEnd = layers[k].kind === "Shortcut";
      const name = block.length > 1 && !isEnd ? `${place}.${n}` : String(place);
      return name === String(k) ? layers[k] : { ...layers[k], name };
    }),
  );
}

/** Rows as the losses take them: one-hot for three classes and more, one number for two classes or a number. */
function asTargets({ y, classNames }) {
  if (classNames && classNames.length > 2) return y.map((k) => classNames.map((_, j) => (j === k ? 1 : 0)));
  return y.map((value) => [value]);
}

const lossFor = (classNames) =>
  classNames === null ? "squared_error" : classNames.length > 2 ? "cross_entropy" : "binary_cross_entropy";

/** What a plan's data are, apart from the network: { training, held_out, loss, feature_names, class_names, ... }. */
function takeData(plan, given, table) {
  if (plan.source === "given") return given;
  if (plan.source === "table") return dataOfTable(table, plan.target, plan.seed);
  const { draw, name, isWhole } = datasets[plan.source];
  const random = createRandom(1000 + plan.seed);
  const drawn = draw(random, ROWS);
  const rows = { x: drawn.x, y: asTargets(drawn) };
  const other = isWhole ? null : draw(random, ROWS);
  return {
    title: name,
    loss: { kind: lossFor(drawn.classNames), reduction: "mean" },
    feature_names: ["x₁", "x₂"],
    class_names: drawn.classNames?.length === 2 ? [`${drawn.classNames[1]}?`] : drawn.classNames,
    training: rows,
    held_out: other && { x: other.x, y: asTargets(other) },
  };
}

/** The page's data of a plan, with new weights; the page as it came where the plan changes nothing of it. */
export function dataOf(plan, given, table) {
  const original = planOf(given);
  const isOriginal = ["source", "seed", "activation", "norm", "dropout", "shortcuts"].every(
    (key) => plan[key] === original[key],
  );
  if (isOriginal && String(plan.hidden) === String(original.hidden)) return given;
  const data = takeData(plan, given, table);
  const { training } = data;
  const layers = makeLayers(training.x[0].length, training.y[0].length, {
    ...plan,
    activation: plan.activation ?? "Tanh",
  });
  const weights = layers.reduce((sum, { n_in: nIn = 0, n_out: nOut = 0 }) => sum + nIn * nOut, 0);
  if (weights > MAX_WEIGHTS)
    throw new PlanError(
      `That would be ${weights.toLocaleString("en-US")} weights; at most ${MAX_WEIGHTS.toLocaleString("en-US")}, please.`,
    );
  const params = initialize(layers, createRandom(plan.seed));
  const loss = lossOver({ layers, loss: data.loss }, params, training);
  return {
    format: FORMAT,
    title: data.title,
    layers,
    loss: data.loss,
    learning_rate: given.learning_rate,
    optimizer: plan.optimizer,
    feature_names: data.feature_names,
    class_names: data.class_names,
    input_shape: data.input_shape,
    scaling: data.scaling ?? null,
    notes: data.notes ?? [],
    samples: { x: training.x.slice(0, SHOWN), y: training.y.slice(0, SHOWN) },
    training,
    held_out: data.held_out,
    snapshots: [{ step: 0, loss, params }],
    losses: { step: [0], loss: [loss] },
  };
}
