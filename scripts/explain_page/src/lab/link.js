// The state of the page as the end of its address, and back: a teacher sends the link, and the class begins there.
//
//     #source=moons&hidden=4,4&activation=Tanh&optimizer=adam&batch=32&seed=1&rate=0.03&part=backward
//
// What a link leaves out stays as the page has it. A step of the lesson has a link of its own, #lesson=3.

import { lessonSteps } from "../lesson/steps.js";
import { PARTS } from "../steps.js";
import { datasets } from "./datasets.js";
import { ACTIVATIONS, NORMS, OPTIMIZERS, readHidden } from "./plan.js";
import { PlanError } from "./plan_error.js";

const broken = (what) =>
  new PlanError(`The link to this page is broken: ${what}. The page begins as it is without it.`);

const oneOf = (name, known) => (text) => {
  if (!known.includes(text)) throw broken(`there is no ${name} “${text.slice(0, 40)}”`);
  return text;
};

function numberFrom(name, least, isWhole = false) {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isFinite(value) || value < least || (isWhole && !Number.isInteger(value)))
      throw broken(`${name} is “${text.slice(0, 40)}”`);
    return value;
  };
}

function dropoutFrom(text) {
  const rate = numberFrom("dropout", 0)(text);
  if (rate >= 1) throw broken(`dropout is “${text.slice(0, 40)}”`);
  return rate;
}

function lessonFrom(text) {
  const number = numberFrom("the step of the lesson", 1, true)(text);
  if (number > lessonSteps.length) throw broken(`the lesson has ${lessonSteps.length} steps, not ${number}`);
  return number;
}

const readers = {
  source: oneOf("data set", ["given", ...Object.keys(datasets)]),
  hidden: readHidden,
  activation: oneOf("activation", ACTIVATIONS),
  norm: (text) => (text === "none" ? null : oneOf("normalization", NORMS)(text)),
  dropout: dropoutFrom,
  shortcuts: (text) => oneOf("choice of shortcuts", ["yes", "no"])(text) === "yes",
  optimizer: oneOf("optimizer", Object.keys(OPTIMIZERS)),
  batch: (text) => (text === "all" ? null : numberFrom("the size of a batch", 1, true)(text)),
  seed: numberFrom("the seed", 0, true),
  rate: numberFrom("the learning rate", 0),
  part: oneOf("part of a step", PARTS),
  step: numberFrom("the step", 1, true),
  lesson: lessonFrom,
};

/** What a link asks for: { plan, rate, part, step } or { lesson }, or null where it asks for nothing. */
export function readLink(hash) {
  const text = hash.replace(/^#/, "");
  if (!text.includes("=")) return null;
  const asked = {};
  for (const [key, value] of new URLSearchParams(text)) {
    if (!Object.hasOwn(readers, key)) throw broken(`it says “${key.slice(0, 40)}”, which means nothing here`);
    asked[key] = readers[key](value);
  }
  const { rate, part, step, batch, optimizer, lesson, ...plan } = asked;
  if (lesson !== undefined) {
    if (Object.keys(asked).length > 1) throw broken("a step of the lesson says all by itself");
    return { lesson };
  }
  if (batch !== undefined) plan.batchSize = batch;
  if (optimizer !== undefined) plan.optimizer = { kind: optimizer };
  return { plan, rate, part, step };
}

/** The link of a state; own tables have none, because they never leave the browser. */
export function writeLink({ plan, learningRate, step, lesson }) {
  if (lesson) return `#lesson=${lesson.index + 1}`;
  const { source, hidden, activation, norm, dropout, shortcuts, optimizer, batchSize, seed } = plan;
  if (source === "table") return "";
  const entries = { source, hidden: hidden.join(","), activation, optimizer: optimizer.kind };
  const between = { norm: norm ?? "none", dropout, shortcuts: shortcuts ? "yes" : "no" };
  const all = { ...entries, ...between, batch: batchSize ?? "all", seed, rate: learningRate, step: step + 1 };
  return `#${new URLSearchParams(Object.entries(all).filter(([, value]) => value !== null))}`;
}
