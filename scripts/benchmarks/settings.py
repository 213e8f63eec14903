"""How long and how often things are timed."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """Lengths of a full run; `quick` and `tiny` are shorter ones.

    Attributes
    ----------
    rounds : int
        Timed rounds of each comparison; its ratios are medians over them.
    block : float
        Seconds that hand-written NumPy works in one block of a comparison by the step.
    xor_epochs : int
        Epochs in one block of XOR: those of the notebook.
    rows : int
        Rows of the large data set.
    compiled : bool
        Wait for ``torch.compile`` (a quarter of a minute for each network).
    sizes : int
        How many of the five sizes are timed.
    points : int
        At how many sizes along each axis growth is timed, at most.
    """

    rounds: int = 11
    block: float = 0.06
    xor_epochs: int = 10_000
    rows: int = 60_000
    compiled: bool = True
    sizes: int = 5
    points: int = 6

    @classmethod
    def quick(cls) -> Settings:
        """Return settings for a run of less than two minutes on two cores."""
        return cls(rounds=3, block=0.02, xor_epochs=1_000, compiled=False, points=3)

    @classmethod
    def tiny(cls) -> Settings:
        """Return settings that time nothing well and only show that everything runs."""
        return cls(rounds=2, block=0.001, xor_epochs=20, rows=640, compiled=False, sizes=1, points=2)


def say(text: str) -> None:
    """Tell on standard error what is being timed."""
    print(text, file=sys.stderr, flush=True)
