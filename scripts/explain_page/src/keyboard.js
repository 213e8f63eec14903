// Arrow keys walk through the steps, unless they have a use where the focus is.

const OWN_ARROWS = "input, select, textarea, [role=grid], .scroller[tabindex]";

export function listenForArrows(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest?.(OWN_ARROWS)) return;
    const moves = {
      ArrowRight: () => actions.move(1),
      ArrowLeft: () => actions.move(-1),
      Home: () => actions.goTo(0),
      End: () => actions.goTo(Infinity),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  });
}
