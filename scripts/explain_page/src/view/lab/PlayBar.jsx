// The training of the page's own: play, one step, back to the start, how fast; and how far it has come.

import { format } from "../../text/format.js";
import { PushButton } from "../PushButton.jsx";

const SPEED_NAMES = { slow: "Slow", steady: "Steady", fast: "Fast", fastest: "As fast as it goes" };

export function PlayBar({ model, actions }) {
  const { playing, speed, own } = model.state;
  return (
    <div class="play" role="group" aria-label="Training in this page">
      <button
        type="button"
        class="primary"
        data-role="play"
        aria-pressed={String(playing)}
        onClick={playing ? actions.pause : actions.play}
      >
        <span aria-hidden="true">{playing ? "❚❚" : "▶"}</span> {playing ? "Pause" : "Train"}
      </button>
      <PushButton data-role="train-step" isOff={playing} onClick={() => actions.step()}>
        One step
      </PushButton>
      <PushButton data-role="reset" isOff={!own} onClick={actions.forgetSteps}>
        Reset
      </PushButton>
      <label>
        <span class="visually-hidden">Speed</span>
        <select value={speed} data-role="speed" onChange={(event) => actions.chooseSpeed(event.currentTarget.value)}>
          {Object.entries(SPEED_NAMES).map(([key, name]) => (
            <option key={key} value={key}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <a href="#training">What it learns</a>
      <Progress own={own} playing={playing} />
    </div>
  );
}

function Progress({ own, playing }) {
  if (!own?.curve) return null;
  const [loss, heldOut] = [own.curve.loss.at(-1), own.curve.heldOut.at(-1)];
  return (
    <p class="progress" data-role="progress">
      step <b>{own.taken.toLocaleString("en-US")}</b>, loss <b>{format(loss)}</b>
      {heldOut !== null && (
        <>
          , held out <b>{format(heldOut)}</b>
        </>
      )}
      {!Number.isFinite(loss) && (
        <span class="problem"> The loss has grown without bound. A smaller learning rate?</span>
      )}
      <span class="visually-hidden" role="status">
        {playing ? "Training." : `Stopped at step ${own.taken}, loss ${format(loss)}.`}
      </span>
    </p>
  );
}
