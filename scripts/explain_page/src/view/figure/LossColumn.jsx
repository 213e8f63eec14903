// The right end of the drawing: targets (and probabilities) beside the outputs, and the loss they lead to.

import { linkHorizontal } from "d3-shape";

import { exact, formatShort } from "../../text/format.js";
import { leftOf, rightOf } from "./layout.js";

const curve = linkHorizontal();

/** From an output to the loss: a curve to the right, or where the loss lies below, along a rail beside the notes. */
function linkPath(unit, { loss, notes, isNarrow, hasRoundOutputs }) {
  const [x, y] = rightOf(unit);
  const start = hasRoundOutputs ? x : x + notes;
  if (!isNarrow) return curve({ source: [start, y], target: leftOf(loss) });
  const [endX, endY] = rightOf(loss);
  return `M${start},${y}H${x + notes}V${endY}H${endX}`;
}

export function LossColumn({ model, layout, lit, isReached }) {
  const { pass, row, step, batch } = model;
  const { loss, notes, isNarrow, hasRoundOutputs } = layout;
  const isAfter = step.kind === "after";
  const value = isAfter ? pass.newLoss : pass.loss.perSample[row];
  const symbol = batch > 1 && !isAfter ? `L of x[${model.state.shown}]` : isAfter ? "L after" : "L";
  const { units, style } = layout.columns.at(-1);
  const links = units.map((unit) => linkPath(unit, layout));
  const probabilities = isReached ? pass.probabilities?.[row] : undefined;
  const isGrid = style === "cells"; // where outputs are cells, no note has room beside them
  const Note = hasRoundOutputs ? NoteAround : NoteBeside;
  return (
    <g class={`loss ${["loss", "error", "after"].includes(step.kind) ? "now" : ""}`}>
      {isNarrow ? (
        <text class="column-name" x={loss.x + loss.w / 2} y={loss.y - 8}>
          {isReached && symbol !== "L" ? symbol : "Loss"}
        </text>
      ) : (
        <>
          <text class="column-name" x={loss.x + loss.w / 2} y={14}>
            Loss
          </text>
          <text class="column-symbol" x={loss.x + loss.w / 2} y={31}>
            {isReached ? symbol : "\u00a0"}
          </text>
        </>
      )}
      {!hasRoundOutputs && !isGrid && (
        <NoteHeads x={rightOf(units[0])[0]} width={notes} hasProbability={Boolean(pass.probabilities)} />
      )}
      <path class="glow" d={links.filter((_, k) => lit.outputs.has(k)).join("")} />
      {units.map((unit, k) => (
        <g key={k} class={`link ${lit.outputs.has(k) ? "lit" : ""}`}>
          <path class="line" d={links[k]} />
          {!isGrid && (
            <Note
              at={rightOf(unit)}
              width={notes}
              target={pass.y[row][k]}
              probability={probabilities?.[k]}
              digits={isNarrow ? 2 : 3}
            />
          )}
        </g>
      ))}
      <g class="unit">
        <rect class="body" x={loss.x} y={loss.y} width={loss.w} height={loss.h} rx={10} />
        <text class="number" x={loss.x + loss.w / 2} y={loss.y + loss.h / 2} dy="0.35em" data-loss={exact(value)}>
          {isReached ? formatShort(value, 4) : "L"}
        </text>
      </g>
    </g>
  );
}

function NoteHeads({ x, width, hasProbability }) {
  return (
    <>
      {hasProbability && (
        <text class="column-symbol note" x={x + 8} y={31}>
          p
        </text>
      )}
      <text class="column-symbol note end" x={x + width - 8} y={31}>
        y
      </text>
    </>
  );
}

/** Beside pills: probability with a bar under it, then target. */
function NoteBeside({ at: [x, y], width, target, probability, digits }) {
  return (
    <>
      {probability !== undefined && (
        <rect class="chance" x={x + 8} y={y + 7} width={40 * probability || 0} height={2.5} rx={1} />
      )}
      <text class="note" x={x + 8} y={y} dy="0.3em">
        {probability === undefined ? "" : probability.toFixed(digits)}
      </text>
      <text class={`note end target ${target === 0 ? "faint" : ""}`} x={x + width - 8} y={y} dy="0.3em">
        {formatShort(target)}
      </text>
    </>
  );
}

/** Beside round nodes: the target above the line to the loss, the probability below it. */
function NoteAround({ at: [x, y], target, probability, digits }) {
  return (
    <>
      <text class="note target" x={x + 6} y={y - 8}>
        y {formatShort(target, digits)}
      </text>
      <text class="note" x={x + 6} y={y + 18}>
        {probability === undefined ? "" : `p ${probability.toFixed(digits)}`}
      </text>
    </>
  );
}
