"""Columns that tell rows apart and nothing else: counters, keys, names, text that hardly comes again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl

__all__ = ["find_key", "find_many_texts"]

_FEW_ROWS = 10
"""Fewer values than this may all differ by chance."""

_SOME_ROWS = 20
_KEYS = frozenset(
    [
        "id", "ids", "idx", "index", "key", "uuid", "guid", "no", "nr", "nbr", "row", "rows", "rownames",
        "rowid", "serial", "sno", "unnamed",
    ]
)  # fmt: skip
_TIMES = frozenset(
    [
        "year", "years", "yr", "month", "week", "day", "days", "date", "time", "hour", "hours", "minute",
        "second", "seconds", "age", "t",
    ]
)  # fmt: skip

_LEAST_LARGE = 10_000
"""Numbers that are drawn evenly from a range that ends below this may be measured."""

_EVENLY = 1.36
"""The Kolmogorov-Smirnov statistic times the root of the number of values that 5 in 100 samples exceed."""


def find_key(series: pl.Series) -> str:
    """Say why a column of integers identifies its rows; nothing if it does not.

    Its values are all there and all different, and it is named like a key or has no name, or they rise from row to row,
    or they fill their range, or they are large and spread over it as evenly as numbers that are handed out. The name of
    a measure of time keeps it. Floats that all differ are measured, and this is not for them.
    """
    count = len(series)
    if series.null_count() or count < _FEW_ROWS or series.n_unique() < count:
        return ""
    words = _split_words(series.name)
    if not words or words & _KEYS:
        return "all different"
    if words & _TIMES:
        return ""
    values = series.to_numpy().astype(np.float64)
    steps, low, high = np.diff(values), float(values.min()), float(values.max())
    if (steps == 1).all():
        return "counting up"
    if count < _SOME_ROWS:
        return ""
    if (steps > 0).all():
        return "rising from row to row"
    if high - low + 1 <= 1.25 * count:
        return "all different, each number of its range"
    if low >= 0 and high >= _LEAST_LARGE:
        places = (np.sort(values) - low) / (high - low)
        if np.abs(places - np.arange(count) / (count - 1)).max() < _EVENLY / np.sqrt(count):
            return "all different, spread like numbers that are handed out"
    return ""


def find_many_texts(texts: pl.Series) -> str:
    """Say why text is no set of categories, because its values hardly come again; nothing if it is one.

    Parameters
    ----------
    texts : polars.Series
        The column, spaces taken off, null where it is missing.
    """
    values = texts.drop_nulls()
    count, different = len(values), values.n_unique()
    if count >= _FEW_ROWS and different == count:
        return "all different"
    if different > max(_SOME_ROWS, count // 2):
        return f"{different:,} different texts in {count:,} rows"
    return ""


def _split_words(name: str) -> set[str]:
    """Split a name such as ``customerID`` or ``row_names`` into words of small letters."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return set(re.findall(r"[a-z]+", spaced.lower())) | ({"rownames"} if name.lower() == "row_names" else set())
