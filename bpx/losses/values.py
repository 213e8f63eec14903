"""Losses of values: squared, absolute, between the two, and of counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bpx.arguments import check_number
from bpx.backend.base import Array
from bpx.formulas import Formula
from bpx.losses.base import Loss, LossFormulas, dot, sum_scaled


@dataclass(frozen=True)
class SquaredError(Loss):
    """Half the squared error: ``l = sum((z - y)**2) / 2``, ``dz = z - y``.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating errors", 1986, eq. 3.
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

    Notes
    -----
    At the kink, z = y, the gradient is taken as 0.

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter", 1964, section 1.
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

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter", 1964, eq. on p. 75.
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
class Poisson(Loss):
    """Half the Poisson deviance of counts, from log rates.

    ``l = sum(exp(z) - y * z + y log(y) - y)``, ``dz = exp(z) - y``.

    The outputs are logarithms of rates, ``y`` is at least 0; ``0 log 0`` is 0.

    References
    ----------
    P. McCullagh, J. A. Nelder, "Generalized linear models", 1989, section 2.3.
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
