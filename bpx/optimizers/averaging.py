"""Averages of the weights over the steps of a training, beside the weights that an optimizer moves."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np

from bpx.arguments import check_number
from bpx.backend.base import Array
from bpx.errors import InputError
from bpx.optimizers.base import Optimizer, Update
from bpx.optimizers.groups import ParameterGroup
from bpx.optimizers.lbfgs import LBFGS
from bpx.optimizers.schedules import Schedule


@dataclass(frozen=True)
class AveragingUpdate:
    """Another update, then ``a = w + keep * (a - w)``; two of equal updates are equal.

    Attributes
    ----------
    update : callable
        What moves the weights.
    n_slots : int
        How many arrays that keeps for each parameter; the average is one more, and comes last.
    """

    update: Update
    n_slots: int

    @property
    def __name__(self) -> str:
        return f"averaged_{getattr(self.update, '__name__', 'update').strip('_')}"

    def __call__(self, xp: Any, w: Array, dw: Array, *others: Any) -> tuple[Array, ...]:
        n = self.n_slots
        kept, a, numbers, keep = others[:n], others[n], others[n + 1 : -1], others[-1]
        w, *slots = self.update(xp, w, dw, *kept, *numbers)
        a -= w
        a *= keep
        a += w
        return (w, *slots, a)


@dataclass(frozen=True)
class Averaged(Optimizer):
    """Train by an optimizer, and let the network have the exponential moving average of its weights.

    After step t (from 1) of the weights w the average is ``a += share * (w - a)``, with
    ``share = (1 - decay) / (1 - decay**t)``: the weights after step i count ``decay**(t - i)``, divided by the sum of
    these, so that the first average is w itself and the start of the training has no part in it.

    Parameters
    ----------
    optimizer : Optimizer
        What makes the steps, any but `LBFGS`. Its schedule and its groups are this one's.
    decay : float
        How much the average keeps of itself at each step, at least 0 and below 1. About ``1 / (1 - decay)`` steps are
        averaged over; let a training have several times as many.

    Raises
    ------
    InputError
        If ``optimizer`` is none that makes a step of one gradient, or the decay is not from 0 to below 1.

    See Also
    --------
    Adam : Scale each weight's step by its own gradients.
    SGD : Gradient descent, with momentum if asked for.

    Notes
    -----
    Between two steps ``net.params`` are the averages: after `fit`, in callbacks, on validation data (so that
    `EarlyStopping` compares them), in files and checkpoints. Gradients are taken at the weights that the optimizer
    moves, which are kept as the last of its arrays for each parameter, and so are the losses of the training data.
    `fit` with the same optimizer continues from these, to the bit; with another one, from the averages. Where
    ``net.params`` are assigned, as by `EarlyStopping` at its end, the training continues from what was assigned; what
    is written into an array of theirs changes the average alone.

    Running statistics of `BatchNorm` are not averaged here. They are moving averages already, of the statistics that
    the moving weights' batches had, and are used with the averaged weights as they are. Where ``decay`` averages over
    many more steps than the layer's momentum does, the two can part; `LayerNorm` has no such statistics.

    References
    ----------
    B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015, section 7.2 (temporal averaging).

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.moons(200, seed=0)
    >>> net = bpx.mlp([2, 16, 1], loss="binary_cross_entropy", seed=0)
    >>> optimizer = bpx.Averaged(bpx.Adam(0.01), decay=0.98)
    >>> history = net.fit(x, y, epochs=40, batch_size=20, optimizer=optimizer)
    >>> net.evaluate(x, y)["accuracy"] > 0.9
    True
    """

    learning_rate: float | Schedule = field(init=False, repr=False, compare=False)
    groups: tuple[ParameterGroup, ...] = field(default=(), init=False, repr=False, compare=False)
    optimizer: Optimizer
    decay: float = 0.999

    name: ClassVar[str] = "averaged"
    averages: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise InputError(f"Averaged takes an optimizer, as bpx.Adam(), got {self.optimizer!r}")
        if isinstance(self.optimizer, (LBFGS, Averaged)):
            raise InputError(f"Averaged takes an optimizer that makes a step of one gradient, got {self.optimizer!r}")
        check_number("decay", self.decay, minimum=0.0, below=1.0)
        for name in ("learning_rate", "groups"):
            object.__setattr__(self, name, getattr(self.optimizer, name))

    @property
    def n_slots(self) -> int:
        return self.optimizer.n_slots + 1

    @property
    def update(self) -> Update:
        return AveragingUpdate(self.optimizer.update, self.optimizer.n_slots)

    def coefficients(self, steps: np.ndarray, rates: np.ndarray) -> np.ndarray:
        past = self.decay ** (steps + 1.0)
        keep = (self.decay - past) / (1.0 - past)  # 1 - share, and 0 at the first step
        return np.concatenate([self.optimizer.coefficients(steps, rates), keep[:, None]], axis=1)

    def take_share(self, group: ParameterGroup) -> Self:
        return replace(self, optimizer=self.optimizer.take_share(group))
