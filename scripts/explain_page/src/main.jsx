// Starts the page: reads the data, and draws everything again whenever the state changes.

import { render } from "preact";

import { DataError, readData } from "./data.js";
import * as engine from "./engine/engine.js";
import { listenForArrows } from "./keyboard.js";
import { listenForFiles } from "./lab/dropping.js";
import { followLearningRate } from "./lab/forecast.js";
import { createPlayer } from "./lab/player.js";
import { watchGoals, writeAddress } from "./lesson/watching.js";
import { createModel, snapshotOf } from "./model.js";
import { createActions, createStore, initialState } from "./store.js";
import { currentTheme, followSystem, setTheme } from "./theme.js";
import { App } from "./view/App.jsx";
import { Summary } from "./view/Summary.jsx";

function showSummary(root, data) {
  followSystem(() => {});
  render(<Summary data={data} />, root);
  document.getElementById("arithmetic").textContent = "Its numbers were computed by bpx";
  window.bpx = { data, engine };
}

function start(root, text) {
  const data = readData(text);
  document.title = data.title;
  if (data.summary) return showSummary(root, data);
  const model = createModel();
  const store = createStore({ ...initialState(data), theme: currentTheme() });
  const actions = { ...createActions(store), ...createPlayer(store), chooseTheme };
  function chooseTheme(theme) {
    setTheme(theme);
    store.set({ theme });
  }
  const draw = () => render(<App model={model(store.get())} actions={actions} />, root);
  store.subscribe(draw);
  followLearningRate(store);
  actions.follow(location.hash);
  watchGoals(store);
  writeAddress(store, actions);
  followSystem((theme) => store.set({ theme }));
  listenForArrows(store, actions);
  listenForFiles(actions);
  draw();
  window.bpx = {
    get data() {
      return store.get().data;
    },
    engine,
    state: () => snapshotOf(model(store.get())),
  };
}

const root = document.getElementById("app");
try {
  start(root, document.getElementById("bpx-data").textContent);
} catch (error) {
  render(<p class="failure">{error.message}</p>, root);
  if (!(error instanceof DataError)) throw error;
}
