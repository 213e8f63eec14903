"""Losses of classes: the cross-entropies, taken from logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from bpx.arguments import check_number
from bpx.backend.base import Array, device_of
from bpx.formulas import Formula
from bpx.losses.base import Loss, LossFormulas, dot, sum_scaled


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

    See Also
    --------
    BinaryCrossEntropy : Yes or no, from logits.
    Softmax : Turn each row into probabilities.

    Notes
    -----
    The row's largest logit is subtracted first, so that no exponential overflows whatever the logits are.

    References
    ----------
    J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990, section 4.
    C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception architecture for computer
    vision", 2016, section 7 (label smoothing).

    Examples
    --------
    >>> import numpy as np, bpx
    >>> loss = bpx.CrossEntropy()
    >>> value, cache = loss.forward(np, np.array([[2.0, 0.0, 0.0]]), np.array([[1.0, 0.0, 0.0]]))
    >>> round(float(value), 4), loss.backward(np, cache).round(3).tolist()
    (0.2395, [[-0.213, 0.107, 0.107]])
    """

    label_smoothing: float = 0.0

    name: ClassVar[str] = "cross_entropy"
    targets: ClassVar[str] = "classes"
    formulas = LossFormulas(
        Formula("−Σₖ yₖ ln softmax($z)ₖ", r"-\sum_k y_k \ln \mathrm{softmax}($z)_k"),
        Formula("softmax($z) − y", r"\mathrm{softmax}($z) - y"),
        Formula("softmax($z)", r"\mathrm{softmax}($z)"),
    )
    onnx = ("Softmax", {"axis": 1})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("label_smoothing", self.label_smoothing, minimum=0.0, below=1.0)

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        rows, classes = z.shape
        if y.ndim == 1:
            y = one_hot(xp, y, classes, z.dtype)
        if self.label_smoothing:
            y = (1.0 - self.label_smoothing) * y + self.label_smoothing / classes
        s = z - xp.max(z, axis=1, keepdims=True)
        e = xp.exp(s)
        sums = xp.sum(e, axis=1, keepdims=True)
        scale = self.scale(xp, rows, weight)
        if weight is None:
            value = scale * (xp.sum(xp.log(sums)) - dot(xp, y, s))
        else:
            value = sum_scaled(xp, xp.log(sums), scale) - dot(xp, y * scale, s)
        e /= sums
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

    See Also
    --------
    CrossEntropy : One of several classes, from logits.
    Sigmoid : Squash to (0, 1).

    Notes
    -----
    With ``t = log(1 + exp(-|z|))``, which overflows nowhere, ``log(1 + exp(z))`` is ``max(z, 0) + t`` and the sigmoid
    ``exp(min(z, 0) - t)``: both keep their digits where z is large.

    References
    ----------
    C. M. Bishop, "Pattern recognition and machine learning", 2006, eq. 4.90 and 4.91.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> loss = bpx.BinaryCrossEntropy()
    >>> value, cache = loss.forward(np, np.array([[2.0], [-1.0]]), np.array([[1.0], [0.0]]))
    >>> round(float(value), 4), loss.backward(np, cache).round(3).tolist()
    (0.2201, [[-0.06], [0.134]])
    """

    name: ClassVar[str] = "binary_cross_entropy"
    targets: ClassVar[str] = "probabilities"
    formulas = LossFormulas(
        Formula("Σₖ ln(1 + exp($zₖ)) − yₖ $zₖ", r"\sum_k \ln(1 + e^{${z}_k}) - y_k\, ${z}_k"),
        Formula("σ($z) − y", r"\sigma($z) - y"),
        Formula("σ($z)", r"\sigma($z)"),
    )
    onnx = ("Sigmoid", {})

    def forward(self, xp: Any, z: Array, y: Array, weight: Array | None = None) -> tuple[Array, Any]:
        t = xp.log1p(xp.exp(-xp.abs(z)))
        scale = self.scale(xp, z.shape[0], weight)
        return sum_scaled(xp, xp.maximum(z, 0.0) - y * z + t, scale), (z, t, y, scale)

    def backward(self, xp: Any, cache: Any) -> Array:
        z, t, y, scale = cache
        dz = xp.exp(xp.minimum(z, 0.0) - t)
        dz -= y
        dz *= scale
        return dz

    def probabilities(self, xp: Any, z: Array) -> Array:
        return xp.exp(xp.minimum(z, 0.0) - xp.log1p(xp.exp(-xp.abs(z))))


def one_hot(xp: Any, classes: Array, n_classes: int, dtype: Any) -> Array:
    """Return integer classes (n,) as rows of zeros with a one, (n, n_classes)."""
    columns = xp.arange(n_classes, dtype=classes.dtype, device=device_of(classes))
    return xp.astype(classes[:, None] == columns[None, :], dtype)
