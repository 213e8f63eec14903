"""Penalties on weights and limits on gradients, applied between the backward pass and the update."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from bpx.arguments import check_hashable, check_number
from bpx.backend.base import Array
from bpx.errors import InputError
from bpx.layers.base import Layer, Params


class Penalty:
    """A term of the loss that depends on the weights alone.

    Each trained parameter of ``layer.weight_names`` has one: weight matrices do, biases and scales do not.
    """

    def term(self, xp: Any, w: Array, rows: int) -> tuple[Array, Array]:
        """Return the penalty of an array of weights, a scalar, and its gradient, for a batch of ``rows`` samples."""
        raise TypeError(f"{type(self).__name__} defines no term")


@dataclass(frozen=True)
class L2(Penalty):
    """Half the sum of squares: ``strength / 2 * sum(w**2)``, ``dw += strength * w``.

    Weights alone are penalized, the parameters in ``layer.weight_names``; biases and scales are not.

    Parameters
    ----------
    strength : float
        At least 0.
    per_sample : bool
        Divide by the samples of the batch, or by the sum of their weights, as scikit-learn does.

    See Also
    --------
    L1 : Penalize absolute values.
    AdamW : Adam with weight decay beside the gradient.

    References
    ----------
    A. Krogh, J. A. Hertz, "A simple weight decay can improve generalization", 1991, eq. 1.

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.moons(100, seed=0)
    >>> net = bpx.mlp([2, 8, 1], loss="binary_cross_entropy", seed=0)
    >>> history = net.fit(x, y, epochs=50, penalties=[bpx.L2(0.1)])
    >>> size = float((net.params[0]["weight"] ** 2).sum())
    >>> net = net.reset()
    >>> history = net.fit(x, y, epochs=50)
    >>> size < float((net.params[0]["weight"] ** 2).sum())
    True
    """

    strength: float
    per_sample: bool = False

    def __post_init__(self) -> None:
        check_number("strength", self.strength, minimum=0.0)

    def term(self, xp: Any, w: Array, rows: int) -> tuple[Array, Array]:
        factor = _share(xp, self.strength, rows) if self.per_sample else self.strength
        flat = xp.reshape(w, (-1,))
        return (0.5 * factor) * xp.vecdot(flat, flat), w * factor


@dataclass(frozen=True)
class L1(Penalty):
    """The sum of absolute values: ``strength * sum(|w|)``, ``dw += strength * sign(w)`` (0 at w = 0).

    Weights alone are penalized, the parameters in ``layer.weight_names``; biases and scales are not.

    Parameters
    ----------
    strength : float
        At least 0.
    per_sample : bool
        Divide by the samples of the batch, or by the sum of their weights.

    See Also
    --------
    L2 : Penalize squares.
    AdamW : Adam with weight decay beside the gradient.

    References
    ----------
    R. Tibshirani, "Regression shrinkage and selection via the lasso", 1996, eq. 1.

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.moons(100, seed=0)
    >>> net = bpx.mlp([2, 8, 1], loss="binary_cross_entropy", seed=0)
    >>> history = net.fit(x, y, epochs=50, penalties=[bpx.L1(0.1)])
    >>> size = float(abs(net.params[0]["weight"]).sum())
    >>> net = net.reset()
    >>> history = net.fit(x, y, epochs=50)
    >>> size < float(abs(net.params[0]["weight"]).sum())
    True
    """

    strength: float
    per_sample: bool = False

    def __post_init__(self) -> None:
        check_number("strength", self.strength, minimum=0.0)

    def term(self, xp: Any, w: Array, rows: int) -> tuple[Array, Array]:
        factor = _share(xp, self.strength, rows) if self.per_sample else self.strength
        return factor * xp.sum(xp.abs(w)), xp.sign(w) * factor


def _share(xp: Any, strength: float, rows: Any) -> Any:
    """Return ``strength / rows``; 0 for a batch whose samples all weigh 0, which counts for nothing in the mean.

    ``rows`` is a number of samples, at least 1, or the sum of their weights as an array without axes.
    """
    if isinstance(rows, int):
        return strength / rows
    return xp.where(rows > 0.0, strength / rows, xp.zeros_like(rows))


class Clip:
    """A limit on the gradients of a step."""

    def apply(self, xp: Any, grads: Sequence[Params]) -> None:
        """Replace the gradients by limited ones."""
        raise TypeError(f"{type(self).__name__} defines no limit")


@dataclass(frozen=True)
class ClipValue(Clip):
    """Cut each element of a gradient to [-limit, limit].

    Parameters
    ----------
    limit : float
        Above 0.

    See Also
    --------
    ClipNorm : Limit the norm of all gradients together.
    Network.fit : Train a network.

    References
    ----------
    T. Mikolov, "Statistical language models based on neural networks", 2012, section 3.2.2.

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.xor()
    >>> net = bpx.mlp([2, 4, 1], loss="squared_error", dtype="float64", seed=0)
    >>> before = net.params[0]["weight"].copy()
    >>> history = net.fit(1000 * x, y, epochs=1, optimizer=bpx.SGD(1.0), clip=bpx.ClipValue(0.01))
    >>> float(abs(net.params[0]["weight"] - before).max()) <= 0.01 + 1e-12
    True
    """

    limit: float

    def __post_init__(self) -> None:
        check_number("limit", self.limit, above=0.0)

    def apply(self, xp: Any, grads: Sequence[Params]) -> None:
        for g in grads:
            for name in g:
                g[name] = xp.minimum(xp.maximum(g[name], -self.limit), self.limit)


@dataclass(frozen=True)
class ClipNorm(Clip):
    """Shrink all gradients alike so that their norm, over all parameters, is at most ``limit``.

    Parameters
    ----------
    limit : float
        Above 0.

    See Also
    --------
    ClipValue : Limit each element of a gradient.
    Network.fit : Train a network.

    References
    ----------
    R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent neural networks", 2013, algorithm 1.

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.xor()
    >>> net = bpx.mlp([2, 4, 1], loss="squared_error", dtype="float64", seed=0)
    >>> before = net.params[0]["weight"].copy()
    >>> history = net.fit(1000 * x, y, epochs=1, optimizer=bpx.SGD(1.0), clip=bpx.ClipNorm(0.01))
    >>> float(((net.params[0]["weight"] - before) ** 2).sum() ** 0.5) <= 0.01 + 1e-12
    True
    """

    limit: float

    def __post_init__(self) -> None:
        check_number("limit", self.limit, above=0.0)

    def apply(self, xp: Any, grads: Sequence[Params]) -> None:
        arrays = [dw for g in grads for dw in g.values()]
        if not arrays:
            return
        peak = reduce(xp.maximum, [xp.max(xp.abs(dw)) for dw in arrays])
        # Squares of large gradients overflow, and limit / infinity would be 0; as parts of the largest they do not.
        unit = xp.where(peak > float(xp.finfo(peak.dtype).max) ** 0.25, peak, xp.ones_like(peak))
        inverse = 1.0 / unit
        flat = [xp.reshape(dw * inverse, (-1,)) for dw in arrays]
        norm = xp.sqrt(reduce(operator.add, [xp.sum(part * part) for part in flat]))
        limit = self.limit / unit
        shrink = xp.where(norm > limit, limit / norm, xp.ones_like(norm))
        for g in grads:
            for name in g:
                g[name] = g[name] * shrink


def check_penalties(penalties: Any) -> tuple[Penalty, ...]:
    """Return penalties as a tuple; a single one may stand alone."""
    if not isinstance(penalties, (Penalty, Iterable)):
        raise InputError(f"penalties must be a sequence, got {penalties!r}; penalties are bpx.L1 or bpx.L2")
    chosen = (penalties,) if isinstance(penalties, Penalty) else tuple(penalties)
    if not all(isinstance(penalty, Penalty) for penalty in chosen):
        raise InputError(f"penalties are bpx.L1 or bpx.L2, got {chosen!r}")
    for penalty in chosen:
        check_hashable(penalty)
    return chosen


def check_clip(clip: Any) -> None:
    """Raise unless ``clip`` is a limit on gradients or None."""
    if not (clip is None or isinstance(clip, Clip)):
        raise InputError(f"clip is bpx.ClipValue, bpx.ClipNorm or None, got {clip!r}")
    check_hashable(clip)


def make_penalize(
    xp: Any, penalties: Sequence[Penalty], layers: Sequence[Layer]
) -> Callable[[Sequence[Params], Sequence[Params], Any], Any]:
    """Return ``penalize(params, grads, rows)``.

    It adds each penalty's gradient to the gradients of the weights, and returns the sum of the penalties.
    """
    penalized = [layer.weight_names for layer in layers]

    def penalize(params: Sequence[Params], grads: Sequence[Params], rows: Any) -> Any:
        total: Any = 0.0
        for names, p, g in zip(penalized, params, grads, strict=True):
            for name in names:
                if name not in g:  # frozen
                    continue
                for penalty in penalties:
                    value, gradient = penalty.term(xp, p[name], rows)
                    g[name] += gradient
                    total = total + value
        return total

    return penalize
