"""Adaptive optimizers: the size of each weight's step depends on its past gradients."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bpx.arguments import check_number
from bpx.backend.base import Array
from bpx.formulas import Formula
from bpx.optimizers.base import Optimizer, Update
from bpx.optimizers.schedules import Schedule


def _adam(
    xp: Any, w: Array, dw: Array, m: Array, v: Array, rate: Any, epsilon: Any, b1: Any, b2: Any
) -> tuple[Array, ...]:
    """``m = b1 * m + dw;  v = b2 * v + dw**2;  w -= rate * m / (sqrt(v) + epsilon)``."""
    m *= b1
    m += dw
    v *= b2
    dw *= dw
    v += dw
    d = xp.sqrt(v)
    d += epsilon
    d = m / d
    d *= rate
    w -= d
    return w, m, v


def _adamw(
    xp: Any, w: Array, dw: Array, m: Array, v: Array, rate: Any, epsilon: Any, b1: Any, b2: Any, keep: Any
) -> tuple[Array, ...]:
    """``w *= keep``, then Adam's step."""
    w *= keep
    return _adam(xp, w, dw, m, v, rate, epsilon, b1, b2)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adaptive moment estimation: steps scaled by running means of each weight's gradients and their squares.

    ``m = b1 * m + (1 - b1) * dw``, ``v = b2 * v + (1 - b2) * dw**2``, and at step t (from 1)
    ``w -= learning_rate * M / (sqrt(V) + eps)``, ``M = m / (1 - b1**t)``, ``V = v / (1 - b2**t)``.

    Parameters
    ----------
    learning_rate : float or Schedule
        Size of a step, above 0.
    b1, b2 : float
        Exponential decay rates of the first and the second moment, at least 0 and below 1.
    eps : float
        Added to the denominator, above 0.
    scaled_eps : bool
        False, the default, is algorithm 1 of the paper, as in PyTorch. True is the shorter form at the end of its
        section 2, as in scikit-learn: ``w -= learning_rate * sqrt(1 - b2**t) / (1 - b1**t) * m / (sqrt(v) + eps)``.
    groups : sequence of ParameterGroup
        Parameters that have a factor on the learning rate.

    See Also
    --------
    AdamW : Adam with weight decay beside the gradient.
    RMSprop : Divide by the root of the mean squared gradient.
    SGD : Gradient descent, with momentum if asked for.

    Notes
    -----
    The slots hold ``m / (1 - b1)`` and ``v / (1 - b2)``, which saves two products an element; all constant factors are
    in the step's rate and epsilon.

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015, algorithm 1 and section 2.

    Examples
    --------
    >>> import bpx
    >>> bpx.Adam(1e-3).b1
    0.9
    """

    learning_rate: float | Schedule = 1e-3
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    scaled_eps: bool = False

    name: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("b1", self.b1, minimum=0.0, below=1.0)
        check_number("b2", self.b2, minimum=0.0, below=1.0)
        check_number("eps", self.eps, above=0.0)

    @property
    def n_slots(self) -> int:
        return 2

    @property
    def update(self) -> Update:
        return _adam

    @property
    def formula(self) -> Formula | None:
        return Formula(
            "−$rate · m̂ / (√v̂ + $eps),  m ← $b1 m + (1 − $b1) $g,  v ← $b2 v + (1 − $b2) ($g)²,  "
            "m̂ = m / (1 − $b1^$t),  v̂ = v / (1 − $b2^$t)",
            r"-$rate \frac{\hat m}{\sqrt{\hat v} + $eps},\quad m \leftarrow $b1\, m + (1 - $b1) $g,\quad "
            r"v \leftarrow $b2\, v + (1 - $b2) ($g)^2,\quad \hat m = \frac{m}{1 - $b1^{$t}},\quad "
            r"\hat v = \frac{v}{1 - $b2^{$t}}",
        )

    def coefficients(self, steps: np.ndarray, rates: np.ndarray) -> np.ndarray:
        t = steps + 1.0
        first = (1.0 - self.b1) / (1.0 - self.b1**t)
        root = np.sqrt((1.0 - self.b2) / (1.0 - self.b2**t))
        same = np.ones_like(rates)
        epsilon = self.eps / (math.sqrt(1.0 - self.b2) if self.scaled_eps else root)
        return np.stack([rates * first / root, epsilon * same, self.b1 * same, self.b2 * same], axis=1)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weight decay beside the gradient: ``w *= 1 - learning_rate * weight_decay``, then Adam's step.

    Parameters
    ----------
    learning_rate, b1, b2, eps, scaled_eps
        As for `Adam`.
    weight_decay : float
        Share of a weight that is subtracted at each step, times the learning rate; at least 0. All parameters decay, as
        in PyTorch.
    groups : sequence of ParameterGroup
        Parameters that have a factor on the learning rate or on the weight decay.

    See Also
    --------
    Adam : Scale each weight's step by its own gradients.
    L2 : Penalize squares.
    ParameterGroup : Factors on the rate and the decay of some parameters.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.moons(100, seed=0)
    >>> net = bpx.mlp([2, 8, 1], loss="binary_cross_entropy", seed=0)
    >>> history = net.fit(x, y, epochs=20, optimizer=bpx.AdamW(0.01, weight_decay=0.1))
    >>> history.loss[-1] < history.loss[0]
    True
    """

    weight_decay: float = 0.01

    name: ClassVar[str] = "adamw"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("weight_decay", self.weight_decay, minimum=0.0)

    @property
    def update(self) -> Update:
        return _adamw

    @property
    def formula(self) -> Formula | None:
        return Formula(
            "−$rate · $weight_decay · $w − $rate · m̂ / (√v̂ + $eps),  m̂ and v̂ as in Adam",
            r"-$rate \cdot $weight_decay\, $w - $rate \frac{\hat m}{\sqrt{\hat v} + $eps}",
        )

    def coefficients(self, steps: np.ndarray, rates: np.ndarray) -> np.ndarray:
        return np.concatenate([super().coefficients(steps, rates), 1.0 - rates[:, None] * self.weight_decay], axis=1)


def _rmsprop(xp: Any, w: Array, dw: Array, v: Array, rate: Any, epsilon: Any, decay: Any) -> tuple[Array, ...]:
    """``v = decay * v + dw**2;  w -= rate * dw / (sqrt(v) + epsilon)``."""
    v *= decay
    v += dw * dw
    d = xp.sqrt(v)
    d += epsilon
    dw *= rate
    dw /= d
    w -= dw
    return w, v


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Divide each weight's step by the root of the running mean of its squared gradients.

    ``v = decay * v + (1 - decay) * dw**2``, ``w -= learning_rate * dw / (sqrt(v) + eps)``.

    Parameters
    ----------
    learning_rate : float or Schedule
        Size of a step, above 0.
    decay : float
        Exponential decay rate of the mean of squares, at least 0 and below 1.
    eps : float
        Added to the denominator, above 0.
    groups : sequence of ParameterGroup
        Parameters that have a factor on the learning rate.

    See Also
    --------
    Adam : Scale each weight's step by its own gradients.
    SGD : Gradient descent, with momentum if asked for.

    Notes
    -----
    The slot holds ``v / (1 - decay)``; the constant factors are in the step's rate and epsilon.

    References
    ----------
    T. Tieleman, G. Hinton, "Lecture 6.5: rmsprop", Neural Networks for Machine Learning, 2012.

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.moons(100, seed=0)
    >>> net = bpx.mlp([2, 8, 1], loss="binary_cross_entropy", seed=0)
    >>> history = net.fit(x, y, epochs=20, optimizer=bpx.RMSprop(0.01))
    >>> history.loss[-1] < history.loss[0]
    True
    """

    learning_rate: float | Schedule = 1e-3
    decay: float = 0.9
    eps: float = 1e-8

    name: ClassVar[str] = "rmsprop"
    steady: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("decay", self.decay, minimum=0.0, below=1.0)
        check_number("eps", self.eps, above=0.0)

    @property
    def n_slots(self) -> int:
        return 1

    @property
    def update(self) -> Update:
        return _rmsprop

    @property
    def formula(self) -> Formula | None:
        return Formula(
            "−$rate · $g / (√v + $eps),  v ← $decay v + (1 − $decay) ($g)²",
            r"-$rate \frac{$g}{\sqrt{v} + $eps},\quad v \leftarrow $decay\, v + (1 - $decay) ($g)^2",
        )

    def coefficients(self, steps: np.ndarray, rates: np.ndarray) -> np.ndarray:
        root = np.sqrt(1.0 - self.decay)
        same = np.ones_like(rates)
        return np.stack([rates / root, self.eps / root * same, self.decay * same], axis=1)
