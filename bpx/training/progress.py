"""The progress bar of a training: tqdm's, on standard error or in a notebook, and only where a person sees it."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from bpx.markup import is_notebook

PATIENCE_SECONDS = 1.0
"""A bar appears when a training has taken this long, unless it was asked for."""

REFRESH_SECONDS = 0.1
"""A bar is drawn anew at most this often: drawing it after each short epoch would take longer than the epoch."""


def _has_a_reader() -> bool:
    """Tell whether a person sees what is shown: standard error is a terminal, or a notebook runs this."""
    return is_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def _make_bar(**options: Any) -> Any:
    """Return a terminal's bar, or a notebook's, that leaves the program as it was.

    tqdm's own lock is one between processes, which fixes how `multiprocessing` starts them, and a thread of its own
    looks after its bars.
    """
    from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0

    Bar.set_lock(threading.RLock())
    return Bar(**options)


class Progress:
    """A bar of epochs that appears late or not at all.

    Parameters
    ----------
    wanted : bool or None
        Whether to show a bar; None: in a terminal or a notebook, and where the training takes a while.
    epochs : int
        Epochs to come.
    steps_per_epoch : int
        Steps of each.
    """

    def __init__(self, wanted: bool | None, epochs: int, steps_per_epoch: int) -> None:
        self.wanted = wanted
        self.epochs = epochs
        self.done = 0.0
        self._bar: Any = None
        self._began = time.perf_counter()
        self._drawn = 0.0
        self._loss: float | None = None
        somewhere = sys.stderr is not None or is_notebook()  # a program without a console has no standard error
        self._possible = _has_a_reader() if wanted is None else bool(wanted) and somewhere

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._show_loss()
            self._bar.close()

    def silence(self) -> None:
        """Show no bar: another process does."""
        self._possible = False

    def update(self, epochs: float, loss: float | None) -> None:
        """Say that some epochs, or a part of one, are done."""
        self.done += epochs
        self._loss = self._loss if loss is None else loss
        if not self._possible:
            return
        now = time.perf_counter()
        if self._bar is None:
            if not self.wanted and now - self._began < PATIENCE_SECONDS:
                return
            self._bar = _make_bar(
                total=self.epochs,
                unit="epoch",
                leave=bool(self.wanted),
                bar_format=("{l_bar}{bar}| {n:.0f}/{total} epochs [{elapsed}<{remaining}{postfix}]"),
            )
            self._bar.start_t -= now - self._began  # the epochs before it appeared count too
        self._bar.n = min(round(self.done, 2), self.epochs)
        if now - self._drawn < REFRESH_SECONDS:
            return
        self._drawn = now
        self._show_loss()
        self._bar.refresh()

    def _show_loss(self) -> None:
        if self._loss is not None:
            self._bar.set_postfix(loss=f"{self._loss:.4g}", refresh=False)
