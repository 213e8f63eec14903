"""Wait until the machine's processors work together as well as they have before.

On a virtual machine a small product that two threads share was seen to take 1.5 times as long for a minute or so at a
time, while what one thread does took the same time as ever: as if the host had moved the processors away from each
other. A ratio then moves with the share of such work on either side. The rounds of a comparison are made in one state,
the better one.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

TOLERANCE = 1.25
"""The probe's time over its shortest, from which on the processors are taken to be far from each other."""

PAUSE = 0.5
"""Seconds between two probes while waiting."""


@lru_cache(maxsize=1)
def _operands() -> tuple[np.ndarray, np.ndarray]:
    import numpy as np  # once the number of its threads is set

    rng = np.random.default_rng(0)
    return rng.standard_normal((64, 784), dtype=np.float32), rng.standard_normal((784, 128), dtype=np.float32)


def product_seconds() -> float:
    """Return the time of a product that NumPy shares among all threads: large enough to be shared, and not by far."""
    a, b = _operands()
    seconds = []
    for _ in range(9):
        start = time.perf_counter()
        for _ in range(20):
            a.dot(b)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) / 20


class Watch:
    """What the probe has shown so far in this process.

    Parameters
    ----------
    probe : callable
        Returns seconds that grow as the processors' distance does.
    pause : float
        Seconds between two probes while waiting.

    Attributes
    ----------
    patience : float
        Seconds that one comparison may spend on waiting and on rounds that do not count; 0, as at the start: none, and
        nothing is probed.
    best : float
        Shortest time of the probe.
    waited : float
        Seconds spent on waiting so far.
    repeated : int
        Rounds that did not count so far.
    """

    def __init__(self, probe: Callable[[], float] = product_seconds, pause: float = PAUSE) -> None:
        self.probe, self.pause = probe, pause
        self.patience = 0.0
        self.best = float("inf")
        self.waited = 0.0
        self.repeated = 0

    def begin(self, patience: float, look: float) -> None:
        """Set the patience, and probe for some seconds, or until both states have been seen."""
        self.patience = patience
        end, worst = time.perf_counter() + look, 0.0
        while time.perf_counter() < end and worst <= TOLERANCE * self.best:
            seconds = self.probe()
            self.best, worst = min(self.best, seconds), max(worst, seconds)
            time.sleep(self.pause)

    def steady(self) -> bool:
        """Probe, and tell whether the processors are as near each other as they have been."""
        seconds = self.probe()
        self.best = min(self.best, seconds)
        return seconds <= TOLERANCE * self.best

    def wait(self, seconds: float) -> float:
        """Wait until they are, for at most some seconds; return the seconds that it took."""
        start = time.perf_counter()
        while time.perf_counter() - start < seconds and not self.steady():
            time.sleep(self.pause)
        elapsed = time.perf_counter() - start
        self.waited += elapsed
        return elapsed


WATCH = Watch()
"""The one of this process: all comparisons share its processors."""
