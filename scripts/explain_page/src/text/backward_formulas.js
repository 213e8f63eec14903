// Formulas of the way back; see formulas.js for what a rule gets and gives.

import { activationText } from "./activation_text.js";
import { mixes } from "../engine/layers/index.js";
import { softmaxSlope } from "../engine/layers/softmax.js";
import { scaleTex, structureText } from "./structure_text.js";
import { slopeOf } from "../engine/chain.js";
import { aligned, B, inner, isSmall, matrix, num, partial, sumOf, term, transpose, W, w } from "./tex.js";

/** What comes back to value v around the residual blocks that begin there: symbols, and numbers of the sample shown. */
function aroundBlocks(net, pass, row, v) {
  const ends = net.shortcutsFrom(v).map((layer) => layer + 1);
  return {
    symbols: (sub = "") => ends.map((end) => ` + ${net.symbols[end].gradTex(sub)}`).join(""),
    rows: ends.map((end) => pass.dValues[end][row]),
    terms: (unit) =>
      ends.map((end) => ({ tex: num(pass.dValues[end][row][unit]), value: pass.dValues[end][row][unit] })),
  };
}

export const backwardFormulas = {
  slope({ net, pass, row, unitOf }, { layer, block }) {
    const [z, a] = [net.symbols[layer], net.symbols[layer + 1]];
    const [input, output] = [pass.values[layer][row], pass.values[layer + 1][row]];
    const spec = net.layers[layer];
    const j = unitOf(block);
    if (spec.kind === "Softmax") {
      return {
        symbols: `${partial(a.tex("i"), z.tex("j"))} = ${a.tex("i")}\\,([\\,i = j\\,] - ${a.tex("j")})`,
        matrices: isSmall(output.length)
          ? matrix(output.map((_, from) => output.map((__, to) => softmaxSlope(output, to, from))))
          : null,
        unit: aligned(partial(a.tex(j + 1), z.tex(j + 1)), [
          `${num(output[j])}\\,(1 - ${num(output[j])})`,
          num(softmaxSlope(output, j, j)),
        ]),
      };
    }
    const structure = structureText[spec.kind]?.slope({ net, pass, row, layer, unit: j });
    if (structure && mixes(spec)) {
      const all = output.map((_, from) => output.map((__, to) => slopeOf(net.layers, pass, row, layer, from, to)));
      return {
        symbols: `${partial(a.tex("i"), z.tex("j"))} = ${structure.symbols}`,
        matrices: isSmall(output.length) ? matrix(all) : null,
        unit: aligned(partial(a.tex(j + 1), z.tex(j + 1)), [structure.filled, num(all[j][j])]),
      };
    }
    const slopes = pass.slopes[layer][row];
    if (structure) {
      return {
        symbols: `${partial(a.tex("j"), z.tex("j"))} = ${structure.symbols}`,
        matrices:
          isSmall(slopes.length) && slopes.length > 1 ? `${partial(a.tex(), z.tex())} = ${matrix([slopes])}` : null,
        unit: aligned(partial(a.tex(j + 1), z.tex(j + 1)), [structure.filled, num(slopes[j])]),
      };
    }
    const text = activationText[spec.kind];
    const filled = text.slope(inner(input[j]), inner(output[j]), spec);
    return {
      symbols: `${partial(a.tex("j"), z.tex("j"))} = ${text.slope(z.tex("j"), a.tex("j"), spec)}`,
      matrices:
        isSmall(slopes.length) && slopes.length > 1 ? `${partial(a.tex(), z.tex())} = ${matrix([slopes])}` : null,
      unit: aligned(
        partial(a.tex(j + 1), z.tex(j + 1)),
        filled === num(slopes[j]) ? [filled] : [filled, num(slopes[j])],
      ),
    };
  },

  delta({ net, pass, row, unitOf }, { layer, block }) {
    const [z, a] = [net.symbols[layer], net.symbols[layer + 1]];
    const j = unitOf(block);
    const [before, after] = [pass.dValues[layer + 1][row], pass.dValues[layer][row]];
    const matrices = isSmall(after.length) && after.length > 1 ? `${z.gradTex()} = ${matrix([after])}` : null;
    const isMixing = mixes(net.layers[layer]);
    const terms = isMixing
      ? before.map((d, i) => term(d, slopeOf(net.layers, pass, row, layer, j, i)))
      : [term(before[j], pass.slopes[layer][row][j])];
    const around = aroundBlocks(net, pass, row, layer);
    const sum = sumOf([...terms, ...around.terms(j)]);
    const link = isMixing
      ? `\\sum_i ${partial("L", a.tex("i"))} \\cdot ${partial(a.tex("i"), z.tex("j"))}`
      : `${partial("L", a.tex("j"))} \\cdot ${partial(a.tex("j"), z.tex("j"))}`;
    return {
      symbols:
        [...(isMixing ? [z.gradTex("j")] : [...new Set([z.gradTex("j"), partial("L", z.tex("j"))])]), link].join(
          " = ",
        ) + around.symbols("j"),
      matrices,
      unit: aligned(z.gradTex(j + 1), [sum.broken, num(after[j])]),
      omitted: sum.omitted,
    };
  },

  dweight({ net, pass, batch, weightIn }, { layer, block }) {
    const [a, z] = [net.symbols[layer], net.symbols[layer + 1]];
    const { i, j } = weightIn(block);
    const [input, delta, dw] = [pass.values[layer], pass.dValues[layer + 1], pass.grads[layer].weight];
    const sum = sumOf(input.map((row, n) => term(row[i], delta[n][j])));
    return {
      symbols: `${partial("L", W(block))} = ${transpose(a.tex())}\\, ${z.gradTex()}`,
      matrices: isSmall(dw.length, dw[0].length, batch)
        ? aligned(partial("L", W(block)), [
            `${matrix(input[0].map((_, u) => input.map((row) => row[u])))} ${matrix(delta)}`,
            matrix(dw),
          ])
        : null,
      unit: aligned(partial("L", w(block, i, j)), [
        `${batch > 1 ? "\\textstyle\\sum_n " : ""}${a.tex(i + 1)}\\, ${z.gradTex(j + 1)}`,
        sum.broken,
        num(dw[i][j]),
      ]),
      omitted: sum.omitted,
    };
  },

  dbias({ net, pass, batch, unitOf }, { layer, block }) {
    const z = net.symbols[layer + 1];
    const j = unitOf(block);
    const [delta, db] = [pass.dValues[layer + 1], pass.grads[layer].bias];
    const sum = sumOf(delta.map((row) => ({ tex: num(row[j]), value: row[j] })));
    const total = batch > 1 ? "\\textstyle\\sum_n " : "";
    return {
      symbols: `${partial("L", B(block))} = ${total}${z.gradTex()}`,
      matrices: isSmall(db.length) && db.length > 1 ? `${partial("L", B(block))} = ${matrix([db])}` : null,
      unit: aligned(partial("L", `${B(block)}_{${j + 1}}`), [
        `${total}${z.gradTex(j + 1)}`,
        ...(batch > 1 ? [sum.broken] : []),
        num(db[j]),
      ]),
      omitted: sum.omitted,
    };
  },

  /** Scale γ and shift β of a normalization. */
  dscale({ net, pass, row, batch, unitOf }, { layer, block }) {
    const a = net.symbols[layer + 1];
    const j = unitOf(block);
    const n = pass.standardized[layer];
    const sum = sumOf(pass.dValues[layer + 1].map((d, sample) => term(d[j], n[sample][j])));
    const total = batch > 1 ? "\\textstyle\\sum_n " : "";
    const tex = (name, sub) => scaleTex(net, layer, name, sub);
    return {
      symbols:
        `${partial("L", tex("gamma", "j"))} = ${total}${a.gradTex("j")} \\cdot n_j \\qquad ` +
        `${partial("L", tex("beta", "j"))} = ${total}${a.gradTex("j")}`,
      unit: aligned(partial("L", tex("gamma", j + 1)), [sum.broken, num(pass.grads[layer].weight[j])]),
      omitted: sum.omitted,
    };
  },

  back({ net, pass, row, unitOf }, { layer, block }) {
    const [a, z] = [net.symbols[layer], net.symbols[layer + 1]];
    const { weight } = pass.params[layer];
    const [delta, back] = [pass.dValues[layer + 1][row], pass.dValues[layer][row]];
    const i = unitOf(net.blocks[block.index - 1]);
    const around = aroundBlocks(net, pass, row, layer);
    const sum = sumOf([...delta.map((d, j) => term(d, weight[i][j])), ...around.terms(i)]);
    const turned = weight[0].map((_, j) => weight.map((from) => from[j]));
    return {
      symbols: `${a.gradTex()} = ${z.gradTex()}\\, ${transpose(W(block))}${around.symbols()}`,
      matrices: isSmall(delta.length, back.length)
        ? aligned(a.gradTex(), [
            `${matrix([delta])} ${matrix(turned)}${around.rows.map((values) => ` + ${matrix([values])}`).join("")}`,
            matrix([back]),
          ])
        : null,
      unit: aligned(a.gradTex(i + 1), [
        `\\textstyle\\sum_j ${z.gradTex("j")}\\,w^{(${block.index})}_{${i + 1}j}${around.symbols(i + 1)}`,
        sum.broken,
        num(back[i]),
      ]),
      omitted: sum.omitted,
    };
  },
};
