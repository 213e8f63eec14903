// A D3 axis inside a Preact drawing.

import { axisBottom, axisLeft } from "d3-axis";
import { select } from "d3-selection";
import { useLayoutEffect, useRef } from "preact/hooks";

export function Axis({ side, scale, at, ticks = 5, label, labelAt, tickFormat = null, tickValues = null }) {
  const ref = useRef(null);
  useLayoutEffect(() => {
    const axis = (side === "left" ? axisLeft : axisBottom)(scale)
      .ticks(ticks, tickFormat ?? undefined)
      .tickValues(tickValues)
      .tickSizeOuter(0);
    select(ref.current).call(axis).attr("font-family", null).attr("font-size", null);
  });
  return (
    <>
      <g class="axis" ref={ref} transform={`translate(${at})`} />
      <text class="axis-label" x={labelAt[0]} y={labelAt[1]} text-anchor={side === "left" ? "start" : "end"}>
        {label}
      </text>
    </>
  );
}
