"""Where the training of a network stands between two calls of ``fit``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bpx.backend.base import Array
from bpx.backend.portable import hold, release
from bpx.optimizers import Optimizer

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
    epoch : int
        Epochs since the start: numbers the shuffles.
    rate_scale : float
        Factor of the learning rate, on top of the optimizer's schedule; `bpx.ReduceOnPlateau` lowers it.
    """

    optimizer: Optimizer
    slots: Slots
    step: int = 0
    optimizer_step: int = 0
    epoch: int = 0
    rate_scale: float = 1.0

    def convert(self, convert: Callable[[Array], Array]) -> None:
        """Replace the slots' arrays by what a function makes of them: copies elsewhere, or of another dtype."""
        self.slots = [[convert(array) for array in arrays] for arrays in self.slots]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "slots": hold(self.slots)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, slots=release(state["slots"]))
