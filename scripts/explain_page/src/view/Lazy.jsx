// A disclosure whose content is built only while it is open, so that large tables cost nothing until asked for.
// It starts as told, and stays as the reader leaves it.

import { useState } from "preact/hooks";

export function Lazy({ summary, startOpen = false, class: className = "", children }) {
  const [choice, setChoice] = useState(null);
  const open = choice ?? startOpen;
  const remember = ({ currentTarget }) => {
    if (currentTarget.open !== open) setChoice(currentTarget.open);
  };
  return (
    <details class={className} open={open} onToggle={remember}>
      <summary>{summary}</summary>
      {open && children()}
    </details>
  );
}
