"""Layers in a row as the passes that a step makes, several operations of a layer in one where the backend can.

An activation takes each element by itself, and on a GPU each of its operations costs a pass over memory. A backend that
fuses is given the activation's own forward and backward, the bias of the linear layer before it included. Where
products take operands that are rounded already, a linear layer's are rounded once each: an operand is in two products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from bpx.backend.base import Array
from bpx.formulas import find_declared
from bpx.layers.base import COMPUTING, Layer, Params
from bpx.layers.linear import Linear

Pass = tuple[Callable[..., tuple[Array, Any]], Callable[..., tuple[Any, Params]]]
"""``forward`` and ``backward`` of a layer, as `Layer` has them."""


def list_passes(xp: Any, backend: Any, layers: Sequence[Layer]) -> list[Pass]:
    """Return what a step calls for each layer.

    Parameters
    ----------
    xp : namespace
        With which the passes will be called: where it rounds operands, linear layers have theirs rounded once.
    backend : Backend or None
        Where it fuses, activations are one pass, and the bias before one is added in it. None: nothing is fused.
    layers : sequence of Layer
    """
    passes: list[Pass] = [
        (layer.forward, layer.backward if is_bpxs(layer) else _copy_gradients(layer.backward)) for layer in layers
    ]
    rounding = getattr(xp, "round_operand", None)
    if backend is not None and backend.fuses:
        _fuse_activations(rounding, backend, layers, passes)
    for i, layer in enumerate(layers):
        if rounding is not None and type(layer) is Linear:
            passes[i] = _round_once(rounding, *passes[i])
    return passes


def is_bpxs(part: Any) -> bool:
    """Tell whether a layer, a loss or another part of a step is one of bpx's own, and so are the layers within it."""
    return type(part).__module__.startswith("bpx.") and all(map(is_bpxs, getattr(part, "layers", ())))


def _copy_gradients(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a backward pass whose gradients are arrays of their own, which a step may overwrite.

    A class of the user's may return one array as the gradient of two parameters, or one that cannot be written into.
    """

    def backward_with_copies(*given: Any, **options: Any) -> tuple[Any, Params]:
        dx, grads = backward(*given, **options)
        return dx, {name: dw * 1.0 for name, dw in grads.items()}

    return backward_with_copies


def _fuse_activations(
    rounding: Callable[[Array], Array] | None, backend: Any, layers: Sequence[Layer], passes: list[Pass]
) -> None:
    """Put passes that are fused in the place of an activation's, and of the linear layer's before it.

    With ``rounding``, what goes on to a linear layer is rounded in the same pass.
    """
    for i, layer in enumerate(layers):
        if find_declared(type(layer), "elementwise", *COMPUTING):
            before, after = (layers[k] if 0 <= k < len(layers) else None for k in (i - 1, i + 1))
            biased = isinstance(before, Linear) and type(before) is Linear and before.bias
            if biased:
                passes[i - 1] = (_take_bias_along(before), passes[i - 1][1])  # type: ignore[arg-type]
            onward, back = (rounding if type(each) is Linear else None for each in (after, before))
            passes[i] = _fuse(backend, layer, biased, onward, back)


def _take_bias_along(layer: Linear) -> Callable[..., tuple[Array, Any]]:
    """Return a forward pass whose output has the bias beside it, for the next layer to add."""
    product = replace(layer, bias=False, frozen=())

    def forward(xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Any, Any]:
        y, cache = product.forward(xp, params, x)
        return (y, params["bias"]), cache

    return forward


def _round_once(rounding: Callable[[Array], Array], forward: Callable[..., Any], backward: Callable[..., Any]) -> Pass:
    """Return the passes of a linear layer with operands that are rounded before the products."""

    def forward_rounded(xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Any, Any]:
        rounded = {**params, "weight": rounding(params["weight"])}
        y, cache = forward(xp, rounded, rounding(x), context)
        return y, (rounded, cache)

    def backward_rounded(
        xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        params, cache = cache
        dy, rounded = dy if isinstance(dy, tuple) else (dy, rounding(dy))  # dy is summed up for the bias

        functions = vars(xp)
        multiply = functions["matmul"]

        def matmul(a: Array, b: Array, /) -> Array:
            return multiply(rounded if a is dy else a, rounded if b is dy else b)

        own = SimpleNamespace(**{**functions, "matmul": matmul})
        return backward(own, params, cache, dy, input_gradient=input_gradient)  # type: ignore[no-any-return]

    return forward_rounded, backward_rounded


def _fuse(
    backend: Any,
    layer: Layer,
    biased: bool,
    onward: Callable[[Array], Array] | None = None,
    back: Callable[[Array], Array] | None = None,
) -> Pass:
    """Return the passes of an activation, which gets ``(x, bias)`` where it is to add a bias.

    With ``onward``, what it hands on is rounded by that; with ``back``, its ``dx`` is a pair, itself and rounded.
    """
    name = type(layer).__name__.lower()
    apply = backend.fused(Activate(layer, onward), f"bpx_{name}{'_of_sum' if biased else ''}")
    differentiate = backend.fused(Differentiate(layer, back), f"bpx_{name}_backward")

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
    rounding: Callable[[Array], Array] | None = None

    def __call__(self, xp: Any, *terms: Array) -> tuple[Array, Any]:
        y, cache = self.layer.forward(xp, {}, terms[0] if len(terms) == 1 else terms[0] + terms[1])
        return (y if self.rounding is None else _round(xp, self.rounding, y)), cache


@dataclass(frozen=True)
class Differentiate:
    """The backward pass of an activation; two of equal layers are equal."""

    layer: Layer
    rounding: Callable[[Array], Array] | None = None

    def __call__(self, xp: Any, dy: Array, cache: Any) -> Any:
        dx = self.layer.backward(xp, {}, cache, dy)[0]
        return dx if self.rounding is None else (dx, _round(xp, self.rounding, dx))


def _round(xp: Any, rounding: Callable[[Array], Array], x: Array) -> Array:
    """Return an operand rounded, by the ``xp`` of a kernel that is written where there is one."""
    return getattr(xp, "round_operand", rounding)(x)
