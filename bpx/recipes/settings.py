"""How a network for rows of columns is built and trained: all that has to be decided, in one place."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bpx.optimizers import OPTIMIZERS, Averaged, Optimizer
from bpx.optimizers.annealing import CosineDecay, OneCycle
from bpx.optimizers.schedules import Constant, Schedule

__all__ = ["SCHEDULES", "SGD_RATE", "Settings", "average_weights", "make_optimizer"]

SGD_RATE = 0.1
"""Learning rate of plain gradient descent; those of the recipes are for adaptive methods, such as Adam."""

SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "constant": lambda rate, epochs: Constant(rate),
    "cosine": lambda rate, epochs: CosineDecay(rate, length=epochs),
    "one_cycle": lambda rate, epochs: OneCycle(rate, length=epochs),
}
"""How a learning rate goes over the epochs of a training, by name."""


@dataclass(frozen=True)
class Settings:
    """The settings of a training, all of them decided.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    activation : tuple of str
        The activation of each.
    dropout : float
        Share of the hidden units left out at a step.
    loss : str
        Name of the loss of one network.
    optimizer : Optimizer
    epochs : int
        Passes over the training rows, at the most.
    batch_size : int
        Rows of a step.
    seed : int
    dtype, precision : str
        As for `bpx.Network`.
    clip : float or None
        Largest norm of the gradients of a step.
    class_weight : str or None
        "balanced", or None where each row has the weight 1.
    patience : int or None
        Epochs without a lower loss on rows that are set aside which end a training; None where none are set aside.
    bins : int
        Bins of each number, 0 for the number as it is.
    members : int
        Networks whose predictions are averaged. Each of several sets other rows aside.
    accumulate : int
        Batches whose gradients are added up to one step.
    """

    hidden: tuple[int, ...]
    activation: tuple[str, ...]
    dropout: float
    loss: str
    optimizer: Optimizer
    epochs: int
    batch_size: int
    seed: int
    dtype: str
    precision: str
    clip: float | None = None
    class_weight: str | None = None
    patience: int | None = None
    bins: int = 0
    members: int = 1
    accumulate: int = 1


def average_weights(settings: Settings, rows: int) -> Settings:
    """Return settings by which the network has the exponential moving average of its weights, `bpx.Averaged`.

    It goes over about as many steps as an epoch has, ``1 / (1 - decay)``, from 10 to 1,000.

    Parameters
    ----------
    settings : Settings
    rows : int
        How many rows are trained on.
    """
    steps = -(-rows // (settings.batch_size * settings.accumulate))
    decay = 1.0 - 1.0 / min(max(steps, _FEWEST_AVERAGED), _MOST_AVERAGED)
    return dataclasses.replace(settings, optimizer=Averaged(settings.optimizer, decay))


_FEWEST_AVERAGED, _MOST_AVERAGED = 10, 1000


def make_optimizer(name: str, rate: float, schedule: str | None, epochs: int, decay: float | None) -> Optimizer:
    """Return an optimizer by what people name of it.

    Parameters
    ----------
    name : str
        One of `bpx.optimizers.OPTIMIZERS`.
    rate : float
        The learning rate, at its highest.
    schedule : str or None
        One of `SCHEDULES`; None for a rate that stays.
    epochs : int
        Over which the schedule goes.
    decay : float or None
        Weight decay; None for that of the optimizer.
    """
    given: dict[str, Any] = {} if decay is None else {"weight_decay": decay}
    return OPTIMIZERS[name](rate if schedule is None else SCHEDULES[schedule](rate, epochs), **given)
