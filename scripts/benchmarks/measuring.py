"""Time several ways of doing the same work in turn, so that a noisy machine disturbs all of them alike."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.steadiness import WATCH, Watch

SETTLE = 0.03
"""Seconds to wait before a block: the idle threads of the library before keep a core busy for about that long."""


@dataclass(frozen=True)
class Spread:
    """A median with the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the median and the quartiles of some values."""
        if len(values) < 3:
            return cls(statistics.median(values), min(values), max(values))
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high)


@dataclass
class Line:
    """What one peer did in one case: seconds per unit of work in each round, and the loss it ended with."""

    peer: str
    seconds: list[float] = field(default_factory=list)
    loss: float | None = None
    note: str = ""


@dataclass
class Case:
    """One comparison: the peers that did the same work, and those that are missing, with the reason."""

    name: str
    title: str
    unit: str
    scale: float = 1.0
    lines: dict[str, Line] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)
    disagreement: str = ""

    def ratio(self, peer: str, against: str) -> Spread | None:
        """Return the median and quartiles of the ratios of two peers, round by round; None where one is missing."""
        if peer not in self.lines or against not in self.lines:
            return None
        pairs = zip(self.lines[peer].seconds, self.lines[against].seconds, strict=True)
        return Spread.of([ours / theirs for ours, theirs in pairs])


def interleave(
    blocks: Mapping[str, Callable[[], object]], rounds: int, settle: float = SETTLE, watch: Watch = WATCH
) -> dict[str, list[float]]:
    """Run each block once a round, A B C, then C B A, and return the seconds of each by name.

    Parameters
    ----------
    blocks : mapping of str to callable
        The work of each peer. A block has to be finished, device and all, when it returns.
    rounds : int
        How often each of them runs, after one round that is not timed.
    settle : float
        Seconds to wait before each block.
    watch : Watch
        A round that begins or ends while the processors are far from each other does not count, as long as the
        watch's patience lasts.

    Returns
    -------
    dict of str to list of float
        Seconds of each block, in the order of the rounds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in blocks}
    order = list(blocks)
    left = watch.patience
    gc.collect()
    gc.freeze()  # what the libraries hold need not be looked through before each block
    try:
        for turn in range(rounds + 1):
            names = order if turn % 2 == 0 else order[::-1]
            counts = False
            while not counts:
                left -= watch.wait(left)
                taken = {name: _timed(blocks[name], settle) for name in names}
                counts = left <= 0.0 or watch.steady()
                if not counts:
                    watch.repeated += 1
                    left -= sum(taken.values())
            if turn:
                for name in order:
                    seconds[name].append(taken[name])
    finally:
        gc.unfreeze()
    return seconds


def _timed(block: Callable[[], object], settle: float) -> float:
    gc.collect()
    time.sleep(settle)
    start = time.perf_counter()
    block()
    return time.perf_counter() - start


def seconds_of(work: Callable[[], object], repeats: int = 3) -> float:
    """Return the shortest time of a few runs, to choose how much work a block gets."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def slope(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Return the slope of log seconds over log size, by least squares: 1 is linear growth, 2 quadratic."""
    if len(sizes) < 2:
        return math.nan
    fit = statistics.linear_regression([math.log(size) for size in sizes], [math.log(value) for value in seconds])
    return fit.slope
