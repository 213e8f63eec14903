"""Losses of values: squared, absolute, between the two, of quantiles, and of counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bpx.arguments import check_number
from bpx.backend.base import Array
from bpx.errors import InputError
from bpx.formulas import Formula
from bpx.losses.base import Loss, LossFormulas, dot, sum_scaled


@dataclass(frozen=True)
class SquaredError(Loss):
    """Half the squared error: ``l = sum((z - y)**2) / 2``, ``dz = z - y``.

    See Also
    --------
    Huber : Squared near the target, absolute far from it.
    AbsoluteError : Follow the median; outliers count little.
    Quantile : Follow one quantile or several.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating errors", 1986, eq. 3.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> loss = bpx.SquaredError()
    >>> value, cache = loss.forward(np, np.array([[3.0], [1.0]]), np.array([[1.0], [1.5]]))
    >>> round(float(value), 4), loss.backward(np, cache).round(3).tolist()
    (1.0625, [[1.0], [-0.25]])
    """

    name: ClassVar[str] = "squared_error"
    formulas = LossFormulas(
        Formula("½ Σₖ ($zₖ − yₖ)²", r"\tfrac{1}{2} \sum_k (${z}_k - y_k)^2"), Formula("$z − y", "$z - y")
    )

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        d = z - y
        scale = self.scale(xp, z.shape[0], weight)
        if weight is None:
            flat = xp.reshape(d, (-1,))
            return (0.5 * scale) * xp.vecdot(flat, flat), (d, scale)
        return 0.5 * dot(xp, d * scale, d), (d, scale)

    def backward(self, xp: Any, cache: Any) -> Array:
        d, scale = cache
        return d if isinstance(scale, float) and scale == 1.0 else d * scale


@dataclass(frozen=True)
class AbsoluteError(Loss):
    """The absolute error: ``l = sum(|z - y|)``, ``dz = sign(z - y)``.

    See Also
    --------
    Huber : Squared near the target, absolute far from it.
    Quantile : Follow one quantile or several.
    SquaredError : Follow the mean.

    Notes
    -----
    At the kink, z = y, the gradient is taken as 0.

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter", 1964, section 1.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> loss = bpx.AbsoluteError()
    >>> value, cache = loss.forward(np, np.array([[3.0], [1.0]]), np.array([[1.0], [1.5]]))
    >>> round(float(value), 4), loss.backward(np, cache).round(3).tolist()
    (1.25, [[0.5], [-0.5]])
    """

    name: ClassVar[str] = "absolute_error"
    formulas = LossFormulas(
        Formula("Σₖ |$zₖ − yₖ|", r"\sum_k |${z}_k - y_k|"), Formula("sign($z − y)", r"\mathrm{sign}($z - y)")
    )

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        d = z - y
        scale = self.scale(xp, z.shape[0], weight)
        return sum_scaled(xp, xp.abs(d), scale), (d, scale)

    def backward(self, xp: Any, cache: Any) -> Array:
        d, scale = cache
        return xp.sign(d) * scale


@dataclass(frozen=True)
class Huber(Loss):
    """Squared near the target, absolute far from it: with ``d = z - y``, ``c = clip(d, -delta, delta)``.

    ``l = sum(c * (d - c / 2))``, that is ``d**2 / 2`` within delta, ``delta * (|d| - delta / 2)`` outside; ``dz = c``.

    Parameters
    ----------
    reduction : str
        "mean" over the batch or "sum".
    delta : float
        Where the loss turns from squared to absolute, above 0, in units of y.

    See Also
    --------
    AbsoluteError : Follow the median; outliers count little.
    SquaredError : Follow the mean.

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter", 1964, eq. on p. 75.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> loss = bpx.Huber(delta=1.0)
    >>> value, cache = loss.forward(np, np.array([[3.0], [1.0]]), np.array([[1.0], [1.5]]))
    >>> round(float(value), 4), loss.backward(np, cache).round(3).tolist()
    (0.8125, [[0.5], [-0.25]])
    """

    delta: float = 1.0

    name: ClassVar[str] = "huber"
    formulas = LossFormulas(
        Formula(
            "Σₖ c · (d − c/2), d = $zₖ − yₖ, c = d cut to ±$delta",
            r"\sum_k c_k (d_k - \tfrac{1}{2} c_k),\; d = $z - y,\; c = \mathrm{clip}(d, -$delta, $delta)",
        ),
        Formula("$z − y, cut to ±$delta", r"\mathrm{clip}($z - y, -$delta, $delta)"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("delta", self.delta, above=0.0)

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        d = z - y
        c = xp.minimum(xp.maximum(d, -self.delta), self.delta)
        scale = self.scale(xp, z.shape[0], weight)
        return sum_scaled(xp, c * (d - 0.5 * c), scale), (c, scale)

    def backward(self, xp: Any, cache: Any) -> Array:
        c, scale = cache
        return c * scale


@dataclass(frozen=True)
class Quantile(Loss):
    """The pinball loss, least where an output is the quantile q of its target: ``l = sum(max((1 - q) * d, -q * d))``.

    With ``d = z - y``: ``dz = 1 - q`` where an output is above its target, ``-q`` where it is below.

    Parameters
    ----------
    q : float or sequence of float
        Above 0 and below 1. With one number each output has a target of its own. With several, a sample has one target,
        and as many outputs as there are numbers: output k is the quantile ``q[k]`` of that target.
    reduction : str
        "mean" over the batch or "sum".

    Raises
    ------
    InputError
        If a quantile is not above 0 and below 1, or there is none.

    See Also
    --------
    AbsoluteError : Follow the median; outliers count little.
    Huber : Squared near the target, absolute far from it.

    Notes
    -----
    At the kink, z = y, the gradient is taken as 0. With q = 0.5, the median, the loss is half the absolute error.
    Nothing keeps the outputs for several quantiles in their order; where they cross, sorting them brings none of them
    farther from the true ones.

    References
    ----------
    R. Koenker, G. Bassett, "Regression quantiles", 1978, eq. 3.1.
    V. Chernozhukov, I. Fernandez-Val, A. Galichon, "Quantile and probability curves without crossing", 2010 (sorting).

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.xor()
    >>> layers = [bpx.Linear(2, 8), bpx.Tanh(), bpx.Linear(8, 3)]
    >>> net = bpx.Network(layers, loss=bpx.Quantile((0.05, 0.5, 0.95)))
    >>> history = net.fit(x, y, epochs=10)
    >>> net.predict(x).shape
    (4, 3)
    """

    q: float | tuple[float, ...] = 0.5
    reduction: str = field(default="mean", kw_only=True)

    name: ClassVar[str] = "quantile"
    formulas = LossFormulas(
        Formula(
            "Σₖ max((1 − qₖ) dₖ, −qₖ dₖ), d = $z − y, q = $q",
            r"\sum_k \max((1 - q_k)\, d_k, -q_k d_k),\; d = $z - y,\; q = $q",
        ),
        Formula(
            "(1 − q where $z > y, −q where $z < y), q = $q",
            r"\begin{cases} 1 - q & $z > y \\ -q & $z < y \end{cases},\; q = $q",
        ),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.q, str) or not isinstance(self.q, Iterable):
            check_number("q", self.q, above=0.0, below=1.0)
            return
        levels = tuple(check_number("each q", q, above=0.0, below=1.0) for q in self.q)
        if not levels:
            raise InputError("q must be a number above 0 and below 1, or several, got none")
        object.__setattr__(self, "q", levels)

    def count_targets(self, n_out: int) -> int:
        if not isinstance(self.q, tuple):
            return n_out
        if n_out != len(self.q):
            raise InputError(f"{len(self.q)} quantiles need as many outputs of the network, got {n_out}")
        return 1

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        d = z - y
        scale = self.scale(xp, z.shape[0], weight)
        losses = self._compute_each(xp, lambda d, q: xp.maximum((1.0 - q) * d, -q * d), d)
        return sum_scaled(xp, losses, scale), (d, scale)

    def backward(self, xp: Any, cache: Any) -> Array:
        d, scale = cache
        s = xp.sign(d)
        return self._compute_each(xp, lambda s, q: (1.0 - q) * xp.maximum(s, 0.0) + q * xp.minimum(s, 0.0), s) * scale

    def _compute_each(self, xp: Any, function: Callable[[Array, float], Array], a: Array) -> Array:
        """Return what a function makes of an array and q; of several, of each column and its own."""
        if not isinstance(self.q, tuple):
            return function(a, self.q)
        return xp.concat([function(a[:, k : k + 1], q) for k, q in enumerate(self.q)], axis=1)


@dataclass(frozen=True)
class Poisson(Loss):
    """Half the Poisson deviance of counts, from log rates.

    ``l = sum(exp(z) - y * z + y log(y) - y)``, ``dz = exp(z) - y``.

    The outputs are logarithms of rates, ``y`` is at least 0; ``0 log 0`` is 0.

    See Also
    --------
    SquaredError : Follow the mean.

    References
    ----------
    P. McCullagh, J. A. Nelder, "Generalized linear models", 1989, section 2.3.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> loss = bpx.Poisson()
    >>> value, cache = loss.forward(np, np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]]))
    >>> round(float(value), 4), loss.backward(np, cache).round(3).tolist()
    (0.0523, [[0.0], [0.359]])
    """

    name: ClassVar[str] = "poisson"
    targets: ClassVar[str] = "counts"
    formulas = LossFormulas(
        Formula("Σₖ exp($zₖ) − yₖ $zₖ + yₖ ln yₖ − yₖ", r"\sum_k e^{${z}_k} - y_k\, ${z}_k + y_k \ln y_k - y_k"),
        Formula("exp($z) − y", "e^{$z} - y"),
        Formula("exp($z)", "e^{$z}"),
    )
    onnx = ("Exp", {})

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        rate = xp.exp(z)
        scale = self.scale(xp, z.shape[0], weight)
        log_y = xp.log(xp.where(y > 0.0, y, 1.0))
        return sum_scaled(xp, rate - y + y * (log_y - z), scale), (rate, y, scale)

    def backward(self, xp: Any, cache: Any) -> Array:
        rate, y, scale = cache
        return (rate - y) * scale

    def probabilities(self, xp: Any, z: Array) -> Array:
        return xp.exp(z)
