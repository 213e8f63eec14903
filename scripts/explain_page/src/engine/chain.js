// The chain rule for one weight: every path from it to the loss, the factors along each, and their sum.
//
// A path starts at the unit that the weight feeds and picks one unit in every later layer, or takes the shortcut around
// the layers of a residual block, whose factor is 1. Its product is
//     dz_j/dw  *  (one factor per layer crossed)  *  dL/d(output)
// and the products of all paths add up to the gradient. Where there are more paths than a person reads, those that
// pass through the same unit of the next layer are summed by what backpropagation already knows there: dL/d(unit).

import { layerRules, mixes } from "./layers/index.js";

export const MAX_PATHS = 64;

const widthOf = (step, k) => step.values[k + 1][0].length;

/** How many paths lead from the output of layer `start` to the loss. */
function countPaths(layers, step, start) {
  const counts = new Array(layers.length).fill(1);
  for (let k = layers.length - 2; k >= start; k -= 1) {
    const through = (mixes(layers[k + 1]) ? widthOf(step, k + 1) : 1) * counts[k + 1];
    counts[k] = shortcutsFrom(layers, k + 1).reduce((sum, end) => sum + counts[end], through);
  }
  return counts[start];
}

/** The layers that end a shortcut which begins at a value. */
const shortcutsFrom = (layers, value) => layers.flatMap(({ from }, end) => (from === value ? [end] : []));

/** The derivative d(value k+1)[to] / d(value k)[from] of layer k, which is not Linear, for one sample. */
export function slopeOf(layers, step, row, k, from, to) {
  if (!mixes(layers[k])) return step.slopes[k][row][to];
  const [x, y] = [step.values[k][row], step.values[k + 1][row]];
  return layerRules[layers[k].kind].slopeBetween(layers[k], step.params[k], x, y, from, to);
}

/** The factor of a path at layer k. */
const localSlope = (layers, step, row, k, from, to) =>
  layers[k].kind === "Linear"
    ? { kind: "weight", layer: k, from, to, value: step.params[k].weight[from][to] }
    : { kind: "slope", layer: k, from, to, value: slopeOf(layers, step, row, k, from, to) };

const product = (factors) => factors.reduce((total, factor) => total * factor.value, 1);

/** Follow every path from unit `unit` of value k + 1 on, to the loss or to the first mixing layer if `stopEarly`. */
function walk(layers, step, row, k, unit, factors, stopEarly, found) {
  if (k === layers.length - 1) {
    const error = { kind: "error", layer: k, unit, value: step.loss.dOutput[row][unit] };
    found.push({ factors: [...factors, error], paths: 1 });
    return;
  }
  const next = k + 1;
  const targets = mixes(layers[next]) ? [...step.values[next + 1][row].keys()] : [unit];
  for (const to of targets) {
    const extended = [...factors, localSlope(layers, step, row, next, unit, to)];
    if (stopEarly && mixes(layers[next])) {
      const rest = { kind: "rest", layer: next, unit: to, value: step.dValues[next + 1][row][to] };
      found.push({ factors: [...extended, rest], paths: countPaths(layers, step, next) });
    } else {
      walk(layers, step, row, next, to, extended, stopEarly, found);
    }
  }
  for (const end of shortcutsFrom(layers, next)) {
    const around = { kind: "shortcut", layer: end, from: unit, to: unit, value: 1 };
    walk(layers, step, row, end, unit, [...factors, around], stopEarly, found);
  }
}

/**
 * The chain of `weight` = { layer, name: "weight" | "bias", i, j } for row `row` of the step's batch.
 * Returns { paths: [{ factors, paths, product }], count, grouped, sum, contributions, gradient }: `sum` is this
 * sample's share, `contributions` has every sample's, and `gradient` is what training uses, their sum.
 */
export function chain(layers, step, row, weight) {
  const { layer: k, name, i, j } = weight;
  const input = (n) => (name === "bias" ? 1 : step.values[k][n][i]);
  const first = { kind: "input", layer: k, from: name === "bias" ? null : i, to: j, value: input(row) };
  const count = countPaths(layers, step, k);
  const grouped = count > MAX_PATHS;
  const paths = [];
  walk(layers, step, row, k, j, [first], grouped, paths);
  for (const path of paths) path.product = product(path.factors);
  const contributions = step.x.map((_, n) => input(n) * step.dValues[k + 1][n][j]);
  return {
    paths,
    count,
    grouped,
    sum: paths.reduce((total, path) => total + path.product, 0),
    contributions,
    gradient: name === "bias" ? step.grads[k].bias[j] : step.grads[k].weight[i][j],
  };
}
