// The loss over the training steps, with the saved steps as dots; a click goes to the nearest.

import { bisectCenter, extent } from "d3-array";
import { scaleLinear, scaleLog } from "d3-scale";
import { pointer } from "d3-selection";
import { line } from "d3-shape";
import { useRef } from "preact/hooks";

import { format } from "../text/format.js";
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

export function LossCurve({ data, current, onChoose }) {
  const frame = useRef(null);
  const width = useWidth(frame, 520);
  const { losses, snapshots } = data;
  const { scale: y, isLog } = lossScale([...losses.loss, ...snapshots.map(({ loss }) => loss)]);
  const lastStep = Math.max(...losses.step, ...snapshots.map(({ step }) => step), 1);
  const x = scaleLinear([0, lastStep], [MARGIN.left, width - MARGIN.right]);
  const isPlotted = (value) => Number.isFinite(value) && (!isLog || value > 0);
  const curve = line()
    .defined((_, k) => isPlotted(losses.loss[k]))
    .x((step) => x(step))
    .y((_, k) => y(losses.loss[k]));
  const choose = (event) =>
    onChoose(
      bisectCenter(
        snapshots.map(({ step }) => step),
        x.invert(pointer(event)[0]),
      ),
    );
  const now = snapshots[current];
  const at = (k) => `${format(losses.loss.at(k))} at step ${losses.step.at(k)}`;
  const description = `Loss over training: ${at(0)}, ${at(-1)}.`;
  return (
    <div ref={frame}>
      <svg class="chart loss-curve" width={width} height={HEIGHT} role="img" aria-label={description} onClick={choose}>
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
          label="Training step"
          labelAt={[width - MARGIN.right, HEIGHT - 6]}
        />
        <line class="rule" x1={x(now.step)} x2={x(now.step)} y1={MARGIN.top} y2={HEIGHT - MARGIN.bottom} />
        <path class="curve" d={curve(losses.step)} />
        {snapshots.map(({ step, loss }, k) =>
          isPlotted(loss) ? (
            <circle key={k} class={k === current ? "now" : ""} cx={x(step)} cy={y(loss)} r={k === current ? 6 : 3} />
          ) : null,
        )}
      </svg>
    </div>
  );
}
