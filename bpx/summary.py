"""A network as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bpx.network import Network


def rows(net: Network) -> list[tuple[str, str, str, int]]:
    """Return number, layer, output shape and count of parameters of each layer."""
    shape, result = net.input_shape, []
    for i, (layer, part) in enumerate(zip(net.layers, net.params, strict=True)):
        shape = layer.output_shape(shape)
        shown = "?" if shape is None else f"({', '.join(['batch', *map(str, shape)])})"
        result.append((str(i), repr(layer), shown, sum(int(np.prod(a.shape)) for a in part.values())))
    return result


def summary(net: Network) -> str:
    """Return a table of the layers, their output shapes and their parameters."""
    head = ("", "layer", "output", "parameters")
    table = [(a, b, c, f"{n:,}") for a, b, c, n in rows(net)]
    widths = [max(len(row[k]) for row in [head, *table]) for k in range(4)]

    def line(row: tuple[str, ...]) -> str:
        return "  ".join(
            cell.rjust(w) if k in (0, 3) else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )

    rule = "-" * len(line(head))
    loss = f"loss {net.loss.name} ({net.loss.reduction})"
    total = f"{net.n_params:,} parameters, {net.dtype}, {loss}, on {net.backend.spec}"
    return "\n".join([line(head), rule, *map(line, table), rule, total])
