// A box that scrolls sideways when its content is too wide, and can then be reached with the keyboard. Where it `fits`,
// its content is first made smaller, as far as it stays legible.

import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { useWidth } from "./use_width.js";

const SMALLEST_FONT = 12;

/** Shrink the content's font until it fits into the box, or is as small as it may be. */
function shrink(box) {
  const content = box.firstElementChild;
  content.style.fontSize = "";
  const font = parseFloat(getComputedStyle(content).fontSize);
  if (box.scrollWidth <= box.clientWidth + 1) return;
  content.style.fontSize = `${Math.max(SMALLEST_FONT, (0.98 * font * box.clientWidth) / box.scrollWidth)}px`;
}

export function Scroller({ label, children, class: className = "", fits = false }) {
  const ref = useRef(null);
  const [overflows, setOverflows] = useState(false);
  useWidth(ref, 0); // drawn again, and so measured again, when the width changes
  useLayoutEffect(() => {
    if (fits) shrink(ref.current);
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = ref.current;
    setOverflows(scrollWidth > clientWidth + 1 || scrollHeight > clientHeight + 1);
  });
  const reachable = overflows ? { tabindex: 0, role: "region", "aria-label": `${label} (scrolls)` } : {};
  return (
    <div ref={ref} class={`scroller ${className}`} {...reachable}>
      {children}
    </div>
  );
}
