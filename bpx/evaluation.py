"""How good a network is on data: its loss, and the share of right classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpx.backend.base import Array
from bpx.layers import Sigmoid, Softmax

if TYPE_CHECKING:
    from bpx.network import Network


def evaluate(net: Network, x: Array, y: Array, weight: Array | None) -> dict[str, float]:
    """Return loss and, where the targets are classes, accuracy, for inputs on the device."""
    xp, rows = net.backend.xp, x.shape[0]
    classes = has_classes(net)
    total, share, right, start = 0.0, 0.0, 0.0, 0
    with net.backend.computing():
        for z in net.outputs(x):
            n = z.shape[0]
            part = slice(start, start + n)
            w = None if weight is None else weight[part]
            value, _ = net.loss.forward(xp, z, y[part, ...], w)
            mass = float(n) if w is None else float(xp.sum(w))
            total += float(value) * (mass if net.loss.reduction == "mean" else 1.0)
            share += mass
            if classes:
                hits = xp.astype(correct(net, z, y[part, ...]), z.dtype)
                right += float(xp.sum(hits if w is None else hits * w))
            start += n
    result = {"loss": total / share if net.loss.reduction == "mean" else total}
    if classes:
        result["accuracy"] = right / (rows if weight is None else share)
    return result


def has_classes(net: Network) -> bool:
    """Tell whether the network's outputs decide for classes, so that they can be right or wrong."""
    return net.loss.targets in ("classes", "probabilities") or isinstance(net.layers[-1], (Sigmoid, Softmax))


def correct(net: Network, z: Array, y: Array) -> Array:
    """Return for each sample whether the outputs decide for its class (several outputs of yes and no: for all)."""
    xp = net.backend.xp
    if net.loss.targets == "classes" or isinstance(net.layers[-1], Softmax):
        target = y if y.ndim == 1 else xp.argmax(y, axis=1)
        return xp.argmax(z, axis=1) == target
    threshold = 0.0 if net.loss.targets == "probabilities" else 0.5
    return xp.all((z > threshold) == (y > 0.5), axis=tuple(range(1, y.ndim)))
