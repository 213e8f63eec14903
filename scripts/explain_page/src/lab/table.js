// A table that a reader drops onto the page: from the text of a file to rows that a network can learn from. It stays in
// the browser.

import { createRandom, shuffled } from "../engine/random.js";
import { PlanError } from "./plan_error.js";

export const MAX_ROWS = 20_000;
const MAX_BYTES = 20_000_000;
const LEAST_ROWS = 10;
const MAX_VALUES = 20; // of a column of words that becomes columns of 0 and 1, and of classes
const MAX_INPUTS = 200;
const MISSING = new Set(["", "?", "na", "n/a", "nan", "null", "none", "-"]);

/** Cells of a text with separators; a cell in quotes may hold separators, ends of lines and doubled quotes. */
function parse(text, separator) {
  const rows = [];
  let row = [];
  let cell = "";
  let quoted = false;
  const endCell = () => {
    row.push(cell.trim());
    cell = "";
  };
  const endRow = () => {
    endCell();
    if (row.some((value) => value !== "")) rows.push(row);
    row = [];
  };
  for (let k = 0; k < text.length; k += 1) {
    const letter = text[k];
    if (quoted) {
      if (letter !== '"') cell += letter;
      else if (text[k + 1] === '"') cell += text[(k += 1)];
      else quoted = false;
    } else if (letter === '"' && cell.trim() === "") quoted = true;
    else if (letter === separator) endCell();
    else if (letter === "\n") endRow();
    else if (letter !== "\r") cell += letter;
  }
  endRow();
  return rows;
}

const isMissing = (cell) => MISSING.has(cell.toLowerCase());
const isNumber = (cell) => cell !== "" && Number.isFinite(Number(cell));
const distinct = (values) => [...new Set(values)].sort((a, b) => (isNumber(a) && isNumber(b) ? a - b : a < b ? -1 : 1));

/** { title, names, rows } of a file's text; what is no table is refused with a sentence. */
export function readTable(text, title) {
  if (text.length > MAX_BYTES) throw new PlanError(`${title} is larger than 20 MB; train it with “bpx train”.`);
  if (text.includes("\0")) throw new PlanError(`${title} is no text; a table as CSV, please.`);
  const [line] = text.split("\n", 1);
  const separator = [",", ";", "\t"].reduce((best, mark) =>
    line.split(mark).length > line.split(best).length ? mark : best,
  );
  const cells = parse(text.replace(/^\uFEFF/, ""), separator);
  if (cells.length === 0 || cells[0].length < 2)
    throw new PlanError(`${title} is no table: at least two columns with commas between, please.`);
  const hasHeader = cells[0].every((cell) => !isNumber(cell));
  const names = hasHeader
    ? cells[0].map((name, k) => name || `column ${k + 1}`)
    : cells[0].map((_, k) => `column ${k + 1}`);
  const rows = cells.slice(hasHeader ? 1 : 0);
  const uneven = rows.findIndex((row) => row.length !== names.length);
  if (uneven >= 0)
    throw new PlanError(
      `${title} is no table: row ${uneven + 1} has ${rows[uneven].length} cells, the first line ${names.length}.`,
    );
  if (rows.length > MAX_ROWS)
    throw new PlanError(
      `${title} has ${rows.length.toLocaleString("en-US")} rows; the page takes up to ${MAX_ROWS.toLocaleString("en-US")}. “bpx train” takes them all.`,
    );
  if (rows.length < LEAST_ROWS)
    throw new PlanError(`${title} has ${rows.length} rows; at least ${LEAST_ROWS}, please.`);
  return { title, names, rows };
}

/** Columns of numbers that a column of cells becomes: itself, one for each of its words, or none. */
function columnsOf(name, cells) {
  if (cells.every(isNumber)) return [{ name, values: cells.map(Number) }];
  const words = distinct(cells);
  if (words.length > MAX_VALUES) return [];
  return words.map((word) => ({ name: `${name}=${word}`, values: cells.map((cell) => (cell === word ? 1 : 0)) }));
}

/** Numbers with mean 0 and standard deviation 1; the largest is divided out first, so that no square overflows. */
function standardized(values) {
  const size = values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) || 1;
  const mean = size * (values.reduce((sum, value) => sum + value / size, 0) / values.length);
  const squares = values.reduce((sum, value) => sum + (value / size - mean / size) ** 2, 0);
  const scale = size * Math.sqrt(squares / values.length) || 1;
  return { mean, scale, values: values.map((value) => (value - mean) / scale) };
}

/** Targets as rows, the loss for them, and the names of classes (null for numbers). */
function targetsOf(title, name, cells) {
  const values = distinct(cells);
  if (values.length < 2) throw new PlanError(`All rows of ${title} have the same ${name}: there is nothing to learn.`);
  const isNumeric = cells.every(isNumber);
  if (isNumeric && (values.length > 10 || !values.every((value) => Number.isInteger(Number(value))))) {
    const { mean, scale, values: scaled } = standardized(cells.map(Number));
    return { rows: scaled.map((value) => [value]), loss: "squared_error", classes: null, scaling: { mean, scale } };
  }
  if (values.length > MAX_VALUES)
    throw new PlanError(`${name} has ${values.length} different values; at most ${MAX_VALUES} classes, please.`);
  if (values.length === 2)
    return {
      rows: cells.map((cell) => [cell === values[1] ? 1 : 0]),
      loss: "binary_cross_entropy",
      classes: [values[1]],
      scaling: null,
    };
  const rows = cells.map((cell) => values.map((value) => (value === cell ? 1 : 0)));
  return { rows, loss: "cross_entropy", classes: values, scaling: null };
}

/** A table as the page's data, apart from a network; `target` is the column to predict, a fifth of the rows is held out. */
export function dataOfTable({ title, names, rows: all }, target, seed) {
  const rows = all.filter((row) => !row.some(isMissing));
  const notes = [
    "The table stays in this browser. Its columns are standardized here, to mean 0 and standard deviation 1; the network " +
      "that is saved for Python takes the numbers as they are in the file.",
  ];
  if (rows.length < all.length) notes.push(`${all.length - rows.length} rows with gaps are left out.`);
  if (rows.length < LEAST_ROWS) throw new PlanError(`${title} has too few rows without gaps: ${rows.length}.`);
  const inputs = [];
  names.forEach((name, k) => {
    if (k === target) return;
    const made = columnsOf(
      name,
      rows.map((row) => row[k]),
    );
    if (made.length === 0) notes.push(`${name} is left out: it has too many different words.`);
    inputs.push(...made);
  });
  if (inputs.length === 0) throw new PlanError(`${title} has no numbers to learn ${names[target]} from.`);
  if (inputs.length > MAX_INPUTS)
    throw new PlanError(`${title} has ${inputs.length} inputs; at most ${MAX_INPUTS}, please.`);
  const goal = targetsOf(
    title,
    names[target],
    rows.map((row) => row[target]),
  );
  const scaled = inputs.map(({ values }) => standardized(values));
  const x = rows.map((_, n) => scaled.map(({ values }) => values[n]));
  const order = shuffled(rows.length, createRandom(seed));
  const held = Math.floor(rows.length / 5);
  const take = (chosen) => ({ x: chosen.map((n) => x[n]), y: chosen.map((n) => goal.rows[n]) });
  return {
    title: `${title}: ${names[target]}`,
    loss: { kind: goal.loss, reduction: "mean" },
    feature_names: inputs.map(({ name }) => name),
    class_names: goal.classes,
    scaling: { mean: scaled.map(({ mean }) => mean), scale: scaled.map(({ scale }) => scale), target: goal.scaling },
    training: take(order.slice(held)),
    held_out: take(order.slice(0, held)),
    notes,
  };
}
