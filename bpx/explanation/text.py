"""A trace as text: tables for a terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.explanation.quantity import PARTS, Quantity

if TYPE_CHECKING:
    from bpx.explanation.trace import StepTrace, Trace

MAX_ROWS, MAX_COLUMNS = 4, 4
"""Rows and columns of an array that a table shows."""

_BARS = "▁▂▃▄▅▆▇█"


def number(value: float, digits: int = 6) -> str:
    """Return a number with some significant digits."""
    return f"{value + 0.0:.{digits}g}".replace("-", "−")  # adding 0 turns -0 into 0


def numbers(quantity: Quantity) -> list[str]:
    """Return the lines that show a quantity's numbers: its rows, or its summary."""
    values = quantity.values
    if values is None:
        return summary_lines(quantity)
    if values.ndim == 1 and MAX_COLUMNS < values.size <= MAX_ROWS * MAX_COLUMNS:
        return _aligned([values[k : k + MAX_COLUMNS] for k in range(0, values.size, MAX_COLUMNS)])
    rows = values.reshape(-1, values.shape[-1])
    if len(rows) <= MAX_ROWS and rows.shape[1] <= MAX_COLUMNS:
        return _aligned(list(rows))
    more = ["..."] if len(rows) > 2 else []
    return [*_aligned(list(rows[:2]), 4), *more, *summary_lines(quantity)[:1]]


def _aligned(rows: Sequence[np.ndarray], digits: int = 6) -> list[str]:
    """Return rows of numbers as lines, their columns right-aligned."""
    cells = [[number(value, digits) for value in row[:MAX_COLUMNS].tolist()] for row in rows]
    widths = [max(len(row[k]) for row in cells if k < len(row)) for k in range(max(map(len, cells)))]
    more = "  ..." if rows[0].size > MAX_COLUMNS else ""
    return ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=False)) + more for row in cells]


def summary_lines(quantity: Quantity) -> list[str]:
    """Return a quantity's summary as lines: norm and spread, and its histogram as bars."""
    s: dict[str, Any] = {name: math.inf if value is None else value for name, value in quantity.summary.items()}
    if "norm" not in s:
        return [f"{s['not_finite']} of {s['count']} not finite"]
    lost = f", {s['not_finite']} not finite" if s["not_finite"] else ""
    zeros = f", {s['zeros']:.0%} zeros" if s["zeros"] else ""
    spread = f"mean {number(s['mean'], 3)} ± {number(s['std'], 3)}"
    counts = s["histogram"]["counts"]
    bars = "".join(_BARS[round((len(_BARS) - 1) * c / max(counts))] if c else " " for c in counts)
    return [
        f"norm {number(s['norm'], 4)}, {spread}{zeros}{lost}",
        f"{number(s['min'], 4)} [{bars}] {number(s['max'], 4)}",
    ]


def rows_of_part(step: StepTrace, part: str) -> Iterator[tuple[str, Quantity]]:
    """Yield the quantities of one part of a step, in the order they are made, with the number of their layer or
    nothing."""
    layers = list(step.layers)
    if part == "forward":
        yield "", step["inputs"]
    if part == "error":
        yield from (("", q) for q in step if q.part == "error" and q.made_here)
        return
    for layer in reversed(layers) if part == "backward" else layers:
        yield from ((str(layer.index), q) for q in layer if q.part == part and q.made_here)


def table(lines: Sequence[tuple[str, Quantity]]) -> str:
    """Return quantities as a table: layer, name, shape, formula, numbers."""
    rows: list[tuple[str, ...]] = [("layer", "quantity", "shape", "formula", "numbers")]
    for layer, q in lines:
        shape = "×".join(map(str, q.shape))
        formula = "given" if q.formula == q.symbol else q.formula.text
        wrapped = textwrap.wrap(formula, 44) or [""]
        shown = numbers(q)
        for k in range(max(len(wrapped), len(shown))):
            rows.append((
                *((layer, q.name, shape) if k == 0 else ("", "", "")),
                wrapped[k] if k < len(wrapped) else "",
                shown[k] if k < len(shown) else "",
            ))  # fmt: skip
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    text = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([text[0], "-" * (sum(widths) + 8), *text[1:]])


def step_text(step: StepTrace) -> str:
    """Return one step as four tables."""
    parts = [f"{part.capitalize()}\n{table(list(rows_of_part(step, part)))}" for part in PARTS]
    end = f"loss {number(step.loss)} before the update, {number(step.loss_after)} after it"
    return "\n\n".join([f"Step {step.number}: {end}", *parts])


def trace_text(trace: Trace) -> str:
    """Return a trace as tables; of several steps the first and the last, and the losses of all."""
    head = [
        f"{trace.network}",
        f"loss {trace.loss}, {trace.optimizer}, {trace.samples} samples, {trace.dtype} on {trace.backend}",
        *(line for note in trace.notes for line in textwrap.wrap(note, 110)),
    ]
    steps = trace.steps
    shown = [steps[0]] if len(steps) == 1 else [steps[0], steps[-1]]
    blocks = ["\n".join(head)]
    if len(steps) > 1:
        losses = "  ".join(number(step.loss) for step in steps[:10]) + ("  ..." if len(steps) > 10 else "")
        blocks.append(f"{len(steps)} steps, losses {losses}; after the last {number(steps[-1].loss_after)}")
    return "\n\n".join([*blocks, *map(step_text, shown)])
