// Tables in, networks out, outside a browser: `node page_files.mjs SOURCE`, cases as JSON on standard input.

import { readFileSync } from "node:fs";

const source = process.argv[2];
const load = (name) => import(`${source}/${name}.js`);
const { readData } = await load("data");
const { forward } = await load("engine/engine");
const { createRun } = await load("engine/training");
const { readLink, writeLink } = await load("lab/link");
const { dataOf, planOf } = await load("lab/plan");
const { foldScaling, writeNetwork } = await load("lab/safetensors");
const { readTable } = await load("lab/table");

/** The table of a text, a network trained on it, the file of the network, and what it predicts in the page. */
function learnTable({ text, title, page, plan: change, steps }) {
  const given = readData(page);
  const table = readTable(text, title);
  const plan = { ...planOf(given), source: "table", target: table.names.length - 1, ...change };
  const data = dataOf(plan, given, table);
  const network = { layers: data.layers, loss: data.loss };
  const settings = { optimizer: { kind: "adam" }, learningRate: 0.02, batchSize: 8, seed: 0 };
  const run = createRun(network, data.snapshots[0].params, data.training, settings);
  run.advance(steps);
  const raw = data.training.x.map((row) => row.map((v, k) => v * data.scaling.scale[k] + data.scaling.mean[k]));
  const { mean, scale } = data.scaling.target ?? { mean: 0, scale: 1 };
  const outputs = forward(data.layers, run.params, data.training.x).at(-1);
  return {
    data,
    raw,
    outputs: outputs.map((row) => row.map((value) => value * scale + mean)),
    file: Buffer.from(writeNetwork(network, foldScaling(run.params, data.scaling))).toString("base64"),
  };
}

function saveNetwork({ page }) {
  const data = readData(page);
  return Buffer.from(writeNetwork(data, data.snapshots[0].params)).toString("base64");
}

const jobs = {
  table: learnTable,
  save: saveNetwork,
  readLink: ({ link }) => readLink(link),
  writeLink: ({ state }) => writeLink(state),
};

const attempt = ({ job, ...rest }) => {
  try {
    return { result: jobs[job](rest) };
  } catch (error) {
    if (!error.isForReader) throw error;
    return { problem: error.message };
  }
};
console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(attempt)));
