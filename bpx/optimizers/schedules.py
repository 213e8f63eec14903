"""Learning rates as functions of the training step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bpx.arguments import check_choice, check_count, check_number
from bpx.errors import InputError
from bpx.naming import Kinds, Pickled

UNITS = ("epochs", "steps")
"""What the lengths of a schedule count."""

KINDS = Kinds()
"""The classes of schedules by what checkpoints call them."""


class Schedule(Pickled):
    """A learning rate that changes with the step: ``rates(steps, steps_per_epoch) -> array``.

    Rates are computed on the host in double precision and handed to the steps as numbers, so that a schedule is plain
    NumPy, works on every backend and recompiles nothing. A schedule of your own is a frozen dataclass that defines
    ``rates``; being a pure function of the step, it needs no state when a training is resumed.

    Attributes
    ----------
    kind : str
        What checkpoints call the class.

    See Also
    --------
    CosineDecay : Follow half a wave down.
    OneCycle : Rise, then fall.
    LearningRateRecorder : Record the learning rate of each epoch.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> rate = bpx.StepDecay(0.5, every=2, factor=0.1)
    >>> isinstance(rate, bpx.Schedule)
    True
    >>> rate.rates(np.arange(4), steps_per_epoch=1).tolist()
    [0.5, 0.5, 0.05, 0.05]
    """

    kind: ClassVar[str] = ""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = KINDS.register(cls, cls.__name__)

    @property
    def counts_epochs(self) -> bool:
        """Whether the rates depend on how many steps an epoch has."""
        return True

    def rates(self, steps: np.ndarray, steps_per_epoch: int) -> np.ndarray:
        """Return the learning rates of the given steps.

        Parameters
        ----------
        steps : array of int
            Numbers of the steps, counted from 0 at the optimizer's first.
        steps_per_epoch : int
            Steps of one epoch.
        """
        raise TypeError(f"{type(self).__name__} defines no rates")


@dataclass(frozen=True)
class Constant(Schedule):
    """The same learning rate at every step.

    Parameters
    ----------
    learning_rate : float
        Above 0.

    See Also
    --------
    StepDecay : Lower the rate every so many epochs.
    Schedule : What every schedule does; the parent of your own.

    Examples
    --------
    >>> import bpx
    >>> import numpy as np
    >>> bpx.Constant(0.5).rates(np.arange(3), steps_per_epoch=10)
    array([0.5, 0.5, 0.5])
    """

    learning_rate: float

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0.0)

    @property
    def counts_epochs(self) -> bool:
        return False

    def rates(self, steps: np.ndarray, steps_per_epoch: int) -> np.ndarray:
        return np.full(steps.shape, float(self.learning_rate))


@dataclass(frozen=True)
class StepDecay(Schedule):
    """Multiply the learning rate by a factor at equal distances: ``learning_rate * factor**floor(t / every)``.

    Parameters
    ----------
    learning_rate : float
        At the start, above 0.
    every : int
        Epochs (or steps) between two changes; at least 1.
    factor : float
        Above 0 and at most 1.
    unit : str
        "epochs" or "steps": what t and ``every`` count.

    See Also
    --------
    ExponentialDecay : Multiply by a factor again and again.
    ReduceOnPlateau : Lower the rate where nothing improves.

    References
    ----------
    A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with deep convolutional neural networks", 2012,
    section 5.

    Examples
    --------
    >>> import bpx
    >>> import numpy as np
    >>> bpx.StepDecay(1.0, every=2, factor=0.5).rates(np.arange(6), steps_per_epoch=1)
    array([1.  , 1.  , 0.5 , 0.5 , 0.25, 0.25])
    """

    learning_rate: float
    every: int
    factor: float = 0.1
    unit: str = "epochs"

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_count("every", self.every)
        check_number("factor", self.factor, above=0.0, maximum=1.0)
        check_choice("unit", self.unit, UNITS)

    @property
    def counts_epochs(self) -> bool:
        return self.unit == "epochs"

    def rates(self, steps: np.ndarray, steps_per_epoch: int) -> np.ndarray:
        every = self.every * (steps_per_epoch if self.counts_epochs else 1)
        return self.learning_rate * self.factor ** (steps // every).astype(np.float64)


@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """Shrink the learning rate by the same share all the time: ``learning_rate * decay**t``.

    Parameters
    ----------
    learning_rate : float
        At the start, above 0.
    decay : float
        Factor of one epoch (or step), above 0 and at most 1.
    staircase : bool
        Whether t is the number of whole epochs, so that the rate stays the same within one.
    unit : str
        "epochs" or "steps": what t counts.

    See Also
    --------
    StepDecay : Lower the rate every so many epochs.
    CosineDecay : Follow half a wave down.
    InverseScaling : Divide by a power of the step.

    References
    ----------
    M. Zinkevich, "Theoretical guarantees for algorithms in multi-agent settings", 2004, section 2.4.

    Examples
    --------
    >>> import bpx
    >>> import numpy as np
    >>> bpx.ExponentialDecay(1.0, decay=0.25).rates(np.arange(3), steps_per_epoch=2)
    array([1.  , 0.5 , 0.25])
    """

    learning_rate: float
    decay: float
    staircase: bool = False
    unit: str = "epochs"

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_number("decay", self.decay, above=0.0, maximum=1.0)
        check_choice("unit", self.unit, UNITS)

    @property
    def counts_epochs(self) -> bool:
        return self.unit == "epochs"

    def rates(self, steps: np.ndarray, steps_per_epoch: int) -> np.ndarray:
        t = steps / (steps_per_epoch if self.counts_epochs else 1)
        return self.learning_rate * self.decay ** (np.floor(t) if self.staircase else t)


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """Shrink the learning rate by a power of the time: ``learning_rate / (1 + t)**power``.

    Parameters
    ----------
    learning_rate : float
        At the start, above 0.
    power : float
        At least 0.
    samples_per_epoch : int or None
        With None, t is the number of steps made. With a number, t is the number of samples seen when the epoch began,
        ``samples_per_epoch`` for each: scikit-learn's ``learning_rate="invscaling"``, where the rate changes between
        epochs only.

    See Also
    --------
    ExponentialDecay : Multiply by a factor again and again.
    StepDecay : Lower the rate every so many epochs.

    References
    ----------
    H. Robbins, S. Monro, "A stochastic approximation method", 1951, condition (6) and theorem 1.

    Examples
    --------
    >>> import bpx
    >>> import numpy as np
    >>> bpx.InverseScaling(1.0).rates(np.array([0, 3, 8]), steps_per_epoch=1)
    array([1.        , 0.5       , 0.33333333])
    """

    learning_rate: float
    power: float = 0.5
    samples_per_epoch: int | None = None

    def __post_init__(self) -> None:
        check_number("learning_rate", self.learning_rate, above=0.0)
        check_number("power", self.power, minimum=0.0)
        if self.samples_per_epoch is not None:
            check_count("samples_per_epoch", self.samples_per_epoch)

    @property
    def counts_epochs(self) -> bool:
        return self.samples_per_epoch is not None

    def rates(self, steps: np.ndarray, steps_per_epoch: int) -> np.ndarray:
        n = self.samples_per_epoch
        t = steps if n is None else steps // steps_per_epoch * n
        return self.learning_rate / (1.0 + t) ** self.power


def as_schedule(learning_rate: float | Schedule) -> Schedule:
    """Return a learning rate as a schedule: a number is a constant one.

    Raises
    ------
    InputError
        If it is neither a schedule nor a number above 0.
    """
    if isinstance(learning_rate, type) and issubclass(learning_rate, Schedule):
        raise InputError(f"a schedule is an instance, as in bpx.{learning_rate.__name__}(...), got the class itself")
    return learning_rate if isinstance(learning_rate, Schedule) else Constant(learning_rate)
