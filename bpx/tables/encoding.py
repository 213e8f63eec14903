"""How the columns of a table are encoded: where features go, what happens to gaps and unseen values, what is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.errors import InputError
from bpx.tables.messages import in_row, listed, shown
from bpx.tables.notation import find_gap_words
from bpx.tables.tally import Tally
from bpx.tables.values import refuse_rows

if TYPE_CHECKING:
    import polars as pl

    from bpx.tables.dates import Orders
    from bpx.tables.inferring import Decimal

__all__ = ["Encoding", "MatrixWriter", "Writer"]

Array = np.ndarray[Any, Any]

Writer = Callable[[slice, Array], None]
"""Writes the features of one column for some rows of its table, given these rows and their block, which is all 0."""

_FEATURES_A_BLOCK = 16
"""Features that are written at a time, or more where one column has more. A row of the matrix is gone through once for
these: one feature alone takes as much memory traffic as all of them."""

_VALUES_A_BLOCK = 2**19
"""Values of the matrix that are made at a time, and lie in a cache until they are all there."""


class MatrixWriter:
    """Writes the features of columns into a matrix, side by side, in the order in which the columns are added.

    Parameters
    ----------
    x : array, shape (rows, features)
        The matrix, all of whose features are added in the end.
    places : array of int, shape (rows,), or None
        The row of the matrix that each row of the table has; None where it is the same.
    wait : bool
        Whether nothing is written before `finish`. As each row of a matrix lies in one piece, its first features alone
        take the memory of all: what the columns were made from can be free by then. Otherwise some columns are written
        at a time, and what writes them is let go.
    """

    def __init__(self, x: Array, places: Array | None = None, *, wait: bool = False) -> None:
        self.x, self.places = x, places
        self._most = x.shape[1] if wait else _FEATURES_A_BLOCK
        self._start = self._stop = 0
        self._waiting: list[tuple[slice, Writer]] = []

    def add(self, width: int, writer: Writer) -> None:
        """Take the next column, of so many features; they are written at the latest when `finish` is called."""
        self._waiting.append((slice(self._stop - self._start, self._stop - self._start + width), writer))
        self._stop += width
        if self._stop - self._start >= self._most:
            self.finish()

    def finish(self) -> None:
        """Write what is not yet written."""
        width = self._stop - self._start
        step = max(_VALUES_A_BLOCK // max(width, 1), 1)
        for first in range(0, len(self.x), step):
            rows = slice(first, min(first + step, len(self.x)))
            block = np.zeros((rows.stop - first, width), self.x.dtype)
            for features, writer in self._waiting:
                writer(rows, block[:, features])
            self.x[rows if self.places is None else self.places[rows], self._start : self._stop] = block
        self._start = self._stop
        self._waiting.clear()


@dataclass
class Encoding:
    """How to encode, the same for every column of a table and for every part of it.

    Parameters
    ----------
    impute : bool
        Whether missing values are filled with what the column learned, or refused.
    ignore_unseen : bool
        Whether a category that training never saw is none of the categories, or refused.
    strict : bool
        Whether the preprocessing is: numbers are written plainly then, and a gap in a column that had none in training
        is filled without a word.
    refuse_unread : bool
        Whether a cell that cannot be read as training read its column is refused, or missing.
    fitted_here : bool
        Whether the preprocessing was fitted to this table, and has told what cannot be read.
    decimal : {".", ","}
        What stands before decimals in columns whose numbers are written plainly.
    turned : frozenset of str
        Columns of dates whose day and month come in the other order than in training.
    tally : Tally
        Gets what was found.
    orders : dict
        Gets, for each column of dates, in which order its days and months are.
    extra : tuple of str
        Columns that are not used, because training had none such.
    dtype : str
        The type of the features: what is computed in float64 is rounded to it.
    """

    impute: bool
    ignore_unseen: bool
    strict: bool = True
    refuse_unread: bool = True
    fitted_here: bool = False
    decimal: Decimal = "."
    turned: frozenset[str] = frozenset()
    tally: Tally = field(default_factory=Tally)
    orders: dict[str, Orders] = field(default_factory=dict)
    extra: tuple[str, ...] = ()
    dtype: str = "float64"

    def round(self, values: Array) -> Array:
        """Return numbers in the type of the features; what float32 does not hold becomes infinite."""
        with np.errstate(over="ignore"):  # training refuses what is infinite
            return values.astype(self.dtype, copy=False)

    def begin_again(self, turned: frozenset[str]) -> Encoding:
        """Return the same way to encode for a second pass, in which dates of some columns are read otherwise."""
        return replace(self, turned=self.turned | turned, tally=Tally(), orders={}, extra=())

    def find_turned(self, orders: Mapping[str, bool | None]) -> frozenset[str]:
        """Return the columns of dates that are to be read anew, because their days and months are the other way round.

        Parameters
        ----------
        orders : dict from str to bool or None
            The columns of dates, and whether training had the day first; None where its dates did not say it.
        """
        return frozenset(
            name
            for name, found in self.orders.items()
            if name not in self.turned and found.contradict(day_first=orders[name])
        )

    def tell(self, names: Sequence[str]) -> list[str]:
        """Return what the user should know, a line each, the columns in the order of these names."""
        for name, found in self.orders.items():
            if not found.ambiguous:
                self.tally.settle("either way", name)
        unused = [f"not used, because training had no such column: {listed(self.extra)}"] if self.extra else []
        return unused + self.tally.tell(names)

    def check_missing(
        self, what: str, missing: Array, name: str = "", flagged: bool = False, told: Array | None = None
    ) -> None:
        """Refuse missing values, unless they are to be filled; tell of those that the network cannot know of.

        Parameters
        ----------
        what : str
            What the column is, for the message.
        missing : array of bool, shape (rows,)
            Where a value is missing.
        name : str
            The column.
        flagged : bool
            Whether a feature says where values are missing, because training had such rows.
        told : array of bool, shape (rows,), optional
            Where the user is told of a gap already.
        """
        if not missing.any():
            return
        if not self.impute:
            where = in_row(int(missing.argmax()), int(missing.sum()))
            raise InputError(
                f"{what}: a value is missing {where}, and this preprocessing refuses them; fill them in, "
                "or train again with missing='impute' (--missing impute)"
            )
        new = 0 if self.strict or flagged else int((missing if told is None else missing & ~told).sum())
        if new:
            self.tally.add("new gaps", name, new)

    def check_texts(self, texts: pl.Series, unread: Array, name: str, expected: str, *, odd: bool = False) -> None:
        """Tell of text that could not be read, and is missing; refuse it where that is asked for.

        Parameters
        ----------
        texts : polars.Series
            The column as it came.
        unread : array of bool, shape (rows,)
            Where a text could not be read.
        name : str
            The column.
        expected : str
            What was expected.
        odd : bool
            Whether training had such texts too, and took them for gaps.
        """
        if not unread.any():
            return
        words = texts.filter(unread)
        gaps = find_gap_words(words).to_numpy()
        if self.strict or not self.impute or (self.refuse_unread and not odd and not gaps.all()):
            faulty = unread.copy()
            if not self.strict and not gaps.all():
                faulty[unread] = ~gaps  # a word for a gap is not what is wrong
            refuse_rows(texts, faulty, f"column {shown(name)}", expected)
        if not self.fitted_here:
            examples = map(shown, words.unique(maintain_order=True).head(3))
            self.tally.add("unread", name, int(unread.sum()), examples)
