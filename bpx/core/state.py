"""Where the training of a network stands between two calls of ``fit``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.backend.base import Array
from bpx.backend.portable import hold, release
from bpx.errors import InputError
from bpx.optimizers import Optimizer
from bpx.optimizers.schedules import Schedule, as_schedule

Slots = list[list[Array]]
"""The optimizer's arrays of each parameter that is trained, in the order of `bpx.core.step.list_trained`."""


@dataclass
class TrainingState:
    """Where the training of a network stands, so that the next ``fit`` continues from there.

    Attributes
    ----------
    optimizer : Optimizer
        The settings that the slots belong to.
    slots : list of list of arrays
        The optimizer's arrays of each trained parameter.
    step : int
        Steps since the start: counts the dropout masks.
    optimizer_step : int
        Steps of this optimizer: counts Adam's bias correction and the schedule.
    optimizer_epoch : int
        Epochs of this optimizer: counts the schedule that is one of epochs, however many steps each had.
    epoch : int
        Epochs since the start: numbers the shuffles.
    rate_scale : float
        Factor of the learning rate, on top of the optimizer's schedule; `bpx.ReduceOnPlateau` lowers it.
    """

    optimizer: Optimizer
    slots: Slots
    step: int = 0
    optimizer_step: int = 0
    optimizer_epoch: int = 0
    epoch: int = 0
    rate_scale: float = 1.0

    def compute_rates(
        self, steps: np.ndarray, steps_per_epoch: int, *, epochs_made: int = 0, steps_made: int = 0
    ) -> np.ndarray:
        """Return the learning rates that the schedule has for steps of this optimizer, without ``rate_scale``.

        Parameters
        ----------
        steps : array of int
            Their numbers, counted from 0 at the optimizer's first.
        steps_per_epoch : int
            Steps of an epoch now; earlier calls of ``fit`` may have had epochs of more steps, or of fewer.
        epochs_made, steps_made : int
            How many epochs and steps were made since an epoch has had that many.

        Raises
        ------
        InputError
            If the schedule does not give a finite rate for each step.
        """
        schedule = as_schedule(self.optimizer.learning_rate)
        if schedule.counts_epochs:
            first = self.optimizer_step - steps_made
            steps = steps + ((self.optimizer_epoch - epochs_made) * steps_per_epoch - first)
        rates = schedule.rates(steps, steps_per_epoch)
        if isinstance(steps, np.ndarray):  # and not numbers that an ONNX graph computes
            _check_rates(rates, schedule, steps)
        return rates

    def convert(self, convert: Callable[[Array], Array]) -> None:
        """Replace the slots' arrays by what a function makes of them: copies elsewhere, or of another dtype."""
        self.slots = [[convert(array) for array in arrays] for arrays in self.slots]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "slots": hold(self.slots)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state.setdefault("optimizer_epoch", guess_optimizer_epoch(state))  # of an earlier bpx
        vars(self).update(state, slots=release(state["slots"]))


def _check_rates(rates: Any, schedule: Schedule, steps: np.ndarray) -> None:
    """Raise unless a schedule, which may be the user's own, has made a rate of each step."""
    shape = np.shape(rates)
    if shape != steps.shape or not np.isfinite(rates).all():
        got = "NaN or infinity among them" if shape == steps.shape else f"shape {shape}"
        raise InputError(
            f"rates of {schedule!r} must return one finite learning rate for each step, shape {steps.shape}, got {got}"
        )


def guess_optimizer_epoch(counters: Mapping[str, Any]) -> int:
    """Return an optimizer's epochs where the counters of a training do not say them, from its share of the steps."""
    steps = counters["step"]
    return round(counters["epoch"] * counters["optimizer_step"] / steps) if steps else 0
