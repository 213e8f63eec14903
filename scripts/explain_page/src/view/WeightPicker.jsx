// Choosing a weight without the drawing: three menus, and the whole table on demand.

import { tablesOf, unitNames } from "../text/quantities.js";
import { Lazy } from "./Lazy.jsx";
import { NumberTable } from "./NumberTable.jsx";

export function WeightPicker({ model, actions }) {
  const { net, weight } = model;
  const linears = net.blocks.slice(1);
  const block = net.blockOfLayer(weight.layer);
  const source = net.blocks[block.index - 1];
  const kinds = linears.flatMap(({ linear, spoken }) => [
    [`${linear}:weight`, `${net.placeOf(linear)}.weight, into ${spoken}`],
    ...(net.hasBias(linear) ? [[`${linear}:bias`, `${net.placeOf(linear)}.bias, of ${spoken}`]] : []),
  ]);
  const chooseKind = (value) => {
    const [layer, name] = value.split(":");
    const next = net.blockOfLayer(Number(layer));
    const within = (index, size) => Math.min(index, size - 1);
    const i = name === "bias" ? 0 : within(weight.i, net.blocks[next.index - 1].size);
    actions.chooseWeight({ layer: Number(layer), name, i, j: within(weight.j, next.size) });
  };
  return (
    <div class="picker">
      <Menu
        label="Parameter"
        role="parameter"
        value={`${weight.layer}:${weight.name}`}
        options={kinds}
        onChange={chooseKind}
      />
      {weight.name === "weight" && (
        <Menu
          label={`From ${source.spoken}`}
          role="from"
          value={weight.i}
          options={unitNames(net, source).map((name, k) => [k, name])}
          onChange={(value) => actions.chooseWeight({ ...weight, i: Number(value) })}
        />
      )}
      <Menu
        label={`To ${block.spoken}`}
        role="to"
        value={weight.j}
        options={unitNames(net, block).map((name, k) => [k, name])}
        onChange={(value) => actions.chooseWeight({ ...weight, j: Number(value) })}
      />
      <Lazy class="numbers" summary="Pick from a table of gradients">
        {() =>
          linears
            .flatMap((each) => tablesOf(model, { kind: "gradients", layer: each.linear, block: each }))
            .map((table) => <NumberTable key={`${table.layer}.${table.name}`} {...{ table, model, actions }} />)
        }
      </Lazy>
    </div>
  );
}

function Menu({ label, role, value, options, onChange }) {
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
