// The network drawn as nodes and edges, with the numbers of the current step on it.

import { useRef } from "preact/hooks";

import { reached } from "../../steps.js";
import { plural } from "../../text/format.js";
import { bringFocusIntoView } from "../bring_into_view.js";
import { Scroller } from "../Scroller.jsx";
import { useWidth } from "../use_width.js";
import { Edges } from "./Edges.jsx";
import { largestWeight, litBy, MAX_EDGES } from "./edges.js";
import { layoutNetwork } from "./layout.js";
import { LossColumn } from "./LossColumn.jsx";
import { Nodes } from "./Nodes.jsx";
import { Shortcuts } from "./Shortcuts.jsx";

export function NetworkFigure({ model, actions }) {
  const frame = useRef(null);
  const layout = layoutNetwork(model.net, useWidth(frame, 640));
  const { net, state, steps, params } = model;
  const seen = reached(steps, state.step);
  const lit = litBy(model);
  const scale = largestWeight(params);
  const lossReached = state.step >= steps.findIndex(({ kind }) => kind === "loss");
  const linears = net.blocks.slice(1);
  return (
    <figure class="network" ref={frame} onFocusIn={bringFocusIntoView}>
      <Scroller label="Drawing of the network">
        <svg
          width={layout.width}
          height={layout.height}
          viewBox={`0 0 ${layout.width} ${layout.height}`}
          class={layout.isNarrow ? "narrow" : ""}
          role="group"
          aria-label="The network. Press up and down to go through the weights, Enter to choose one."
          onKeyDown={moveAmongEdges}
        >
          {layout.columns.filter(isCells).map((column) => (
            <Nodes key={column.block.index} {...{ model, actions, column, seen, lit }} />
          ))}
          {linears.map((block, n) => (
            <Edges
              key={block.index}
              {...{ model, actions, layout, block, scale, lit }}
              isFirstStop={n === 0 && model.weight.name === "weight"}
            />
          ))}
          <Shortcuts net={net} layout={layout} lit={lit} />
          <LossColumn model={model} layout={layout} lit={lit} isReached={lossReached} />
          {layout.columns
            .filter((column) => !isCells(column))
            .map((column) => (
              <Nodes key={column.block.index} {...{ model, actions, column, seen, lit }} />
            ))}
        </svg>
      </Scroller>
      <figcaption>
        <span class="key">
          <i class="swatch positive" /> positive <i class="swatch negative" /> negative
        </span>
        <span>
          Wider edges are larger weights.{summary(net)}
          {linears.some(({ linear }) => model.isRenewed(linear)) && " The nodes show the pass before the update."}
        </span>
      </figcaption>
    </figure>
  );
}

/** Cells lie under the edges, nodes above them. */
const isCells = ({ style }) => style === "cells";

/** What the drawing leaves out, in words; empty for small networks. */
function summary(net) {
  const parts = [];
  for (const block of net.blocks.slice(1)) {
    const count = block.size * net.blocks[block.index - 1].size;
    if (count > MAX_EDGES) {
      parts.push(
        ` Of the ${plural(count, "weight")} into ${block.spoken}, the ${MAX_EDGES} strongest are drawn, and the chosen one.`,
      );
    }
  }
  return parts.join("");
}

/** Up and down walk through edges and biases, Enter and Space choose; left and right are left to the steps. */
function moveAmongEdges(event) {
  const current = event.target.closest("[data-weight]");
  if (!current) return;
  if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    current.dispatchEvent(new MouseEvent("click", { bubbles: true }));
  }
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by) return;
  event.preventDefault();
  const order = (element) => element.dataset.weight;
  const all = [...event.currentTarget.querySelectorAll("[data-weight]")].sort((a, b) =>
    order(a).localeCompare(order(b), "en", { numeric: true }),
  );
  all.at((all.indexOf(current) + by) % all.length).focus();
}
