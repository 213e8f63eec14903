// What the reader came to is scrolled into view, where the browser does not see to it.

// Where the page is one column, the step's explanation stands below the drawing.
const ONE_COLUMN = "(max-width: 1180px)";

/**
 * Scroll so that the panel begins in the middle of the window, below the end of the drawing, unless it is in view. Where
 * it stands beside the drawing, it moves only if it begins at the window's end or below, as it does under a lesson.
 */
export function bringIntoView(panel) {
  const isBelowDrawing = window.matchMedia(ONE_COLUMN).matches;
  const { top } = panel.getBoundingClientRect();
  const height = window.innerHeight;
  const isInView = isBelowDrawing ? top >= 0 && top <= 0.6 * height : top <= 0.8 * height;
  if (isInView) return;
  const isCalm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  window.scrollBy({ top: top - 0.45 * height, behavior: isCalm ? "instant" : "smooth" });
}

/** Firefox does not scroll to a part of a drawing that gets the focus from the keyboard. */
export function bringFocusIntoView({ target }) {
  const { top, bottom } = target.getBoundingClientRect();
  const isSeen = top >= 0 && bottom <= window.innerHeight;
  if (!isSeen && target.matches(":focus-visible")) target.scrollIntoView({ block: "center", behavior: "instant" });
}
