// Arrow keys walk through the steps, and with Shift through the lesson, unless they have a use where the focus is.

import { lessonSteps } from "./lesson/steps.js";

const OWN_ARROWS = "input, select, textarea, [role=grid], .scroller[tabindex]";

export function listenForArrows(store, actions) {
  const moveLesson = (by) => {
    const next = store.get().lesson.index + by;
    if (next >= 0 && next < lessonSteps.length) actions.goToLesson(next);
  };
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.shiftKey && !store.get().lesson) return;
    if (event.target.closest?.(OWN_ARROWS)) return;
    const lessonMoves = { ArrowRight: () => moveLesson(1), ArrowLeft: () => moveLesson(-1) };
    const walkMoves = {
      ArrowRight: () => actions.move(1),
      ArrowLeft: () => actions.move(-1),
      Home: () => actions.goTo(0),
      End: () => actions.goTo(Infinity),
    };
    const move = (event.shiftKey ? lessonMoves : walkMoves)[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  });
}
