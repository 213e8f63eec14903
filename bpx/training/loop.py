"""The training loop: epochs, batches, and what happens between them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np

from bpx.backend.base import StepRows
from bpx.core.model import Data
from bpx.core.step import is_own, make_step
from bpx.errors import BackendError, DivergenceError, InputError
from bpx.optimizers import LBFGS
from bpx.optimizers.base import Update
from bpx.rng import step_keys
from bpx.training.callback import Callback
from bpx.training.checkpoints.checkpointer import Checkpointer
from bpx.training.checkpoints.snapshot import restore_callback
from bpx.training.fit_run import FitRun
from bpx.training.history import History
from bpx.training.interrupts import Interrupts, make_interrupted, note_way_back
from bpx.training.lbfgs import Outcome, check_full_batch, minimize
from bpx.training.progress import Progress
from bpx.training.sources import Block

SEGMENT_SECONDS = 0.1
"""Steps run uninterrupted for about this long; then losses are looked at and progress is shown."""


LARGE_LOSS = 1e8
"""Sum of some steps' losses from which it is looked whether the gradients' squares overflowed."""


def find_growth(seconds: float) -> int:
    """Return how many times longer the next segment may be than one that took some time."""
    return next((factor for factor in (8, 2) if factor * seconds < SEGMENT_SECONDS), 1)


class Loop:
    """Moves a run on, step by step, to its end.

    Parameters
    ----------
    run : FitRun
    checkpointer : Checkpointer or None
        Writes the checkpoints, where some are asked for.

    Raises
    ------
    InputError
        If the optimizer cannot do what is asked for.
    """

    def __init__(self, run: FitRun, checkpointer: Checkpointer | None = None) -> None:
        self.run, self.net, self.checkpointer = run, run.net, checkpointer
        self.interrupts = Interrupts()
        self.progress = Progress(run.settings.progress, run.epochs, run.steps_per_epoch)
        self._data: Data | StepRows | None = run.source.whole
        self._batch = run.source.batch
        self._listened = run.listened
        self._begun: list[Callback] = []
        self._segment = self.net.backend.segment_start
        self._constant = run.settings.optimizer.constant
        if isinstance(run.settings.optimizer, LBFGS):
            check_full_batch(self.net, 1 if run.whole_set and self._batch is None else 2, run.settings.clip)
            if checkpointer is not None:
                raise InputError(
                    "optimizer 'lbfgs' cannot be resumed to the bit, because its estimate of the Hessian is inside "
                    "SciPy; leave checkpoint and resume out"
                )

    def train(self) -> History:
        """Run the epochs; return what was recorded."""
        run, net = self.run, self.net
        saved = self._begin()
        run.begin(resumed=saved is not None)
        try:
            self._run_all(saved)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                note_way_back(error, self.checkpointer)
            self._end(error)
            if net.backend.out_of_memory(error):
                size = f" with batches of {run.source.batch_size} samples" if run.source.batch_size else ""
                raise BackendError(
                    f"out of memory on {net.backend.spec} in epoch {run.epoch + 1}{size}; lower batch_size, or the "
                    f"widths of the layers ({error})"
                ) from error
            raise
        self._end(None)
        return run.history

    def _begin(self) -> dict[str, Any] | None:
        """Return what the checkpoint holds from which the run, put where it was written, continues; or None."""
        return None if self.checkpointer is None else self.checkpointer.begin(self.run)

    def _run_all(self, saved: dict[str, Any] | None) -> None:
        """Run all that may fail in the middle of a training."""
        run = self.run
        self._begin_callbacks(saved)
        with self.progress, self.interrupts:
            self.progress.update(run.done, None)
            with self.net.backend.computing():
                self._run_epochs()
            self._save()
            self._check_for_interrupt()

    def _end(self, error: BaseException | None) -> None:
        """Let go of what the run has held; ``error`` is what has ended it early."""
        run = self.run
        run.history.seconds, run.history.stop_reason = run.seconds, run.stop_reason
        self.net.release_programs()
        if self.checkpointer is not None:
            self.checkpointer.release()
        self._end_callbacks(error)

    def _begin_callbacks(self, saved: dict[str, Any] | None) -> None:
        for i, callback in enumerate(self.run.callbacks):
            callback.on_train_begin(self.run)
            self._begun.append(callback)
            if saved is not None:
                restore_callback(callback, saved["callbacks"][i])

    def _end_callbacks(self, error: BaseException | None) -> None:
        """End each callback that was begun, also where another fails at it.

        What one raises is raised when all have ended; where an error has ended the training, it is a note on that one.
        """
        first = error
        for callback in self._begun:
            try:
                callback.on_train_end(self.run)
            except Exception as raised:
                if first is None:
                    first = raised
                else:
                    first.add_note(f"{type(callback).__name__}.on_train_end failed too: {raised!r}")
        if first is not error and first is not None:
            raise first

    def _save(self) -> None:
        if self.checkpointer is not None:
            self.checkpointer.save(self.run)

    # -- epochs -------------------------------------------------------------------------------------------

    def _run_epochs(self) -> None:
        """Run the epochs in the way that optimizer and data ask for."""
        if isinstance(self.run.settings.optimizer, LBFGS):
            self._run_lbfgs(self.run.settings.optimizer)
        elif self.run.whole_set:
            self._run_whole_set()
        else:
            self._run_batches()

    def _run_whole_set(self) -> None:
        """Run epochs of one step each; without callbacks and metrics, many of them between two looks at the losses."""
        run = self.run
        while not run.finished:
            length = 1 if self._listened else min(self._segment, run.epochs - run.done)
            if self.checkpointer is not None:
                length = min(length, self.checkpointer.count_steps_left(run))
            losses = self._run_steps(None, length).tolist()
            run.training.epoch += length
            run.training.optimizer_epoch += length
            if self._listened:
                run.record(losses[0])
            else:
                run.history.loss += losses
                run.history.epoch += range(run.training.epoch - length + 1, run.training.epoch + 1)
            self.progress.update(length, losses[-1])
            self._pause(epoch_done=True)

    def _run_batches(self) -> None:
        """Run epochs of several steps each."""
        run = self.run
        while not run.finished:
            with run.source.open_blocks(run.training.epoch, run.position, self._poll) as blocks:
                for block in self._look_at_blocks(blocks):
                    self._data, self._batch = block.data, block.batch
                    run.shares.append(block.shares)
                    for rows in block.groups:
                        self._run_group(rows)
            if not run.position:
                raise InputError(f"the iterable of batches gave none in epoch {run.epoch + 1}")
            loss = self._average(np.concatenate(run.losses), np.concatenate(run.shares))
            run.losses, run.shares, run.position = [], [], 0
            run.training.epoch += 1
            run.training.optimizer_epoch += 1
            run.record(loss)
            self.progress.update(0 if run.source.steps_per_epoch else 1, loss)
            self._pause(epoch_done=True)

    def _run_lbfgs(self, optimizer: LBFGS) -> None:
        """Run iterations of L-BFGS, which SciPy leads; each is recorded as an epoch."""
        run = self.run
        if not run.finished:
            outcome = self._minimize(optimizer)
            if not run.stop_reason and outcome.nit < run.epochs:
                run.stop(outcome.message)

    def _minimize(self, optimizer: LBFGS) -> Outcome:
        run = self.run
        assert run.source.whole is not None
        left = run.epochs - run.done
        return minimize(self.net, run.source.whole, optimizer, left, run.settings.penalties, self.record_iteration)

    def record_iteration(self, loss: float) -> bool:
        """Record an iteration of a minimizer as an epoch; tell whether it is to end."""
        run = self.run
        run.training.epoch += 1
        run.training.optimizer_epoch += 1
        run.training.step += 1
        run.training.optimizer_step += 1
        run.record(loss)
        self.progress.update(1, loss)
        self._pause(epoch_done=True)
        return bool(run.stop_reason)

    def _average(self, losses: np.ndarray, shares: np.ndarray) -> float:
        """Return an epoch's loss from its steps' losses: their mean, each by its share, or their sum."""
        mass = float(shares.sum())
        if not mass:
            raise InputError(
                f"the weights of all samples were 0 in epoch {self.run.epoch + 1}: there is nothing to learn from"
            )
        if self.net.loss.reduction == "sum":
            return float(losses.sum())
        return float((losses * shares).sum() / mass)

    # -- steps --------------------------------------------------------------------------------------------

    def _run_group(self, rows: np.ndarray) -> None:
        """Run steps of equal size within an epoch."""
        run, start = self.run, 0
        while start < len(rows):
            length = min(self._segment, len(rows) - start)
            if self.checkpointer is not None:
                length = min(length, self.checkpointer.count_steps_left(run))
            run.losses.append(self._run_steps(rows[start : start + length], length))
            start += length
            run.position += length
            if run.source.steps_per_epoch:
                self.progress.update(length / run.steps_per_epoch, None)
            self._pause(epoch_done=False)

    def _run_steps(self, order: np.ndarray | None, length: int) -> np.ndarray:
        """Run some steps of equal size; return their losses."""
        net, state, backend = self.net, self.run.training, self.net.backend
        steps = np.arange(state.optimizer_step, state.optimizer_step + length)
        rates = self.run.compute_unscaled_rates(steps)
        if state.rate_scale != 1.0:
            rates = rates * state.rate_scale
        coefficients = state.optimizer.coefficients_of_groups(steps, rates)
        numbers = backend.per_step(coefficients, net.dtype, constant=self._constant)
        n_keys = net.n_keys * self._count_batches(order)
        keys = backend.per_step(step_keys(net.seed, state.step, length, n_keys), "int32") if n_keys else None
        rows = None if order is None else backend.rows_per_step(self._take_own(order))
        program = self._make_program(order)
        began = time.perf_counter()
        carry = (net.params, state.slots, net.state)
        with backend.threads(net.count_work(self._count_rows(order)), updates=True):
            (params, state.slots, running), losses = program(carry, self._data, (rows, numbers, keys), length)
        net.adopt(params, running)
        state.step += length
        state.optimizer_step += length
        if length == self._segment:
            self._grow_segment(find_growth(time.perf_counter() - began))
        total = float(losses.sum())
        if not math.isfinite(total):
            self._check_losses(losses)
        elif total > LARGE_LOSS:
            self._check_slots()
        return losses

    def _count_batches(self, order: np.ndarray | None) -> int:
        """Return the batches of a step."""
        if self._batch is None:
            return 1
        return int(-(-self._count_step_rows(order) // self._batch))

    def _count_step_rows(self, order: np.ndarray | None) -> int:
        """Return the rows of a step, of all its batches."""
        if order is not None:
            return int(order.shape[1])
        assert self.run.source.rows is not None  # what is taken as a whole is in memory
        return self.run.source.rows

    def _count_rows(self, order: np.ndarray | None) -> int:
        """Return the rows of a batch; of a shorter one at the end of an epoch, those of the others."""
        if self.run.source.batch_size is not None:
            return self.run.source.batch_size
        if self._batch is not None:
            return self._batch
        assert order is not None  # batches that come as they are have an order within their block
        return int(order.shape[1])

    def _take_own(self, order: np.ndarray) -> np.ndarray:
        """Return the rows that each step takes here."""
        return order

    def _grow_segment(self, factor: int) -> None:
        self._segment *= factor

    @cached_property
    def _update(self) -> Update:
        """The optimizer's update, asked for once: a class may make a new function whenever it is asked."""
        return self.run.training.optimizer.update

    def _make_program(self, order: np.ndarray | None) -> Callable[..., tuple[Any, np.ndarray]]:
        """Return the loop over steps, compiled where the backend can; kept by the network for the next ``fit``."""
        net, optimizer, gather = self.net, self.run.training.optimizer, order is not None
        gather = gather and not isinstance(self._data, StepRows)
        penalties, clip, batch = self.run.settings.penalties, self.run.settings.clip, self._batch

        def make() -> Any:
            step = make_step(net, optimizer, penalties, clip, gather, batch)
            return net.backend.loop(step, pure=is_own(net, optimizer, penalties, clip))

        key = ("steps", self._update, optimizer.groups, penalties, clip, gather, batch)
        return net.keep_program(key, make)  # type: ignore[no-any-return]

    def _check_losses(self, losses: np.ndarray) -> None:
        """Raise if one of the losses of the steps just made is NaN or infinite."""
        bad, run = np.flatnonzero(~np.isfinite(losses)), self.run
        if not bad.size:
            return
        epoch, step = run.training.epoch + 1, run.position + int(bad[0])
        if run.whole_set:
            epoch, step = epoch + step, 0
        what = "batch" if run.settings.accumulate == 1 else "step"
        of = f" of {run.source.steps_per_epoch}" if run.source.steps_per_epoch else ""
        raise DivergenceError(
            f"the loss became {losses[bad[0]]} in epoch {epoch}, {what} {step + 1}{of}; try a "
            "lower learning rate, inputs and targets scaled to zero mean and unit variance, or clip=bpx.ClipNorm(1.0)"
        )

    def _check_slots(self) -> None:
        """Raise if the optimizer's sums of squared gradients overflowed: divided by infinity, no weight moves again."""
        xp = self.net.backend.xp
        for array in (array for arrays in self.run.training.slots for array in arrays):
            if not bool(xp.all(xp.isfinite(array))):
                self._report_large_gradients()

    def _report_large_gradients(self) -> None:
        raise DivergenceError(
            f"gradients in epoch {self.run.training.epoch + 1} are so large that {self.net.dtype} does not hold their "
            "squares, and no weight would move; scale inputs and targets to zero mean and unit variance"
        )

    # -- between steps ------------------------------------------------------------------------------------

    def _look_at_blocks(self, blocks: Iterable[Block]) -> Iterable[Block]:
        """Return the blocks of an epoch."""
        return blocks

    def _poll(self) -> None:
        """Called while a block is waited for."""
        self._check_for_interrupt()

    def _pause(self, epoch_done: bool) -> None:
        """Write a checkpoint that is due, and see whether Ctrl-C was pressed."""
        if self.checkpointer is not None:
            self.checkpointer.save_if_due(self.run, epoch_done)
        self._check_for_interrupt()

    def _check_for_interrupt(self) -> None:
        """If Ctrl-C was pressed, write a checkpoint and raise `Interrupted`."""
        if self.interrupts.caught:
            raise make_interrupted(self.run, self.checkpointer)
