"""The solvers that take batches: scikit-learn's rules on top of the core's optimizers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bpx.errors import InputError
from bpx.optimizers import LBFGS, SGD, Adam, AdamW, Optimizer, RMSprop
from bpx.optimizers.schedules import Constant, Schedule

STOCHASTIC = ("sgd", "adam", "adamw", "rmsprop")
"""The solvers that take batches, by name; an optimizer of bpx may stand for one."""


def is_stochastic(solver: Any) -> bool:
    """Tell whether a solver takes batches; L-BFGS takes the whole set."""
    return not isinstance(solver, LBFGS) if isinstance(solver, Optimizer) else solver in STOCHASTIC


@dataclass(frozen=True)
class MomentumSGD(SGD):
    """`SGD` that takes a momentum of 1 too, as scikit-learn's does."""

    name: ClassVar[str] = SGD.name

    def __post_init__(self) -> None:
        if self.momentum < 1.0:
            super().__post_init__()


class Solver:
    """An optimizer, and how its learning rate moves from epoch to epoch.

    Parameters
    ----------
    settings : mapping
        The estimator's parameters by name.

    Attributes
    ----------
    optimizer : Optimizer
    learning_rate : float
        That of the epoch to come.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.optimizer = _optimizer(settings)
        self.learning_rate = self._initial = float(settings["learning_rate_init"])
        self._power = settings["power_t"]
        self._schedule = settings["learning_rate"] if settings["solver"] == "sgd" else "constant"

    @property
    def moves_rate(self) -> bool:
        """Whether the rate moves by scikit-learn's rules, not by the optimizer's own schedule."""
        return self._schedule in ("invscaling", "adaptive")

    @property
    def rate_scale(self) -> float:
        """The learning rate as a factor of the first one."""
        return self.learning_rate / self._initial

    def follows(self, settings: Mapping[str, Any]) -> bool:
        """Tell whether it can continue with these parameters of the estimator."""
        other = Solver(settings)
        mine, theirs = vars(self) | {"learning_rate": None}, vars(other) | {"learning_rate": None}
        return mine == theirs

    def end_epoch(self, samples: int) -> None:
        """Set the learning rate of the next epoch, after ``samples`` have been seen in all."""
        if self._schedule == "invscaling":
            self.learning_rate = self._initial / (samples + 1) ** self._power

    def stops(self, why: str, verbose: Any) -> bool:
        """Tell whether training is to end where nothing improves; "adaptive" divides the learning rate by 5 first."""
        if self._schedule != "adaptive":
            ending = " Stopping."
        elif self.learning_rate <= 1e-6:
            ending = " Learning rate too small. Stopping."
        else:
            self.learning_rate /= 5.0
            ending = f" Setting learning rate to {self.learning_rate:f}"
        if verbose:
            print(why + ending)
        return ending.endswith("Stopping.")


def _optimizer(settings: Mapping[str, Any]) -> Optimizer:
    """Return the core's optimizer for an estimator's parameters."""
    solver, schedule = settings["solver"], settings["learning_rate"]
    if isinstance(solver, Optimizer):
        if isinstance(schedule, Schedule):
            raise InputError(
                f"solver {solver!r} has a learning rate of its own: give the schedule to it, as in "
                f"bpx.{type(solver).__name__}({schedule!r}), and leave learning_rate as it is"
            )
        return solver
    rate = schedule if isinstance(schedule, Schedule) else Constant(float(settings["learning_rate_init"]))
    moments = (settings["beta_1"], settings["beta_2"], settings["epsilon"])
    if solver == "adam":
        return Adam(rate, *moments, scaled_eps=True)
    if solver == "adamw":
        return AdamW(rate, *moments)
    if solver == "rmsprop":
        return RMSprop(rate)
    momentum = float(settings["momentum"])
    return MomentumSGD(rate, momentum, nesterov=bool(settings["nesterovs_momentum"] and momentum))
