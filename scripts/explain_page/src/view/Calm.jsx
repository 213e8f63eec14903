// Parts of the page that rest while training plays, or follow only `every` so many milliseconds. Numbers that change
// sixty times a second cannot be read, and to set them in type takes longer than a frame. They follow when it stops, or
// when the reader goes to another step or weight.

import { Component } from "preact";

export class Calm extends Component {
  drawnAt = 0;

  shouldComponentUpdate({ model: next, every = Infinity }) {
    const { model } = this.props;
    if (!next.state.playing || !model.state.playing) return true;
    if (next.step !== model.step || next.weight !== model.weight || next.net !== model.net) return true;
    return performance.now() - this.drawnAt > every;
  }

  render({ children }) {
    this.drawnAt = performance.now();
    return children();
  }
}
