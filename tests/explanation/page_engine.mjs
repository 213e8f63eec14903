// Runs the page's own engine outside a browser: `node page_engine.mjs SOURCE`, cases as JSON on standard input.

import { readFileSync } from "node:fs";

const source = process.argv[2];
const { createRun, lossOver } = await import(`${source}/engine/training.js`);

const cases = JSON.parse(readFileSync(0, "utf8"));
const train = ({ network, params, data, settings, steps }) => {
  const run = createRun(network, params, data, settings);
  run.advance(steps);
  return { params: run.params, loss: lossOver(network, run.params, data), step: run.step };
};
console.log(JSON.stringify(cases.map(train)));
