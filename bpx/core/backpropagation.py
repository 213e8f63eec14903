"""Forward and backward through a list of layers: the chain rule, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bpx.backend.base import Array
from bpx.layers.base import Layer, Params
from bpx.losses import Loss

Gradients = Callable[..., tuple[Array, list[Params], list[Any]]]
"""``gradients(params, contexts, x, y, weight) -> (loss, gradients, caches)``, see `make_gradients`."""


def forward_pass(
    xp: Any, layers: Sequence[Layer], params: Sequence[Params], x: Array, contexts: Sequence[Any]
) -> Array:
    """Return the last layer's output."""
    for layer, p, context in zip(layers, params, contexts, strict=True):
        x, _ = layer.forward(xp, p, x, context)
    return x


def make_gradients(xp: Any, layers: Sequence[Layer], loss: Loss, first: int = 0) -> Gradients:
    """Return a function that takes a batch forward and its error backward.

    Parameters
    ----------
    xp : namespace
        Array API namespace of the arrays.
    layers : sequence of Layer
    loss : Loss
    first : int
        Nothing below this layer has parameters to train, so the backward pass ends there, and the layer computes no
        gradient with respect to its input.

    Returns
    -------
    callable
        ``gradients(params, contexts, x, y, weight) -> (loss, gradients, caches)``: a scalar, a dict for each layer, and
        what each layer's forward pass left for its backward pass.
    """
    forwards = [layer.forward for layer in layers]
    backwards = [(i, layers[i].backward) for i in range(len(layers) - 1, first, -1)]
    last_backward = layers[first].backward
    nothing: list[Params] = [{} for _ in layers]

    def gradients(
        params: Sequence[Params], contexts: Sequence[Any], x: Array, y: Array, weight: Array | None
    ) -> tuple[Array, list[Params], list[Any]]:
        caches = []
        for forward, p, context in zip(forwards, params, contexts, strict=True):
            x, cache = forward(xp, p, x, context)
            caches.append(cache)
        value, cache = loss.forward(xp, x, y, weight)
        dy = loss.backward(xp, cache)
        grads = nothing.copy()
        for i, backward in backwards:
            dy, grads[i] = backward(xp, params[i], caches[i], dy)
        _, grads[first] = last_backward(xp, params[first], caches[first], dy, input_gradient=False)
        return value, grads, caches

    return gradients
