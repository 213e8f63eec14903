"""The training loop: epochs, batches, what is recorded and who listens."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.errors import BackendError, InputError
from bpx.history import History
from bpx.lbfgs import LBFGS
from bpx.progress import Progress
from bpx.rng import step_keys
from bpx.schedules import as_schedule
from bpx.step import is_own, make_step
from bpx.training.call import Call
from bpx.training.interrupts import Interrupts, interruption
from bpx.training.minimizing import check_minimizable, minimize_epochs
from bpx.training.recording import divergence, epoch_loss, measured

if TYPE_CHECKING:
    from bpx.network import Network

SEGMENT_SECONDS = 0.1
"""Steps run uninterrupted for about this long; then losses are looked at and progress is shown."""


def growth(seconds: float) -> int:
    """Return how many times longer the next segment may be than one that took some time."""
    return next((factor for factor in (8, 2) if factor * seconds < SEGMENT_SECONDS), 1)


class Run(Call):
    """One call of ``fit`` and its loop; callbacks are given it, see `Call` for what they may use.

    Parameters
    ----------
    net : Network
    *data, **options
        As for ``fit``.
    """

    def __init__(self, net: Network, *data: Any, **options: Any) -> None:
        super().__init__(net, *data, **options)
        self._interrupts = Interrupts()
        self._segment = net.backend.segment_start
        self._constant = self.settings.optimizer.constant
        if isinstance(self.settings.optimizer, LBFGS):
            check_minimizable(self)

    # -- the loop -----------------------------------------------------------------------------------------

    def train(self) -> History:
        """Run the epochs; return what was recorded."""
        self._began = time.perf_counter()
        saved = None if self.keeper is None else self.keeper.begin(self)
        self.resumed, self.net.training, self._rate_scale = saved is not None, self.training, self.training.rate_scale
        try:
            for i, callback in enumerate(self.callbacks):
                callback.on_train_begin(self)
                if saved is not None:
                    callback.load_state_dict(saved["callbacks"][i])
            with Progress(self.settings.progress, self.epochs, self.steps_per_epoch) as self._bar, self._interrupts:
                self._bar.update(self.done, None)
                with self.net.backend.computing():
                    self._run_epochs()
                if self.keeper is not None:
                    self.keeper.save(self)
                self._obey()
        except Exception as error:
            if self.net.backend.out_of_memory(error):
                size = f" with batches of {self.source.batch_size} samples" if self.source.batch_size else ""
                raise BackendError(
                    f"out of memory on {self.net.backend.spec} in epoch {self.epoch + 1}{size}; lower batch_size, or "
                    f"the widths of the layers ({error})"
                ) from error
            raise
        finally:
            self.history.seconds, self.history.stop_reason = self.seconds, self.stop_reason
            self._release()
            for callback in self.callbacks:
                callback.on_train_end(self)
        return self.history

    def _run_epochs(self) -> None:
        """Run the epochs in the way that optimizer and data ask for."""
        if isinstance(self.settings.optimizer, LBFGS):
            minimize_epochs(self)
        elif self.whole_set:
            self._whole_set_epochs()
        else:
            self._epochs_of_batches()

    def _whole_set_epochs(self) -> None:
        """Run epochs of one step each; many between two looks at them, where nobody listens."""
        while self.done < self.epochs and not self.stop_reason:
            length = 1 if self._listened else min(self._segment, self.epochs - self.done)
            if self.keeper is not None:
                length = min(length, self.keeper.steps_left(self))
            losses = self._steps(None, length, 0).tolist()
            self.training.epoch += length
            if self._listened:
                self._record(losses[0])
            else:
                self.history.loss += losses
                self.history.epoch += range(self.training.epoch - length + 1, self.training.epoch + 1)
            self._bar.update(length, losses[-1])
            self._pause(epoch_done=True)

    def _epochs_of_batches(self) -> None:
        """Run epochs of several steps each."""
        while self.done < self.epochs and not self.stop_reason:
            with self.source.blocks(self.training.epoch, self.position, self._obey) as blocks:
                for block in blocks:
                    self.data = block.data
                    self.shares.append(block.shares)
                    for rows in block.groups:
                        self._batches(rows)
            if not self.position:
                raise InputError(f"the iterable of batches gave none in epoch {self.epoch + 1}")
            loss = self._epoch_loss(np.concatenate(self.losses), np.concatenate(self.shares))
            self.losses, self.shares, self.position = [], [], 0
            self.training.epoch += 1
            self._record(loss)
            self._bar.update(0 if self.source.steps_per_epoch else 1, loss)
            self._pause(epoch_done=True)

    def iterated(self, loss: float) -> bool:
        """Record an iteration of a minimizer as an epoch; tell whether it is to end."""
        self.training.epoch += 1
        self.training.step += 1
        self.training.optimizer_step += 1
        self._record(loss)
        self._bar.update(1, loss)
        self._pause(epoch_done=True)
        return bool(self.stop_reason)

    def _batches(self, rows: np.ndarray) -> None:
        """Run steps of equal size within an epoch."""
        start = 0
        while start < len(rows):
            length = min(self._segment, len(rows) - start)
            if self.keeper is not None:
                length = min(length, self.keeper.steps_left(self))
            self.losses.append(self._steps(rows[start : start + length], length, self.position))
            start += length
            self.position += length
            if self.source.steps_per_epoch:
                self._bar.update(length / self.steps_per_epoch, None)
            self._pause(epoch_done=False)

    def _steps(self, order: np.ndarray | None, length: int, batch: int) -> np.ndarray:
        """Run some steps of equal size; return their losses. ``batch`` numbers the first within its epoch."""
        net, state, backend = self.net, self.training, self.net.backend
        steps = np.arange(state.optimizer_step, state.optimizer_step + length)
        rates = as_schedule(state.optimizer.learning_rate).rates(steps, self.steps_per_epoch)
        if state.rate_scale != 1.0:
            rates = rates * state.rate_scale
        coefficients = state.optimizer.coefficients(steps, rates)
        numbers = backend.per_step(coefficients, net.dtype, constant=self._constant)
        keys = backend.per_step(step_keys(net.seed, state.step, length, net.n_keys), "int32") if net.n_keys else None
        rows = None if order is None else backend.rows_per_step(order)
        run = self._program(gather=order is not None)
        began = time.perf_counter()
        carry = (net._params, state.slots, net._state)
        (net._params, state.slots, net._state), losses = run(carry, self.data, (rows, numbers, keys), length)
        state.step += length
        state.optimizer_step += length
        if length == self._segment:
            self._segment *= growth(time.perf_counter() - began)
        if not math.isfinite(float(losses.sum())):
            self._diverged(losses, batch)
        return losses

    def _diverged(self, losses: np.ndarray, batch: int) -> None:
        """Raise if one of the losses is NaN or infinite."""
        error = divergence(self, losses, batch)
        if error is not None:
            raise error

    def _epoch_loss(self, losses: np.ndarray, shares: np.ndarray) -> float:
        """Return an epoch's loss from its steps' losses, given how much each step counts."""
        return epoch_loss(self.net, losses, shares)

    def _program(self, gather: bool) -> Callable[..., tuple[Any, np.ndarray]]:
        """Return the loop over steps, compiled where the backend can; kept by the network for the next ``fit``."""
        optimizer = self.training.optimizer
        key = ("steps", optimizer.update, self.settings.penalties, self.settings.clip, gather)
        programs = self.net._programs
        if key not in programs:
            penalties, clip = self.settings.penalties, self.settings.clip
            step = make_step(self.net, optimizer, penalties, clip, gather)
            programs[key] = self.net.backend.loop(step, pure=is_own(self.net, optimizer, penalties, clip))
        return programs[key]  # type: ignore[no-any-return]

    def _release(self) -> None:
        """Let the loops forget the arrays of this training."""
        for program in self.net._programs.values():
            if hasattr(program, "release"):
                program.release()

    def _record(self, loss: float) -> None:
        """Record an epoch that is done, and tell the callbacks."""
        self.history.loss.append(loss)
        self.history.epoch.append(self.training.epoch)
        if not self._listened:
            return
        self._rate_scale = self.training.rate_scale
        self.logs = measured(self, loss)
        for callback in self.callbacks:
            callback.on_epoch_end(self)

    def _pause(self, epoch_done: bool) -> None:
        """Between two segments: write a checkpoint that is due, and obey Ctrl-C."""
        if self.keeper is not None:
            self.keeper.look(self, epoch_done)
        self._obey()

    def _obey(self) -> None:
        """If Ctrl-C was pressed, write a checkpoint and raise `Interrupted`."""
        if self._interrupts.caught:
            raise interruption(self)
