// The weights of one layer as lines: width by size, color by sign, and a label where there is room.

import { linkHorizontal } from "d3-shape";

import { parameterKey, sameWeight } from "../../network.js";
import { exact, formatShort } from "../../text/format.js";
import { drawnEdges, isLabelled } from "./edges.js";
import { centerOf, leftOf, rightOf } from "./layout.js";
import { paramsInPlace, showParameter } from "./parameters.js";

const curve = linkHorizontal();
const straight = (source, target) => `M${source}L${target}`;
export const signOf = (value) => (value < 0 ? "negative" : "positive");

/** Level edges have their label behind the middle, others near their source: crossing edges keep theirs apart. */
function labelAt([x0, y0], [x1, y1], rows, columns) {
  const t = rows === 1 || columns === 1 || rows * columns > 6 ? 0.5 : Math.abs(y1 - y0) < 1 ? 0.58 : 0.28;
  return [x0 + (x1 - x0) * t, y0 + (y1 - y0) * t];
}

export function Edges({ model, actions, layout, block, scale, lit, isFirstStop }) {
  const layer = block.linear;
  const [from, to] = [layout.columns[block.index - 1], layout.columns[block.index]];
  const { weight } = paramsInPlace(model, layer);
  const shown = showParameter(model, layer, "weight");
  const isRoomy = from.style === "round" && to.style === "round";
  const isLit = ({ i, j }) => lit.edges.has(`${layer}:${i}:${j}`);
  const edges = withLit(drawnEdges(weight), weight, layer, lit);
  const pathOf = ({ i, j }) => {
    const source = sourceOf(from, from.units[i], isChosen(model, layer, i, j));
    const end = leftOf(to.units[j]);
    return { source, end, path: isRoomy ? straight(source, end) : curve({ source, target: end }) };
  };
  const isActive = model.step.layer === layer || model.step.kind === "input";
  const isOther = model.step.layer !== null && !isActive;
  const chosenDrawn = edges.some(({ i, j }) => isChosen(model, layer, i, j));
  return (
    <g class={`edges ${isOther ? "resting" : ""} ${isRoomy ? "" : "dense"}`}>
      <path
        class="glow"
        d={edges
          .filter(isLit)
          .map((edge) => pathOf(edge).path)
          .join("")}
      />
      {edges.map(({ i, j, value }, n) => {
        const target = { layer, name: "weight", i, j };
        const chosen = isChosen(model, layer, i, j);
        const { path } = pathOf({ i, j });
        const names = `${model.net.unitSpoken(from.block, i)} to ${model.net.unitSpoken(block, j)}`;
        const number = shown.values[i][j];
        return (
          <g
            key={`${i}:${j}`}
            class={`edge ${signOf(value)} ${chosen ? "chosen" : ""} ${isLit({ i, j }) ? "lit" : ""}`}
            role="button"
            aria-pressed={String(chosen)}
            aria-label={`Weight from ${names}: ${shown.name} ${formatShort(number)}`}
            tabindex={chosen || (isFirstStop && !chosenDrawn && n === 0) ? 0 : -1}
            data-weight={parameterKey(target)}
            data-value={exact(number)}
            onClick={() => actions.chooseWeight(target)}
          >
            <path class="casing" d={path} />
            <path class="line" d={path} style={{ strokeWidth: 1 + ((isRoomy ? 5 : 2.5) * Math.abs(value)) / scale }} />
            <path class="target" d={path} />
          </g>
        );
      })}
      <g aria-hidden="true">
        {edges.map(({ i, j }) => {
          const chosen = isChosen(model, layer, i, j);
          if (!chosen && !isLabelled(from, to, i, j, model.unitOf(block))) return null;
          const { source, end } = pathOf({ i, j });
          const target = { layer, name: "weight", i, j };
          return (
            <EdgeLabel
              key={`${i}:${j}`}
              at={labelAt(source, end, from.block.size, block.size)}
              text={formatShort(shown.values[i][j])}
              class={`${shown.name.replace(" ", "-")} ${chosen ? "chosen" : ""}`}
              weight={parameterKey(target)}
              onClick={() => actions.chooseWeight(target)}
            />
          );
        })}
      </g>
    </g>
  );
}

const isChosen = ({ weight }, layer, i, j) => sameWeight(weight, { layer, name: "weight", i, j });

/** Edges leave cells at the side of their grid, so that they do not cover it; the chosen one starts in its cell. */
function sourceOf(column, unit, chosen) {
  if (column.style !== "cells") return rightOf(unit);
  return chosen ? centerOf(unit) : [column.x + column.w, unit.y + unit.h / 2];
}

/** The drawn edges plus those on the chosen weight's paths, lit ones last so that they lie on top. */
function withLit(edges, weight, layer, lit) {
  const isLit = ({ i, j }) => lit.edges.has(`${layer}:${i}:${j}`);
  const onPath = [...lit.edges]
    .map((key) => key.split(":").map(Number))
    .filter(([k]) => k === layer)
    .map(([, i, j]) => ({ i, j, value: weight[i][j] }));
  return [...edges.filter((edge) => !isLit(edge)), ...onPath];
}

function EdgeLabel({ at: [x, y], text, class: className, weight, onClick }) {
  const width = text.length * 6.6 + 10;
  return (
    <g class={`label ${className}`} transform={`translate(${x},${y})`} data-label={weight} onClick={onClick}>
      <rect x={-width / 2} y={-9} width={width} height={18} rx={9} />
      <text dy="0.35em">{text}</text>
    </g>
  );
}
