"""Where the training of a network stands between two calls of ``fit``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpx.backend.base import Array
from bpx.optimizers import Optimizer
from bpx.step import Slots, initial_slots

if TYPE_CHECKING:
    from bpx.network import Network


@dataclass
class TrainingState:
    """Where the training of a network stands, so that the next ``fit`` goes on from there.

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

    def move(self, moved: Callable[[Array], Array]) -> None:
        """Replace the slots' arrays by moved ones."""
        self.slots = [[moved(array) for array in arrays] for arrays in self.slots]


def training_state(net: Network, optimizer: Optimizer) -> TrainingState:
    """Return the network's training state, to go on with; with another optimizer a new one, whose counters go on."""
    old = net.training
    if old is not None and old.optimizer == optimizer:
        return old
    state = TrainingState(optimizer, initial_slots(net, optimizer.n_slots))
    if old is not None:
        state.step, state.epoch = old.step, old.epoch
    return state
