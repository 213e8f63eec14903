"""A step of a trace as tables: of text for a terminal, of HTML for a notebook."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bpx.explanation.quantity import PARTS, Quantity
from bpx.explanation.step_trace import LayerTrace, StepTrace
from bpx.markup import format_number, make_table

MAX_ROWS, MAX_COLUMNS = 4, 4
"""Rows and columns of an array that a table shows."""

_BARS = "▁▂▃▄▅▆▇█"


def write_numbers(quantity: Quantity) -> list[str]:
    """Return the lines that show a quantity's numbers: its rows, or its summary."""
    values = quantity.values
    if values is None:
        return write_summary(quantity)
    if values.ndim == 1 and MAX_COLUMNS < values.size <= MAX_ROWS * MAX_COLUMNS:
        return _align([values[k : k + MAX_COLUMNS] for k in range(0, values.size, MAX_COLUMNS)])
    rows = values.reshape(-1, values.shape[-1])
    if len(rows) <= MAX_ROWS and rows.shape[1] <= MAX_COLUMNS:
        return _align(list(rows))
    more = ["..."] if len(rows) > 2 else []
    return [*_align(list(rows[:2]), 4), *more, *write_summary(quantity)[:1]]


def _align(rows: Sequence[np.ndarray], digits: int = 6) -> list[str]:
    """Return rows of numbers as lines, their columns right-aligned."""
    cells = [[format_number(value, digits) for value in row[:MAX_COLUMNS].tolist()] for row in rows]
    widths = [max(len(row[k]) for row in cells if k < len(row)) for k in range(max(map(len, cells)))]
    more = "  ..." if rows[0].size > MAX_COLUMNS else ""
    return ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=False)) + more for row in cells]


def write_summary(quantity: Quantity) -> list[str]:
    """Return a quantity's summary as lines: norm and spread, and its histogram as bars."""
    s: dict[str, Any] = {name: math.inf if value is None else value for name, value in quantity.summary.items()}
    if "norm" not in s:
        return [f"{s['not_finite']} of {s['count']} not finite"]
    lost = f", {s['not_finite']} not finite" if s["not_finite"] else ""
    zeros = f", {s['zeros']:.0%} zeros" if s["zeros"] else ""
    spread = f"mean {format_number(s['mean'], 3)} ± {format_number(s['std'], 3)}"
    counts = s["histogram"]["counts"]
    bars = "".join(_BARS[round((len(_BARS) - 1) * c / max(counts))] if c else " " for c in counts)
    return [
        f"norm {format_number(s['norm'], 4)}, {spread}{zeros}{lost}",
        f"{format_number(s['min'], 4)} [{bars}] {format_number(s['max'], 4)}",
    ]


def list_part(step: StepTrace, part: str) -> Iterator[tuple[str, Quantity]]:
    """Yield the quantities of one part of a step in the order they are made, with the number of their layer, if any."""
    layers = list(step.layers)
    if part == "forward":
        yield "", step["inputs"]
    if part == "error":
        yield from (("", q) for q in step if q.part == "error" and q.made_here)
        return
    for layer in reversed(layers) if part == "backward" else layers:
        yield from _list_layer(layer, part)


def _list_layer(layer: LayerTrace, part: str) -> Iterator[tuple[str, Quantity]]:
    """Yield a layer's quantities of a part; a block is opened, and its shortcut stands where the pass comes to it."""
    own = ((layer.place, q) for q in layer if q.part == part and q.made_here)
    if not layer.layers:
        yield from own
        return
    shortcut = [(place, q) for place, q in own if q.key in ("a", "delta", "dL/dinputs")]
    for inner in reversed(layer.layers) if part == "backward" else layer.layers:
        yield from _list_layer(inner, part)
    yield from shortcut


def write_table(lines: Sequence[tuple[str, Quantity]]) -> str:
    """Return quantities as a table: layer, name, shape, formula, numbers."""
    rows: list[tuple[str, ...]] = [("layer", "quantity", "shape", "formula", "numbers")]
    for layer, q in lines:
        shape = "×".join(map(str, q.shape))
        formula = "given" if q.formula == q.symbol else q.formula.text
        wrapped = textwrap.wrap(formula, 44) or [""]
        shown = write_numbers(q)
        for k in range(max(len(wrapped), len(shown))):
            rows.append((
                *((layer, q.name, shape) if k == 0 else ("", "", "")),
                wrapped[k] if k < len(wrapped) else "",
                shown[k] if k < len(shown) else "",
            ))  # fmt: skip
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    text = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([text[0], "-" * (sum(widths) + 8), *text[1:]])


def write_step(step: StepTrace) -> str:
    """Return one step as four tables."""
    parts = [f"{part.capitalize()}\n{write_table(list(list_part(step, part)))}" for part in PARTS]
    end = f"loss {format_number(step.loss)} before the update, {format_number(step.loss_after)} after it"
    return "\n\n".join([f"Step {step.number}: {end}", *parts])


def write_step_html(step: StepTrace) -> str:
    """Return one step as four HTML tables to unfold."""
    parts = []
    for part in PARTS:
        rows = [
            (layer, q.name, "×".join(map(str, q.shape)), q.formula.text, "\n".join(write_numbers(q)))
            for layer, q in list_part(step, part)
        ]
        header = ("layer", "quantity", "shape", "formula", "numbers")
        parts.append(f"<details><summary>{part.capitalize()}</summary>{make_table(header, rows)}</details>")
    return "".join(parts)
