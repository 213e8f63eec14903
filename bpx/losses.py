"""Losses: how wrong the outputs are, and the gradient that starts the backward pass.

Each class states the loss ``l`` of one sample, summed over the outputs, and its gradient. The loss of a batch is the mean
over its samples (``reduction="mean"``; with sample weights ``w`` the weighted mean ``sum(w * l) / sum(w)``) or the sum
(``reduction="sum"``; ``sum(w * l)``).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from bpx.backend.base import Array
from bpx.checks import choice, number
from bpx.errors import FileFormatError, InputError

REDUCTIONS = ("mean", "sum")


@dataclass(frozen=True)
class Loss:
    """A loss: ``forward(xp, z, y, weight=None) -> (value, cache)`` and ``backward(xp, cache) -> dz``.

    Parameters
    ----------
    reduction : str
        "mean" over the batch or "sum".
    """

    reduction: str = "mean"

    name: ClassVar[str] = ""
    targets: ClassVar[str] = "values"
    """What y holds: "values" of any size, "probabilities" in [0, 1], or "classes"."""

    def __post_init__(self) -> None:
        choice("reduction", self.reduction, REDUCTIONS)

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        """Return the batch's loss, a scalar, and what the backward pass needs to remember.

        Parameters
        ----------
        xp : namespace
            Array API namespace of the arrays.
        z : array (batch, n_out)
            The network's outputs; for the cross-entropies logits.
        y : array
            Targets of z's shape, or for `CrossEntropy` integer classes (batch,).
        weight : array (batch,) or None
            Weights of the samples.
        """
        raise TypeError(f"{type(self).__name__} defines no forward pass")

    def backward(self, xp: Any, cache: Any) -> Array:
        """Return the gradient of the batch's loss with respect to z."""
        raise TypeError(f"{type(self).__name__} defines no backward pass")

    def probabilities(self, xp: Any, z: Array) -> Array:
        """Return what the outputs mean to a person: probabilities for the cross-entropies, the outputs otherwise."""
        return z

    def scale(self, xp: Any, rows: int, weight: Array | None) -> Any:
        """Return the factor of each sample's loss: a number, or a column (batch, 1) where samples have weights."""
        if weight is None:
            return 1.0 if self.reduction == "sum" else 1.0 / rows
        column = xp.reshape(weight, (rows, 1))
        return column if self.reduction == "sum" else column / xp.sum(weight)

    def config(self) -> dict[str, Any]:
        """Return the loss as plain data."""
        return {"kind": self.name, **{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}}


def _dot(xp: Any, a: Array, b: Array) -> Array:
    """Return the sum of the products of two arrays' elements, a scalar."""
    return xp.matmul(xp.reshape(a, (-1,)), xp.reshape(b, (-1,)))


def _total(xp: Any, losses: Array, scale: Any) -> Array:
    """Return the sum of elements' losses, each times its sample's factor."""
    return xp.sum(losses * scale)


@dataclass(frozen=True)
class SquaredError(Loss):
    """Half the squared error: ``l = sum((z - y)**2) / 2``, ``dz = z - y``.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating errors", 1986, eq. 3.
    """

    name: ClassVar[str] = "squared_error"

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        d = z - y
        scale = self.scale(xp, z.shape[0], weight)
        if weight is None:
            flat = xp.reshape(d, (-1,))
            return (0.5 * scale) * xp.matmul(flat, flat), (d, scale)
        return 0.5 * _dot(xp, d * scale, d), (d, scale)

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

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        d = z - y
        scale = self.scale(xp, z.shape[0], weight)
        return _total(xp, xp.abs(d), scale), (d, scale)

    def backward(self, xp: Any, cache: Any) -> Array:
        d, scale = cache
        return xp.sign(d) * scale


@dataclass(frozen=True)
class Huber(Loss):
    """Squared near the target, absolute far from it: with ``d = z - y``, ``c = clip(d, -delta, delta)``.

    ``l = sum(c * (d - c / 2))``, that is ``d**2 / 2`` within delta and ``delta * (|d| - delta / 2)`` outside; ``dz = c``.

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

    def __post_init__(self) -> None:
        super().__post_init__()
        number("delta", self.delta, above=0.0)

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        d = z - y
        c = xp.clip(d, -self.delta, self.delta)
        scale = self.scale(xp, z.shape[0], weight)
        return _total(xp, c * (d - 0.5 * c), scale), (c, scale)

    def backward(self, xp: Any, cache: Any) -> Array:
        c, scale = cache
        return c * scale


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy of classes, from logits: ``l = log(sum(exp(z))) - sum(y * z)``, ``dz = softmax(z) - y``.

    In nats. ``y`` is one-hot, or integer classes, or probabilities that sum to 1. With label smoothing ``y`` becomes
    ``(1 - label_smoothing) * y + label_smoothing / n_classes``.

    Parameters
    ----------
    reduction : str
        "mean" over the batch or "sum".
    label_smoothing : float
        Share of the target spread evenly over the classes, at least 0 and below 1.

    Notes
    -----
    The row's largest logit is subtracted first, so that no exponential overflows whatever the logits are.

    References
    ----------
    J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990, section 4.
    C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception architecture for computer
    vision", 2016, section 7 (label smoothing).
    """

    label_smoothing: float = 0.0

    name: ClassVar[str] = "cross_entropy"
    targets: ClassVar[str] = "classes"

    def __post_init__(self) -> None:
        super().__post_init__()
        number("label_smoothing", self.label_smoothing, minimum=0.0, below=1.0)

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        rows, classes = z.shape
        if y.ndim == 1:
            y = one_hot(xp, y, classes, z.dtype)
        if self.label_smoothing:
            y = (1.0 - self.label_smoothing) * y + self.label_smoothing / classes
        s = z - xp.max(z, axis=1, keepdims=True)
        e = xp.exp(s)
        total = xp.sum(e, axis=1, keepdims=True)
        scale = self.scale(xp, rows, weight)
        if weight is None:
            value = scale * (xp.sum(xp.log(total)) - _dot(xp, y, s))
        else:
            value = _total(xp, xp.log(total), scale) - _dot(xp, y * scale, s)
        e /= total
        return value, (e, y, scale)

    def backward(self, xp: Any, cache: Any) -> Array:
        p, y, scale = cache
        dz = p - y
        dz *= scale
        return dz

    def probabilities(self, xp: Any, z: Array) -> Array:
        e = xp.exp(z - xp.max(z, axis=1, keepdims=True))
        e /= xp.sum(e, axis=1, keepdims=True)
        return e


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Cross-entropy of yes and no, from logits: ``l = sum(log(1 + exp(z)) - y * z)``, ``dz = sigmoid(z) - y``.

    In nats; each output is a question of its own, ``y`` in [0, 1].

    Notes
    -----
    With ``s = logaddexp(z, 0)``, which overflows nowhere, the sigmoid is ``exp(z - s)``.

    References
    ----------
    C. M. Bishop, "Pattern recognition and machine learning", 2006, eq. 4.90 and 4.91.
    """

    name: ClassVar[str] = "binary_cross_entropy"
    targets: ClassVar[str] = "probabilities"

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        s = xp.logaddexp(z, xp.zeros_like(z))
        scale = self.scale(xp, z.shape[0], weight)
        return _total(xp, s - y * z, scale), (z, s, y, scale)

    def backward(self, xp: Any, cache: Any) -> Array:
        z, s, y, scale = cache
        dz = xp.exp(z - s)
        dz -= y
        dz *= scale
        return dz

    def probabilities(self, xp: Any, z: Array) -> Array:
        return xp.exp(z - xp.logaddexp(z, xp.zeros_like(z)))


@dataclass(frozen=True)
class Poisson(Loss):
    """Half the Poisson deviance of counts, from log rates: ``l = sum(exp(z) - y * z + y log(y) - y)``, ``dz = exp(z) - y``.

    The outputs are logarithms of rates, ``y`` is at least 0; ``0 log 0`` is 0.

    References
    ----------
    P. McCullagh, J. A. Nelder, "Generalized linear models", 1989, section 2.3.
    """

    name: ClassVar[str] = "poisson"
    targets: ClassVar[str] = "counts"

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        rate = xp.exp(z)
        scale = self.scale(xp, z.shape[0], weight)
        log_y = xp.log(xp.where(y > 0.0, y, 1.0))
        return _total(xp, rate - y + y * (log_y - z), scale), (rate, y, scale)

    def backward(self, xp: Any, cache: Any) -> Array:
        rate, y, scale = cache
        return (rate - y) * scale

    def probabilities(self, xp: Any, z: Array) -> Array:
        return xp.exp(z)


def one_hot(xp: Any, classes: Array, n_classes: int, dtype: Any) -> Array:
    """Return integer classes (n,) as rows of zeros with a one, (n, n_classes)."""
    from array_api_compat import device

    columns = xp.arange(n_classes, dtype=classes.dtype, device=device(classes))
    return xp.astype(classes[:, None] == columns[None, :], dtype)


LOSSES: dict[str, type[Loss]] = {
    cls.name: cls for cls in (SquaredError, AbsoluteError, Huber, CrossEntropy, BinaryCrossEntropy, Poisson)
}
"""The losses by name."""


def get_loss(loss: str | Loss) -> Loss:
    """Return the loss of a name; a loss is returned as it is.

    Raises
    ------
    InputError
        If no loss has this name; the message lists them and the nearest spelling.
    """
    if isinstance(loss, Loss):
        return loss
    if not isinstance(loss, str):
        raise InputError(f"a loss is a name or a Loss, got {loss!r}")
    return LOSSES[choice("loss", loss, LOSSES)]()


def loss_from_config(config: Any) -> Loss:
    """Build a loss from plain data, as `Loss.config` gives it.

    Raises
    ------
    FileFormatError
        If the data describes no loss.
    """
    if not isinstance(config, dict):
        raise FileFormatError(f"expected a loss with a 'kind', got {config!r}")
    settings = {k: v for k, v in config.items() if k != "kind"}
    try:
        return LOSSES[choice("loss", config.get("kind"), LOSSES)](**settings)
    except (TypeError, InputError) as error:
        raise FileFormatError(f"loss: {error}") from error
