// Where everything in the drawing of the network stands, in pixels, for a given width.
//
// A block is drawn as "round" nodes with numbers (up to 6 units), as "pill"s with a number (up to 20), or as "cells",
// colored squares without numbers (more units, and images). The loss is one node: at the right of the outputs, or
// below them where the page is narrow.

const HEAD = 62;
const FOOT = 34;
const NAME_SPACE = 20; // edges end before the names that stand left of pills
const LOSS = { w: 58, h: 40 };
const RAIL = 8; // room for the line from the outputs to a loss below them

const SIZES = {
  wide: {
    round: { w: 84, h: 52, pitch: 140 },
    pill: { w: 70, h: 24, pitch: 30 },
    cells: 160,
    gap: 56,
    beside: 40,
    notes: 84,
    aim: 64,
  },
  narrow: {
    round: { w: 60, h: 46, pitch: 116 },
    pill: { w: 52, h: 24, pitch: 29 },
    cells: 88,
    gap: 38,
    beside: 0,
    notes: 60,
    aim: 46,
  },
};

const styleOf = (size) => (size <= 6 ? "round" : size <= 20 ? "pill" : "cells");

function gridShape(block, imageShape) {
  if (block.index === 0 && imageShape) return imageShape;
  const rows = Math.min(16, Math.ceil(Math.sqrt(block.size)));
  return [rows, Math.ceil(block.size / rows)];
}

/** Size and units of one column, with its left top corner at 0, 0. */
function column(block, net, sizes) {
  const isImage = block.index === 0 && net.imageShape !== null;
  const style = isImage ? "cells" : styleOf(block.size);
  if (style !== "cells") {
    const { w, h, pitch } = sizes[style];
    const step = style === "round" && block.size > 3 ? 92 : pitch;
    const reach = style === "pill" ? NAME_SPACE : 0;
    const units = Array.from({ length: block.size }, (_, k) => ({ x: 0, y: k * step, w, h, reach }));
    return { block, style, units, w, h: (block.size - 1) * step + h };
  }
  const [rows, columns] = gridShape(block, net.imageShape);
  const side = Math.max(4, Math.min(22, Math.floor(sizes.cells / Math.max(rows, columns))));
  const units = Array.from({ length: block.size }, (_, k) => ({
    x: (k % columns) * side,
    y: Math.floor(k / columns) * side,
    w: side,
    h: side,
  }));
  return { block, style, units, w: columns * side, h: rows * side };
}

/** Spread columns over the width; `right` is the room that notes and loss need beside the last. */
function spread(columns, sizes, right, available) {
  const gaps = columns.length - 1;
  const fixed = columns.reduce((total, { w }) => total + w, right + 4);
  const gap = Math.max(sizes.gap, Math.min(170, (available - fixed) / gaps));
  const width = Math.max(fixed + gap * gaps, available);
  const starts = [];
  let x = 2 + (width - fixed - gap * gaps) / 2;
  for (const { w } of columns) {
    starts.push(x);
    x += w + gap;
  }
  return { width, starts };
}

export function layoutNetwork(net, available) {
  const isNarrow = available < 520;
  const sizes = SIZES[isNarrow ? "narrow" : "wide"];
  const columns = net.blocks.map((block) => column(block, net, sizes));
  const output = columns.at(-1);
  const hasRoundOutputs = output.style === "round";
  const notes = hasRoundOutputs ? sizes.aim : sizes.notes;
  const right = isNarrow ? notes + RAIL : notes + (hasRoundOutputs ? 0 : sizes.beside) + LOSS.w;
  const { width, starts } = spread(columns, sizes, right, available);
  const content = Math.max(...columns.map(({ h }) => h), LOSS.h);
  columns.forEach((item, k) => {
    item.x = starts[k];
    item.y = HEAD + (content - item.h) / 2;
    item.units = item.units.map((unit) => ({ ...unit, x: unit.x + item.x, y: unit.y + item.y }));
  });
  const below = output.y + output.h + (hasRoundOutputs ? 58 : 36);
  const loss = isNarrow
    ? { ...LOSS, x: output.x + (output.w - LOSS.w) / 2, y: below }
    : { ...LOSS, x: output.x + output.w + right - LOSS.w, y: HEAD + (content - LOSS.h) / 2 };
  const height = Math.max(HEAD + content + FOOT, isNarrow ? below + LOSS.h + 6 : 0);
  return { width, height, columns, loss, notes, isNarrow, hasRoundOutputs };
}

export const rightOf = ({ x, y, w, h }) => [x + w, y + h / 2];
export const leftOf = ({ x, y, h, reach = 0 }) => [x - reach, y + h / 2];
export const centerOf = ({ x, y, w, h }) => [x + w / 2, y + h / 2];
