"""The losses as scikit-learn reports them; their gradients are those of the core's losses.

scikit-learn cuts probabilities off at the precision of their dtype before it takes the logarithm, and reports the
squared error as a mean over the outputs while it descends along the gradient of their sum. What is reported decides
when training stops, so both are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bpx.backend.base import Array
from bpx.errors import InputError
from bpx.losses import BinaryCrossEntropy, CrossEntropy, Loss, Poisson, SquaredError, get_loss, one_hot


def _log(xp: Any, p: Array) -> Array:
    """Return the logarithm of probabilities kept within [eps, 1 - eps], eps being the precision of their dtype."""
    eps = float(xp.finfo(p.dtype).eps)
    return xp.log(xp.minimum(xp.maximum(p, eps), 1.0 - eps))


@dataclass(frozen=True)
class LogLoss(CrossEntropy):
    """Cross-entropy of classes from logits: ``l = -log(p[class])``, p being kept within [eps, 1 - eps] first."""

    name: ClassVar[str] = CrossEntropy.name
    formulas = CrossEntropy.formulas

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        if y.ndim == 1:
            y = one_hot(xp, y, z.shape[1], z.dtype)
        p = self.probabilities(xp, z)
        scale = self.scale(xp, z.shape[0], weight)
        logs = _log(xp, xp.sum(p * y, axis=1, keepdims=True))
        return -xp.sum(logs * scale), (p, y, scale)


@dataclass(frozen=True)
class BinaryLogLoss(BinaryCrossEntropy):
    """Cross-entropy of yes and no from logits, each probability kept within [eps, 1 - eps] before its logarithm.

    With ``p = 1 / (1 + exp(-z))``: ``l = -log(p)`` where y is 1, ``l = -log(1 - p)`` where it is 0; ``dz = p - y``.
    """

    name: ClassVar[str] = BinaryCrossEntropy.name
    formulas = BinaryCrossEntropy.formulas

    def probabilities(self, xp: Any, z: Array) -> Array:
        p = xp.exp(-z)
        p += 1.0
        return xp.reciprocal(p)

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        p = self.probabilities(xp, z)
        scale = self.scale(xp, z.shape[0], weight)
        logs = _log(xp, xp.where(y > 0.5, p, 1.0 - p))
        return -xp.sum(logs * scale), (p, y, scale)

    def backward(self, xp: Any, cache: Any) -> Array:
        p, y, scale = cache
        dz = p - y
        dz *= scale
        return dz


@dataclass(frozen=True)
class HalfSquaredError(SquaredError):
    """Half the squared error, reported as a mean over the outputs; the gradient is that of their sum."""

    name: ClassVar[str] = SquaredError.name
    formulas = SquaredError.formulas

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        value, cache = super().forward(xp, z, y, weight)
        return value / z.shape[1], cache


VALUE_LOSSES = ("squared_error", "absolute_error", "huber", "quantile", "poisson")
"""The losses of values, by name."""


def is_poisson(loss: str | Loss) -> bool:
    """Tell whether a regressor's loss is that of counts, whose outputs are logarithms of rates."""
    return loss == "poisson" or isinstance(loss, Poisson)


def make_objective(loss: str | Loss, out_activation: str, n_outputs: int) -> Loss:
    """Return the loss of an estimator.

    Parameters
    ----------
    loss : str or Loss
        "log_loss", one of `VALUE_LOSSES`, or a loss of values with settings of its own.
    out_activation : str
        "softmax", "logistic", "identity" or "exp".
    n_outputs : int
        Outputs of the network.

    Raises
    ------
    InputError
        If a loss is none of values, or one target has several outputs.
    """
    if isinstance(loss, Loss):
        if loss.targets not in ("values", "counts"):
            raise InputError(f"a regressor takes a loss of values, as bpx.Huber() is, got {loss!r}")
        if loss.count_targets(n_outputs) != n_outputs or isinstance(getattr(loss, "q", None), tuple):
            raise InputError(
                f"{loss!r} has several outputs for one target; bpx.sklearn.NetworkRegressor takes such networks"
            )
        return loss
    if loss == "log_loss":
        return BinaryLogLoss() if out_activation == "logistic" else LogLoss()
    if loss == "squared_error" and n_outputs > 1:
        return HalfSquaredError()
    return get_loss(loss)


def make_plain(loss: Loss) -> Loss:
    """Return the loss of bpx that one of this module has the gradients of; others are returned as they are."""
    plain = {LogLoss: CrossEntropy, BinaryLogLoss: BinaryCrossEntropy, HalfSquaredError: SquaredError}
    kind = plain.get(type(loss))
    return loss if kind is None else kind()
