// Formulas of the way forward and of the loss; see formulas.js for what a rule gets and gives.

import { activationText } from "./activation_text.js";
import { structureText } from "./structure_text.js";
import { lossText, targetsOf } from "./loss_text.js";
import { aligned, B, inner, isSmall, matrix, num, partial, plus, sumOf, term, W } from "./tex.js";

export const forwardFormulas = {
  input({ net, pass, row }) {
    const x = pass.values[0][row];
    const names = isSmall(x.length) ? x.map((_, i) => `x_${i + 1}`) : ["x_1", "\\dots", `x_{${x.length}}`];
    return {
      symbols: x.length > 1 ? `x = (${names.join(", ")})` : "x",
      matrices: isSmall(x.length) ? `x = ${matrix([x])}` : null,
    };
  },

  weighted({ net, pass, row, unitOf }, { layer, block }) {
    const [a, z] = [net.symbols[layer], net.symbols[layer + 1]];
    const { weight, bias } = pass.params[layer];
    const [input, output] = [pass.values[layer][row], pass.values[layer + 1][row]];
    const j = unitOf(block);
    const sum = sumOf(input.map((value, i) => term(value, weight[i][j])));
    const shift = bias ? ` ${plus(num(bias[j]))}` : "";
    return {
      symbols: `${z.tex()} = ${a.tex()}\\,${W(block)}${bias ? ` + ${B(block)}` : ""}`,
      matrices: isSmall(input.length, output.length)
        ? aligned(z.tex(), [
            `${matrix([input])} ${matrix(weight)}${bias ? ` + ${matrix([bias])}` : ""}`,
            matrix([output]),
          ])
        : null,
      unit: aligned(z.tex(j + 1), [
        `\\textstyle\\sum_i ${a.tex("i")}\\,w^{(${block.index})}_{i${j + 1}}${bias ? ` + ${B(block)}_{${j + 1}}` : ""}`,
        sum.broken + shift,
        num(output[j]),
      ]),
      omitted: sum.omitted,
    };
  },

  activation({ net, pass, row, unitOf }, { layer, block }) {
    const [z, a] = [net.symbols[layer], net.symbols[layer + 1]];
    const [input, output] = [pass.values[layer][row], pass.values[layer + 1][row]];
    const spec = net.layers[layer];
    const j = unitOf(block);
    const matrices = isSmall(output.length) && output.length > 1 ? `${a.tex()} = ${matrix([output])}` : null;
    const structure = structureText[spec.kind]?.forward({ net, pass, row, layer, unit: j });
    if (structure)
      return {
        symbols: `${a.tex("j")} = ${structure.symbols}`,
        matrices,
        unit: aligned(a.tex(j + 1), [structure.filled, num(output[j])]),
      };
    const text = activationText[spec.kind];
    const sum =
      spec.kind === "Softmax" ? sumOf(input.map((v) => ({ tex: `e^{${num(v)}}`, value: Math.exp(v) }))) : null;
    const filled = sum ? `\\frac{e^{${num(input[j])}}}{${sum.tex}}` : text.value(inner(input[j]), spec);
    return {
      symbols: `${a.tex("j")} = ${text.value(z.tex("j"), spec).replace("z_k", z.tex("k"))}`,
      matrices,
      unit: aligned(a.tex(j + 1), [filled, num(output[j])]),
      omitted: sum?.omitted,
    };
  },

  loss({ net, pass, row, batch }) {
    const out = net.symbols.at(-1);
    const text = lossText[net.loss.kind];
    const targets = targetsOf(net.loss, pass.y[row]);
    const terms = pass.output[row].map((p, k) => {
      const probability = pass.probabilities?.[row][k];
      const silent = net.loss.kind === "cross_entropy" && targets[k] === 0;
      return silent ? null : { tex: text.term(p, targets[k], net.loss, probability), value: 1 };
    });
    const sum = sumOf(terms.filter(Boolean));
    const name = batch > 1 ? "L_n" : "L";
    const lines = text.probability ? [`${text.probability(out.tex("k"))}`] : [];
    lines.push(`${name} = ${text.symbols((k) => out.tex(k), net.loss)}`);
    if (batch > 1) lines.push(`L = ${net.loss.reduction === "sum" ? "" : `\\frac{1}{${batch}}`} \\sum_n L_n`);
    return {
      symbols: lines.length > 1 ? `\\begin{gathered} ${lines.join(" \\\\ ")} \\end{gathered}` : lines[0],
      matrices: null,
      unit: aligned(name, sum.omitted ? [num(pass.loss.perSample[row])] : [sum.broken, num(pass.loss.perSample[row])]),
      batchLine: batch > 1 ? batchLoss(pass, net.loss, batch) : null,
      omitted: sum.omitted,
    };
  },

  error(context, step) {
    const { net, pass, row, batch, unitOf } = context;
    const out = net.symbols.at(-1);
    const text = lossText[net.loss.kind];
    const targets = targetsOf(net.loss, pass.y[row]);
    const share = batch > 1 && net.loss.reduction !== "sum" ? `\\tfrac{1}{${batch}} ` : "";
    const wrap = (tex) => (share ? `${share}\\bigl(${tex}\\bigr)` : tex);
    const k = unitOf(step.block);
    const values = pass.loss.dOutput[row];
    const probability = pass.probabilities?.[row][k];
    const left = partial("L", out.tex(k + 1));
    return {
      symbols: `${partial("L", out.tex("k"))} = ${wrap(text.error(out.tex("k"), net.loss))}`,
      matrices: isSmall(values.length) && values.length > 1 ? `${partial("L", out.tex())} = ${matrix([values])}` : null,
      unit: aligned(left, [
        wrap(text.errorValues(pass.output[row][k], targets[k], net.loss, probability)),
        num(values[k]),
      ]),
    };
  },
};

/** The loss of the batch out of those of its samples. */
function batchLoss(pass, loss, batch) {
  const sum = sumOf(pass.loss.perSample.map((value) => ({ tex: num(value), value })));
  const tex = loss.reduction === "sum" ? sum.tex : `\\tfrac{1}{${batch}} (${sum.tex})`;
  return aligned("L", [tex, num(pass.loss.value)]);
}
