"""The progress bar of a training: tqdm's, on standard error, and only where a person sees it."""

from __future__ import annotations

import sys
import time
from typing import Any

PATIENCE_SECONDS = 1.0
"""A bar appears when a training has taken this long, unless it was asked for."""


class Progress:
    """A bar of epochs that appears late or not at all.

    Parameters
    ----------
    wanted : bool or None
        Whether to show a bar; None: where standard error is a terminal and the training takes a while.
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
        self._possible = sys.stderr.isatty() if wanted is None and sys.stderr is not None else bool(wanted)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, epochs: float, loss: float | None) -> None:
        """Say that some epochs, or a part of one, are done."""
        self.done += epochs
        if not self._possible:
            return
        if self._bar is None:
            if not self.wanted and time.perf_counter() - self._began < PATIENCE_SECONDS:
                return
            from tqdm import tqdm

            self._bar = tqdm(
                total=self.epochs,
                unit="epoch",
                leave=bool(self.wanted),
                bar_format=("{l_bar}{bar}| {n:.0f}/{total} epochs [{elapsed}<{remaining}{postfix}]"),
            )
        self._bar.n = min(round(self.done, 2), self.epochs)
        if loss is not None:
            self._bar.set_postfix(loss=f"{loss:.4g}", refresh=False)
        self._bar.refresh()
