// The network and its data, to choose: the data set, hidden layers, activation, optimizer, size of a batch.

import { useState } from "preact/hooks";

import { datasets } from "../../lab/datasets.js";
import { takeFile } from "../../lab/dropping.js";
import { writeLink } from "../../lab/link.js";
import { ACTIVATIONS, BATCH_SIZES, DROPOUTS, NORMS, OPTIMIZERS, readHidden } from "../../lab/plan.js";
import { foldScaling, writeNetwork } from "../../lab/safetensors.js";
import { activationText, layerName } from "../../text/activation_text.js";

export function Lab({ model, actions }) {
  const { plan, given, table, problem } = model.state;
  const sources = [
    ["given", given.title],
    ...(table ? [["table", table.title]] : []),
    ...Object.entries(datasets).map(([key, { name }]) => [key, name]),
  ];
  const link = writeLink(model.state);
  const activations = ACTIVATIONS.map((kind) => [kind, activationText[kind].name]);
  return (
    <section class="lab" aria-labelledby="lab-title">
      <h2 id="lab-title" class="visually-hidden">
        The network and its data
      </h2>
      <Choice
        label="Data"
        role="source"
        value={plan.source}
        options={sources}
        onChange={(source) => actions.choosePlan({ source })}
      />
      <label class="field">
        <span>Your own table</span>
        <input
          type="file"
          accept=".csv,.tsv,.txt,text/csv"
          data-role="file"
          onChange={({ currentTarget }) => takeFile(currentTarget.files[0], actions)}
        />
      </label>
      {plan.source === "table" && (
        <Choice
          label="To predict"
          role="target"
          value={String(plan.target)}
          options={table.names.map((name, k) => [String(k), name])}
          onChange={(target) => actions.choosePlan({ target: Number(target) })}
        />
      )}
      <HiddenLayers {...{ plan, actions }} />
      <Choice
        label="Activation"
        role="activation"
        value={plan.activation ?? ""}
        options={plan.activation ? activations : [["", plan.hidden.length === 0 ? "none" : "several"], ...activations]}
        onChange={(activation) => actions.choosePlan({ activation })}
      />
      <Choice
        label="Normalization"
        role="norm"
        value={plan.norm ?? "none"}
        options={[["none", "none"], ...NORMS.map((kind) => [kind, layerName({ kind }).replace(" normalization", "")])]}
        onChange={(norm) => actions.choosePlan({ norm: norm === "none" ? null : norm })}
      />
      <Choice
        label="Dropout"
        role="dropout"
        value={String(plan.dropout)}
        options={withOwn(DROPOUTS, plan.dropout).map((rate) => [String(rate), rate === 0 ? "none" : rate])}
        onChange={(rate) => actions.choosePlan({ dropout: Number(rate) })}
      />
      <Choice
        label="Shortcuts"
        role="shortcuts"
        value={plan.shortcuts ? "yes" : "no"}
        options={[
          ["no", "none"],
          ["yes", "around equal layers"],
        ]}
        onChange={(shortcuts) => actions.choosePlan({ shortcuts: shortcuts === "yes" })}
      />
      <Choice
        label="Optimizer"
        role="optimizer"
        value={plan.optimizer.kind}
        options={Object.entries(OPTIMIZERS)}
        onChange={(kind) =>
          actions.choosePlan({ optimizer: kind === given.optimizer.kind ? given.optimizer : { kind } })
        }
      />
      <Choice
        label="Rows of a batch"
        role="batch"
        value={String(plan.batchSize)}
        options={withOwn(BATCH_SIZES, plan.batchSize).map((size) => [String(size), size === null ? "all" : size])}
        onChange={(size) => actions.choosePlan({ batchSize: size === "null" ? null : Number(size) })}
      />
      <button type="button" data-role="new-weights" onClick={() => actions.choosePlan({ seed: plan.seed + 1 })}>
        New weights
      </button>
      <button type="button" data-role="download" onClick={() => download(model)}>
        Save for Python
      </button>
      {link && !model.state.lesson && (
        <a data-role="link" href={link}>
          Link to this state
        </a>
      )}
      {problem && (
        <p class="problem" role="alert" data-role="problem">
          {problem}
        </p>
      )}
    </section>
  );
}

/** Hand the network to the reader as a file, which `bpx.load` reads. */
function download({ data, params }) {
  const file = new Blob([writeNetwork(data, foldScaling(params, data.scaling))]);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = "network.safetensors";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const withOwn = (sizes, own) => (sizes.includes(own) ? sizes : [...sizes, own]);

function Choice({ label, role, value, options, onChange }) {
  return (
    <label class="field">
      <span>{label}</span>
      <select value={value} data-role={role} onChange={(event) => onChange(event.currentTarget.value)}>
        {options.map(([key, name]) => (
          <option key={key} value={key}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Units of the hidden layers as text, taken over with Enter or when the field is left; what is wrong stays to be mended. */
function HiddenLayers({ plan, actions }) {
  const [draft, setDraft] = useState(null);
  const take = ({ currentTarget }) => {
    if (draft === null && currentTarget.value === plan.hidden.join(", ")) return;
    try {
      const hidden = readHidden(currentTarget.value);
      setDraft(null);
      if (String(hidden) !== String(plan.hidden)) actions.choosePlan({ hidden });
      else actions.complain(null);
    } catch (error) {
      if (!error.isForReader) throw error;
      actions.complain(error.message);
    }
  };
  return (
    <label class="field">
      <span>Hidden layers</span>
      <input
        type="text"
        class="hidden-layers"
        data-role="hidden"
        autocomplete="off"
        value={draft ?? plan.hidden.join(", ")}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onBlur={take}
        onKeyDown={(event) => event.key === "Enter" && take(event)}
      />
    </label>
  );
}
