"""Layers in a row as the passes that a step makes, several operations of a layer in one where the backend can.

An activation takes each element by itself, and on a GPU each of its operations costs a pass over memory. A backend that
fuses is given the activation's own forward and backward, the bias of the linear layer before it included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bpx.backend.base import Array
from bpx.formulas import find_declared
from bpx.layers.base import COMPUTING, Layer, Params
from bpx.layers.linear import Linear

Pass = tuple[Callable[..., tuple[Array, Any]], Callable[..., tuple[Any, Params]]]
"""``forward`` and ``backward`` of a layer, as `Layer` has them."""


def list_passes(backend: Any, layers: Sequence[Layer]) -> list[Pass]:
    """Return what a step calls for each layer.

    Parameters
    ----------
    backend : Backend or None
        Where it fuses, activations are one pass, and the bias before one is added in it. None: nothing is fused.
    layers : sequence of Layer
    """
    passes: list[Pass] = [(layer.forward, layer.backward) for layer in layers]
    if backend is None or not backend.fuses:
        return passes
    for i, layer in enumerate(layers):
        if find_declared(type(layer), "elementwise", *COMPUTING):
            before = layers[i - 1] if i else None
            biased = isinstance(before, Linear) and type(before) is Linear and before.bias
            if biased:
                passes[i - 1] = (_take_bias_along(before), passes[i - 1][1])  # type: ignore[arg-type]
            passes[i] = _fuse(backend, layer, biased)
    return passes


def _take_bias_along(layer: Linear) -> Callable[..., tuple[Array, Any]]:
    """Return a forward pass whose output has the bias beside it, for the next layer to add."""
    product = replace(layer, bias=False, frozen=())

    def forward(xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Any, Any]:
        y, cache = product.forward(xp, params, x)
        return (y, params["bias"]), cache

    return forward


def _fuse(backend: Any, layer: Layer, biased: bool) -> Pass:
    """Return the passes of an activation, which gets ``(x, bias)`` where it is to add a bias."""
    name = type(layer).__name__.lower()
    apply = backend.fused(Activate(layer), f"bpx_{name}{'_of_sum' if biased else ''}")
    differentiate = backend.fused(Differentiate(layer), f"bpx_{name}_backward")

    def forward(xp: Any, params: Params, x: Any, context: Any = None) -> tuple[Array, Any]:
        return apply(*x) if biased else apply(x)  # type: ignore[no-any-return]

    def backward(
        xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        return differentiate(dy, cache), {}

    return forward, backward


@dataclass(frozen=True)
class Activate:
    """The forward pass of an activation, of its input or of a sum; two of equal layers are equal."""

    layer: Layer

    def __call__(self, xp: Any, *terms: Array) -> tuple[Array, Any]:
        return self.layer.forward(xp, {}, terms[0] if len(terms) == 1 else terms[0] + terms[1])


@dataclass(frozen=True)
class Differentiate:
    """The backward pass of an activation; two of equal layers are equal."""

    layer: Layer

    def __call__(self, xp: Any, dy: Array, cache: Any) -> Array:
        return self.layer.backward(xp, {}, cache, dy)[0]
