// Pieces of TeX that several formulas share.

import { subscript } from "../network.js";
import { formatTex } from "./format.js";

export const num = (value) => formatTex(value);
export const inner = (value) => formatTex(value, { inside: true });

/** A matrix of numbers; a row vector is a matrix with one row. */
export const matrix = (rows) =>
  `\\begin{pmatrix} ${rows.map((row) => row.map(num).join(" & ")).join(" \\\\ ")} \\end{pmatrix}`;

/** "left = right" for several rights, a line each, aligned at the equals signs; repetitions are left out. */
export const aligned = (left, rights) => {
  const lines = rights.filter((right, n) => right !== rights[n - 1]);
  const rows = lines.map((right, n) => `${n === 0 ? left : ""} &= ${right}`);
  return `\\begin{aligned} ${rows.join(" \\\\ ")} \\end{aligned}`;
};

const TERMS_A_LINE = 2;

/** A term with the sign that joins it to what stands before: a negative number is subtracted, never added. */
export const plus = (tex) => (tex.startsWith("-") ? `- ${tex.slice(1)}` : `+ ${tex}`);
const join = (terms) => terms.reduce((sum, tex) => `${sum} ${plus(tex)}`);

/**
 * A sum of { tex, value } terms. More than `most` are cut to the largest, and the others are given as one number.
 * Returns { tex, broken, omitted }; `broken` is for `aligned`, in lines of two terms.
 */
export function sumOf(terms, most = 4) {
  const { shown, omitted } =
    terms.length <= most ? { shown: terms.map(({ tex }) => tex), omitted: 0 } : largestOf(terms, most);
  if (shown.length === 0) return { tex: "0", broken: "0", omitted };
  const lines = [];
  for (let n = 0; n < shown.length; n += TERMS_A_LINE) lines.push(join(shown.slice(n, n + TERMS_A_LINE)));
  const broken = lines.reduce((sum, line) => `${sum} \\\\ & \\quad {} ${plus(line)}`);
  return { tex: join(shown), broken, omitted };
}

function largestOf(terms, most) {
  const order = terms.map((_, k) => k).sort((a, b) => Math.abs(terms[b].value) - Math.abs(terms[a].value));
  const kept = new Set(order.slice(0, most - 1));
  const rest = terms.reduce((total, { value }, k) => (kept.has(k) ? total : total + value), 0);
  const omitted = terms.length - kept.size;
  const shown = terms.filter((_, k) => kept.has(k)).map(({ tex }) => tex);
  const others = `${rest < 0 ? "-" : ""}\\underbrace{${num(Math.abs(rest))}}_{${omitted}\\text{ others}}`;
  return { shown: [...shown, others], omitted };
}

/** A product of two numbers as a term for sumOf. */
export const term = (a, b) => ({ tex: `${inner(a)} \\cdot ${inner(b)}`, value: a * b });

export const partial = (of, by) => `\\frac{\\partial ${of}}{\\partial ${by}}`;

/** Matrices up to four by four are written out. */
export const isSmall = (...sizes) => sizes.every((size) => size <= 4);

export const W = (block) => `W^{(${block.index})}`;
export const B = (block) => `b^{(${block.index})}`;
export const w = (block, i, j) => `w^{(${block.index})}_{${subscript(i + 1, j + 1)}}`;
/** The transpose of a TeX symbol, inside its layer mark if it has one: a^{(1)} becomes a^{(1)\top}. */
export const transpose = (tex) => (tex.endsWith(")}") ? `${tex.slice(0, -1)}\\top}` : `${tex}^{\\top}`);
