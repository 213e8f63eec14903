"""Residual blocks opened: the layers of a network in the order in which a sample passes them.

A block is its layers in a row, and after them the end of its shortcut, where the block's input is added. That is how
the page walks through a network; numbers of layers and values are then those of the opened row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bpx.layers import Layer, Residual


@dataclass(frozen=True)
class OpenedLayer:
    """A layer of the opened row.

    Attributes
    ----------
    layer : Layer
        The layer itself; at the end of a shortcut, the block.
    place : str
        Where the network has it: "2", or "2.0" for the first layer of the block that is its layer 2.
    start : int or None
        At the end of a shortcut, where the shortcut begins: the number of layers of the row before the block.
    """

    layer: Layer
    place: str
    start: int | None = None


def open_blocks(layers: Sequence[Layer]) -> list[OpenedLayer]:
    """Return the layers of a network with those of its residual blocks among them.

    Examples
    --------
    >>> import bpx
    >>> from bpx.explanation.opening import open_blocks
    >>> row = open_blocks([bpx.Linear(2, 3), bpx.Residual([bpx.Linear(3, 3), bpx.Tanh()]), bpx.Linear(3, 1)])
    >>> [(each.place, each.layer.kind, each.start) for each in row]
    [('0', 'Linear', None), ('1.0', 'Linear', None), ('1.1', 'Tanh', None), ('1', 'Residual', 1), ('2', 'Linear', None)]
    """
    row: list[OpenedLayer] = []

    def add(layer: Layer, place: str) -> None:
        if not isinstance(layer, Residual):
            row.append(OpenedLayer(layer, place))
            return
        start = len(row)
        for i, inner in enumerate(layer.layers):
            add(inner, f"{place}.{i}")
        row.append(OpenedLayer(layer, place, start))

    for i, layer in enumerate(layers):
        add(layer, str(i))
    return row


def take_arrays(arrays: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return of a block's arrays, named ``"i.name"``, those of its layer of a number, by their own names."""
    prefix = f"{number}."
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def open_arrays(row: Sequence[OpenedLayer], arrays: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return arrays of a network, one mapping by name for each of its layers, as one for each layer of the opened row.

    Parameters
    ----------
    row : sequence of OpenedLayer
    arrays : sequence of mapping
        Parameters or running statistics, named as `Residual` names them: ``"0.weight"`` within a block.
    """
    opened: list[dict[str, Any]] = []
    for each in row:
        if each.start is not None:
            opened.append({})
            continue
        number, _, inside = each.place.partition(".")
        prefix = f"{inside}." if inside else ""
        opened.append(
            {name.removeprefix(prefix): array for name, array in arrays[int(number)].items() if name.startswith(prefix)}
        )
    return opened
