// Runs the page's own engine outside a browser: `node page_engine.mjs SOURCE`, cases as JSON on standard input.

import { readFileSync } from "node:fs";

const source = process.argv[2];
const { layerRules } = await import(`${source}/engine/layers/index.js`);
const { createRandom } = await import(`${source}/engine/random.js`);
const { createRun, lossOver } = await import(`${source}/engine/training.js`);

const cases = JSON.parse(readFileSync(0, "utf8"));
const train = ({ network, params, data, settings, steps }) => {
  const run = createRun(network, params, data, settings);
  run.advance(steps);
  return { params: run.params, loss: lossOver(network, run.params, data), step: run.step };
};

/** Dropout of ones in training, what comes back of a gradient of ones, and what it does in prediction. */
const drop = ({ rate, x }) => {
  const { forward, backward } = layerRules.Dropout;
  const { y, cache } = forward({ rate }, {}, x, { training: true, random: createRandom(0).uniform });
  return { y, dx: backward({ rate }, {}, cache, x).dx, predicted: forward({ rate }, {}, x).y };
};
console.log(JSON.stringify(cases.map((each) => (each.job === "dropout" ? drop(each) : train(each)))));
