// The loss over the training steps, with the saved steps as dots; a click goes to the nearest. Beside it, the loss of the
// training in the page, and what the curve would be with the learning rate that is set.

import { extent, minIndex } from "d3-array";
import { scaleLinear, scaleLog, scaleSymlog } from "d3-scale";
import { pointer } from "d3-selection";
import { line } from "d3-shape";
import { useRef } from "preact/hooks";

import { exact, format } from "../text/format.js";
import { Axis } from "./Axis.jsx";
import { useWidth } from "./use_width.js";

const HEIGHT = 260;
const MARGIN = { top: 30, right: 14, bottom: 44, left: 56 };

function lossScale(values) {
  const finite = values.filter(Number.isFinite);
  const [low, high] = finite.length ? extent(finite) : [0, 1];
  const isLog = low > 0 && high / low > 50;
  const scale = isLog ? scaleLog().domain([low, high]) : scaleLinear().domain([Math.min(0, low), high || 1]);
  return { isLog, scale: scale.nice().range([HEIGHT - MARGIN.bottom, MARGIN.top]) };
}

const UNEQUAL = 20;

/** Time is logarithmic (and begins at 0) where the saved steps are: their last gap is many times the first. */
function timeScale(steps, lastStep, range) {
  const gaps = steps.slice(1).map((step, k) => step - steps[k]);
  const isLog = gaps.length > 2 && gaps.at(-1) > UNEQUAL * gaps[0];
  if (!isLog) return { isLog, scale: scaleLinear([0, lastStep], range), ticks: null };
  const powers = Array.from({ length: Math.floor(Math.log10(lastStep)) + 1 }, (_, k) => 10 ** k);
  return { isLog, scale: scaleSymlog([0, lastStep], range), ticks: [0, ...powers] };
}

/** Steps and losses of the page's own training, counted on from the saved step that it began at. */
const shift = (curve, by) => ({ ...curve, step: curve.step.map((step) => step + by) });

export function LossCurve({ model, onChoose }) {
  const frame = useRef(null);
  const width = useWidth(frame, 520);
  const { data, state } = model;
  const { losses, snapshots } = data;
  const now = snapshots[state.snapshot];
  const own = state.own?.curve ? shift(state.own.curve, now.step) : null;
  const forecast = state.forecast;
  const first = losses.loss.find(Number.isFinite) ?? 1;
  // A curve that leaves every bound does not flatten the others.
  const bound = (values) => values.filter((value) => value < 1e4 * Math.max(first, 1e-3));
  const { scale: y, isLog } = lossScale([
    ...losses.loss,
    ...snapshots.map(({ loss }) => loss),
    ...(own ? [...bound(own.loss), ...bound(own.heldOut.filter((loss) => loss !== null))] : []),
    ...(forecast ? bound(forecast.loss) : []),
  ]);
  const moments = snapshots.map(({ step }) => step);
  const lastStep = Math.max(...losses.step, ...moments, ...(own?.step ?? []), 1);
  const time = timeScale(moments, lastStep, [MARGIN.left, width - MARGIN.right]);
  const x = time.scale;
  const isPlotted = (value) => typeof value === "number" && Number.isFinite(value) && (!isLog || value > 0);
  const pathOf = ({ step }, values) =>
    line()
      .defined((_, k) => isPlotted(values[k]))
      .x((at) => x(at))
      .y((_, k) => y(values[k]))(step);
  const choose = (event) => {
    const [at] = pointer(event);
    onChoose(minIndex(moments, (step) => Math.abs(x(step) - at)));
  };
  const at = (k) => `${format(losses.loss.at(k))} at step ${losses.step.at(k)}`;
  const description = `Loss over training: ${at(0)}, ${at(-1)}.`;
  return (
    <div ref={frame}>
      <svg class="chart loss-curve" width={width} height={HEIGHT} role="img" aria-label={description} onClick={choose}>
        <clipPath id="inside-curve">
          <rect x={MARGIN.left} y={0} width={width - MARGIN.left} height={HEIGHT - MARGIN.bottom} />
        </clipPath>
        <Axis
          side="left"
          scale={y}
          at={[MARGIN.left, 0]}
          label={isLog ? "Loss (log scale)" : "Loss"}
          labelAt={[4, 14]}
          tickFormat={isLog ? "~g" : null}
        />
        <Axis
          side="bottom"
          scale={x}
          at={[0, HEIGHT - MARGIN.bottom]}
          ticks={Math.min(width < 420 ? 4 : 6, lastStep)}
          tickValues={time.ticks}
          tickFormat={time.isLog ? ",d" : null}
          label={time.isLog ? "Training step (log scale)" : "Training step"}
          labelAt={[width - MARGIN.right, HEIGHT - 6]}
        />
        <line class="rule" x1={x(now.step)} x2={x(now.step)} y1={MARGIN.top} y2={HEIGHT - MARGIN.bottom} />
        <path class="curve" d={pathOf(losses, losses.loss)} />
        <g clip-path="url(#inside-curve)">
          {forecast && <path class="curve forecast" d={pathOf(forecast, forecast.loss)} />}
          {own && <path class="curve own" d={pathOf(own, own.loss)} />}
          {own && <path class="curve held-out" d={pathOf(own, own.heldOut)} />}
        </g>
        {snapshots.map(({ step, loss }, k) =>
          isPlotted(loss) ? (
            <circle
              key={k}
              class={k === state.snapshot ? "now" : ""}
              cx={x(step)}
              cy={y(loss)}
              r={k === state.snapshot ? 6 : 3}
            />
          ) : null,
        )}
      </svg>
      <Legend model={model} own={own} forecast={forecast} />
    </div>
  );
}

/** What the lines are, where there are more than the page's one. */
function Legend({ model, own, forecast }) {
  if (!own && !forecast) return null;
  const { data } = model;
  const hasHeldOut = own && data.held_out;
  return (
    <p class="legend" data-role="legend">
      {own && (
        <span class="key">
          <i class="stroke own" /> trained here
        </span>
      )}
      {hasHeldOut && (
        <span class="key">
          <i class="stroke held-out" /> held out
        </span>
      )}
      {forecast && (
        <span data-role="forecast">
          <i class="stroke forecast" /> with the learning rate {exact(forecast.learningRate)}, computed here
          {forecast.isLost && `: it diverges, the loss grows without bound by step ${forecast.step.at(-1)}`}
          {!forecast.isLost &&
            forecast.isDone &&
            `: loss ${format(forecast.loss.at(-1))} at step ${forecast.step.at(-1)}`}
        </span>
      )}
    </p>
  );
}
