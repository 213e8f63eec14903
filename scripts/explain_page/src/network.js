// The network as a reader sees it: blocks (a Linear layer with the activations after it) and names for every value.
//
// values[v] is the input (v = 0) or the output of layer v - 1. Block 0 is the input; block l >= 1 holds the l-th
// Linear layer, and the layers after it: activations, normalizations, the ends of shortcuts. z is a Linear layer's output, a what its activations make of it; a block without activation has only z.

const superscript = (text) =>
  [...text].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"["0123456789".indexOf(c)] ?? { ",": "˒" }[c] ?? c).join("");

export function describe(data) {
  const { layers, feature_names: features, class_names: classes, loss, samples, input_shape: shape } = data;
  const blocks = [{ index: 0, linear: null, activations: [], size: samples.x[0].length, last: 0 }];
  const symbols = [];
  layers.forEach((layer, k) => {
    if (layer.kind === "Linear") {
      blocks.push({ index: blocks.length, linear: k, activations: [], size: layer.n_out, last: k + 1 });
    } else {
      blocks.at(-1).activations.push(k);
      blocks.at(-1).last = k + 1;
    }
  });
  for (const block of blocks) nameValues(block, symbols);
  const placeOf = (k) => layers[k].name ?? String(k);
  nameBlocks(blocks);
  const outputs = blocks.at(-1);
  const unitName = (block, unit) =>
    (block.index === 0 && features?.[unit]) || (block === outputs && classes?.[unit]) || String(unit + 1);
  return {
    layers,
    loss,
    blocks,
    symbols,
    imageShape: shape ?? guessImageShape(samples.x, features),
    hasBias: (k) => "bias" in data.snapshots[0].params[k],
    /** What bpx calls a layer, and a parameter in it. */
    placeOf,
    keyOf: (weight) => parameterKey({ ...weight, layer: placeOf(weight.layer) }),
    /** The layers that end a shortcut which begins at a value. */
    shortcutsFrom: (value) => layers.flatMap(({ from }, end) => (from === value ? [end] : [])),
    isFrozen: (k, name) => (layers[k].frozen ?? []).includes(name),
    blockOfLayer: (k) => blocks.findLast((block) => block.linear !== null && block.linear <= k) ?? blocks[0],
    unitName,
    unitSpoken: (block, unit) =>
      `${block.name.toLowerCase().replace("hidden", "hidden layer")} unit ${unitName(block, unit)}`,
  };
}

/** Symbols of a block's values: x or z first, then a; several activations in a row are a(l,1), a(l,2), ..., a(l). */
function nameValues(block, symbols) {
  const { index, activations, last } = block;
  const first = last - activations.length;
  block.first = first;
  symbols[first] = symbol(index === 0 ? "x" : "z", index === 0 ? "" : String(index), block);
  activations.forEach((_, n) => {
    const mark = n === activations.length - 1 ? String(index) : `${index},${n + 1}`;
    symbols[first + n + 1] = symbol("a", mark, block);
  });
}

function symbol(letter, mark, block) {
  const up = mark ? `^{(${mark})}` : "";
  const delta = letter === "z";
  return {
    letter,
    block,
    mark,
    tex: (sub = "") => `${letter}${up}${sub === "" ? "" : `_{${sub}}`}`,
    text: `${letter}${mark ? `⁽${superscript(mark)}⁾` : ""}`,
    gradTex: (sub = "") =>
      delta
        ? `\\delta${up}${sub === "" ? "" : `_{${sub}}`}`
        : `\\frac{\\partial L}{\\partial ${letter}${up}${sub === "" ? "" : `_{${sub}}`}}`,
    gradText: delta ? `δ⁽${superscript(mark)}⁾` : `∂L/∂${letter}${mark ? `⁽${superscript(mark)}⁾` : ""}`,
  };
}

function nameBlocks(blocks) {
  for (const block of blocks) {
    const isLast = block.index === blocks.length - 1;
    block.name = block.index === 0 ? "Input" : isLast ? "Output" : `Hidden ${block.index}`;
    block.spoken = block.index === 0 ? "the input" : isLast ? "the output" : `hidden layer ${block.index}`;
  }
}

/** Sixteen or more inputs that fill a square, none negative, and none named as a column is, are taken for an image. */
function guessImageShape(rows, names) {
  const size = rows[0].length;
  const side = Math.round(Math.sqrt(size));
  const isSquare = size >= 16 && side * side === size;
  const areColumns = names?.some((name) => !/^(pixel|px|p|x)?[\s_,.\d()[\]-]*$/i.test(name));
  return isSquare && !areColumns && rows.every((row) => row.every((value) => value >= 0)) ? [side, side] : null;
}

/** Numbers of the layers, in groups: each residual block with the end of its shortcut is one, any other layer another. */
export function blocksOf(layers) {
  const groups = [];
  layers.forEach(({ from }, k) => {
    const inside = from === undefined ? [] : groups.splice(groups.findIndex(([first]) => first >= from)).flat();
    groups.push([...inside, k]);
  });
  return groups;
}

/** The key of a parameter as bpx's command line writes it, such as 0.weight[1,0] or 2.bias[0]. */
export const parameterKey = ({ layer, name, i, j }) => `${layer}.${name}[${name === "bias" ? j : `${i},${j}`}]`;

export function parseKey(key) {
  const [, layer, name, first, second] = /^(\d+)\.(weight|bias)\[(\d+)(?:,(\d+))?\]$/.exec(key);
  return name === "bias"
    ? { layer: Number(layer), name, i: 0, j: Number(first) }
    : { layer: Number(layer), name, i: Number(first), j: Number(second) };
}

export const sameWeight = (a, b) => parameterKey(a) === parameterKey(b);

/** TeX of one parameter: w with the unit it leaves and the unit it feeds, or b with the unit it feeds. */
export const parameterTex = (block, { name, i, j }) =>
  name === "bias" ? `b^{(${block.index})}_{${j + 1}}` : `w^{(${block.index})}_{${subscript(i + 1, j + 1)}}`;

/** Two indices side by side, with a comma as soon as one has two digits. */
export const subscript = (i, j) => (i > 9 || j > 9 ? `${i},${j}` : `${i}${j}`);

/** Whether the samples are the four of exclusive or, in any order. */
export function isXor({ x, y }) {
  const binary = (value) => value === 0 || value === 1;
  return (
    x.length === 4 &&
    x.every((row, n) => row.length === 2 && row.every(binary) && y[n].length === 1 && y[n][0] === (row[0] ^ row[1])) &&
    new Set(x.map(String)).size === 4
  );
}
