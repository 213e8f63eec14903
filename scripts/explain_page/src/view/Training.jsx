// The run of training: the loss curve with a slider over the saved steps, and what the network has learned by then.

import { format } from "../text/format.js";
import { Calm } from "./Calm.jsx";
import { DecisionSurface } from "./DecisionSurface.jsx";
import { UnitViews } from "./lab/UnitViews.jsx";
import { LossCurve } from "./LossCurve.jsx";

export function Training({ model, actions }) {
  const { data, net, state } = model;
  const { snapshots } = data;
  const now = snapshots[state.snapshot];
  const hasSurface = net.blocks[0].size === 2;
  return (
    <section class="training" id="training" aria-labelledby="training-title">
      <p class="kicker">
        <b>training</b>
      </p>
      <h2 id="training-title">From step to step</h2>
      <p class="lead">
        Training repeats the four parts again and again.{" "}
        {snapshots.length > 1 ? "Move to another moment of it, and the whole page follows." : ""}
      </p>
      <div class={`charts ${hasSurface ? "two" : ""}`}>
        <figure>
          <Calm model={model} every={100}>
            {() => <LossCurve model={model} onChoose={actions.chooseSnapshot} />}
          </Calm>
          {snapshots.length > 1 && (
            <label class="slider">
              <span>
                Training step <b data-role="snapshot-step">{now.step.toLocaleString("en-US")}</b>, loss{" "}
                <b>{format(now.loss)}</b>
              </span>
              <input
                type="range"
                min={0}
                max={snapshots.length - 1}
                step={1}
                value={state.snapshot}
                data-role="snapshot-slider"
                aria-valuetext={`training step ${now.step}, loss ${format(now.loss)}`}
                onInput={(event) => actions.chooseSnapshot(Number(event.currentTarget.value))}
              />
            </label>
          )}
        </figure>
        {hasSurface && (
          <Calm model={model} every={100}>
            {() => <DecisionSurface model={model} actions={actions} />}
          </Calm>
        )}
        <Calm model={model} every={200}>
          {() => <UnitViews model={model} actions={actions} />}
        </Calm>
      </div>
    </section>
  );
}
