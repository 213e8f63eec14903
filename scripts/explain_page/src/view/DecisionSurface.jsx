// For two inputs: the network's output over the plane as filled contours, and the samples on it.

import { extent, max, min, ticks } from "d3-array";
import { contours } from "d3-contour";
import { scaleLinear } from "d3-scale";
import { useMemo, useRef } from "preact/hooks";

import { forward } from "../engine/engine.js";
import { probabilities } from "../engine/losses.js";
import { Axis } from "./Axis.jsx";
import { format } from "../text/format.js";
import { useWidth } from "./use_width.js";

const GRID = 64;
const MOVING_GRID = 32; // while training plays
const MOST_POINTS = 500;
const MARGIN = { top: 30, right: 14, bottom: 44, left: 56 };

function padded(values) {
  const [low, high] = extent(values);
  const margin = 0.25 * (high - low || 1);
  return [low - margin, high + margin];
}

/** Outputs (probabilities for the cross-entropies) at the centers of a grid of points over the plane. */
function surface({ data, net }, params, output, [x0, x1], [y0, y1], grid) {
  const at = ([low, high], k) => low + ((high - low) * (k + 0.5)) / grid;
  const points = [];
  for (let r = 0; r < grid; r += 1) for (let c = 0; c < grid; c += 1) points.push([at([x0, x1], c), at([y0, y1], r)]);
  const rows = forward(data.layers, params, points).at(-1);
  return rows.map((row) => (probabilities(net.loss.kind, row) ?? row)[output]);
}

/** Levels and the one in the middle that separates: 0.5 where values are shares, else the mean target. */
function levelsOf(values, { net }, output, targets) {
  const lastKind = net.layers.at(-1).kind;
  const areShares = net.loss.kind.endsWith("cross_entropy") || ["Sigmoid", "Softmax"].includes(lastKind);
  if (areShares) return { middle: 0.5, reach: 0.5, levels: ticks(0, 1, 10).slice(0, -1) };
  const middle = targets.reduce((sum, row) => sum + row[output], 0) / targets.length;
  const reach = Math.max(Math.abs(max(values) - middle), Math.abs(min(values) - middle)) || 1;
  return { middle, reach, levels: ticks(middle - reach, middle + reach, 12) };
}

export function DecisionSurface({ model, actions }) {
  const frame = useRef(null);
  const width = Math.min(420, useWidth(frame, 360));
  const height = width - MARGIN.left - MARGIN.right + MARGIN.top + MARGIN.bottom;
  const { data, net, params, state } = model;
  const { x: samples, y: targets } = data.samples;
  const { training, held_out: heldOut } = data;
  const [xs, ys] = [0, 1].map((k) => padded([...samples, ...training.x].map((row) => row[k])));
  const { output } = state;
  const grid = state.playing ? MOVING_GRID : GRID;
  const values = useMemo(() => surface(model, params, output, xs, ys, grid), [data, params, output, grid]);
  const { middle, reach, levels } = levelsOf(values, model, output, targets);
  const [x, y] = [
    scaleLinear(xs, [MARGIN.left, width - MARGIN.right]),
    scaleLinear(ys, [height - MARGIN.bottom, MARGIN.top]),
  ];
  const bands = useMemo(() => contours().size([grid, grid]).thresholds(levels)(values), [values]);
  const border = useMemo(() => contours().size([grid, grid]).contour(values, middle), [values]);
  const toPath = pathOf(
    (px) => x(xs[0] + ((xs[1] - xs[0]) * px) / grid),
    (py) => y(ys[0] + ((ys[1] - ys[0]) * py) / grid),
  );
  const step = levels[1] - levels[0];
  const strength = (level) => Math.round(4 * Math.min(1, Math.abs(level - middle) / reach));
  const bandColor = (level) => `var(--band-${level < middle ? "low" : "high"}-${strength(level)})`;
  const outputs = net.blocks.at(-1);
  return (
    <figure ref={frame} class="surface">
      <svg class="chart" width={width} height={height} role="img" aria-label={describe(model, output)}>
        <rect
          class="band"
          style={{ fill: bandColor(levels[0] - step / 2) }}
          {...{ x: x(xs[0]), y: y(ys[1]), width: x(xs[1]) - x(xs[0]), height: y(ys[0]) - y(ys[1]) }}
        />
        {bands.map((band, k) => (
          <path key={k} class="band" d={toPath(band)} style={{ fill: bandColor(levels[k] + step / 2) }} />
        ))}
        {/* Where the whole plane lies on one side, the contour follows the frame: the clip hides that. */}
        <clipPath id="inside-surface">
          <rect x={x(xs[0]) + 2} y={y(ys[1]) + 2} width={x(xs[1]) - x(xs[0]) - 4} height={y(ys[0]) - y(ys[1]) - 4} />
        </clipPath>
        <path class="border" d={toPath(border)} clip-path="url(#inside-surface)" />
        <g clip-path="url(#inside-surface)">
          {heldOut && <Points rows={heldOut} {...{ x, y, output, middle }} kind="held-out" />}
          {training.x.length > samples.length && (
            <Points rows={training} {...{ x, y, output, middle }} kind="trained" />
          )}
        </g>
        {samples.map((row, n) => (
          <Sample
            key={n}
            at={[x(row[0]), y(row[1])]}
            isHigh={targets[n][output] > middle}
            isShown={n === state.shown}
          />
        ))}
        <Axis side="left" scale={y} at={[MARGIN.left, 0]} ticks={4} label={inputName(net, 1)} labelAt={[4, 14]} />
        <Axis
          side="bottom"
          scale={x}
          at={[0, height - MARGIN.bottom]}
          ticks={4}
          label={inputName(net, 0)}
          labelAt={[width - MARGIN.right, height - 6]}
        />
      </svg>
      <figcaption>
        {outputs.size > 1 && (
          <label>
            Output{" "}
            <select
              class="inline"
              value={output}
              onChange={(event) => actions.chooseOutput(Number(event.currentTarget.value))}
            >
              {Array.from({ length: outputs.size }, (_, k) => (
                <option key={k} value={k}>
                  {net.unitName(outputs, k)}
                </option>
              ))}
            </select>{" "}
          </label>
        )}
        The output over the plane:{" "}
        <span class="key">
          <i class="swatch negative" /> below
        </span>{" "}
        and{" "}
        <span class="key">
          <i class="swatch positive" /> above
        </span>{" "}
        {format(middle, 2)}, the line. Squares are samples with a target above it, circles the others; the ring marks
        the sample shown{training.x.length > samples.length && ", small ones are rows of the training"}
        {heldOut && ", hollow ones are held out"}.
      </figcaption>
    </figure>
  );
}

/** Turns a contour, in grid units, into an SVG path. */
const pathOf =
  (toX, toY) =>
  ({ coordinates }) =>
    coordinates
      .flatMap((polygon) =>
        polygon.map((ring) => `M${ring.map(([px, py]) => `${toX(px).toFixed(1)},${toY(py).toFixed(1)}`).join("L")}Z`),
      )
      .join("");

/** Many points, small: squares and circles in one path each. */
function Points({ rows, x, y, output, middle, kind }) {
  const shapes = { positive: "", negative: "" };
  rows.x.slice(0, MOST_POINTS).forEach((row, n) => {
    const [cx, cy] = [x(row[0]).toFixed(1), y(row[1]).toFixed(1)];
    if (rows.y[n][output] > middle) shapes.positive += `M${cx},${cy}m-3,-3h6v6h-6z`;
    else shapes.negative += `M${cx},${cy}m-3,0a3,3 0 1,0 6,0a3,3 0 1,0 -6,0z`;
  });
  return Object.entries(shapes).map(([sign, path]) => <path key={sign} class={`points ${kind} ${sign}`} d={path} />);
}

function Sample({ at: [cx, cy], isHigh, isShown }) {
  return (
    <g class={`sample ${isHigh ? "positive" : "negative"}`}>
      {isShown && <circle class="halo" cx={cx} cy={cy} r={12} />}
      {isHigh ? <rect x={cx - 5} y={cy - 5} width={10} height={10} /> : <circle cx={cx} cy={cy} r={5.5} />}
    </g>
  );
}

function inputName(net, k) {
  const name = net.unitName(net.blocks[0], k);
  return /^\d+$/.test(name) ? `Input ${name}` : name;
}

function describe({ data, net, params }, output) {
  const rows = forward(data.layers, params, data.samples.x).at(-1);
  const values = rows.map((row) => (probabilities(net.loss.kind, row) ?? row)[output]);
  const some = values
    .slice(0, 8)
    .map((value, n) => `(${data.samples.x[n].map((v) => format(v, 2)).join(", ")}) gives ${format(value)}`);
  return `Output of the network over its two inputs. ${some.join("; ")}.`;
}
