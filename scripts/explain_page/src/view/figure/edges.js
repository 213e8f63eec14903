// Which edges of a layer are drawn, and which of them the chosen weight's paths light up.

export const MAX_EDGES = 60;
const MAX_LABELS = 6;

const cache = new WeakMap();

/** The edges to draw for a weight matrix: all of them, or the strongest. Each is { i, j, value }. */
export function drawnEdges(weight) {
  if (!cache.has(weight)) {
    const edges = weight.flatMap((row, i) => row.map((value, j) => ({ i, j, value })));
    const strongest = (list) => list.sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, MAX_EDGES);
    cache.set(weight, edges.length <= MAX_EDGES ? edges : strongest(edges));
  }
  return cache.get(weight);
}

/** Whether the edge i -> j has its number on it: every edge of a small layer, else those into the spelled-out unit. */
export function isLabelled(from, to, i, j, spelled) {
  if (from.units.length * to.units.length <= MAX_LABELS) return true;
  return from.style === "round" && to.style === "round" && j === spelled;
}

export function largestWeight(params) {
  let largest = 0;
  for (const { weight } of params) {
    if (!Array.isArray(weight?.[0])) continue; // the scale of a normalization is no edge
    for (const row of weight) for (const value of row) largest = Math.max(largest, Math.abs(value));
  }
  return largest || 1;
}

/** What the chain of the chosen weight touches: edges "layer:i:j", units "block:unit", outputs "unit", ends of shortcuts. */
export function litBy({ chain, weight, net, state }) {
  const block = net.blockOfLayer(weight.layer);
  const edges = new Set();
  const units = new Set([`${block.index}:${weight.j}`]);
  const outputs = new Set();
  const shortcuts = new Set();
  if (weight.name === "weight") {
    edges.add(`${weight.layer}:${weight.i}:${weight.j}`);
    units.add(`${block.index - 1}:${weight.i}`);
  }
  const paths = state.path === null ? chain.paths : [chain.paths[state.path] ?? chain.paths[0]];
  for (const { factors } of paths) {
    for (const { kind, layer, from, to, unit } of factors) {
      if (kind === "weight") {
        edges.add(`${layer}:${from}:${to}`);
        units.add(`${net.blockOfLayer(layer).index}:${to}`);
      }
      if (kind === "slope" || kind === "shortcut") units.add(`${net.blockOfLayer(layer).index}:${to}`);
      if (kind === "shortcut") shortcuts.add(layer);
      if (kind === "error") outputs.add(unit);
    }
  }
  return { edges, units, outputs, shortcuts };
}
