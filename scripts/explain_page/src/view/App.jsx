// The page, from top to bottom.

import { stepTitle } from "../text/step_text.js";
import { ChainPanel } from "./ChainPanel.jsx";
import { Walk } from "./Controls.jsx";
import { NetworkFigure } from "./figure/NetworkFigure.jsx";
import { Header } from "./Header.jsx";
import { Notices } from "./Notices.jsx";
import { Settings } from "./Settings.jsx";
import { StepPanel } from "./StepPanel.jsx";
import { Training } from "./Training.jsx";

export function App({ model, actions }) {
  return (
    <>
      <Header model={model} />
      <main>
        <Notices model={model} />
        <Settings model={model} actions={actions} />
        <Walk model={model} actions={actions} />
        <p class="visually-hidden" role="status" aria-live="polite" data-role="announcer">
          {announcement(model)}
        </p>
        <div class="stage">
          <NetworkFigure model={model} actions={actions} />
          <StepPanel model={model} actions={actions} />
          <ChainPanel model={model} actions={actions} />
        </div>
        <Training model={model} actions={actions} />
      </main>
    </>
  );
}

function announcement({ net, step, steps, state }) {
  const { title, place } = stepTitle(net, step);
  return `Step ${state.step + 1} of ${steps.length}, ${step.part}: ${title}${place ? `, ${place}` : ""}.`;
}
