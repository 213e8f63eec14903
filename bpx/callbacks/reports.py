"""Callbacks that tell a person, or remember for one: lines of progress, and the learning rates."""

from __future__ import annotations

import sys
from typing import IO, Any

import numpy as np

from bpx.arguments import check_choice, check_count
from bpx.errors import InputError
from bpx.markup import escape_controls
from bpx.training.callback import Callback, Run


class ProgressPrinter(Callback):
    """Print a line with the numbers of an epoch: for logs, where a progress bar has no place.

    Parameters
    ----------
    every : int
        Epochs between two lines, at least 1; the last epoch has one in any case.
    file : text file or None
        Where to; None is standard error.

    See Also
    --------
    CSVLog : Write the numbers of each epoch as CSV.
    LearningRateRecorder : Record the learning rate of each epoch.

    Examples
    --------
    >>> import sys, bpx
    >>> net = bpx.mlp([2, 4, 1], loss="squared_error", seed=0)
    >>> printer = bpx.ProgressPrinter(every=2, file=sys.stdout)
    >>> history = net.fit(*bpx.datasets.xor(), epochs=2, callbacks=[printer])
    epoch 2/2: loss 2.103
    """

    def __init__(self, every: int = 1, file: IO[str] | None = None) -> None:
        self.every = check_count("every", every)
        self.file = file

    def on_epoch_end(self, run: Run) -> None:
        last = run.done == run.epochs or run.stop_reason
        if run.done % self.every and not last:
            return
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in run.logs.items())
        print(escape_controls(f"epoch {run.done}/{run.epochs}: {numbers}"), file=self.file or sys.stderr, flush=True)
        if run.stop_reason:
            print(escape_controls(run.stop_reason), file=self.file or sys.stderr, flush=True)


class LearningRateRecorder(Callback):
    """Remember the learning rates of a training.

    Parameters
    ----------
    every : str
        "epoch" for the rate of each epoch's last step, "step" for all.

    Attributes
    ----------
    rates : list of float
        The rates, the scale of `ReduceOnPlateau` included.

    See Also
    --------
    Schedule : What every schedule does; the parent of your own.
    ReduceOnPlateau : Lower the rate where nothing improves.
    History : The numbers of each epoch.

    Examples
    --------
    >>> import bpx
    >>> recorder = bpx.LearningRateRecorder()
    >>> optimizer = bpx.SGD(bpx.StepDecay(0.4, every=1, factor=0.5))
    >>> net = bpx.mlp([2, 4, 1], loss="squared_error")
    >>> history = net.fit(*bpx.datasets.xor(), epochs=3, optimizer=optimizer, callbacks=[recorder])
    >>> recorder.rates
    [0.4, 0.2, 0.1]
    """

    def __init__(self, every: str = "epoch") -> None:
        self.every = check_choice("every", every, ("epoch", "step"))
        self.rates: list[float] = []
        self._next = 0

    def on_train_begin(self, run: Run) -> None:
        self.rates, self._next = [], run.training.optimizer_step

    def on_epoch_end(self, run: Run) -> None:
        done = run.training.optimizer_step
        first = self._next if self.every == "step" else done - 1
        self.rates += run.compute_learning_rates(np.arange(first, done)).tolist()
        self._next = done

    def state_dict(self) -> dict[str, Any]:
        return {"rates": np.array(self.rates, dtype=np.float64), "next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        following = check_count("next", state["next"], 0)
        if following > self._next:
            raise InputError(f"next must be at most {self._next}, got {following}")
        self.rates, self._next = state["rates"].tolist(), following
