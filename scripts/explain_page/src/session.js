// What follows from a page's data alone: the network with its names, and the steps of the walk through it.

import { describe } from "./network.js";
import { listSteps } from "./steps.js";

const sessions = new WeakMap();

export function sessionOf(data) {
  if (!sessions.has(data)) {
    const net = describe(data);
    sessions.set(data, { net, steps: listSteps(net) });
  }
  return sessions.get(data);
}
