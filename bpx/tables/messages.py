"""The wording that the errors of this package share: values shown short, names listed, the nearest spelling."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar

__all__ = ["counted", "in_row", "listed", "nearest", "number_row", "number_rows", "shown"]

_LONGEST_VALUE = 40
_LONGEST_LIST = 20

_places: ContextVar[Sequence[int] | int] = ContextVar("_places", default=0)
"""Where the rows at hand stand in their table: the place of each, or that of the first."""


def shown(value: object) -> str:
    """Write one value on one line, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 4]}...{text[-1]}"


def listed(names: Iterable[object]) -> str:
    """Write names one after the other, and only how many there are after the first twenty."""
    every = list(names)
    text = ", ".join(shown(name) for name in every[:_LONGEST_LIST])
    return text if len(every) <= _LONGEST_LIST else f"{text}, ... ({len(every):,} in all)"


def counted(count: int, noun: str) -> str:
    """Write a number with its noun: ``1 row``, ``2,000 rows``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def in_row(first: int, count: int) -> str:
    """Say where a fault is: its first row, counted from 1 below the header, and how many rows have it.

    Parameters
    ----------
    first : int
        Index of the first faulty row, from 0.
    count : int
        How many rows are faulty.
    """
    more = "" if count == 1 else f" (and {counted(count - 1, 'more row')})"
    return f"in row {number_row(first):,}{more}"


def number_row(index: int) -> int:
    """Return the number of a row in its table, from 1 below the header, given its index among the rows at hand."""
    places = _places.get()
    return 1 + (places + index if isinstance(places, int) else int(places[index]))


@contextlib.contextmanager
def number_rows(places: Sequence[int] | int) -> Iterator[None]:
    """Have messages in this block number rows as their table does, of which only some are at hand.

    Parameters
    ----------
    places : sequence of int, or int
        The index of each row in the table; or that of the first, where one follows another.
    """
    token = _places.set(places)
    try:
        yield
    finally:
        _places.reset(token)


def nearest(given: str, names: Sequence[str]) -> str:
    """Say which name was probably meant, or nothing when none is close."""
    folded = {name.casefold().strip(): name for name in reversed(names)}
    close = difflib.get_close_matches(given.casefold().strip(), folded, n=1)
    return f" (did you mean {shown(folded[close[0]])}?)" if close else ""
