// A sample drawn as the image that it is: the largest value in ink, 0 as paper; negative values in the other color.

import { useLayoutEffect, useRef } from "preact/hooks";

import { currentTheme } from "../theme.js";

let colors = {};

/** A color of the styles as red, green and blue, whatever notation it has there. */
function channelsOf(name) {
  const probe = document.createElement("i");
  probe.style.cssText = `color: var(--${name}); forced-color-adjust: none`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color
    .match(/[\d.]+/g)
    .slice(0, 3)
    .map(Number);
}

/** The colors of the theme that is set, as channels; read once, because reading them makes the browser stop and measure. */
function colorsOf(theme) {
  if (colors.theme !== theme) {
    const names = ["panel", "positive", "negative", "ink"];
    colors = { theme, ...Object.fromEntries(names.map((name) => [name, channelsOf(name)])) };
  }
  return colors;
}

/** Paint values as rows of pixels, each mixed from the colors that the theme has for paper and for the sign. */
function paint(canvas, values, [rows, columns], signed) {
  const { panel: paper, positive, negative: low, ink: black } = colorsOf(currentTheme());
  const high = signed ? positive : black;
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-300);
  const image = new ImageData(columns, rows);
  const { data } = image;
  for (let k = 0; k < values.length; k += 1) {
    const share = Math.abs(values[k]) / largest || 0;
    const ink = values[k] < 0 ? low : high;
    for (let c = 0; c < 3; c += 1) data[4 * k + c] = Math.round(paper[c] + (ink[c] - paper[c]) * share);
    data[4 * k + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** `signed` values are drawn in two colors, as weights are; others as ink on paper. */
export function Picture({ values, shape, size, label, signed = false }) {
  const ref = useRef(null);
  const theme = currentTheme();
  useLayoutEffect(() => paint(ref.current, values, shape, signed), [values, shape, signed, theme]);
  const [rows, columns] = shape;
  const scale = size / Math.max(rows, columns);
  return (
    <canvas
      ref={ref}
      class="picture"
      width={columns}
      height={rows}
      style={{ width: `${columns * scale}px`, height: `${rows * scale}px` }}
      {...(label ? { role: "img", "aria-label": label } : { "aria-hidden": true })}
    />
  );
}
