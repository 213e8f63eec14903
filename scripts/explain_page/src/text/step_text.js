// Title and one or two sentences for each step of the walk.

import { layerName, reasonFor } from "./activation_text.js";
import { OPTIMIZERS } from "../lab/plan.js";
import { mixes } from "../engine/layers/index.js";
import { scaleTex } from "./structure_text.js";
import { lossText } from "./loss_text.js";

/** What the steps of layers are called that are no activations. */
const TITLES = {
  LayerNorm: "Normalization",
  BatchNorm: "Normalization",
  Shortcut: "Shortcut",
  Dropout: "Dropout",
};

/** { title, tex, place }: the name of what this step computes, its symbol, and the layer it happens in. */
export function stepTitle(net, step) {
  const { kind, layer, block } = step;
  const symbol = (v) => net.symbols[v];
  const weight = `W^{(${block.index})}`;
  const [scale, shift] = layer === null ? [] : ["gamma", "beta"].map((name) => scaleTex(net, layer, name));
  const isNorm = layer !== null && net.layers[layer].kind.endsWith("Norm");
  const ratio = (by) => `\\frac{\\partial L}{\\partial ${by}}`;
  const output = symbol(net.symbols.length - 1);
  const titles = {
    input: () => ["Input", "x"],
    weighted: () => ["Weighted input", symbol(layer + 1).tex()],
    activation: () => [TITLES[net.layers[layer].kind] ?? "Activation", symbol(layer + 1).tex()],
    loss: () => ["Loss", "L"],
    error: () => [
      "Error of the output",
      output.letter === "z" ? `${output.gradTex()} = ${ratio(output.tex())}` : output.gradTex(),
    ],
    slope: () => [
      `Slope of the ${(TITLES[net.layers[layer].kind] ?? "Activation").toLowerCase()}`,
      `\\frac{\\partial ${symbol(layer + 1).tex()}}{\\partial ${symbol(layer).tex()}}`,
    ],
    dscale: () => ["Gradient of scale and shift", `${ratio(scale)},\\; ${ratio(shift)}`],
    delta: () => [symbol(layer).letter === "z" ? "Delta" : "Error inside the layer", symbol(layer).gradTex()],
    dweight: () => ["Gradient of the weights", ratio(weight)],
    dbias: () => ["Gradient of the biases", ratio(`b^{(${block.index})}`)],
    back: () => ["Error passed back", symbol(layer).gradTex()],
    change: () => ["Update", isNorm ? `\\Delta ${scale},\\; \\Delta ${shift}` : `\\Delta ${weight}`],
    new: () => (isNorm ? ["New scale and shift", `${scale},\\; ${shift}`] : ["New weights", weight]),
    after: () => ["Loss after the update", "L"],
  };
  const [title, tex] = titles[kind]();
  const place = ["loss", "error", "after", "input"].includes(kind) ? "" : block.spoken;
  return { title, tex, place };
}

const isActivation = ({ kind }) => !["LayerNorm", "BatchNorm", "Shortcut", "Dropout"].includes(kind);

const symbolInWords = (net, layer) => (net.symbols[layer].letter === "z" ? "every weighted input" : "every number");

/** Where a residual block begins, two errors meet. */
const shortcutNote = (net, value) =>
  net.shortcutsFrom(value).length === 0
    ? ""
    : " A residual block begins here, so the error that took its shortcut is added.";

/** The walk shows a step that depends on nothing but what is seen; what the training takes besides is said. */
function plainNote({ plan }) {
  const name = OPTIMIZERS[plan.optimizer.kind];
  if (plan.optimizer.kind === "sgd") return "";
  return ` The walk shows plain gradient descent; Train and One step take those of ${name}, which also remembers the gradients before.`;
}

export function stepLead({ net, pass, batch, learningRate, state }, step) {
  const { kind, layer, block } = step;
  const spec = layer === null ? null : net.layers[layer];
  const isShortcut = spec?.kind === "Shortcut";
  const loss = lossText[net.loss.kind];
  const mean =
    batch > 1
      ? ` Over the ${batch} samples the losses are ${net.loss.reduction === "sum" ? "added" : "averaged"}.`
      : "";
  const shareNote =
    batch > 1 && net.loss.reduction !== "sum" ? ` The factor 1/${batch} comes from the mean over the batch.` : "";
  const frozen = ["weight", "bias"].filter((name) => layer !== null && net.isFrozen(layer, name));
  const frozenNote = frozen.length ? ` Frozen here, so unchanged: ${frozen.join(" and ")}.` : "";
  const leads = {
    input: () => "Forward propagation starts with the sample: its numbers are what the first layer sees.",
    weighted: () =>
      "Each unit adds up what comes in, every number times the weight of its edge, and then adds its own bias.",
    activation: () =>
      isActivation(spec)
        ? `The ${layerName(spec)} is applied to ${symbolInWords(net, layer)}. ${reasonFor(spec, net)}`
        : reasonFor(spec, net),
    loss: () => `One number says how wrong the network is: the ${loss.name}. ${loss.why}${mean}`,
    error: () => `${loss.errorWhy}${shareNote} Here the way back begins.`,
    slope: () =>
      isShortcut
        ? "A sum passes on what changes in either of its terms: the slope is 1, along the block and along the shortcut."
        : `How much each unit’s output moves when ${mixes(spec) ? "an" : "its"} input moves a little: ` +
          `the slope of the ${layerName(spec)} at this point.`,
    delta: () =>
      (isShortcut
        ? "The error goes on unchanged, into the block; the same error also takes the shortcut, to where the block begins."
        : mixes(spec)
          ? "The chain rule, one link: each input moved every output, so its errors times those slopes add up."
          : "The chain rule, one link: the error at the unit’s output times the slope gives the error at its " +
            (net.symbols[layer].letter === "z" ? "weighted input." : "input.")) + shortcutNote(net, layer),
    dscale: () =>
      "The scale γ multiplies the standardized number n, so its gradient is the error times n; the shift β is added, " +
      "so its gradient is the error itself." +
      (batch > 1 ? " The samples of the batch add up." : ""),
    dweight: () =>
      "A weight matters as much as what flows through its edge: what came in times the delta of the unit it feeds." +
      (batch > 1 ? " The samples of the batch add up." : ""),
    dbias: () =>
      "A bias is an edge from a constant 1, so its gradient is the delta itself" +
      (batch > 1 ? ", added up over the batch." : ".") +
      (net.isFrozen(layer, "bias") ? " This bias is frozen: the gradient is known, but not used." : ""),
    back: () =>
      `Each unit of ${net.blocks[block.index - 1].spoken} fed all units of ${block.spoken}, ` +
      "so it collects their deltas along the same edges, now backwards." +
      shortcutNote(net, layer),
    change: () =>
      `Gradient descent steps against the gradient; the learning rate ${learningRate} says how far.${frozenNote}${plainNote(state)}`,
    new: () => `Old value plus update.${frozenNote}`,
    after: () => {
      const change = pass.newLoss - pass.loss.value;
      const verdict =
        change < 0
          ? "The step helped"
          : change > 0
            ? "The step overshot: try a smaller learning rate"
            : "Nothing moved";
      return `${batch === 1 ? "The same sample" : `The same ${batch} samples`} through the new weights. ${verdict}.${plainNote(state)}`;
    },
  };
  return leads[kind]();
}
