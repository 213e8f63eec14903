// The factors of a chain in words and TeX.

import { layerName } from "./activation_text.js";
import { parameterTex } from "../network.js";
import { partial, w } from "./tex.js";

/** { tex, name } of one factor: its symbol and what it is. */
export function factorText(net, weight, factor) {
  const { kind, layer, from, to, unit } = factor;
  const block = net.blockOfLayer(layer);
  const [input, output] = [net.symbols[layer], net.symbols[layer + 1]];
  const rules = {
    input: () => ({
      tex:
        partial(output.tex(to + 1), parameterTex(block, weight)) + (from === null ? "" : ` = ${input.tex(from + 1)}`),
      name: from === null ? "a bias adds 1 to 1" : "what came in",
    }),
    weight: () => ({
      tex: `${partial(output.tex(to + 1), input.tex(from + 1))} = ${w(block, from, to)}`,
      name: "weight on the way",
    }),
    slope: () => ({
      tex: partial(output.tex(to + 1), input.tex(from + 1)),
      name: `slope of the ${layerName(net.layers[layer])}`,
    }),
    shortcut: () => ({
      tex: partial(output.tex(to + 1), net.symbols[net.layers[layer].from].tex(from + 1)),
      name: "the shortcut around a residual block",
    }),
    error: () => ({ tex: partial("L", output.tex(unit + 1)), name: "error of the output" }),
    rest: () => ({ tex: `${output.gradTex(unit + 1)}`, name: "all paths from here on, summed" }),
  };
  return rules[kind]();
}

/** Why every path is cut off, where that is so; else an empty text. */
export function cutOff({ paths }) {
  if (paths.some(({ product }) => product !== 0)) return "";
  const reasons = {
    input: " Here what came in is 0, so nothing depends on this weight.",
    slope: " Here a slope of 0 on the way lets nothing through.",
    weight: " Here a weight of 0 on the way lets nothing through.",
    error: " Here the error is 0: there is nothing to correct.",
    rest: " Here nothing comes back from the later layers.",
  };
  return reasons[paths[0].factors.find(({ value }) => value === 0)?.kind] ?? "";
}

/** A path as the names of the units that it visits, such as "x2 → hidden 1 → output 1 → L". */
export function pathName(net, weight, { factors }) {
  const block = net.blockOfLayer(weight.layer);
  const start = weight.name === "bias" ? "1" : unitLabel(net, net.blocks[block.index - 1], weight.i);
  const stops = [start, unitLabel(net, block, weight.j)];
  for (const { kind, layer, from, to } of factors) {
    if (kind === "weight") stops.push(unitLabel(net, net.blockOfLayer(layer), to));
    if (kind === "shortcut") stops.push("shortcut");
    if (kind === "slope" && from !== to) stops.push(unitLabel(net, net.blockOfLayer(layer), to));
  }
  stops.push(factors.at(-1).kind === "rest" ? "… L" : "L");
  return stops.join(" → ");
}

function unitLabel(net, block, unit) {
  const name = net.unitName(block, unit);
  if (!/^\d+$/.test(name)) return name;
  const short = { Input: "in", Output: "out" }[block.name] ?? `h${block.index}`;
  return `${short} ${name}`;
}
