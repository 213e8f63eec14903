// Title, the network in one line, and the switch between light and dark.

import { layerName } from "../text/activation_text.js";
import { lossText } from "../text/loss_text.js";

const inList = (words) =>
  words.length < 3 ? words.join(" and ") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

function networkInWords({ net }) {
  const sizes = net.blocks.map(({ size }) => size).join(" – ");
  const kinds = [...new Set(net.layers.filter(({ kind }) => kind !== "Linear").map(layerName))];
  const reduction = net.loss.reduction === "sum" ? "sum" : "mean";
  const shape = `A ${sizes} network${kinds.length ? ` with ${inList(kinds)}` : ""}`;
  return `${shape}; ${lossText[net.loss.kind].name}, ${reduction} over the samples.`;
}

export function Header({ model, actions }) {
  const other = model.state.theme === "dark" ? "light" : "dark";
  return (
    <header>
      <div>
        <h1>{model.data.title}</h1>
        <p class="subtitle">
          {networkInWords(model)}{" "}
          <span class="keys">
            Walk through it with the arrow keys <kbd>←</kbd> <kbd>→</kbd>.
          </span>{" "}
          {!model.state.lesson && (
            <a href="#lesson=1" data-role="lesson-start" onClick={() => actions.goToLesson(0)}>
              A lesson in ten steps
            </a>
          )}
        </p>
      </div>
      <button type="button" class="theme" data-role="theme" onClick={() => actions.chooseTheme(other)}>
        {other === "dark" ? "Dark" : "Light"}
        <span class="visually-hidden"> colors</span>
      </button>
    </header>
  );
}
