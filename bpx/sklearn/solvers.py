"""The solvers "sgd" and "adam": scikit-learn's rules on top of the core's optimizers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bpx.optimizers import SGD, Adam, Optimizer
from bpx.optimizers.schedules import Constant

STOCHASTIC = ("sgd", "adam")
"""The solvers that take batches."""


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
    rate = Constant(float(settings["learning_rate_init"]))
    if settings["solver"] == "adam":
        return Adam(rate, settings["beta_1"], settings["beta_2"], settings["epsilon"], scaled_eps=True)
    momentum = float(settings["momentum"])
    return MomentumSGD(rate, momentum, nesterov=bool(settings["nesterovs_momentum"] and momentum))
