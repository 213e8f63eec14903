// The walk through one training step: a list of small steps in four parts.
// Each has { part, kind, layer (its index), block, value (index of the value it makes), dValue (or of the gradient) }.

export const PARTS = ["forward", "error", "backward", "update"];

const hasParameters = ({ kind }) => kind === "Linear" || kind.endsWith("Norm");

export function listSteps({ layers, blocks, blockOfLayer, hasBias }) {
  const steps = [];
  const add = (part, kind, layer, extra = {}) => {
    const block = layer === null ? blocks.at(kind === "input" ? 0 : -1) : blockOfLayer(layer);
    steps.push({ part, kind, layer, block, ...extra });
  };
  add("forward", "input", null, { value: 0 });
  layers.forEach(({ kind }, k) => add("forward", kind === "Linear" ? "weighted" : "activation", k, { value: k + 1 }));
  add("error", "loss", null);
  add("error", "error", null, { dValue: layers.length });
  const first = layers.findIndex(hasParameters);
  for (let k = layers.length - 1; k >= first; k -= 1) {
    if (layers[k].kind === "Linear") {
      add("backward", "dweight", k);
      if (hasBias(k)) add("backward", "dbias", k);
      if (k > first) add("backward", "back", k, { dValue: k });
    } else {
      if (hasParameters(layers[k])) add("backward", "dscale", k);
      if (k === first) break;
      add("backward", "slope", k);
      add("backward", "delta", k, { dValue: k });
    }
  }
  layers.forEach((layer, k) => {
    if (!hasParameters(layer)) return;
    add("update", "change", k);
    add("update", "new", k);
  });
  add("update", "after", null);
  return steps;
}

/** For each block, which value and which gradient the walk has reached at step `index` (undefined: none yet). */
export function reached(steps, index) {
  const values = new Map();
  const gradients = new Map();
  for (const step of steps.slice(0, index + 1)) {
    if (step.value !== undefined) values.set(step.block.index, step.value);
    if (step.dValue !== undefined) gradients.set(blockOfValue(step), step.dValue);
  }
  return { values, gradients };
}

/** A gradient that a Linear layer passes back belongs to the block before it. */
const blockOfValue = (step) => (step.kind === "back" ? step.block.index - 1 : step.block.index);

/** Layers whose new weights and biases are already in place at step `index`. */
export const renewed = (steps, index) =>
  new Set(
    steps
      .slice(0, index + 1)
      .filter(({ kind }) => kind === "new")
      .map(({ layer }) => layer),
  );
