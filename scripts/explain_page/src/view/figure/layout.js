// Where everything in the drawing of the network stands, in pixels, for a given width.
//
// A block is drawn as "round" nodes with numbers (up to 6 units), as "pill"s with a number (up to 20), as "thin" pills
// (outputs, up to 64, because each has a name), or as "cells", colored squares without numbers (more units, and
// images). The loss is one node: at the right of the outputs, or below them where the page is narrow. Cells and gaps
// are as large as the width allows.

const HEAD = 62;
const FOOT = 34;
const LOSS = { w: 58, h: 40 };
export const ROOM_FOR_SHORTCUTS = 36;
const RAIL = 8; // room for the line from the outputs to a loss below them
const LETTER = 0.6; // width of a letter, in sizes of the font, on the safe side

const SIZES = {
  wide: {
    round: { w: 84, h: 52, pitch: 140, font: 13.5, names: 130 },
    pill: { w: 70, h: 24, pitch: 30, font: 11.5, names: 150 },
    thin: { w: 66, h: 17, pitch: 19, font: 11.5, names: 130 },
    beside: 40,
    notes: 84,
    aim: 64,
    tries: [
      { cells: 224, gap: 56, names: 1 },
      { cells: 160, gap: 48, names: 1 },
      { cells: 128, gap: 40, names: 0.8 },
      { cells: 112, gap: 32, names: 0.65 },
      { cells: 96, gap: 26, names: 0.55 },
    ],
  },
  narrow: {
    round: { w: 60, h: 46, pitch: 116, font: 12, names: 84 },
    pill: { w: 52, h: 24, pitch: 29, font: 11.5, names: 90 },
    thin: { w: 50, h: 17, pitch: 19, font: 11.5, names: 80 },
    beside: 0,
    notes: 60,
    aim: 46,
    tries: [
      { cells: 88, gap: 38, names: 1 },
      { cells: 72, gap: 26, names: 0.8 },
      { cells: 48, gap: 13, names: 0.6 },
      { cells: 40, gap: 9, names: 0.45 },
    ],
  },
};

const MAX_SQUARE = 28;
const MOST_ABOVE = 180; // columns are centered, but beside a very tall one they stay near the top

/** How a block is drawn; see the top of this file. */
export function styleOf(block, net) {
  if (block.index === 0 && net.imageShape !== null) return "cells";
  if (block.size <= 6) return "round";
  if (block.size <= 20) return "pill";
  return block === net.blocks.at(-1) && block.size <= 64 ? "thin" : "cells";
}

/** A name cut to the room there is for it. */
export function cutName(name, room, font) {
  const letters = Math.max(3, Math.floor(room / (LETTER * font)));
  return name.length <= letters ? name : `${name.slice(0, letters - 1).trimEnd()}…`;
}

function gridShape(block, imageShape) {
  if (block.index === 0 && imageShape) return imageShape;
  const rows = Math.min(16, Math.ceil(Math.sqrt(block.size)));
  return [rows, Math.ceil(block.size / rows)];
}

/** Width of the longest name of a block's units, at most what the style allows. */
function widthOfNames(block, net, { font, names }, share) {
  const longest = Math.max(...Array.from({ length: block.size }, (_, k) => net.unitName(block, k).length));
  return Math.min(names * share, longest * LETTER * font);
}

/** Size and units of one column, with its left top corner at 0, 0. */
function column(block, net, sizes, { cells, names: share }) {
  const style = styleOf(block, net);
  if (style === "cells") return gridColumn(block, net, cells);
  const { w, h, pitch, font } = sizes[style];
  const step = style === "round" && block.size > 3 ? 92 : pitch;
  const nameRoom = widthOfNames(block, net, sizes[style], share);
  // Names stand above round nodes, which they may overhang, and left of pills.
  const lead = style === "round" ? Math.max(0, (nameRoom - w) / 2) : nameRoom + 8;
  const reach = style === "round" ? 0 : lead;
  const units = Array.from({ length: block.size }, (_, k) => ({ x: lead, y: k * step, w, h, reach }));
  const width = style === "round" ? w + 2 * lead : lead + w;
  return { block, style, units, font, nameRoom, w: width, h: (block.size - 1) * step + h, middle: lead + w / 2 };
}

function gridColumn(block, net, room) {
  const [rows, columns] = gridShape(block, net.imageShape);
  const side = Math.max(4, Math.min(MAX_SQUARE, Math.floor(room / Math.max(rows, columns))));
  const units = Array.from({ length: block.size }, (_, k) => ({
    x: (k % columns) * side,
    y: Math.floor(k / columns) * side,
    w: side,
    h: side,
  }));
  return { block, style: "cells", units, side, w: columns * side, h: rows * side, middle: (columns * side) / 2 };
}

/** Spread columns over the width; `right` is the room that notes and loss need beside the last. */
function spread(columns, leastGap, right, available) {
  const gaps = columns.length - 1;
  const fixed = columns.reduce((total, { w }) => total + w, right + 4);
  const gap = Math.max(leastGap, Math.min(170, (available - fixed) / gaps));
  const needed = fixed + leastGap * gaps;
  const width = Math.max(fixed + gap * gaps, available);
  const starts = [];
  let x = 2 + (width - fixed - gap * gaps) / 2;
  for (const { w } of columns) {
    starts.push(x);
    x += w + gap;
  }
  return { needed, width, starts };
}

/** The columns and their places by the first of the tries that fits, or by the last. */
function fitColumns(net, sizes, isNarrow, available) {
  let found;
  for (const attempt of sizes.tries) {
    const columns = net.blocks.map((block) => column(block, net, sizes, attempt));
    const hasRoundOutputs = columns.at(-1).style === "round";
    const notes = hasRoundOutputs ? sizes.aim : sizes.notes;
    const right = isNarrow ? notes + RAIL : notes + (hasRoundOutputs ? 0 : sizes.beside) + LOSS.w;
    found = { columns, hasRoundOutputs, notes, right, ...spread(columns, attempt.gap, right, available) };
    if (found.needed <= available) break;
  }
  return found;
}

export function layoutNetwork(net, available) {
  const isNarrow = available < 520;
  const sizes = SIZES[isNarrow ? "narrow" : "wide"];
  const { columns, hasRoundOutputs, notes, right, width, starts } = fitColumns(net, sizes, isNarrow, available);
  const output = columns.at(-1);
  const content = Math.max(...columns.map(({ h }) => h), LOSS.h);
  columns.forEach((item, k) => {
    item.x = starts[k];
    item.y = HEAD + Math.min(MOST_ABOVE, (content - item.h) / 2);
    item.middle += item.x;
    item.units = item.units.map((unit) => ({ ...unit, x: unit.x + item.x, y: unit.y + item.y }));
  });
  const below = output.y + output.h + (hasRoundOutputs ? 58 : 36);
  const loss = isNarrow
    ? { ...LOSS, x: output.middle - LOSS.w / 2, y: below }
    : { ...LOSS, x: output.x + output.w + right - LOSS.w, y: HEAD + Math.min(MOST_ABOVE + 40, (content - LOSS.h) / 2) };
  const room = net.layers.some(({ from }) => from !== undefined) ? ROOM_FOR_SHORTCUTS : 0;
  const height = Math.max(HEAD + content + FOOT, isNarrow ? below + LOSS.h + 6 : 0) + room;
  return { width, height, columns, loss, notes, isNarrow, hasRoundOutputs };
}

export const rightOf = ({ x, y, w, h }) => [x + w, y + h / 2];
export const leftOf = ({ x, y, h, reach = 0 }) => [x - reach, y + h / 2];
export const centerOf = ({ x, y, w, h }) => [x + w / 2, y + h / 2];
