"""Gradient descent, with momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bpx.arguments import check_number
from bpx.backend.base import Array
from bpx.errors import InputError
from bpx.formulas import Formula
from bpx.optimizers.base import Optimizer, Update


def _sgd(xp: Any, w: Array, dw: Array, rate: Any) -> tuple[Array, ...]:
    """``w -= rate * dw``."""
    dw *= rate
    w -= dw
    return (w,)


def _momentum(xp: Any, w: Array, dw: Array, v: Array, rate: Any, momentum: Any) -> tuple[Array, ...]:
    """``v = momentum * v - rate * dw;  w += v``."""
    dw *= rate
    v *= momentum
    v -= dw
    w += v
    return w, v


def _nesterov(xp: Any, w: Array, dw: Array, v: Array, rate: Any, momentum: Any) -> tuple[Array, ...]:
    """``v = momentum * v - rate * dw;  w += momentum * v - rate * dw``."""
    dw *= rate
    v *= momentum
    v -= dw
    w += momentum * v
    w -= dw
    return w, v


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

    ``w -= learning_rate * dw``; with momentum ``v = momentum * v - learning_rate * dw`` and ``w += v``; with Nesterov's
    ``w += momentum * v - learning_rate * dw``.

    Parameters
    ----------
    learning_rate : float or Schedule
        Size of a step, above 0.
    momentum : float
        How much of the last step is added to this one, at least 0 and below 1.
    nesterov : bool
        Whether the gradient counts as taken after the momentum's step (Nesterov's method); needs momentum.
    groups : sequence of ParameterGroup
        Parameters that have a factor on the learning rate.

    See Also
    --------
    Adam : Scale each weight's step by its own gradients.
    LBFGS : Search along lines, for small full-batch problems.
    Schedule : What every schedule does; the parent of your own.

    References
    ----------
    I. Sutskever, J. Martens, G. Dahl, G. Hinton, "On the importance of initialization and momentum in deep learning",
    2013, equations 1 to 4.

    Examples
    --------
    >>> import bpx
    >>> bpx.SGD(0.5)
    SGD(learning_rate=0.5, momentum=0.0, nesterov=False)
    """

    momentum: float = 0.0
    nesterov: bool = False

    name: ClassVar[str] = "sgd"
    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("momentum", self.momentum, minimum=0.0, below=1.0)
        if self.nesterov and not self.momentum:
            raise InputError("nesterov=True needs a momentum above 0, as in SGD(0.01, momentum=0.9, nesterov=True)")

    @property
    def n_slots(self) -> int:
        return 1 if self.momentum else 0

    @property
    def update(self) -> Update:
        return (_nesterov if self.nesterov else _momentum) if self.momentum else _sgd

    @property
    def formula(self) -> Formula | None:
        if not self.momentum:
            return Formula("−$rate · $g", r"-$rate \cdot $g")
        text, latex = "v ← $momentum v − $rate · $g", r"v \leftarrow $momentum\, v - $rate \cdot $g"
        if self.nesterov:
            return Formula(f"$momentum v − $rate · $g,  {text}", rf"$momentum\, v - $rate \cdot $g,\quad {latex}")
        return Formula(f"v,  {text}", rf"v,\quad {latex}")

    def coefficients(self, steps: np.ndarray, rates: np.ndarray) -> np.ndarray:
        if not self.momentum:
            return rates[:, None]
        return np.stack([rates, np.full_like(rates, self.momentum)], axis=1)
