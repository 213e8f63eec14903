"""Learning rates as functions of the training step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bpx.checks import number


class Schedule:
    """A learning rate that changes with the step: ``rates(steps, steps_per_epoch) -> array``.

    Rates are computed on the host in double precision and handed to the steps as numbers, so that a schedule is plain
    NumPy, works on every backend and recompiles nothing.
    """

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
    """

    learning_rate: float

    def __post_init__(self) -> None:
        number("learning_rate", self.learning_rate, above=0.0)

    def rates(self, steps: np.ndarray, steps_per_epoch: int) -> np.ndarray:
        return np.full(steps.shape, float(self.learning_rate))


def as_schedule(learning_rate: float | Schedule) -> Schedule:
    """Return a learning rate as a schedule: a number is a constant one.

    Raises
    ------
    InputError
        If it is neither a schedule nor a number above 0.
    """
    return learning_rate if isinstance(learning_rate, Schedule) else Constant(learning_rate)
