// The paths of a weight, largest products first; choosing one lights it alone in the drawing.

import { useState } from "preact/hooks";

import { pathName } from "../text/chain_text.js";
import { exact, format, plural } from "../text/format.js";
import { Scroller } from "./Scroller.jsx";

const FIRST = 8;

export function PathTable({ model, actions, current }) {
  const { net, weight, chain, state } = model;
  const [all, setAll] = useState(false);
  const order = chain.paths
    .map((_, k) => k)
    .sort((a, b) => Math.abs(chain.paths[b].product) - Math.abs(chain.paths[a].product));
  const shown = all || order.length <= FIRST + 1 ? order : order.slice(0, FIRST);
  const rest = order.slice(shown.length);
  const largest = Math.abs(chain.paths[order[0]].product) || 1;
  return (
    <div class="path-table">
      <Scroller label="Paths">
        <table>
          <caption>{chain.grouped ? "Bundles of paths, by the unit of the next layer" : "Paths"}</caption>
          <thead>
            <tr>
              <th scope="col">Light up</th>
              <th scope="col">Product</th>
              <td class="bar-cell" aria-hidden="true" />
              <th scope="col">Path</th>
            </tr>
          </thead>
          <tbody>
            <tr class={state.path === null ? "marked" : ""}>
              <td>
                <input
                  type="radio"
                  name="path"
                  checked={state.path === null}
                  aria-label="All paths"
                  onChange={() => actions.choosePath(null)}
                />
              </td>
              <td data-value={exact(chain.sum)}>{format(chain.sum)}</td>
              <td class="bar-cell" />
              <th scope="row">all paths</th>
            </tr>
            {shown.map((k) => {
              const path = chain.paths[k];
              const name = pathName(net, weight, path);
              return (
                <tr key={k} class={state.path === k ? "marked" : ""}>
                  <td>
                    <input
                      type="radio"
                      name="path"
                      checked={state.path === k}
                      aria-label={name}
                      data-path={k}
                      onChange={() => actions.choosePath(k)}
                    />
                  </td>
                  <td data-value={exact(path.product)}>{format(path.product)}</td>
                  <td class="bar-cell" aria-hidden="true">
                    <i
                      class={`bar ${path.product < 0 ? "negative" : "positive"}`}
                      style={{ width: `${(100 * Math.abs(path.product)) / largest}%` }}
                    />
                  </td>
                  <th scope="row">
                    {name}
                    {path === current && state.path === null && <small> · spelled out below</small>}
                  </th>
                </tr>
              );
            })}
            {rest.length > 0 && (
              <tr class="rest">
                <td />
                <td>{format(rest.reduce((total, k) => total + chain.paths[k].product, 0))}</td>
                <td class="bar-cell" />
                <th scope="row">the {plural(rest.length, "other")} together</th>
              </tr>
            )}
          </tbody>
        </table>
      </Scroller>
      {order.length > FIRST + 1 && (
        <button type="button" onClick={() => setAll(!all)}>
          {all ? "Show the largest" : `Show all ${order.length}`}
        </button>
      )}
    </div>
  );
}
