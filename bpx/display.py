"""A network as a table: of text, and of HTML for notebooks."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpx.core.model import Model
from bpx.markup import escape_controls, make_paragraph, make_table

HEADER = ("", "layer", "output", "parameters")

WORTH_SAYING = 2**20
"""Bytes of recordings from which the summary names them."""

MAX_LAYERS = 30
"""Layers that the HTML table shows."""


class Summary(str):
    """A network's table: text, which a prompt shows as it is printed, and a notebook as HTML."""

    __slots__ = ("_html",)
    _html: str

    def __new__(cls, text: str, html: str) -> Summary:
        summary = super().__new__(cls, text)
        summary._html = html
        return summary

    def __getnewargs__(self) -> tuple[Any, ...]:
        return str(self), self._html

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self._html


def list_rows(net: Model) -> list[tuple[str, str, str, str]]:
    """Return number, layer, output shape and count of parameters of each layer, as texts."""
    shape, rows = net.input_shape, []
    for i, (layer, part) in enumerate(zip(net.layers, net.params, strict=True)):
        shape = layer.output_shape(shape)
        shown = "?" if shape is None else f"({', '.join(['batch', *map(str, shape)])})"
        count = sum(int(np.prod(array.shape)) for array in part.values())
        rows.append((str(i), repr(layer), shown, f"{count:,}"))
    return rows


def name_arithmetic(net: Model) -> str:
    """Return the dtype of a network, and the precision of its products where that is less."""
    return net.dtype if net.precision == "float32" else f"{net.dtype} with products in {net.precision}"


def _name_recordings(net: Model) -> str:
    """Say how many bytes a network's recordings hold, where it is worth saying."""
    recorded = net.count_bytes()["recordings"]
    return f"; recordings hold {recorded:,} bytes, which net.release() lets go of" if recorded >= WORTH_SAYING else ""


def summarize(net: Model) -> Summary:
    """Return a table of the layers, their output shapes and their parameters."""
    table = list_rows(net)
    widths = [max(len(row[k]) for row in [HEADER, *table]) for k in range(4)]

    def align(row: tuple[str, ...]) -> str:
        return "  ".join(
            cell.rjust(w) if k in (0, 3) else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )

    rule = "-" * len(align(HEADER))
    loss = f"loss {net.loss.name} ({net.loss.reduction})"
    total = f"{net.n_params:,} parameters, {name_arithmetic(net)}, {loss}, on {net.backend.spec}"
    total += _name_recordings(net)
    text = escape_controls("\n".join([align(HEADER), rule, *map(align, table), rule, total]), keep="\n")
    return Summary(text, make_html(net))


def make_html(net: Model) -> str:
    """Return a network's summary as HTML: a row for each layer, and what they have in common."""
    rows = list_rows(net)
    shown = rows[:MAX_LAYERS]
    if len(rows) > MAX_LAYERS:
        shown.append(("...", f"{len(rows) - MAX_LAYERS} more layers", "", ""))
    trained = f", {net.training.epoch:,} epochs trained" if net.training is not None else ""
    line = (
        f"Network of {net.n_params:,} parameters, {name_arithmetic(net)}, loss {net.loss.name} ({net.loss.reduction}), "
        f"on {net.backend.spec}{trained}{_name_recordings(net)}"
    )
    return make_paragraph(line) + make_table(HEADER, shown)
