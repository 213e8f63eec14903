// What the walk is about: which training step, which sample, which learning rate.

import { useState } from "preact/hooks";

import { format } from "../text/format.js";
import { Picture } from "./Picture.jsx";

/** Two decimals, and more where they would say little: 0.94, but 0.096 and 0.0031. */
const short = (value) => format(value, Math.abs(value) >= 0.1 ? 2 : Math.abs(value) >= 0.01 ? 3 : 4);

const vector = (values) => (values.length <= 4 ? `(${values.map(short).join(", ")})` : `${values.length} numbers`);

/** A sample in one line: its index, what goes in, and its target (the class where targets are one-hot). */
function sampleName({ data, net }, n) {
  const [x, y] = [data.samples.x[n], data.samples.y[n]];
  const isClass = data.loss.kind === "cross_entropy" && y.filter((v) => v === 1).length === 1;
  const target = isClass
    ? className(net.unitName(net.blocks.at(-1), y.indexOf(1)))
    : vector(y).replace(/^\((.*)\)$/, y.length === 1 ? "$1" : "($1)");
  return x.length <= 4 ? `x[${n}] = ${vector(x)} → ${target}` : `x[${n}] → ${target}`;
}

const className = (name) => (/^\d+$/.test(name) ? `class ${name}` : name);

export function Settings({ model, actions }) {
  const { data, state } = model;
  const samples = data.samples.x.map((_, n) => n);
  const options = samples.map((n) => (
    <option key={n} value={n}>
      {sampleName(model, n)}
    </option>
  ));
  return (
    <section class="settings" aria-label="Settings">
      <label class="field">
        <span>Sample</span>
        <select
          value={state.sample}
          data-role="sample"
          onChange={({ currentTarget: { value } }) => actions.chooseSample(value === "all" ? "all" : Number(value))}
        >
          {samples.length > 1 && <option value="all">All {samples.length} samples (the batch)</option>}
          {options}
        </select>
      </label>
      {model.net.imageShape && <Pictures model={model} actions={actions} />}
      {state.sample === "all" && (
        <label class="field">
          <span>Values drawn for</span>
          <select
            value={state.shown}
            data-role="shown"
            onChange={(event) => actions.chooseShown(Number(event.currentTarget.value))}
          >
            {options}
          </select>
        </label>
      )}
      <LearningRate value={state.learningRate} onChange={actions.chooseLearningRate} />
      <label class="field">
        <span>Training step</span>
        <select
          value={state.snapshot}
          data-role="snapshot"
          disabled={data.snapshots.length === 1}
          onChange={(event) => actions.chooseSnapshot(Number(event.currentTarget.value))}
        >
          {data.snapshots.map(({ step }, k) => (
            <option key={k} value={k}>
              {step.toLocaleString("en-US")}
            </option>
          ))}
        </select>
      </label>
      {state.own && (
        <p class="own-steps">
          and {state.own.taken} of your own{" "}
          <button type="button" data-role="forget" onClick={actions.forgetSteps}>
            Forget
          </button>
        </p>
      )}
    </section>
  );
}

/** The samples as pictures to choose from, where they are images. */
function Pictures({ model, actions }) {
  const { data, net, state } = model;
  return (
    <div class="pictures" role="group" aria-label="Samples as images">
      {data.samples.x.map((values, n) => (
        <button
          key={n}
          type="button"
          aria-pressed={String(n === state.sample)}
          aria-label={sampleName(model, n)}
          data-picture={n}
          onClick={() => actions.chooseSample(n)}
        >
          <Picture values={values} shape={net.imageShape} size={32} />
        </button>
      ))}
    </div>
  );
}

/** A text field, so that any number can be typed; what is typed stays as it is while it means the value in force. */
function LearningRate({ value, onChange }) {
  const [draft, setDraft] = useState(String(value));
  const number = draft.trim() === "" ? NaN : Number(draft);
  const problem = !(Number.isFinite(number) && number >= 0);
  const read = (text) => {
    setDraft(text);
    const typed = text.trim() === "" ? NaN : Number(text);
    if (Number.isFinite(typed) && typed >= 0) onChange(typed);
  };
  const scale = (factor) => read(String(Number((value * factor).toPrecision(12))));
  return (
    <div class="field learning-rate">
      <label for="learning-rate">
        Learning rate <i>η</i>
      </label>
      <span class="joined">
        <button type="button" aria-label="÷2, halve the learning rate" onClick={() => scale(0.5)}>
          ÷2
        </button>
        <input
          id="learning-rate"
          data-role="learning-rate"
          type="text"
          inputmode="decimal"
          autocomplete="off"
          value={problem || number === value ? draft : String(value)}
          aria-invalid={String(problem)}
          aria-describedby={problem ? "learning-rate-problem" : undefined}
          onInput={(event) => read(event.currentTarget.value)}
        />
        <button type="button" aria-label="×2, double the learning rate" onClick={() => scale(2)}>
          ×2
        </button>
      </span>
      {problem && (
        <span class="problem" id="learning-rate-problem" role="alert">
          A number of at least 0, please.
        </span>
      )}
    </div>
  );
}
