// The page's state, and the few ways in which it changes. Everything else is computed from it (see model.js).

import { parseKey } from "./network.js";

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

/** Where the page starts: what the data ask for, else the first sample that is not all zeros. */
export function initialState(data, net) {
  const start = data.start ?? {};
  const lively = data.samples.x.findIndex((row) => row.some((value) => value !== 0));
  const sample = start.sample ?? Math.max(0, lively);
  return {
    step: 0,
    snapshot: start.snapshot ?? 0,
    sample,
    shown: sample === "all" ? Math.max(0, lively) : sample,
    learningRate: data.learning_rate,
    weight: start.weight ? parseKey(start.weight) : null,
    units: {},
    path: null,
    own: null,
    output: 0,
  };
}

export function createActions(store, net, steps) {
  const clampStep = (step) => Math.max(0, Math.min(steps.length - 1, step));
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
    chooseWeight(weight) {
      const block = net.blocks.find(({ linear }) => linear === weight.layer);
      const units = { ...store.get().units, [block.index]: weight.j };
      if (weight.name === "weight") units[block.index - 1] = weight.i;
      store.set({ weight, units, path: null });
    },
    /** Take the step that is shown: go on with its new weights from the beginning of the walk. */
    takeStep(newParams) {
      const { own } = store.get();
      store.set({ own: { params: newParams, taken: (own?.taken ?? 0) + 1 }, step: 0 });
    },
    forgetSteps: () => store.set({ own: null }),
  };
}
