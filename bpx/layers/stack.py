"""Questions about layers in a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bpx.errors import InputError
from bpx.layers.base import Layer, Shape
from bpx.layers.embedding import Embedding
from bpx.layers.members import MemberLinear
from bpx.layers.structure import Block, Columns, Flatten


def find_sample_shapes(layers: Sequence[Layer]) -> tuple[Shape | None, Shape | None]:
    """Return the shapes of one sample of the input and of the output, None where any will do."""
    shape: Shape | None = None
    first: Shape | None = None
    for i, layer in enumerate(layers):
        try:
            shape = layer.output_shape(shape)
        except InputError as error:
            raise InputError(f"layer {i}: {error}") from None
        width = getattr(layer, "n_in", None) or getattr(layer, "n_features", None)
        if first is None and width is not None and not any(isinstance(before, Flatten) for before in layers[:i]):
            first = (layer.k, width) if isinstance(layer, MemberLinear) and not layer.shared_input else (width,)
    return first, shape


def check_sample(layers: Sequence[Layer], shape: Shape) -> None:
    """Raise unless layers in a row can take samples of a shape.

    Raises
    ------
    InputError
        If one of them does not fit; names the shape and the layer.
    """
    inner: Shape | None = shape
    for i, layer in enumerate(layers):
        try:
            inner = layer.output_shape(inner)
        except InputError as error:
            raise InputError(f"x has samples of shape {shape}, which do not fit layer {i}: {error}") from None


def find_code_columns(layers: Sequence[Layer]) -> list[int]:
    """Return which columns of the input are codes that the first layer looks up vectors for, in ascending order."""
    first = layers[0]
    parts = zip(first.layers, first.widths, strict=True) if isinstance(first, Columns) else [(first, 1)]
    taken = [isinstance(layer, Embedding) for layer, width in parts for _ in range(width)]
    return [i for i, is_code in enumerate(taken) if is_code]


def find_first_trained(layers: Sequence[Layer]) -> int:
    """Return the number of the first layer that has parameters to train (of the last, if none has)."""
    for i, layer in enumerate(layers):
        if set(layer.param_names) - set(layer.frozen):
            return i
    return len(layers) - 1


def unfreeze(layer: Layer) -> Layer:
    """Return the layer with all parameters free."""
    if not layer.frozen:
        return layer
    if isinstance(layer, Block):
        inner = tuple(unfreeze(each) for each in layer.layers)
        return dataclasses.replace(layer, layers=inner)  # type: ignore[type-var] # a Block is a dataclass
    return dataclasses.replace(layer, frozen=())  # type: ignore[type-var]
