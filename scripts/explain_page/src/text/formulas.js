// The formula of a step: with symbols, with whole matrices of numbers where they are small, and for one unit or weight.
//
// A rule gets the context { net, pass, row, batch, learningRate, unitOf(block), weightIn(block) }, where `row` is the
// sample shown, and the step. It gives { symbols, matrices, unit, batchLine, omitted }: TeX or null, and how many
// terms of a long sum were put into one number.

import { backwardFormulas } from "./backward_formulas.js";
import { forwardFormulas } from "./forward_formulas.js";
import { updateFormulas } from "./update_formulas.js";

const rules = { ...forwardFormulas, ...backwardFormulas, ...updateFormulas };
const nothing = { matrices: null, unit: null, batchLine: null, omitted: 0 };

export const formulasOf = (context, step) => ({ ...nothing, ...rules[step.kind](context, step) });
