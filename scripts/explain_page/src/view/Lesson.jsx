// The lesson: what to do, what to watch and why, at each of its steps; the rest of the page shows what it is about.

import { useEffect, useRef } from "preact/hooks";

import { writeLink } from "../lab/link.js";
import { lessonSteps } from "../lesson/steps.js";
import { PushButton } from "./PushButton.jsx";

/** Where on the page each of the two views has what the words are about. */
const PLACES = {
  walk: { selector: ".walk", name: "Show the walk" },
  lab: { selector: ".play", name: "Show the training" },
};

export function Lesson({ model, actions }) {
  const { lesson } = model.state;
  const { chapter, title, words, goal, view } = lessonSteps[lesson.index];
  const panel = useRef(null);
  const shown = useRef(null);
  useEffect(() => {
    if (shown.current === lesson.index) return;
    shown.current = lesson.index;
    scrollTo(panel.current);
  });
  const number = lesson.index + 1;
  const count = lessonSteps.length;
  const isLast = number === count;
  const leave = () => {
    actions.leaveLesson();
    requestAnimationFrame(() => document.querySelector("[data-role=lesson-start]")?.focus());
  };
  return (
    <section class="lesson" aria-labelledby="lesson-title" ref={panel}>
      <p class="kicker">
        <b>lesson</b>
        <span> · {chapter}</span>
      </p>
      <h2 id="lesson-title">{title}</h2>
      <div class="words" data-role="lesson-words">
        {words.map((sentence) => (
          <p key={sentence}>{sentence}</p>
        ))}
      </div>
      <p class={`goal ${lesson.isDone ? "done" : ""}`} data-role="lesson-goal">
        <span aria-hidden="true">{lesson.isDone ? "✓" : "○"}</span> <b>{lesson.isDone ? "Done:" : "Your turn:"}</b>{" "}
        {goal.says}
      </p>
      <p class="visually-hidden" role="status" data-role="lesson-announcer">
        {`Lesson, step ${number} of ${count}: ${title}. ${lesson.isDone ? `Done: ${goal.says}` : words.join(" ")}`}
      </p>
      <div class="lesson-moves">
        <PushButton
          data-role="lesson-back"
          isOff={lesson.index === 0}
          aria-keyshortcuts="Shift+ArrowLeft"
          onClick={() => actions.goToLesson(lesson.index - 1)}
        >
          <span aria-hidden="true">←</span> Back<span class="visually-hidden"> in the lesson</span>
        </PushButton>
        <span class="lesson-progress" data-role="lesson-progress">
          step {number} of {count}
          <progress value={number} max={count} aria-hidden="true" />
        </span>
        <button
          type="button"
          class="primary"
          data-role="lesson-next"
          aria-keyshortcuts="Shift+ArrowRight"
          onClick={() => (isLast ? leave() : actions.goToLesson(lesson.index + 1))}
        >
          {isLast ? "Finish" : "Next"}
          <span class="visually-hidden"> {isLast ? "the lesson" : "in the lesson"}</span>{" "}
          <span aria-hidden="true">{isLast ? "" : "→"}</span>
        </button>
        <button
          type="button"
          class="quiet"
          data-role="lesson-show"
          onClick={() => scrollTo(document.querySelector(PLACES[view].selector))}
        >
          {PLACES[view].name}
        </button>
        <a data-role="lesson-link" href={writeLink(model.state)}>
          Link to this step
        </a>
        {!isLast && (
          <button type="button" class="quiet" data-role="lesson-leave" onClick={leave}>
            Leave the lesson
          </button>
        )}
        <span class="keys">
          <kbd>Shift</kbd> <kbd>←</kbd> <kbd>→</kbd>
        </span>
      </div>
    </section>
  );
}

/** On a phone, where the lesson is out of sight while its task is done: says that it is, and leads back. */
export function LessonReturn() {
  return (
    <button
      type="button"
      class="lesson-return"
      data-role="lesson-return"
      onClick={() => {
        scrollTo(document.querySelector(".lesson"));
        document.querySelector("[data-role=lesson-next]").focus({ preventScroll: true });
      }}
    >
      <span aria-hidden="true">✓</span> Done: back to the lesson
    </button>
  );
}

function scrollTo(element) {
  const isCalm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  element.scrollIntoView({ block: "start", behavior: isCalm ? "instant" : "smooth" });
}
