// Notices when a goal of the lesson is met, and keeps the step of the lesson in the address of the page.

import { writeLink } from "../lab/link.js";
import { sessionOf } from "../session.js";
import { lessonSteps } from "./steps.js";

export function watchGoals(store) {
  store.subscribe((state) => {
    const { lesson, data, step } = state;
    if (!lesson || lesson.isDone) return;
    const { goal } = lessonSteps[lesson.index];
    if (goal.isMet(state, sessionOf(data).steps[step])) store.set({ lesson: { ...lesson, isDone: true } });
  });
}

/** The address follows the lesson, so that a step can be shared and gone back to; and the page follows the address. */
export function writeAddress(store, actions) {
  let written = null;
  store.subscribe(({ lesson }) => {
    if ((lesson?.index ?? null) === written) return;
    written = lesson?.index ?? null;
    location.hash = writeLink(store.get());
  });
  window.addEventListener("hashchange", () => {
    if (location.hash !== writeLink(store.get())) actions.follow(location.hash);
  });
}
