// Parts of the page that rest while training plays, or follow it in turns, `every` so many milliseconds at most. Numbers
// that change sixty times a second cannot be read, and to set them in type takes longer than a frame. They follow at once
// when it stops, or when the reader changes anything.

import { Component } from "preact";

import { awaitTurn, forgetTurn } from "./turns.js";

/** Whether two states differ in nothing but how far the training has come. */
const differInProgress = (before, after) =>
  Object.keys(after).every((key) => key === "own" || Object.is(before[key], after[key]));

export class Calm extends Component {
  drawnAt = 0;

  shouldComponentUpdate({ model: next, every }) {
    if (!next.state.playing || !differInProgress(this.props.model.state, next.state)) return true;
    if (every) awaitTurn(this);
    return false;
  }

  componentWillUnmount() {
    forgetTurn(this);
  }

  render({ children }) {
    forgetTurn(this);
    this.drawnAt = performance.now();
    return children();
  }
}
