"""Callbacks that tell a person, or remember for one: lines of progress, and the learning rates."""

from __future__ import annotations

import sys
from collections import deque
from typing import IO, Any

import numpy as np

from bpx.arguments import check_choice, check_count
from bpx.errors import InputError
from bpx.markup import escape_controls, is_notebook, make_paragraph, make_table, show_in_notebook
from bpx.training.callback import Callback, Run

MAX_ROWS = 20
"""Epochs that a notebook's table shows: the latest."""


class ProgressPrinter(Callback):
    """Print a line with the numbers of an epoch: for logs, where a progress bar has no place.

    A notebook shows a table in place of the lines, which follows the training, unless a file is given.

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
        self._forget()

    def _forget(self) -> None:
        self._rows: deque[tuple[str, ...]] = deque(maxlen=MAX_ROWS)
        self._names: tuple[str, ...] = ()
        self._end = ""
        self._shown: Any = None

    def on_train_begin(self, run: Run) -> None:
        self._forget()

    def on_epoch_end(self, run: Run) -> None:
        last = run.done == run.epochs or run.stop_reason
        if run.done % self.every and not last:
            return
        place, self._end = f"{run.done}/{run.epochs}", run.stop_reason
        self._names = tuple(run.logs)
        self._rows.append((place, *(f"{value:.4g}" for value in run.logs.values())))
        if self.file is None and is_notebook():
            self._show()
            return
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in run.logs.items())
        print(escape_controls(f"epoch {place}: {numbers}"), file=self.file or sys.stderr, flush=True)
        if run.stop_reason:
            print(escape_controls(run.stop_reason), file=self.file or sys.stderr, flush=True)

    def on_train_end(self, run: Run) -> None:
        self._shown = None

    def _show(self) -> None:
        if self._shown is None:
            self._shown = show_in_notebook(self)
        else:
            self._shown.update(self)

    def _repr_html_(self) -> str:
        """Return the numbers of the latest epochs of the last training that had a line."""
        table = make_table(("epoch", *self._names), self._rows)
        return table + (make_paragraph(self._end) if self._end else "")


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
