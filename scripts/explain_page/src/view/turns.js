// While training plays, the parts of the page are drawn in turns: one in each frame, the one that is most overdue. All
// of them at once would take longer than a frame, and the training would stutter.

const waiting = new Set();
let isScheduled = false;

/** How long a part is overdue, as a share of the time that it rests between two drawings; below 0: not yet. */
const overdue = (part, now) => (now - part.drawnAt) / part.props.every - 1;

function giveTurn() {
  isScheduled = false;
  const now = performance.now();
  let next = null;
  for (const part of waiting) if (!next || overdue(part, now) > overdue(next, now)) next = part;
  if (next && overdue(next, now) >= 0) next.forceUpdate();
  schedule();
}

function schedule() {
  if (isScheduled || waiting.size === 0) return;
  isScheduled = true;
  requestAnimationFrame(giveTurn);
}

/** Wait to be drawn; a part is { props: { every }, drawnAt, forceUpdate() }, times in milliseconds. */
export function awaitTurn(part) {
  waiting.add(part);
  schedule();
}

export const forgetTurn = (part) => waiting.delete(part);
