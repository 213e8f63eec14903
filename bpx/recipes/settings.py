"""How a network for rows of columns is built and trained: all that has to be decided, in one place."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bpx.optimizers import OPTIMIZERS, Averaged, Optimizer
from bpx.optimizers.annealing import CosineDecay, OneCycle
from bpx.optimizers.schedules import Constant, Schedule

__all__ = ["SCHEDULES", "SGD_RATE", "Settings", "Variant", "average_weights", "make_optimizer"]

SGD_RATE = 0.1
"""Learning rate of plain gradient descent; those of the recipes are for adaptive methods, such as Adam."""

SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "constant": lambda rate, epochs: Constant(rate),
    "cosine": lambda rate, epochs: CosineDecay(rate, length=epochs),
    "one_cycle": lambda rate, epochs: OneCycle(rate, length=epochs),
}
"""How a learning rate goes over the epochs of a training, by name."""


@dataclass(frozen=True)
class Variant:
    """What some networks of an ensemble do otherwise than its settings say.

    Attributes
    ----------
    bins : bool
        Whether they see numbers in bins, where the settings put them in any.
    dropout : float or None
        Share of the hidden units left out at a step; None for what the settings say.
    loss : str or None
        Name of the loss that they learn by; None for that of the settings.
    """

    bins: bool = True
    dropout: float | None = None
    loss: str | None = None


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
    variants : tuple of Variant
        Kinds of networks, among which the members are shared out evenly.
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
    variants: tuple[Variant, ...] = (Variant(),)

    def split(self) -> list[Settings]:
        """Return the settings of each variant that has members, as those of an ensemble of this variant alone."""
        counts = [len(range(v, self.members, len(self.variants))) for v in range(len(self.variants))]
        return [self._vary(variant, n) for variant, n in zip(self.variants, counts, strict=True) if n]

    def of_network(self, i: int) -> Settings:
        """Return the settings of the variant that the i-th network is of; those of a variant follow one another."""
        variants = self.split()
        ends = list(itertools.accumulate(variant.members for variant in variants))
        return variants[min(bisect.bisect_right(ends, i), len(variants) - 1)]

    def _vary(self, variant: Variant, members: int) -> Settings:
        changed = dataclasses.replace(self, members=members, variants=(Variant(),))
        if not variant.bins:
            changed = dataclasses.replace(changed, bins=0)
        if variant.dropout is not None:
            changed = dataclasses.replace(changed, dropout=variant.dropout)
        if variant.loss is not None:
            changed = dataclasses.replace(changed, loss=variant.loss)
        return changed


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
