// A box that scrolls sideways when its content is too wide, and can then be reached with the keyboard.

import { useLayoutEffect, useRef, useState } from "preact/hooks";

export function Scroller({ label, children, class: className = "" }) {
  const ref = useRef(null);
  const [overflows, setOverflows] = useState(false);
  useLayoutEffect(() => {
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
