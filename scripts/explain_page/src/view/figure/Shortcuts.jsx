// The shortcuts of residual blocks: lines below the network, from where a block begins to where its input is added.

import { ROOM_FOR_SHORTCUTS } from "./layout.js";

export function Shortcuts({ net, layout, lit }) {
  const columnOf = (value) => layout.columns[net.symbols[value].block.index];
  const y = layout.height - ROOM_FOR_SHORTCUTS / 2;
  return net.layers.flatMap(({ from }, end) => {
    if (from === undefined) return [];
    const [start, stop] = [columnOf(from), columnOf(end + 1)];
    if (start === stop) return []; // around activations alone, within a column
    const [x0, x1] = [start.middle + 6, stop.middle - 6];
    const foot = ({ y: top, h }) => top + h + 26; // below the biases
    const path = `M${x0},${foot(start)}V${y - 8}Q${x0},${y} ${x0 + 8},${y}H${x1 - 8}Q${x1},${y} ${x1},${y - 8}V${foot(stop)}`;
    return [
      <g key={end} class={`shortcut ${lit.shortcuts.has(end) ? "lit" : ""}`} data-shortcut={end}>
        <title>{`Shortcut: what comes into the residual block is added to what leaves it, from ${start.block.spoken} to ${stop.block.spoken}`}</title>
        <path d={path} />
        <path class="head" d={`M${x1 - 4},${foot(stop) + 7}L${x1},${foot(stop)}L${x1 + 4},${foot(stop) + 7}`} />
        <text x={(x0 + x1) / 2} y={y} dy="0.35em">
          shortcut
        </text>
      </g>,
    ];
  });
}
