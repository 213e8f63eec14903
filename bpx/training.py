"""The training loop: epochs, batches, shuffles, what is recorded and who listens."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.backend.base import Array
from bpx.callbacks import Callback, as_callbacks
from bpx.checks import count
from bpx.errors import BackendError, DivergenceError, InputError
from bpx.evaluation import evaluate
from bpx.history import History
from bpx.optimizers import Optimizer, get_optimizer
from bpx.progress import Progress
from bpx.regularization import Clip, Penalty
from bpx.rng import permutation, step_keys
from bpx.schedules import as_schedule
from bpx.step import Slots, initial_slots, make_step

if TYPE_CHECKING:
    from bpx.network import Network

SEGMENT_SECONDS = 0.1
"""Steps run uninterrupted for about this long; then losses are looked at and progress is shown."""


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
    """

    optimizer: Optimizer
    slots: Slots
    step: int = 0
    optimizer_step: int = 0
    epoch: int = 0

    def move(self, moved: Callable[[Array], Array]) -> None:
        """Replace the slots' arrays by moved ones."""
        self.slots = [[moved(array) for array in arrays] for arrays in self.slots]


def fit(
    net: Network,
    x: Any,
    y: Any,
    *,
    epochs: int,
    batch_size: int | None = None,
    optimizer: str | Optimizer = "adam",
    validation_data: tuple[Any, ...] | None = None,
    sample_weight: Any = None,
    metrics: Iterable[Any] = (),
    callbacks: Iterable[Any] = (),
    shuffle: bool = True,
    progress: bool | None = None,
    penalties: Penalty | Sequence[Penalty] = (),
    clip: Clip | None = None,
) -> History:
    """Train a network by backpropagation; the documentation of ``Network.fit``.

    Parameters
    ----------
    net : Network
    x : array_like (samples, n_in)
        Moved to the network's device once.
    y : array_like
        Targets: (samples, n_out), or (samples,) for one output; integer classes (samples,) or one-hot rows for
        cross_entropy.
    epochs : int
        Passes over the samples.
    batch_size : int or None
        Samples of a step; None takes the whole set at each step. The last batch of an epoch may be smaller.
    optimizer : str or Optimizer
        "sgd", "adam", "adamw", "rmsprop", or one with settings. Called again with the same settings, its state goes on.
    validation_data : tuple (x, y) or (x, y, sample_weight), or None
        Evaluated after each epoch.
    sample_weight : array_like (samples,) or None
        Weights of the samples in the loss.
    metrics : iterable of str
        Recorded after each epoch, on the validation data or else on the training data: "accuracy", "loss".
    callbacks : iterable
        See `bpx.Callback`; a function is called after each epoch.
    shuffle : bool
        Whether each epoch visits the samples in an order of its own. Without batches the order changes nothing.
    progress : bool or None
        Whether a progress bar is shown on standard error; None: where that is a terminal and training takes a while.
    penalties : Penalty or sequence of Penalty
        `bpx.L1`, `bpx.L2`: added to the loss.
    clip : Clip or None
        `bpx.ClipValue` or `bpx.ClipNorm`: limits the gradients.

    Returns
    -------
    History

    Raises
    ------
    InputError
        If an argument or an array is not as described; before any work.
    DivergenceError
        If a loss turns NaN or infinite; names epoch and batch.
    BackendError
        If the device runs out of memory; names the batch.
    """
    run = Run(
        net, x, y, epochs=epochs, batch_size=batch_size, optimizer=optimizer, validation_data=validation_data,
        sample_weight=sample_weight, metrics=metrics, callbacks=callbacks, shuffle=shuffle, progress=progress,
        penalties=penalties, clip=clip,
    )  # fmt: skip
    return run.train()


class Run:
    """One call of ``fit``: what its callbacks see.

    Attributes
    ----------
    net : Network
    epochs : int
        Epochs of this call.
    epoch : int
        Number of the epoch just done, counted over all calls, from 1.
    logs : dict of float
        Numbers of the epoch just done: "loss", "validation_loss", metrics.
    history : History
        Numbers of all epochs of this call.
    stop_reason : str
        Why training is to end early; empty while it is not.
    """

    def __init__(self, net: Network, x: Any, y: Any, **options: Any) -> None:
        self.net = net
        self.epochs = count("epochs", options["epochs"], 0)
        optimizer = get_optimizer(options["optimizer"])
        self.callbacks: list[Callback] = as_callbacks(options["callbacks"])
        penalties = options["penalties"]
        self.penalties = (penalties,) if isinstance(penalties, Penalty) else tuple(penalties)
        self.clip = options["clip"]
        if not all(isinstance(p, Penalty) for p in self.penalties):
            raise InputError(f"penalties are bpx.L1 or bpx.L2, got {penalties!r}")
        if not (self.clip is None or isinstance(self.clip, Clip)):
            raise InputError(f"clip is bpx.ClipValue, bpx.ClipNorm or None, got {self.clip!r}")
        self.data = net._inputs(x, y, options["sample_weight"])
        self.rows = self.data[0].shape[0]
        size = options["batch_size"]
        self.batch_size = self.rows if size is None else min(count("batch_size", size), self.rows)
        self.shuffle = bool(options["shuffle"])
        validation = options["validation_data"]
        self.validation = None if validation is None else net._inputs(*_pair(validation))
        self.metrics = tuple(options["metrics"])
        self.progress = options["progress"]
        if net.training is None or net.training.optimizer != optimizer:
            old = net.training
            net.training = TrainingState(optimizer, initial_slots(net, optimizer.n_slots))
            if old is not None:
                net.training.step, net.training.epoch = old.step, old.epoch
        self.training = net.training
        self.history = History()
        self.logs: dict[str, float] = {}
        self.stop_reason = ""
        self.steps_per_epoch = -(-self.rows // self.batch_size)
        self._segment = net.backend.segment_start

    @property
    def epoch(self) -> int:
        """Number of the epoch just done, counted over all calls of ``fit``, from 1."""
        return self.training.epoch

    def stop(self, reason: str) -> None:
        """End the training after this epoch."""
        self.stop_reason = reason or "stopped by a callback"

    # -- the loop -----------------------------------------------------------------------------------------

    def train(self) -> History:
        """Run the epochs; return what was recorded."""
        began = time.perf_counter()
        for callback in self.callbacks:
            callback.on_train_begin(self)
        try:
            with Progress(self.progress, self.epochs, self.steps_per_epoch) as bar, self.net.backend.computing():
                if self.steps_per_epoch == 1:
                    self._whole_set_epochs(bar)
                else:
                    self._epochs_of_batches(bar)
        except Exception as error:
            if self.net.backend.out_of_memory(error):
                raise BackendError(
                    f"out of memory on {self.net.backend.spec} in epoch {self.epoch + 1} with batches of "
                    f"{self.batch_size} samples; lower batch_size, or the widths of the layers ({error})"
                ) from error
            raise
        finally:
            self.history.seconds = time.perf_counter() - began
            for callback in self.callbacks:
                callback.on_train_end(self)
        return self.history

    def _whole_set_epochs(self, bar: Progress) -> None:
        """Run epochs of one step each; many between two looks at them, where nobody listens."""
        listened = bool(self.callbacks or self.validation or self.metrics)
        done = 0
        while done < self.epochs and not self.stop_reason:
            length = 1 if listened else min(self._segment, self.epochs - done)
            losses = self._steps(None, length, 0)
            for loss in losses.tolist():
                self.training.epoch += 1
                self._record(loss)
            done += length
            bar.update(length, self.history.loss[-1])

    def _epochs_of_batches(self, bar: Progress) -> None:
        """Run epochs of several steps each."""
        full, rest = divmod(self.rows, self.batch_size)
        for _ in range(self.epochs):
            if self.stop_reason:
                break
            order = self._order()
            batches = order[: full * self.batch_size].reshape(full, self.batch_size)
            tail = order[full * self.batch_size :].reshape(1, rest)
            losses, position = [], 0
            while position < full:
                length = min(self._segment, full - position)
                losses.append(self._steps(batches[position : position + length], length, position))
                position += length
                bar.update(length / self.steps_per_epoch, None)
            if rest:
                losses.append(self._steps(tail, 1, full))
            self.training.epoch += 1
            self._record(self._epoch_loss(np.concatenate(losses), batches, tail))
            bar.update(1 / self.steps_per_epoch if rest else 0, self.history.loss[-1])

    def _order(self) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self.rows)
        return permutation(self.net.seed, self.training.epoch, self.rows)

    def _steps(self, order: np.ndarray | None, length: int, batch: int) -> np.ndarray:
        """Run some steps of equal size; return their losses. ``batch`` numbers the first within its epoch."""
        net, state, backend = self.net, self.training, self.net.backend
        steps = np.arange(state.optimizer_step, state.optimizer_step + length)
        rates = as_schedule(state.optimizer.learning_rate).rates(steps, self.steps_per_epoch)
        numbers = backend.per_step(state.optimizer.coefficients(steps, rates), net.dtype)
        keys = backend.per_step(step_keys(net.seed, state.step, length, net.n_keys), "int32") if net.n_keys else None
        rows = None if order is None else backend.rows_per_step(order)
        run = self._program(gather=order is not None)
        began = time.perf_counter()
        carry = (net._params, state.slots, net._state)
        (net._params, state.slots, net._state), losses = run(carry, self.data, (rows, numbers, keys), length)
        state.step += length
        state.optimizer_step += length
        if length == self._segment and time.perf_counter() - began < SEGMENT_SECONDS / 2:
            self._segment *= 2
        if not math.isfinite(float(losses.sum())):
            self._diverged(losses, batch)
        return losses

    def _program(self, gather: bool) -> Callable[..., tuple[Any, np.ndarray]]:
        """Return the loop over steps, compiled where the backend can; kept by the network for the next ``fit``."""
        optimizer = self.training.optimizer
        key = ("steps", optimizer.update, self.penalties, self.clip, gather)
        programs = self.net._programs
        if key not in programs:
            programs[key] = self.net.backend.loop(make_step(self.net, optimizer, self.penalties, self.clip, gather))
        return programs[key]  # type: ignore[no-any-return]

    # -- what is recorded ---------------------------------------------------------------------------------

    def _epoch_loss(self, losses: np.ndarray, batches: np.ndarray, tail: np.ndarray) -> float:
        """Return an epoch's loss from its batches' losses."""
        if self.net.loss.reduction == "sum":
            return float(losses.sum())
        weight = self.data[2]
        if weight is None:
            shares = np.array([row.size for row in [*batches, *tail] if row.size], dtype=np.float64)
        else:
            host = self._host_weight()
            shares = np.array([host[row].sum() for row in [*batches, *tail] if row.size])
        return float((losses * shares).sum() / shares.sum())

    def _host_weight(self) -> np.ndarray:
        return self.net.backend.to_numpy(self.data[2]).astype(np.float64)

    def _record(self, loss: float) -> None:
        """Record an epoch that is done, and tell the callbacks."""
        history = self.history
        history.loss.append(loss)
        history.epoch.append(self.training.epoch)
        if not (self.callbacks or self.validation or self.metrics):
            return
        self.logs = {"loss": loss}
        if self.validation or self.metrics:
            measured = evaluate(self.net, *(self.validation or self.data))
            if self.validation:
                self.logs["validation_loss"] = measured["loss"]
                history.validation_loss.append(measured["loss"])
            for name in self.metrics:
                self.logs[name] = measured[name]
                history.metrics.setdefault(name, []).append(measured[name])
        for callback in self.callbacks:
            callback.on_epoch_end(self)

    def _diverged(self, losses: np.ndarray, batch: int) -> None:
        """Raise if one of the losses is NaN or infinite."""
        bad = np.flatnonzero(~np.isfinite(losses))
        if not bad.size:
            return
        epoch = self.training.epoch + 1
        if self.steps_per_epoch == 1:
            epoch, batch = epoch + int(bad[0]), 0
        else:
            batch += int(bad[0])
        raise DivergenceError(
            f"the loss became {losses[bad[0]]} in epoch {epoch}, batch {batch + 1} of {self.steps_per_epoch}; try a "
            "lower learning rate, inputs scaled to zero mean and unit variance, or clip=bpx.ClipNorm(1.0)"
        )


def _pair(validation: Any) -> tuple[Any, Any, Any]:
    """Return validation data as (x, y, sample_weight)."""
    if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
        raise InputError("validation_data must be (x, y) or (x, y, sample_weight)")
    return (*validation, None) if len(validation) == 2 else tuple(validation)  # type: ignore[return-value]
