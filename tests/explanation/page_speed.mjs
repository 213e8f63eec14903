// How long a training step of the page's own engine takes, in multiply-adds of the same machine at the same time:
// `node page_speed.mjs SOURCE`, cases { sizes, rows, loss } as JSON on standard input.

import { readFileSync } from "node:fs";

const source = process.argv[2];
const { initialize } = await import(`${source}/engine/initialize.js`);
const { createRandom } = await import(`${source}/engine/random.js`);
const { createRun } = await import(`${source}/engine/training.js`);

const ROUNDS = 200;

function makeRun({ sizes, rows, loss }) {
  const random = createRandom(0);
  const layers = sizes.slice(1).flatMap((units, k) => {
    const linear = { kind: "Linear", n_in: sizes[k], n_out: units, frozen: [] };
    return k === sizes.length - 2 ? [linear] : [linear, { kind: "Tanh" }];
  });
  const draw = (length) => Array.from({ length }, random.normal);
  const x = Array.from({ length: rows }, () => draw(sizes[0]));
  const outputs = sizes.at(-1);
  const y = x.map((_, n) => Array.from({ length: outputs }, (_, k) => (n % (outputs + 1) === k ? 1 : 0)));
  const settings = { optimizer: { kind: "adam" }, learningRate: 0.001, batchSize: null };
  return createRun({ layers, loss: { kind: loss, reduction: "mean" } }, initialize(layers, random), { x, y }, settings);
}

/** The multiply-adds of a step's products, forward, for the weights and for the inputs, in the plainest loop. */
function makeMeasure({ sizes, rows }) {
  const weights = sizes.slice(1).reduce((sum, units, k) => sum + units * sizes[k], 0);
  const [a, b] = [1, 2].map((seed) => Float64Array.from({ length: 1024 }, createRandom(seed).uniform));
  return () => {
    let sum = 0;
    for (let done = 0; done < 3 * rows * weights; done += a.length)
      for (let k = 0; k < a.length; k += 1) sum += a[k] * b[k];
    return sum;
  };
}

function time(work) {
  const began = performance.now();
  const result = work();
  return [performance.now() - began, result];
}

/** In turn, and the least of each: what else the machine does slows both down. */
function compare(options) {
  const run = makeRun(options);
  const measure = makeMeasure(options);
  let [step, least, sum] = [Infinity, Infinity, 0];
  for (let round = 0; round < ROUNDS; round += 1) {
    step = Math.min(step, time(() => run.advance(1))[0]);
    const [took, part] = time(measure);
    least = Math.min(least, took);
    sum += part;
  }
  return { step, ratio: step / least, isFinite: Number.isFinite(sum + run.params[0].weight[0][0]) };
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(compare)));
