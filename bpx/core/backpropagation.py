"""Forward and backward through a list of layers: the chain rule, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bpx.backend.base import Array
from bpx.core.fusion import list_passes
from bpx.layers.base import Layer, Params
from bpx.losses import Loss

Gradients = Callable[..., tuple[Array, list[Params], list[Any]]]
"""``gradients(params, contexts, x, y, weight) -> (loss, gradients, caches)``, see `make_gradients`."""


def forward_pass(
    xp: Any, forwards: Sequence[Callable[..., Any]], params: Sequence[Params], x: Array, contexts: Sequence[Any]
) -> Array:
    """Return the last layer's output, given the forward pass of each layer."""
    for forward, p, context in zip(forwards, params, contexts, strict=True):
        x, _ = forward(xp, p, x, context)
    return x


def make_gradients(xp: Any, layers: Sequence[Layer], loss: Loss, first: int = 0, backend: Any = None) -> Gradients:
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
    backend : Backend or None
        Fuses operations of a layer, and of the loss, where it can; None: each is made by itself.

    Returns
    -------
    callable
        ``gradients(params, contexts, x, y, weight) -> (loss, gradients, caches)``: a scalar, a dict for each layer, and
        what each layer's forward pass left for its backward pass.
    """
    passes = list_passes(xp, backend, layers)
    fused_loss = None if backend is None else backend.fused_loss(loss)
    forwards = [forward for forward, _ in passes]
    backwards = [(i, passes[i][1]) for i in range(len(layers) - 1, first, -1)]
    last_backward = passes[first][1]
    nothing: list[Params] = [{} for _ in layers]

    def gradients(
        params: Sequence[Params], contexts: Sequence[Any], x: Array, y: Array, weight: Array | None
    ) -> tuple[Array, list[Params], list[Any]]:
        caches = []
        for forward, p, context in zip(forwards, params, contexts, strict=True):
            x, cache = forward(xp, p, x, context)
            caches.append(cache)
        done = None if fused_loss is None else fused_loss(x, y, weight)
        if done is None:
            value, cache = loss.forward(xp, x, y, weight)
            dy = loss.backward(xp, cache)
        else:
            value, dy = done
        grads = nothing.copy()
        for i, backward in backwards:
            dy, grads[i] = backward(xp, params[i], caches[i], dy)
        _, grads[first] = last_backward(xp, params[first], caches[first], dy, input_gradient=False)
        return value, grads, caches

    return gradients
