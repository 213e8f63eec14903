"""Forward and backward through a list of layers: the chain rule, once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bpx.backend.base import Array
from bpx.layers.base import Layer, Params
from bpx.losses import Loss


def forward_pass(
    xp: Any, layers: Sequence[Layer], params: Sequence[Params], x: Array, contexts: Sequence[Any]
) -> tuple[Array, list[Any]]:
    """Return the last layer's output and each layer's cache."""
    caches = []
    for layer, p, context in zip(layers, params, contexts, strict=True):
        x, cache = layer.forward(xp, p, x, context)
        caches.append(cache)
    return x, caches


def backward_pass(
    xp: Any, layers: Sequence[Layer], params: Sequence[Params], caches: Sequence[Any], dy: Array, first: int = 0
) -> list[Params]:
    """Return each layer's gradients, given the gradient with respect to the last layer's output.

    Nothing below layer ``first`` has parameters to train, so the pass ends there, and that layer computes no gradient
    with respect to its input.
    """
    grads: list[Params] = [{} for _ in layers]
    for i in range(len(layers) - 1, first, -1):
        dy, grads[i] = layers[i].backward(xp, params[i], caches[i], dy)
    if layers:
        _, grads[first] = layers[first].backward(xp, params[first], caches[first], dy, input_gradient=False)
    return grads


def loss_and_gradients(
    xp: Any,
    layers: Sequence[Layer],
    loss: Loss,
    params: Sequence[Params],
    x: Array,
    y: Array,
    weight: Array | None,
    contexts: Sequence[Any],
    first: int = 0,
) -> tuple[Array, list[Params], list[Any]]:
    """Return the loss of a batch, its gradients, layer by layer, and the layers' caches."""
    z, caches = forward_pass(xp, layers, params, x, contexts)
    value, loss_cache = loss.forward(xp, z, y, weight)
    grads = backward_pass(xp, layers, params, caches, loss.backward(xp, loss_cache), first)
    return value, grads, caches
