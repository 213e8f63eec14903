"""One call of ``fit``: what it was asked for, where it stands, and what callbacks may ask of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import numpy as np

from bpx.core.evaluation import measure
from bpx.core.model import Data, Model
from bpx.core.state import TrainingState
from bpx.core.step import list_trained, start_training_state
from bpx.errors import InputError
from bpx.optimizers.schedules import as_schedule
from bpx.training.data import HeldOut
from bpx.training.history import History
from bpx.training.settings import Settings
from bpx.training.sources import Source


class FitRun:
    """One call of ``fit``, as its callbacks and its checkpoints see it; `bpx.training.loop.Loop` moves it on.

    Attributes
    ----------
    net : Network
    settings : Settings
    source : Source
        Where the batches come from.
    validation : HeldOut or None
    training : TrainingState
        The optimizer's state and all counters; ``rate_scale`` is a factor of the learning rate.
    epochs : int
        Epochs of this call.
    first_step, first_epoch : int
        The counters at its beginning; of a training that was resumed, at its first start.
    position : int
        Steps of the current epoch that are done.
    losses, shares : list of array
        Losses of these steps, and how much each counts.
    logs : dict of float
        Numbers of the epoch just done, by the names in ``log_names``.
    log_names : tuple of str
        "loss", metrics, "validation_loss", "validation_" and a metric: those that this training records.
    history : History
        Numbers of all epochs of this call.
    stop_reason : str
        Why training is to end early; empty while it is not.
    resumed : bool
        Whether the training continues from a checkpoint.
    metrics : tuple of Metric
    callbacks : list of Callback

    Parameters
    ----------
    net : Model
    source : Source
    validation : HeldOut or None
    settings : Settings

    Raises
    ------
    InputError
        If what is asked for cannot be done with data of this kind.
    """

    def __init__(self, net: Model, source: Source, validation: HeldOut | None, settings: Settings) -> None:
        self.net, self.source, self.validation, self.settings = net, source, validation, settings
        self.epochs, self.metrics, self.callbacks = settings.epochs, settings.metrics, settings.callbacks
        self._check_possible()
        self._prepare_source()
        self.training: TrainingState = start_training_state(net, settings.optimizer, net.training)
        self.first_step, self.first_epoch = self.training.step, self.training.epoch
        self.position = 0
        self.losses: list[np.ndarray] = []
        self.shares: list[np.ndarray] = []
        self.history = History()
        self.logs: dict[str, float] = {}
        self.log_names = self._name_logs()
        self.stop_reason = ""
        self.resumed = False
        self.seconds_before = 0.0
        self._began = time.perf_counter()
        self._rate_scale = self.training.rate_scale
        self._description: dict[str, Any] | None = None

    def _check_possible(self) -> None:
        if not (self.net.stateful or list_trained(self.net)) and self.net.n_params:
            raise InputError(
                "there is nothing to train in the network: all its parameters are frozen; leave one free, or leave the "
                "training out"
            )
        if self.metrics and self.source.unweighted is None and self.validation is None:
            raise InputError(
                "metrics of data that is read in blocks or given as batches are measured on validation_data; give "
                "some, or leave metrics out"
            )
        if not self.source.steps_per_epoch and as_schedule(self.settings.optimizer.learning_rate).counts_epochs:
            raise InputError(
                "the schedule of the learning rate counts epochs, but this iterable does not say how many batches it "
                "has; give the schedule unit='steps', or an iterable with a length"
            )

    def _prepare_source(self) -> None:
        self.source.prepare()

    def _name_logs(self) -> tuple[str, ...]:
        metrics = [metric.name for metric in self.metrics]
        names = ["loss", *(metrics if self.source.unweighted is not None else [])]
        if self.validation is not None:
            names += ["validation_loss", *(f"validation_{name}" for name in metrics)]
        return tuple(names)

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
    def finished(self) -> bool:
        """Whether there is nothing left to do: all epochs are done, or a callback has asked for the end."""
        return self.done >= self.epochs or bool(self.stop_reason)

    @property
    def validated(self) -> bool:
        """Whether there is validation data."""
        return self.validation is not None

    @property
    def listened(self) -> bool:
        """Whether something is to be done after each epoch: callbacks, metrics, validation."""
        return bool(self.callbacks or self.validation or self.metrics)

    @property
    def whole_set(self) -> bool:
        """Whether each step takes all samples as one batch, so that an epoch is one step and has no order."""
        source = self.source
        one_batch = source.batch is None or (source.rows is not None and source.batch >= source.rows)
        return source.whole is not None and source.steps_per_epoch == 1 and one_batch

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch; 1 where that is not known."""
        return self.source.steps_per_epoch or 1

    @property
    def seconds(self) -> float:
        """Time of this call so far, and of the parts before it was resumed."""
        return self.seconds_before + time.perf_counter() - self._began

    @property
    def learning_rate(self) -> float:
        """The learning rate of the step just done (before the first: of the first)."""
        return float(self.compute_learning_rates(np.array([max(self.training.optimizer_step - 1, 0)]))[0])

    def compute_learning_rates(self, steps: np.ndarray) -> np.ndarray:
        """Return the learning rates of steps of this optimizer, counted from 0, with the epoch's ``rate_scale``."""
        return self.compute_unscaled_rates(steps) * self._rate_scale

    def compute_unscaled_rates(self, steps: np.ndarray) -> np.ndarray:
        """Return the learning rates that the schedule has for steps of this optimizer, counted from 0."""
        state = self.training
        made = {"epochs_made": state.epoch - self.first_epoch, "steps_made": state.step - self.first_step}
        return state.compute_rates(steps, self.steps_per_epoch, **made)

    def stop(self, reason: str) -> None:
        """End the training after this epoch."""
        self.stop_reason = reason or "stopped by a callback"

    # -- what the loop and the checkpoints ask --------------------------------------------------------------

    def begin(self, resumed: bool) -> None:
        """Hand the training state to the network, and start the clock."""
        self._began = time.perf_counter()
        self.resumed, self.net.training, self._rate_scale = resumed, self.training, self.training.rate_scale

    def record(self, loss: float) -> None:
        """Record an epoch that is done, and tell the callbacks."""
        self.history.loss.append(loss)
        self.history.epoch.append(self.training.epoch)
        if not self.listened:
            return
        self._rate_scale = self.training.rate_scale
        self.logs = {"loss": loss, **self._measure()}
        self._call_callbacks()

    def _call_callbacks(self) -> None:
        """Tell the callbacks that an epoch is done."""
        for callback in self.callbacks:
            callback.on_epoch_end(self)

    def _measure(self) -> dict[str, float]:
        """Measure the network on training and validation data, write the numbers into the history and return them."""
        history, logs = self.history, {}
        names = [metric.name for metric in self.metrics]
        if self.metrics and self.source.unweighted is not None:
            found = self._measure_pieces([self.source.unweighted])
            for name in names:
                logs[name] = found[name]
                history.metrics.setdefault(name, []).append(found[name])
        if self.validation is not None:
            found = self._measure_validation(self.validation)
            logs["validation_loss"] = found["loss"]
            history.validation_loss.append(found["loss"])
            for name in names:
                logs[f"validation_{name}"] = found[name]
                history.validation_metrics.setdefault(name, []).append(found[name])
        return logs

    def _measure_validation(self, validation: HeldOut) -> dict[str, float]:
        return self._measure_pieces(validation.place_pieces())

    def _measure_pieces(self, pieces: Iterable[Data]) -> dict[str, float]:
        return measure(self.net, pieces, self.metrics)

    def describe(self) -> dict[str, Any]:
        """Return what must be the same for this training to be resumed, as plain data; looked at once."""
        if self._description is None:
            validation = None if self.validation is None else self.validation.describe()
            data = {"data": self.source.describe(), "validation": validation}
            self._description = {**self.settings.describe(self.source.rows), **data}
        return self._description
