// What a reader should know before trusting the picture: frozen parameters, summaries, notes from the data.

import { isXor } from "../network.js";
import { plural } from "../text/format.js";
import { MAX_EDGES } from "./figure/edges.js";
import { styleOf } from "./figure/layout.js";

export function Notices({ model }) {
  const notices = [finiteNotice(model), frozenNotice(model), summaryNotice(model), ...(model.data.notes ?? [])].filter(
    Boolean,
  );
  if (notices.length === 0) return null;
  return (
    <aside class="notices" aria-label="Notes">
      {notices.map((text, n) => (
        <p key={n}>{text}</p>
      ))}
    </aside>
  );
}

function finiteNotice({ pass }) {
  const isFinite = (array) => (Array.isArray(array) ? array.every(isFinite) : Number.isFinite(array));
  if (pass.params.every((layer) => Object.values(layer).every(isFinite))) return null;
  return (
    "Some weights of this network are not finite (NaN or infinity), and nothing that is computed from them is. " +
    "A training whose learning rate is too large ends like this: go back to an earlier step, or reset it."
  );
}

function frozenNotice({ net, data }) {
  const frozen = (name) => net.blocks.slice(1).filter(({ linear }) => net.isFrozen(linear, name));
  const [biases, weights] = [frozen("bias"), frozen("weight")];
  if (biases.length + weights.length === 0) return null;
  const where = (blocks) =>
    blocks.length === net.blocks.length - 1 ? "all layers" : blocks.map(({ spoken }) => spoken).join(" and ");
  const what = [
    biases.length && `the biases of ${where(biases)}`,
    weights.length && `the weights of ${where(weights)}`,
  ].filter(Boolean);
  const start = `Frozen: ${what.join(" and ")}. Their gradients are shown, but no update touches them.`;
  if (biases.length === 0) return start;
  const xor =
    " This is why the notebook’s run on exclusive or fails: " +
    "from the same start, the network learns it once its biases are trained too.";
  return `${start} A bias that cannot move leaves each unit’s threshold where chance put it.${isXor(data.samples) ? xor : ""}`;
}

function summaryNotice({ net }) {
  const parts = [];
  if (net.imageShape)
    parts.push(`the ${net.blocks[0].size} inputs are drawn as an image of ${net.imageShape.join("×")} pixels`);
  for (const block of net.blocks.slice(net.imageShape ? 1 : 0)) {
    if (styleOf(block, net) === "cells")
      parts.push(`the ${plural(block.size, "unit")} of ${block.spoken} are drawn as colored cells`);
  }
  const counts = net.blocks.slice(1).map(({ linear, size }) => size * net.layers[linear].n_in);
  const weights = counts.filter((count) => count > MAX_EDGES).reduce((total, count) => total + count, 0);
  if (weights > 0) parts.push(`of ${plural(weights, "weight")} only the strongest are drawn, without their numbers`);
  if (parts.length === 0) return null;
  return `Summarized to stay legible: ${parts.join("; ")}. Every number is in the tables.`;
}
