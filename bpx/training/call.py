"""One call of ``fit``: what it was asked for, where it stands, and what callbacks may ask of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.history import History
from bpx.schedules import as_schedule
from bpx.training.data import HeldOut, training_source
from bpx.training.keeper import Keeper
from bpx.training.recording import check_possible, log_names
from bpx.training.settings import checked
from bpx.training.state import training_state

if TYPE_CHECKING:
    from bpx.network import Network


class Call:
    """One call of ``fit``: what its callbacks see.

    Attributes
    ----------
    net : Network
    training : TrainingState
        The optimizer's state and all counters; ``rate_scale`` is a factor of the learning rate.
    epochs : int
        Epochs of this call.
    epoch : int
        Number of the epoch just done, counted over all calls, from 1.
    done : int
        Epochs of this call that are done; of a training that was resumed, from its first start.
    logs : dict of float
        Numbers of the epoch just done, by the names in ``log_names``.
    log_names : tuple of str
        "loss", metrics, "validation_loss", "validation_" and a metric: those that this training records.
    history : History
        Numbers of all epochs of this call.
    stop_reason : str
        Why training is to end early; empty while it is not.
    resumed : bool
        Whether the training goes on from a checkpoint.
    metrics : tuple of Metric
    validation : HeldOut or None

    Parameters
    ----------
    net : Network
    x, y, and all others
        As for ``fit``.
    """

    def __init__(
        self,
        net: Network,
        x: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        validation_data: Any = None,
        memory_limit: int | None = None,
        checkpoint: Any = None,
        checkpoint_every: Any = 1,
        keep: int | None = 3,
        on_checkpoint_error: str = "warn",
        resume: Any = None,
        **settings: Any,
    ) -> None:
        self.net = net
        self.settings = checked(net, **settings)
        self.keeper: Keeper | None = None
        if checkpoint is not None or resume is not None:
            self.keeper = Keeper(checkpoint, checkpoint_every, keep, on_checkpoint_error, resume)
        self.source = training_source(net, x, y, sample_weight, self.settings, memory_limit)
        self.validation: HeldOut | None = None
        if validation_data is not None:
            self.validation = HeldOut(net, validation_data, self.settings, memory_limit)
        self.epochs, self.metrics, self.callbacks = self.settings.epochs, self.settings.metrics, self.settings.callbacks
        self.whole_set = self.source.whole is not None and self.source.steps_per_epoch == 1
        self.steps_per_epoch = self.source.steps_per_epoch or 1
        self.data = self.source.whole
        check_possible(self)
        self.training = training_state(net, self.settings.optimizer)
        self.first_step, self.first_epoch = self.training.step, self.training.epoch
        self.position = 0
        self.losses: list[np.ndarray] = []
        self.shares: list[np.ndarray] = []
        self.history = History()
        self.logs: dict[str, float] = {}
        self.log_names = log_names(self)
        self.stop_reason = ""
        self.resumed = False
        self.seconds_before = 0.0
        self._began = time.perf_counter()
        self._listened = bool(self.callbacks or self.validation or self.metrics)
        self._rate_scale = self.training.rate_scale
        self._description: dict[str, Any] | None = None

    # -- what callbacks ask -------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Number of the epoch just done, counted over all calls of ``fit``, from 1."""
        return self.training.epoch

    @property
    def done(self) -> int:
        """Epochs of this call that are done."""
        return self.training.epoch - self.first_epoch

    @property
    def seconds(self) -> float:
        """Time of this call so far, and of the parts before it was resumed."""
        return self.seconds_before + time.perf_counter() - self._began

    @property
    def learning_rate(self) -> float:
        """The learning rate of the step just done (before the first: of the first)."""
        return float(self.learning_rates(np.array([max(self.training.optimizer_step - 1, 0)]))[0])

    def learning_rates(self, steps: np.ndarray) -> np.ndarray:
        """Return the learning rates of steps of this optimizer, counted from 0, with the epoch's ``rate_scale``."""
        schedule = as_schedule(self.training.optimizer.learning_rate)
        return schedule.rates(steps, self.steps_per_epoch) * self._rate_scale

    def stop(self, reason: str) -> None:
        """End the training after this epoch."""
        self.stop_reason = reason or "stopped by a callback"

    def described(self) -> dict[str, Any]:
        """Return what must be the same for this training to be resumed, as plain data; looked at once."""
        if self._description is None:
            validation = None if self.validation is None else self.validation.described()
            data = {"data": self.source.described(), "validation": validation}
            self._description = {**self.settings.described(), **data}
        return self._description
