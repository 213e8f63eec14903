// The numbers of a step as tables: what is computed in it, for every unit, sample or weight.
//
// Returns a list of { caption, kind: "vector" | "matrix", layer, name, rows, rowNames, columnNames }; the cells of a
// "matrix" are parameters that can be chosen.

import { slopeOf } from "../engine/chain.js";

/** One sample: a row per unit, a column per quantity given as [symbol, values]. */
const perUnit = (caption, names, ...quantities) => ({
  caption,
  kind: "vector",
  rows: names.map((_, k) => quantities.map(([, values]) => values[k])),
  rowNames: names,
  columnNames: quantities.map(([symbol]) => symbol),
});

/** A batch: a row per sample, a column per unit, with the sample shown marked. */
const perSample = (caption, names, rows, row) => ({
  caption,
  kind: "vector",
  rows,
  rowNames: rows.map((_, n) => `x[${n}]`),
  columnNames: names,
  marked: row,
});

export const unitNames = (net, block) => Array.from({ length: block.size }, (_, k) => net.unitName(block, k));

function parameters(model, { layer, block }, source, what) {
  const { net } = model;
  const [from, to] = [net.blocks[block.index - 1], block];
  const tables = [];
  const common = { kind: "matrix", layer, columnNames: unitNames(net, to) };
  if (source[layer].weight) {
    tables.push({
      ...common,
      caption: `${what} ${net.placeOf(layer)}.weight`,
      name: "weight",
      rows: source[layer].weight,
      rowNames: unitNames(net, from),
    });
  }
  if (source[layer].bias) {
    tables.push({
      ...common,
      caption: `${what} ${net.placeOf(layer)}.bias`,
      name: "bias",
      rows: [source[layer].bias],
      rowNames: ["bias"],
    });
  }
  return tables;
}

/** γ and β of a normalization. */
const scales = ({ net }, { layer, block }, source, what) => [
  perUnit(`${what}: scale and shift`, unitNames(net, block), ["γ", source[layer].weight], ["β", source[layer].bias]),
];

const parametersOrScales = (model, step, source, what) =>
  model.net.layers[step.layer].kind === "Linear"
    ? parameters(model, step, source, what === "Update" ? "Update of" : what)
    : scales(model, step, source, what);

export function tablesOf(model, step) {
  const { net, pass, row, batch } = model;
  const { kind, layer, block } = step;
  const one = (caption, symbol, rows, of = block) =>
    batch === 1
      ? perUnit(caption, unitNames(net, of), [symbol, rows[0]])
      : perSample(`${caption} ${symbol}`, unitNames(net, of), rows, row);
  const value = (caption, v) => [one(caption, net.symbols[v].text, pass.values[v])];
  const gradient = (v, of = block) => [one("Error", net.symbols[v].gradText, pass.dValues[v], of)];
  const rules = {
    input: () => value("Input", 0),
    weighted: () => value("Weighted input", layer + 1),
    activation: () => value("Activation", layer + 1),
    loss: () => lossTables(model, unitNames(net, block)),
    error: () => gradient(net.layers.length),
    slope: () => [
      pass.slopes[layer]
        ? one("Slope", `∂${net.symbols[layer + 1].text}/∂${net.symbols[layer].text}`, pass.slopes[layer])
        : jacobian(unitNames(net, block), (from, to) => slopeOf(net.layers, pass, row, layer, from, to)),
    ],
    delta: () => gradient(layer),
    dweight: () => parameters(model, step, pass.grads, "Gradient of").slice(0, 1),
    dbias: () => parameters(model, step, pass.grads, "Gradient of").slice(1),
    back: () => gradient(layer, net.blocks[block.index - 1]),
    dscale: () => scales(model, step, pass.grads, "Gradient"),
    change: () => parametersOrScales(model, step, pass.changes, "Update"),
    new: () => parametersOrScales(model, step, pass.newParams, "New"),
    gradients: () => parameters(model, step, pass.grads, "Gradient of"),
    after: () => [
      perUnit(
        "Loss",
        ["before", "after", "change"],
        ["L", [pass.loss.value, pass.newLoss, pass.newLoss - pass.loss.value]],
      ),
    ],
  };
  return rules[kind]();
}

/** A layer that mixes its inputs has a slope for every pair of units: a row per input, a column per output. */
const jacobian = (names, slope) => ({
  caption: "Slope, from input (row) to output (column)",
  kind: "vector",
  rows: names.map((_, from) => names.map((__, to) => slope(from, to))),
  rowNames: names,
  columnNames: names,
});

function lossTables({ net, pass, row, batch }, names) {
  const symbol = net.symbols.at(-1).text;
  if (batch === 1) {
    const chance = pass.probabilities ? [["p", pass.probabilities[0]]] : [];
    return [perUnit("Output and target", names, [symbol, pass.output[0]], ...chance, ["y", pass.y[0]])];
  }
  return [
    perSample(`Output ${symbol}`, names, pass.output, row),
    ...(pass.probabilities ? [perSample("Probability p", names, pass.probabilities, row)] : []),
    perSample("Target y", names, pass.y, row),
    perSample(
      "Loss",
      ["L"],
      pass.loss.perSample.map((loss) => [loss]),
      row,
    ),
  ];
}
