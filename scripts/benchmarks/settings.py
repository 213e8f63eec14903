"""How long and how often things are timed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Lengths of a full run; `quick` and `tiny` are shorter ones.

    Attributes
    ----------
    rounds : int
        Timed rounds of each comparison; its ratios are medians over them.
    block : float
        Seconds that hand-written NumPy works in one block of a comparison by the step: what a fit does once, about two
        milliseconds, is to be a small part of it.
    sgd_block : float
        The same for SGD, whose ratios are the nearest to their limits.
    xor_epochs : int
        Epochs in one block of XOR: those of the notebook.
    rows : int
        Rows of the large data set.
    everyone : bool
        Time peers that no target needs too; of these ``torch.compile`` alone takes a quarter of a minute for a network.
    sizes : int
        How many of the five sizes are timed.
    points : int
        At how many sizes along each axis growth is timed, at most.
    look : float
        Seconds to look at the start at how near the processors are to each other (see `benchmarks.steadiness`).
    patience : float
        Seconds that a comparison may wait until they are as near as they have been.
    """

    rounds: int = 11
    block: float = 0.12
    sgd_block: float = 0.3
    xor_epochs: int = 10_000
    rows: int = 60_000
    everyone: bool = True
    sizes: int = 5
    points: int = 6
    look: float = 60.0
    patience: float = 180.0

    @classmethod
    def quick(cls) -> Settings:
        """Return settings for a run of less than two minutes on two cores."""
        return cls(
            rounds=3, block=0.02, sgd_block=0.02, xor_epochs=1_000, everyone=False, points=2, look=0.0, patience=0.0
        )

    @classmethod
    def tiny(cls) -> Settings:
        """Return settings that time nothing well and only show that everything runs."""
        return cls(
            rounds=2, block=0.001, sgd_block=0.001, xor_epochs=20, rows=640, sizes=1, points=2, look=0.0, patience=0.0
        )


LEFT_OUT = "left out by --quick: no target needs it"


def chosen(names: Sequence[str], extra: Sequence[str], settings: Settings) -> tuple[list[str], dict[str, str]]:
    """Return the peers to time, without the extra ones in a quick run, and those left out with the reason."""
    out = {} if settings.everyone else {name: LEFT_OUT for name in names if name in extra}
    return [name for name in names if name not in out], out


def say(text: str) -> None:
    """Tell on standard error what is being timed."""
    print(text, file=sys.stderr, flush=True)
