// The page's state, and the few ways in which it changes. Everything else is computed from it (see model.js).

import { trainingStep } from "./engine/engine.js";
import { readLink } from "./lab/link.js";
import { dataOf, planOf } from "./lab/plan.js";
import { readTable } from "./lab/table.js";
import { lessonSteps } from "./lesson/steps.js";
import { parseKey } from "./network.js";
import { sessionOf } from "./session.js";

export function createStore(initial) {
  let state = initial;
  const listeners = new Set();
  return {
    get: () => state,
    set(patch) {
      state = { ...state, ...patch };
      for (const listener of listeners) listener(state);
    },
    subscribe: (listener) => listeners.add(listener),
  };
}

/** Where the walk through a network starts: what its data ask for, else with a sample that has something to see. */
function startOf(data) {
  const start = data.start ?? {};
  const lively = firstLivelySample(data, start.snapshot ?? 0);
  const sample = start.sample ?? lively;
  const snapshot = start.snapshot ?? 0;
  return {
    data,
    step: 0,
    snapshot,
    sample,
    shown: sample === "all" ? lively : sample,
    weight: start.weight ? parseKey(start.weight) : strongestFirstWeight(data, snapshot, sample),
    units: {},
    path: null,
    own: null,
    output: 0,
    forecast: null,
  };
}

/** The state that a page begins with. */
export function initialState(data) {
  return {
    ...startOf(data),
    given: data,
    plan: planOf(data),
    table: null,
    problem: null,
    learningRate: data.learning_rate,
    playing: false,
    speed: "steady",
    lesson: null,
  };
}

/**
 * The first sample from which the first layer learns no less than from most others: one whose inputs are all 0, whose
 * error is gone, or whose hidden units are all off would be a walk through zeros.
 */
function firstLivelySample(data, snapshot) {
  const network = { layers: data.layers, loss: data.loss };
  const first = data.layers.findIndex(({ kind }) => kind === "Linear");
  const sizes = data.samples.x.map((row, n) => {
    const { grads } = trainingStep(network, data.snapshots[snapshot].params, [row], [data.samples.y[n]], 0);
    return Math.max(...grads[first].weight.flat().map(Math.abs));
  });
  const middle = [...sizes].sort((a, b) => a - b)[Math.floor((sizes.length - 1) / 2)];
  return Math.max(
    0,
    sizes.findIndex((size) => size >= 0.5 * middle && size > 0),
  );
}

/** The weight to begin with: that of the first layer with the largest gradient. */
function strongestFirstWeight({ layers, loss, samples, snapshots }, snapshot, sample) {
  const layer = layers.findIndex(({ kind }) => kind === "Linear");
  const take = (rows) => (sample === "all" ? rows : [rows[sample]]);
  const pass = trainingStep({ layers, loss }, snapshots[snapshot].params, take(samples.x), take(samples.y), 0);
  const { weight } = pass.grads[layer];
  let [i, j] = [0, 0];
  weight.forEach((row, from) =>
    row.forEach((gradient, to) => {
      if (Math.abs(gradient) > Math.abs(weight[i][j])) [i, j] = [from, to];
    }),
  );
  return { layer, name: "weight", i, j };
}

export function createActions(store) {
  const session = () => sessionOf(store.get().data);
  const clampStep = (step) => Math.max(0, Math.min(session().steps.length - 1, step));
  return {
    goTo: (step) => store.set({ step: clampStep(step) }),
    move: (by) => store.set({ step: clampStep(store.get().step + by) }),
    chooseSnapshot: (snapshot) => store.set({ snapshot, own: null }),
    chooseSample: (sample) => store.set(sample === "all" ? { sample } : { sample, shown: sample, path: null }),
    chooseShown: (shown) => store.set({ shown }),
    chooseLearningRate: (learningRate) => store.set({ learningRate }),
    chooseUnit: (block, unit) => store.set({ units: { ...store.get().units, [block.index]: unit } }),
    choosePath: (path) => store.set({ path }),
    chooseOutput: (output) => store.set({ output }),
    chooseSpeed: (speed) => store.set({ speed }),
    chooseWeight(weight) {
      const block = session().net.blocks.find(({ linear }) => linear === weight.layer);
      const units = { ...store.get().units, [block.index]: weight.j };
      if (weight.name === "weight") units[block.index - 1] = weight.i;
      store.set({ weight, units, path: null });
    },
    /** Take the step that is shown: go on with its new weights from the beginning of the walk. */
    takeStep(newParams) {
      const { own } = store.get();
      store.set({ own: { params: newParams, taken: (own?.taken ?? 0) + 1, curve: null }, step: 0 });
    },
    forgetSteps: () => store.set({ own: null, playing: false }),
    /** Change what the network is or learns from; what cannot be is said, and nothing changes. */
    choosePlan(change) {
      const { plan, given, table, data, learningRate } = store.get();
      const next = { ...plan, ...change };
      try {
        const made = ["hidden", "source", "activation", "norm", "dropout", "shortcuts", "seed", "target"].some(
          (key) => key in change,
        );
        if (!made) return store.set({ plan: next, problem: null });
        const fresh = dataOf(next, given, table);
        if (fresh === data) return store.set({ plan: next, problem: null });
        return store.set({ ...startOf(fresh), plan: next, problem: null, playing: false, learningRate });
      } catch (error) {
        if (!error.isForReader) throw error;
        return store.set({ problem: error.message });
      }
    },
    complain: (problem) => store.set({ problem }),
    /** Go to a step of the lesson: the page becomes what it shows. What the page was before waits in `home`. */
    goToLesson(index) {
      const before = store.get();
      const { scene, at, view, rate, speed = "steady" } = lessonSteps[index];
      const made = scene();
      const data = { ...made, start: { ...made.start, view } };
      const begun = initialState(data);
      const [kind, layer] = at;
      store.set({
        ...begun,
        step: sessionOf(data).steps.findIndex((step) => step.kind === kind && step.layer === layer),
        learningRate: rate ?? begun.learningRate,
        speed,
        lesson: { index, isDone: false, home: before.lesson?.home ?? before },
      });
    },
    /** Give the page back as it was before the lesson. */
    leaveLesson() {
      const { lesson } = store.get();
      if (lesson) store.set({ ...lesson.home, playing: false });
    },
    /** Learn from a table that the reader dropped; one that cannot be read is said, and nothing changes. */
    takeTable(text, title) {
      const { table: before } = store.get();
      try {
        const table = readTable(text, title);
        store.set({ table });
        this.choosePlan({
          source: "table",
          target: table.names.length - 1,
          activation: store.get().plan.activation ?? "Tanh",
        });
        if (store.get().problem) store.set({ table: before });
      } catch (error) {
        if (!error.isForReader) throw error;
        store.set({ problem: error.message });
      }
    },
    /** Begin where a link says; a broken one is said, and the page begins as it is. */
    follow(hash) {
      const before = store.get();
      try {
        const asked = readLink(hash);
        if (!asked) return;
        if (asked.lesson !== undefined) {
          this.goToLesson(asked.lesson - 1);
          return;
        }
        this.leaveLesson();
        if (asked.rate !== undefined) store.set({ learningRate: asked.rate });
        this.choosePlan(asked.plan);
        if (store.get().problem) return;
        const { steps } = session();
        const part = steps.findIndex((step) => step.part === asked.part);
        const step = asked.step === undefined ? part : asked.step - 1;
        if (step >= 0) store.set({ step: clampStep(step) });
      } catch (error) {
        if (!error.isForReader) throw error;
        store.set({ ...before, problem: error.message });
      }
    },
  };
}
