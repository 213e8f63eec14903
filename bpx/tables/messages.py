"""The wording that the errors of this package share: values shown short, names listed, the nearest spelling."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = ["counted", "in_row", "listed", "nearest", "shown"]

_LONGEST_VALUE = 40
_LONGEST_LIST = 20


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
    return f"in row {first + 1:,}{more}"


def nearest(given: str, names: Sequence[str]) -> str:
    """Say which name was probably meant, or nothing when none is close."""
    folded = {name.casefold().strip(): name for name in reversed(names)}
    close = difflib.get_close_matches(given.casefold().strip(), folded, n=1)
    return f" (did you mean {shown(folded[close[0]])}?)" if close else ""
