"""How the columns of one table are encoded: where features go, what happens to gaps and unseen values, what is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.errors import InputError
from bpx.tables.facts import Facts
from bpx.tables.messages import counted, in_row, shown
from bpx.tables.notation import find_gap_words
from bpx.tables.values import refuse_rows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Encoding", "MatrixWriter", "Writer"]

Array = np.ndarray[Any, Any]

Writer = Callable[[slice, Array], None]
"""Writes the features of one column for some rows of its table, given these rows and their block, which is all 0."""

_ROWS_A_BLOCK = 2**13
_FEATURES_A_BLOCK = 16
"""Features that are written at a time, or more where one column has more. A row of the matrix is gone through once for
these: one feature alone takes as much memory traffic as all of them."""


class MatrixWriter:
    """Writes the features of columns into a matrix, the columns one after the other.

    What a column is made of is let go once its features are written, so that little more than the matrix takes memory.

    Parameters
    ----------
    x : array, shape (rows, features)
        The matrix.
    places : array of int or None
        The row of the matrix that each row of the table has; None where it is the same.
    """

    def __init__(self, x: Array, places: Array | None = None) -> None:
        self.x, self.places = x, places
        self._start = self._stop = 0
        self._waiting: list[tuple[slice, Writer]] = []

    def add(self, width: int, writer: Writer) -> None:
        """Take the next column, of so many features; they are written at the latest when `finish` is called."""
        self._waiting.append((slice(self._stop - self._start, self._stop - self._start + width), writer))
        self._stop += width
        if self._stop - self._start >= _FEATURES_A_BLOCK:
            self.finish()

    def finish(self) -> None:
        """Write what is not yet written."""
        for first in range(0, len(self.x), _ROWS_A_BLOCK):
            rows = slice(first, min(first + _ROWS_A_BLOCK, len(self.x)))
            block = np.zeros((rows.stop - first, self._stop - self._start), self.x.dtype)
            with np.errstate(over="ignore"):  # what float32 does not hold becomes infinite, which training refuses
                for features, writer in self._waiting:
                    writer(rows, block[:, features])
            self.x[rows if self.places is None else self.places[rows], self._start : self._stop] = block
        self._start = self._stop
        self._waiting.clear()


@dataclass
class Encoding:
    """How to encode, the same for every column of a table.

    Parameters
    ----------
    impute : bool
        Whether missing values are filled with what the column learned, or refused.
    ignore_unseen : bool
        Whether a category that training never saw is none of the categories, or refused.
    notes : list of str
        Gets a line about each column with unseen categories.
    strict : bool
        Whether a gap in a column that had none in training is filled without a word, and words for a gap are refused.
    facts : Facts
        Gets what was decided about single columns, which is told in one line a topic.
    """

    impute: bool
    ignore_unseen: bool
    notes: list[str]
    strict: bool = True
    facts: Facts = field(default_factory=Facts)

    def check_missing(self, what: str, missing: Array, name: str = "", flagged: bool = False) -> None:
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
        """
        if not missing.any():
            return
        if not self.impute:
            where = in_row(int(missing.argmax()), int(missing.sum()))
            raise InputError(
                f"{what}: a value is missing {where}, and this preprocessing refuses them; fill them in, "
                "or train again with missing='impute' (--missing impute)"
            )
        if not self.strict and not flagged:
            self.facts.add("new gaps", name, counted(int(missing.sum()), "value"))

    def check_texts(self, texts: pl.Series, unread: Array, name: str, expected: str, *, odd: bool) -> None:
        """Refuse text that could not be read, unless it says that there is no value.

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
        if self.strict or not self.impute or not (odd or find_gap_words(words).all()):
            refuse_rows(texts, unread, f"column {shown(name)}", expected)
        self.facts.add("odd", name, ", ".join(shown(word) for word in words.unique(maintain_order=True)[:3]))
