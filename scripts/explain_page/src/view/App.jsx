// The page, from top to bottom.

import { useEffect, useRef } from "preact/hooks";

import { stepTitle } from "../text/step_text.js";
import { bringIntoView } from "./bring_into_view.js";
import { Calm } from "./Calm.jsx";
import { ChainPanel } from "./ChainPanel.jsx";
import { Walk } from "./Controls.jsx";
import { NetworkFigure } from "./figure/NetworkFigure.jsx";
import { Header } from "./Header.jsx";
import { Lab } from "./lab/Lab.jsx";
import { Lesson } from "./Lesson.jsx";
import { PlayBar } from "./lab/PlayBar.jsx";
import { Notices } from "./Notices.jsx";
import { Settings } from "./Settings.jsx";
import { StepPanel } from "./StepPanel.jsx";
import { Training } from "./Training.jsx";

export function App({ model, actions }) {
  const stage = useRef(null);
  const isLab = model.state.given.start?.view === "lab"; // what it learns comes before how
  const shown = useRef(model.state);
  useEffect(() => {
    const before = shown.current;
    shown.current = model.state;
    if (before.step === model.state.step || before.lesson?.index !== model.state.lesson?.index) return;
    bringIntoView(stage.current.querySelector(".step-panel"));
  });
  return (
    <>
      <Calm model={model}>{() => <Header model={model} actions={actions} />}</Calm>
      <main>
        {model.state.lesson && <Lesson model={model} actions={actions} />}
        <Calm model={model}>{() => <Notices model={model} />}</Calm>
        <Calm model={model}>{() => <Lab model={model} actions={actions} />}</Calm>
        <PlayBar model={model} actions={actions} />
        {isLab && <Training model={model} actions={actions} />}
        <Calm model={model} every={500}>
          {() => <Settings model={model} actions={actions} />}
        </Calm>
        <Calm model={model}>{() => <Walk model={model} actions={actions} />}</Calm>
        <p class="visually-hidden" role="status" aria-live="polite" data-role="announcer">
          {announcement(model)}
        </p>
        <div class={`stage ${model.state.playing ? "playing" : ""}`} ref={stage}>
          <Calm model={model} every={60}>
            {() => <NetworkFigure model={model} actions={actions} />}
          </Calm>
          <Calm model={model}>{() => <StepPanel model={model} actions={actions} />}</Calm>
          <Calm model={model}>{() => <ChainPanel model={model} actions={actions} />}</Calm>
        </div>
        {!isLab && <Training model={model} actions={actions} />}
      </main>
    </>
  );
}

function announcement({ net, step, steps, state }) {
  const { title, place } = stepTitle(net, step);
  return `Step ${state.step + 1} of ${steps.length}, ${step.part}: ${title}${place ? `, ${place}` : ""}.`;
}
