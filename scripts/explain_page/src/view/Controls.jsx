// The bar that walks through the step: four parts to jump to, back and next. During the lesson, which has a back and a next
// of its own, it says that it is the walk.

import { PARTS } from "../steps.js";
import { LessonReturn } from "./Lesson.jsx";
import { PushButton } from "./PushButton.jsx";

const title = (part) => part[0].toUpperCase() + part.slice(1);

export function Walk({ model, actions }) {
  const { steps, state, step } = model;
  const last = steps.length - 1;
  return (
    <nav class="walk" aria-label="Steps of backpropagation">
      <ol class="parts">
        {PARTS.map((part) => {
          const indices = steps.map((item, k) => (item.part === part ? k : -1)).filter((k) => k >= 0);
          const isNow = step.part === part;
          return (
            <li key={part} class={`part part-${part} ${isNow ? "now" : ""}`} style={{ flexGrow: indices.length + 4 }}>
              <button
                type="button"
                aria-current={isNow ? "step" : undefined}
                data-part={part}
                onClick={() => actions.goTo(indices[0])}
              >
                <span>{title(part)}</span>
                <span class="ticks" aria-hidden="true">
                  {indices.map((k) => (
                    <i key={k} class={k === state.step ? "here" : k < state.step ? "done" : ""} />
                  ))}
                </span>
              </button>
            </li>
          );
        })}
      </ol>
      <div class="moves">
        {state.lesson?.isDone && <LessonReturn />}
        <PushButton
          data-role="back"
          isOff={state.step === 0}
          onClick={() => actions.move(-1)}
          aria-keyshortcuts="ArrowLeft"
        >
          <span aria-hidden="true">←</span> Back
        </PushButton>
        <output class="count" aria-label={`Step ${state.step + 1} of ${steps.length}`}>
          {state.lesson && <span aria-hidden="true">walk </span>}
          {state.step + 1}
          <span aria-hidden="true"> / {steps.length}</span>
        </output>
        <PushButton
          class="primary"
          data-role="next"
          isOff={state.step === last}
          onClick={() => actions.move(1)}
          aria-keyshortcuts="ArrowRight"
        >
          Next <span aria-hidden="true">→</span>
        </PushButton>
      </div>
    </nav>
  );
}
