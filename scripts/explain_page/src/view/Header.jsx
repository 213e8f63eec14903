// Title, the network in one line, and the switch between light and dark.

import { activationText } from "../text/activation_text.js";
import { lossText } from "../text/loss_text.js";

function networkInWords({ net }) {
  const sizes = net.blocks.map(({ size }) => size).join(" – ");
  const kinds = [
    ...new Set(net.layers.filter(({ kind }) => kind !== "Linear").map(({ kind }) => activationText[kind].name)),
  ];
  const reduction = net.loss.reduction === "sum" ? "sum" : "mean";
  const shape = `A ${sizes} network${kinds.length ? ` with ${kinds.join(" and ")}` : ""}`;
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
          </span>
        </p>
      </div>
      <button type="button" class="theme" data-role="theme" onClick={() => actions.chooseTheme(other)}>
        {other === "dark" ? "Dark" : "Light"}
        <span class="visually-hidden"> colors</span>
      </button>
    </header>
  );
}
