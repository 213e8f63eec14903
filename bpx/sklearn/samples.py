"""Samples, their targets and weights on the network's device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bpx.backend.base import Array


@dataclass
class Samples:
    """Samples on the network's device.

    Attributes
    ----------
    x, y : array
    weight : array or None
        What each sample counts in the loss.
    score_weight : array or None
        What each counts in a score: the same without the weights of classes.
    given : array
        The samples as they came, whose library and device results are to have.
    """

    x: Array
    y: Array
    weight: Array | None
    score_weight: Array | None
    given: Any

    def take(self, xp: Any, rows: Array) -> Samples:
        """Return some of the samples."""
        arrays = (self.x, self.y, self.weight, self.score_weight)
        x, y, weight, score_weight = (None if a is None else xp.take(a, rows, axis=0) for a in arrays)
        return Samples(x, y, weight, score_weight, self.given)
