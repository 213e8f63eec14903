// Reads the JSON that bpx wrote into the page and says clearly when it cannot be read.
// Arrays come as nested lists, or packed as { shape, dtype: "float32" | "float64", base64 } (little-endian).

import { layerRules } from "./engine/layers/index.js";
import { losses } from "./engine/losses.js";

export const FORMAT = "bpx-explain/1";

export class DataError extends Error {}

const isPacked = (value) => value !== null && typeof value === "object" && typeof value.base64 === "string";

function unpack({ shape, dtype, base64 }) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const [size, read] = dtype === "float32" ? [4, "getFloat32"] : [8, "getFloat64"];
  let at = 0;
  const build = ([length, ...rest]) =>
    Array.from({ length }, () => (rest.length ? build(rest) : view[read](size * at++, true)));
  return build(shape);
}

function unpackAll(value) {
  if (isPacked(value)) return unpack(value);
  if (Array.isArray(value)) return value.map(unpackAll);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpackAll(item)]));
}

function check(condition, message) {
  if (!condition) throw new DataError(message);
}

function checkLayers(layers) {
  check(Array.isArray(layers) && layers.some(({ kind }) => kind === "Linear"), "The network has no Linear layer.");
  for (const { kind } of layers)
    check(Object.hasOwn(layerRules, kind), `This page cannot explain a layer of kind “${kind}”.`);
}

/** Parse and check the page's JSON text; returns the data with every array as nested lists of numbers. */
export function readData(text) {
  let raw;
  try {
    raw = JSON.parse(text);
  } catch {
    throw new DataError("This page is a template: bpx fills it with a network (bpx explain … --html out.html).");
  }
  check(raw.format === FORMAT, `This page reads the format ${FORMAT}; the data are “${raw.format}”.`);
  const data = unpackAll(raw);
  if (data.summary) return data;
  checkLayers(data.layers);
  check(data.loss.kind in losses, `This page cannot explain the loss “${data.loss.kind}”.`);
  check(data.snapshots.length > 0, "The data hold no snapshot of the network.");
  check(data.samples.x.length > 0, "The data hold no sample.");
  const points = data.losses ?? { step: data.snapshots.map((s) => s.step), loss: data.snapshots.map((s) => s.loss) };
  return {
    ...data,
    losses: points,
    training: data.training ?? data.samples,
    held_out: data.held_out ?? null,
    optimizer: data.optimizer ?? { kind: "sgd" },
  };
}
