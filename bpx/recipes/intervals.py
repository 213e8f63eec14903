"""Prediction intervals: how far off a network was on rows that it never learned from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.arguments import check_number
from bpx.errors import FileFormatError, InputError
from bpx.tables.splitting import order_rows

__all__ = ["Residuals"]

Array = np.ndarray[Any, Any]

_KEPT = 2000
"""The most residuals that are kept; of more a random part, which says the same with a guarantee as good."""


@dataclass(frozen=True)
class Residuals:
    """Absolute errors on rows that no weight was learned from, and what they say of new rows.

    The interval of a prediction is ``prediction +- q``, where q is the ``ceil((n + 1) * coverage)``-th smallest of n
    errors: split conformal prediction. If the rows were held out of everything, and they and the new row are
    exchangeable (drawn alike, in any order), the interval holds the truth with a probability of at least ``coverage``,
    over the draw of all of them, whatever the network and the distribution are; and of at most ``coverage + 1/(n + 1)``
    where no two errors are equal.

    Parameters
    ----------
    errors : tuple of float
        In ascending order, in the units of the target; at least one.
    held_out : bool
        Whether the rows were held out of everything. Rows that also chose when to stop, as those that the networks of
        an ensemble set aside, carry no guarantee; as each error is that of one network, or of the mean of three, and
        that of the mean of all is smaller, the intervals tend to be wide rather than narrow.

    References
    ----------
    V. Vovk, A. Gammerman, G. Shafer, "Algorithmic learning in a random world", 2005.
    J. Lei, M. G'Sell, A. Rinaldo, R. J. Tibshirani, L. Wasserman, "Distribution-free predictive inference for
    regression", 2018, theorem 2.

    Examples
    --------
    >>> from bpx.recipes.intervals import Residuals
    >>> Residuals.of([3.0, -1.0, 0.5, 2.0], held_out=True).find_width(0.6)
    2.0
    """

    errors: tuple[float, ...]
    held_out: bool

    @classmethod
    def of(cls, errors: Any, *, held_out: bool, seed: int = 0) -> Residuals:
        """Return what errors of predictions say, of either sign."""
        sizes = np.abs(np.asarray(errors, dtype=np.float64).reshape(-1))
        if len(sizes) > _KEPT:
            sizes = sizes[order_rows(seed, len(sizes))[:_KEPT]]
        return cls(tuple(np.sort(sizes).tolist()), held_out)

    def find_width(self, coverage: float) -> float:
        """Return q, half the width of the interval that holds a share of new rows.

        Raises
        ------
        InputError
            If the share is not between 0 and 1, or so near to 1 that the errors are too few for it.
        """
        check_number("coverage", coverage, above=0.0, below=1.0)
        place = math.ceil((len(self.errors) + 1) * coverage - 1e-9)
        if place > len(self.errors):
            n = len(self.errors)
            needed, highest = math.ceil(coverage / (1.0 - coverage) - 1e-9), math.floor(1000 * n / (n + 1)) / 1000
            raise InputError(
                f"a coverage of {coverage:g} needs {needed:,} rows that were held out, and there are {n:,}: at most "
                f"{highest:g} can be had"
            )
        return self.errors[place - 1]

    def to_dict(self) -> dict[str, Any]:
        """Return the errors as plain data."""
        return {"errors": list(self.errors), "held_out": self.held_out}

    @classmethod
    def from_dict(cls, data: Any) -> Residuals:
        """Build them again from what `to_dict` gave.

        Raises
        ------
        FileFormatError
            If the data is not what `to_dict` writes.
        """
        try:
            errors, held_out = tuple(float(error) for error in data["errors"]), data["held_out"]
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"the errors on held-out rows cannot be read: {error}") from error
        sound = errors and all(math.isfinite(e) and e >= 0.0 for e in errors) and list(errors) == sorted(errors)
        if not sound or not isinstance(held_out, bool):
            raise FileFormatError("the errors on held-out rows are not finite numbers in ascending order")
        return cls(errors, held_out)
