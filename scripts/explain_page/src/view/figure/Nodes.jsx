// The units of one block: round nodes and pills with numbers, or colored cells.

import { parameterKey } from "../../network.js";
import { exact, format, formatAddend, formatShort } from "../../text/format.js";
import { signOf } from "./Edges.jsx";
import { cutName } from "./layout.js";
import { showParameter } from "./parameters.js";

const MAX_TINT = 0.3;

const largest = (values) => Math.max(1e-300, ...values.map(Math.abs));

/** What a block shows in this step: its newest value and its newest gradient, with their symbols. */
function quantities({ net, pass, row }, block, seen) {
  const value = seen.values.get(block.index);
  const gradient = seen.gradients.get(block.index);
  return {
    value:
      value === undefined ? null : { text: net.symbols[value].text, values: pass.values[value][row], index: value },
    gradient:
      gradient === undefined
        ? null
        : { text: net.symbols[gradient].gradText, values: pass.dValues[gradient][row], index: gradient },
  };
}

export function Nodes({ model, actions, column, seen, lit }) {
  const { block, style } = column;
  const shown = quantities(model, block, seen);
  const Unit = { round: RoundNode, pill: PillNode, thin: PillNode, cells: Cell }[style];
  const { step } = model;
  const isNow = (step.value !== undefined || step.dValue !== undefined) && isCurrent(step, shown, block);
  const symbols = [shown.value?.text, shown.gradient?.text].filter(Boolean);
  const visible = style === "round" ? symbols : symbols.slice(-1);
  return (
    <g class={`column ${style} ${isNow ? "now" : ""}`}>
      <text class="column-name" x={column.middle} y={14}>
        {block.name}
      </text>
      <text class="column-symbol" x={column.middle} y={31}>
        {visible.join(" · ") || "\u00a0"}
      </text>
      {column.units.map((unit, k) => (
        <g
          key={k}
          class={`unit ${lit.units.has(`${block.index}:${k}`) ? "lit" : ""} ${model.unitOf(block) === k ? "spelled" : ""}`}
          data-unit={`${block.index}:${k}`}
          data-value={shown.value && exact(shown.value.values[k])}
          data-gradient={shown.gradient && exact(shown.gradient.values[k])}
          onClick={() => actions.chooseUnit(block, k)}
        >
          <Unit {...{ unit, shown, k, column }} name={model.net.unitName(block, k)} />
        </g>
      ))}
      {style === "round" && block.linear !== null && model.net.hasBias(block.linear) && (
        <Biases model={model} actions={actions} column={column} />
      )}
    </g>
  );
}

const isCurrent = (step, { value, gradient }, block) =>
  (step.value !== undefined && step.value === value?.index && step.block === block) ||
  (step.dValue !== undefined && step.dValue === gradient?.index);

function Tint({ unit, quantity, k, radius }) {
  if (!quantity) return null;
  const value = quantity.values[k];
  const strength = (MAX_TINT * Math.abs(value)) / Math.max(1, largest(quantity.values));
  return <rect class={`tint ${signOf(value)}`} {...box(unit)} rx={radius} style={{ fillOpacity: strength || 0 }} />;
}

const box = ({ x, y, w, h }) => ({ x, y, width: w, height: h });

function RoundNode({ unit, shown, k, name, column }) {
  const [cx, cy] = [unit.x + unit.w / 2, unit.y + unit.h / 2];
  const two = shown.value && shown.gradient;
  return (
    <>
      <rect class="body" {...box(unit)} rx={unit.h / 2} />
      <Tint unit={unit} quantity={shown.value} k={k} radius={unit.h / 2} />
      <rect class="ring" {...box(unit)} rx={unit.h / 2} />
      {!/^\d+$/.test(name) && <UnitName name={name} column={column} x={cx} y={unit.y - 8} />}
      <text class="number" x={cx} y={two ? cy - 8 : cy} dy="0.35em">
        {shown.value ? formatShort(shown.value.values[k], 4) : ""}
      </text>
      {shown.gradient && (
        <text class="number gradient" x={cx} y={cy + 9} dy="0.35em">
          {formatShort(shown.gradient.values[k], 4)}
        </text>
      )}
    </>
  );
}

function PillNode({ unit, shown, k, name, column }) {
  const quantity = shown.gradient ?? shown.value;
  return (
    <>
      <rect class="body" {...box(unit)} rx={unit.h / 2} />
      <Tint unit={unit} quantity={quantity} k={k} radius={unit.h / 2} />
      <rect class="ring" {...box(unit)} rx={unit.h / 2} />
      <UnitName name={name} column={column} x={unit.x - 5} y={unit.y + unit.h / 2} dy="0.35em" />
      <text
        class={`number ${shown.gradient ? "gradient" : ""}`}
        x={unit.x + unit.w / 2}
        y={unit.y + unit.h / 2}
        dy="0.35em"
      >
        {quantity ? formatShort(quantity.values[k], 4) : ""}
      </text>
    </>
  );
}

/** The name of a unit, cut where it is too long; a pointer that rests on it reads the whole. */
function UnitName({ name, column, ...place }) {
  const short = cutName(name, column.nameRoom + 1, column.font);
  return (
    <text class="unit-name" {...place}>
      {short}
      {short !== name && <title>{name}</title>}
    </text>
  );
}

function Cell({ unit, shown, k, name, column }) {
  const quantity = shown.gradient ?? shown.value;
  const value = quantity ? quantity.values[k] : 0;
  const isInk = column.block.index === 0 && quantity && quantity.values.every((v) => v >= 0);
  const strength = quantity ? Math.abs(value) / largest(quantity.values) : 0;
  return (
    <>
      <rect class="body" {...box(unit)} />
      <rect class={`tint ${isInk ? "ink" : signOf(value)}`} {...box(unit)} style={{ fillOpacity: strength || 0 }} />
      {(column.side >= 8 || isInk === false) && <rect class="ring" {...box(unit)} />}
      <title>{`${name}: ${quantity ? format(value) : "not yet computed"}`}</title>
    </>
  );
}

/** Biases under their nodes; like weights, they can be chosen. */
function Biases({ model, actions, column }) {
  const layer = column.block.linear;
  const { weight } = model;
  const isFrozen = model.net.isFrozen(layer, "bias");
  const shown = showParameter(model, layer, "bias");
  return column.units.map((unit, j) => {
    const target = { layer, name: "bias", i: 0, j };
    const chosen = weight.layer === layer && weight.name === "bias" && weight.j === j;
    const number = shown.values[j];
    return (
      <g
        key={j}
        class={`bias ${chosen ? "chosen" : ""} ${isFrozen ? "frozen" : ""} ${shown.name.replace(" ", "-")}`}
        role="button"
        aria-pressed={String(chosen)}
        aria-label={`Bias of ${model.net.unitSpoken(column.block, j)}: ${shown.name} ${formatShort(number)}`}
        tabindex={chosen ? 0 : -1}
        data-weight={parameterKey(target)}
        data-value={exact(number)}
        onClick={() => actions.chooseWeight(target)}
      >
        <rect x={unit.x + unit.w / 2 - 34} y={unit.y + unit.h + 4} width={68} height={18} rx={9} />
        <text x={unit.x + unit.w / 2} y={unit.y + unit.h + 13} dy="0.35em">
          {formatAddend(number)}
        </text>
      </g>
    );
  });
}
