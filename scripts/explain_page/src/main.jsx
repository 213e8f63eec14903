// Starts the page: reads the data, and draws everything again whenever the state changes.

import { render } from "preact";

import { DataError, readData } from "./data.js";
import * as engine from "./engine/engine.js";
import { listenForArrows } from "./keyboard.js";
import { createModel, snapshotOf } from "./model.js";
import { describe } from "./network.js";
import { listSteps } from "./steps.js";
import { createActions, createStore, initialState } from "./store.js";
import { followSystem } from "./theme.js";
import { App } from "./view/App.jsx";

function start(root, text) {
  const data = readData(text);
  const net = describe(data);
  const steps = listSteps(net);
  const model = createModel(data, net, steps);
  const begin = initialState(data, net);
  const store = createStore({ ...begin, weight: model(begin).weight });
  const actions = createActions(store, net, steps);
  const draw = () => render(<App model={model(store.get())} actions={actions} />, root);
  store.subscribe(draw);
  followSystem(draw);
  listenForArrows(actions);
  document.title = data.title;
  draw();
  window.bpx = { data, engine, state: () => snapshotOf(model(store.get())) };
}

const root = document.getElementById("app");
try {
  start(root, document.getElementById("bpx-data").textContent);
} catch (error) {
  render(<p class="failure">{error.message}</p>, root);
  if (!(error instanceof DataError)) throw error;
}
