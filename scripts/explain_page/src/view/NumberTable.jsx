// A table of numbers. Cells of parameter tables choose that weight: one tab stop, arrow keys move, Enter chooses.
// Tables with very many rows or columns are shown a window at a time.

import { useState } from "preact/hooks";

import { parameterKey, sameWeight } from "../network.js";
import { exact, format } from "../text/format.js";
import { PushButton } from "./PushButton.jsx";
import { Scroller } from "./Scroller.jsx";

const MAX_ROWS = 64;
const MAX_COLUMNS = 32;

export function NumberTable({ table, model, actions }) {
  const { rows, rowNames, columnNames, kind, caption } = table;
  const [firstRow, setFirstRow] = useState(0);
  const [firstColumn, setFirstColumn] = useState(0);
  const rowWindow = windowOf(rows.length, firstRow, MAX_ROWS);
  const columnWindow = windowOf(rows[0].length, firstColumn, MAX_COLUMNS);
  const isGrid = kind === "matrix";
  const stop = isGrid ? tabStop(table, model.weight, rowWindow, columnWindow) : null;
  const named = rowNames.some(Boolean);
  return (
    <div class="number-table">
      <Scroller label={caption}>
        <table role={isGrid ? "grid" : undefined} onKeyDown={isGrid ? moveInGrid : undefined}>
          <caption>{caption}</caption>
          <thead>
            <tr>
              {named && <td class="corner">{isGrid && table.name === "weight" ? "from ↓ to →" : ""}</td>}
              {columnWindow.map((c) => (
                <th key={c} scope="col">
                  {columnNames[c]}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rowWindow.map((r) => (
              <tr key={r} class={table.marked === r ? "marked" : ""}>
                {named && <th scope="row">{rowNames[r]}</th>}
                {columnWindow.map((c) =>
                  isGrid ? (
                    <WeightCell key={c} {...{ table, model, actions, r, c }} isStop={stop === `${r}:${c}`} />
                  ) : (
                    <td key={c} data-value={exact(rows[r][c])}>
                      {format(rows[r][c])}
                    </td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroller>
      <Pager what="rows" total={rows.length} first={rowWindow[0]} size={MAX_ROWS} onMove={setFirstRow} />
      <Pager what="columns" total={rows[0].length} first={columnWindow[0]} size={MAX_COLUMNS} onMove={setFirstColumn} />
    </div>
  );
}

function windowOf(total, first, size) {
  const start = Math.min(first, Math.max(0, total - 1));
  return Array.from({ length: Math.min(size, total - start) }, (_, k) => start + k);
}

const weightAt = ({ layer, name }, r, c) => ({ layer, name, i: name === "bias" ? 0 : r, j: c });

function tabStop({ layer, name }, weight, rowWindow, columnWindow) {
  const chosen = weight.layer === layer && weight.name === name;
  const row = name === "bias" ? 0 : weight.i;
  const visible = chosen && rowWindow.includes(row) && columnWindow.includes(weight.j);
  return visible ? `${row}:${weight.j}` : `${rowWindow[0]}:${columnWindow[0]}`;
}

function WeightCell({ table, model, actions, r, c, isStop }) {
  const target = weightAt(table, r, c);
  const value = table.rows[r][c];
  const chosen = sameWeight(target, model.weight);
  return (
    <td class={chosen ? "chosen" : ""}>
      <button
        type="button"
        tabindex={isStop ? 0 : -1}
        aria-pressed={String(chosen)}
        data-cell={parameterKey(target)}
        data-value={exact(value)}
        onClick={() => actions.chooseWeight(target)}
      >
        {format(value)}
      </button>
    </td>
  );
}

function moveInGrid(event) {
  const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  const cell = event.target.closest("td");
  if (!by || !cell) return;
  event.preventDefault();
  const body = [...event.currentTarget.tBodies[0].rows];
  const row = body.indexOf(cell.parentElement) + by[0];
  const column = cell.cellIndex + by[1];
  body[row]?.cells[column]?.querySelector("button")?.focus();
}

function Pager({ what, total, first, size, onMove }) {
  if (total <= size) return null;
  const last = Math.min(total, first + size);
  return (
    <p class="pager">
      <PushButton isOff={first === 0} onClick={() => onMove(Math.max(0, first - size))}>
        Earlier {what}
      </PushButton>
      <span>
        {what} {first + 1}–{last} of {total}
      </span>
      <PushButton isOff={last === total} onClick={() => onMove(first + size)}>
        Later {what}
      </PushButton>
    </p>
  );
}
