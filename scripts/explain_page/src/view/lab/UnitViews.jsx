// What each unit sees: its output over the plane where there are two inputs, its weights over the pixels where the
// inputs are an image.

import { extent } from "d3-array";

import { forward } from "../../engine/engine.js";
import { Picture } from "../Picture.jsx";

const GRID = 24;
const MOST = 64;

export function UnitViews({ model, actions }) {
  const { net, data, params } = model;
  const hidden = net.blocks.slice(1, -1);
  const isPlane = net.blocks[0].size === 2;
  if (!isPlane && !net.imageShape) return null;
  const blocks = isPlane ? hidden : net.blocks.slice(1, 2);
  if (blocks.length === 0) return null;
  const values = isPlane ? forward(data.layers, params, planePoints(data)) : null;
  const viewOf = (block, unit) =>
    isPlane ? values[block.last].map((row) => row[unit]) : params[block.linear].weight.map((row) => row[unit]);
  return (
    <figure class="unit-views">
      {blocks.map((block) => (
        <div key={block.index} class="unit-row" role="group" aria-label={`What the units of ${block.spoken} see`}>
          <p class="formula-label">{block.name}</p>
          <div class="units">
            {Array.from({ length: Math.min(MOST, block.size) }, (_, unit) => (
              <button
                key={unit}
                type="button"
                aria-label={`${net.unitSpoken(block, unit)}, choose it`}
                aria-pressed={String(model.unitOf(block) === unit)}
                data-view={`${block.index}:${unit}`}
                onClick={() => actions.chooseUnit(block, unit)}
              >
                <Picture
                  values={viewOf(block, unit)}
                  shape={isPlane ? [GRID, GRID] : net.imageShape}
                  size={56}
                  signed
                />
              </button>
            ))}
          </div>
        </div>
      ))}
      <figcaption>
        {isPlane
          ? "What each hidden unit sees: its output over the plane of the two inputs"
          : "What each unit of the first layer looks for: its weights over the pixels"}
        ,{" "}
        <span class="key">
          <i class="swatch negative" /> negative
        </span>{" "}
        and{" "}
        <span class="key">
          <i class="swatch positive" /> positive
        </span>
        , each on its own scale.
      </figcaption>
    </figure>
  );
}

/** The centers of a grid over the samples and a margin around them, row by row from the top. */
function planePoints({ training }) {
  const [xs, ys] = [0, 1].map((k) => {
    const [low, high] = extent(training.x, (row) => row[k]);
    const margin = 0.25 * (high - low || 1);
    return [low - margin, high + margin];
  });
  const at = ([low, high], k) => low + ((high - low) * (k + 0.5)) / GRID;
  const side = Array.from({ length: GRID }, (_, k) => k);
  return side.flatMap((r) => side.map((c) => [at(xs, c), at(ys, GRID - 1 - r)]));
}
