// What happens in the current step: a sentence, the formula with symbols and with numbers, and all numbers on demand.

import { formulasOf } from "../text/formulas.js";
import { plural } from "../text/format.js";
import { stepLead, stepTitle } from "../text/step_text.js";
import { tablesOf, unitNames } from "../text/quantities.js";
import { Lazy } from "./Lazy.jsx";
import { NumberTable } from "./NumberTable.jsx";
import { Picture } from "./Picture.jsx";
import { Scroller } from "./Scroller.jsx";
import { Tex } from "./Tex.jsx";

const OPEN_UP_TO = 12;

export function StepPanel({ model, actions }) {
  const { step, net } = model;
  const { title, tex, place } = stepTitle(net, step);
  const formulas = formulasOf(model, step);
  return (
    <section class={`step-panel part-${step.part}`} aria-labelledby="step-title" data-step-kind={step.kind}>
      <p class="kicker">
        <b>{step.part}</b>
        {place && <span> · {place}</span>}
      </p>
      <h2 id="step-title">
        {title} <Tex tex={tex} />
      </h2>
      <p class="lead">{stepLead(model, step)}</p>
      <Formula label="Formula" tex={formulas.symbols} main />
      {formulas.matrices && <Formula label="With its numbers" tex={formulas.matrices} />}
      {formulas.unit && <UnitFormula {...{ model, actions, step, formulas }} />}
      {step.kind === "input" && net.imageShape && (
        <Picture values={model.pass.x[model.row]} shape={net.imageShape} size={224} label="The sample as an image" />
      )}
      {formulas.batchLine && <Formula label="Whole batch" tex={formulas.batchLine} />}
      {formulas.omitted > 0 && (
        <p class="hint">
          Summarized: the largest terms are written out, {plural(formulas.omitted, "other")} given as one number.
        </p>
      )}
      {step.kind === "after" && <TakeStep model={model} actions={actions} />}
      <StepTables model={model} actions={actions} />
    </section>
  );
}

function Formula({ label, tex, main = false }) {
  return (
    <div class={`formula-row ${main ? "main" : ""}`}>
      <p class="formula-label">{label}</p>
      <Scroller label={label} fits>
        <Tex tex={tex} display />
      </Scroller>
    </div>
  );
}

/** Steps about the weights of a Linear layer. */
const isAboutWeight = ({ kind, layer }, net) =>
  kind === "dweight" || (["change", "new"].includes(kind) && net.layers[layer].kind === "Linear");

/** The formula for one unit, with a menu of units; steps about weights spell out the chosen weight instead. */
function UnitFormula({ model, actions, step, formulas }) {
  const { net } = model;
  const block = step.kind === "back" ? net.blocks[step.block.index - 1] : step.block;
  const names = unitNames(net, block);
  const aboutWeight = isAboutWeight(step, net);
  const choosable = !aboutWeight && step.kind !== "loss" && names.length > 1;
  return (
    <div class="formula-row">
      {choosable ? (
        <p class="formula-label">
          <label>
            For unit{" "}
            <select
              class="inline"
              value={model.unitOf(block)}
              onChange={(event) => actions.chooseUnit(block, Number(event.currentTarget.value))}
              data-role="unit"
            >
              {names.map((name, k) => (
                <option key={k} value={k}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </p>
      ) : (
        <p class="formula-label">{aboutWeight ? "For one weight" : "With its numbers"}</p>
      )}
      <Scroller label="Formula with numbers" fits>
        <Tex tex={formulas.unit} display />
      </Scroller>
    </div>
  );
}

function TakeStep({ model, actions }) {
  return (
    <p class="take-step">
      <button
        type="button"
        class="primary"
        data-role="take-step"
        onClick={() => actions.takeStep(model.pass.newParams)}
      >
        Keep these weights and go again
      </button>
    </p>
  );
}

function StepTables({ model, actions }) {
  const tables = tablesOf(model, model.step);
  const cells = tables.reduce((total, { rows }) => total + rows.length * rows[0].length, 0);
  return (
    <Lazy
      class="numbers"
      startOpen={cells <= OPEN_UP_TO}
      summary={`All numbers of this step (${cells.toLocaleString("en-US")})`}
    >
      {() => tables.map((table) => <NumberTable key={table.caption} {...{ table, model, actions }} />)}
    </Lazy>
  );
}
