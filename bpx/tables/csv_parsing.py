"""Parsing CSV with polars, where each row has the width of the header and no value is lost.

Polars fills short rows with nulls without a word, so the structure of the file is looked at first: each byte once, by
NumPy. What is not regular is for `bpx.tables.csv_rows`, which is slower and knows the line of a fault.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl

__all__ = ["MISSING_MARKERS", "infer_type", "parse_regular"]

MISSING_MARKERS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "?")
"""What stands for a missing value in a CSV file, spaces around it not counted."""

_BYTES_A_BLOCK = 2**20
_ROWS_TO_INFER_FROM = 10_000
_LEADING_ZERO = r"^[+-]?0\d"
_DIGITS = 310
"""Integers of more digits than this are out of the range of float64."""

_QUOTE, _LINE_FEED, _RETURN, _ZERO, _NINE = b'"\n\r09'
_EXACT_INTEGERS = 2.0**53


def parse_regular(
    path: Path, separator: str, names: Sequence[str], *, text: Collection[str], verbatim: Collection[str]
) -> pl.DataFrame | None:
    """Parse a CSV file whose rows all have the width of its header; give None for any other.

    Columns get the types that `infer_type` gives them. Those that polars' own typing cannot harm are left to it.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    separator : str
        What stands between values.
    names : sequence of str
        The names in its header, two or more.
    text, verbatim : collection of str
        Columns that stay text; see `bpx.tables.csv_reading.read_csv`.
    """
    import polars as pl

    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if data.endswith((b"\n\n", b"\n\r\n")):
        data = data.rstrip(b"\r\n")
    zeros = _find_leading_zeros(np.frombuffer(data, np.uint8), ord(separator), len(names)) if len(names) > 1 else None
    if zeros is None:
        return None
    how: dict[str, Any] = {"separator": separator, "raise_if_empty": False}
    typed = [i for i, name in enumerate(names) if i not in zeros and name not in text and name not in verbatim]
    series: dict[int, pl.Series] = {}
    try:
        if typed:
            try:
                frame = pl.read_csv(
                    data,
                    columns=typed,
                    null_values=list(MISSING_MARKERS),
                    infer_schema_length=_ROWS_TO_INFER_FROM,
                    **how,
                )
                series = _keep_lossless(dict(zip(typed, frame.get_columns(), strict=True)))
            except pl.exceptions.ComputeError:  # a later row is of another type
                series = {}
        rest = [i for i in range(len(names)) if i not in series]
        if rest:
            frame = pl.read_csv(data, columns=rest, infer_schema=False, **how)
            for i, column in zip(rest, frame.get_columns(), strict=True):
                series[i] = infer_type(column, text=names[i] in text, verbatim=names[i] in verbatim)
    except pl.exceptions.PolarsError:
        return None
    return pl.DataFrame([series[i].alias(name) for i, name in enumerate(names)])


def infer_type(column: pl.Series, *, text: bool = False, verbatim: bool = False) -> pl.Series:
    """Give a column of text its type: the narrowest of integers, floats, booleans and text that loses no value."""
    import polars as pl

    stripped = column.str.strip_chars()
    values = stripped.set(stripped.is_in([""] if verbatim else list(MISSING_MARKERS)), None)
    first = next(iter(values.drop_nulls().head(1)), None)
    if text or verbatim or first is None or not _may_be_typed(first):
        return values
    integers = values.cast(pl.Int64, strict=False)
    if integers.null_count() == values.null_count():
        return values if values.str.contains(_LEADING_ZERO).any() else integers
    numbers = values.cast(pl.Float64, strict=False)
    if numbers.null_count() == values.null_count():
        return numbers if _holds_integers(values, numbers) else values
    lowered = values.str.to_lowercase()
    if lowered.drop_nulls().is_in(["true", "false"]).all():
        return lowered == "true"
    return values


def _may_be_typed(value: str) -> bool:
    """Tell whether a column that holds this text can be anything but text."""
    try:
        float(value)
    except ValueError:
        return value.lower() in ("true", "false")
    return True


def _holds_integers(values: pl.Series, numbers: pl.Series) -> bool:
    """Tell whether floats hold each integer among the texts that they were made of exactly."""
    large = values.filter((numbers.abs() >= _EXACT_INTEGERS) & values.str.contains(r"^[+-]?\d+$"))
    return all(len(text) < _DIGITS and int(text) == float(text) for text in large)


def _keep_lossless(series: dict[int, pl.Series]) -> dict[int, pl.Series]:
    """Return the columns that polars' typing lost nothing of; text in them has its type inferred as elsewhere."""
    import polars as pl

    kept = {}
    for i, column in series.items():
        if column.dtype == pl.String:
            kept[i] = infer_type(column)
        elif column.dtype in (pl.Int64, pl.Boolean):
            kept[i] = column
        elif column.dtype == pl.Float64:
            low: Any = column.min()
            high: Any = column.max()
            if low is None or (low > -_EXACT_INTEGERS and high < _EXACT_INTEGERS):
                kept[i] = column
    return kept


def _find_leading_zeros(data: np.ndarray[Any, Any], separator: int, width: int) -> set[int] | None:
    """Find the columns in which a number may begin with a 0 and another digit; None if the file is not regular.

    It is regular if each row has ``width`` values, quotation marks enclose whole values and are doubled within, and
    each line ends in LF or CR LF. A byte is inside quotation marks if the number of marks before it is odd.
    """
    last, inside_before, count = len(data) - 1, 0, 0
    found: set[int] = set()
    for start in range(0, len(data), _BYTES_A_BLOCK):
        block = data[start : start + _BYTES_A_BLOCK]
        marks = (block == separator) | (block == _LINE_FEED)
        quotes = block == _QUOTE
        if inside_before or quotes.any():
            inside = (np.cumsum(quotes, dtype=np.uint8) & 1) ^ inside_before
            places = np.flatnonzero(quotes)
            opens = inside[places] == 1
            before = data[np.maximum(places[opens] + start - 1, 0)]
            behind = data[np.minimum(places[~opens] + start + 1, last)]
            if not (
                _among(before, separator, _LINE_FEED, _QUOTE) and _among(behind, separator, _LINE_FEED, _RETURN, _QUOTE)
            ):
                return None
            marks &= inside == 0
            inside_before = int(inside[-1])
        returns = np.flatnonzero(block == _RETURN) + start
        if not _among(data[np.minimum(returns + 1, last)], _LINE_FEED):
            return None
        ends = np.flatnonzero(marks)
        number = np.arange(count + 1, count + 1 + len(ends))
        if not np.array_equal(block[ends] == _LINE_FEED, number % width == 0):
            return None
        places = np.flatnonzero(block == _ZERO)
        following = data[np.minimum(places + start + 1, last)]
        places = places[(following >= _ZERO) & (following <= _NINE)]
        preceding = data[np.maximum(places + start - 1, 0)]
        begins = np.isin(preceding, np.frombuffer(b'"\n +-\t' + bytes([separator]), np.uint8))
        found.update(((count + np.searchsorted(ends, places[begins])) % width).tolist())
        count += len(ends)
    whole = count % width == (0 if last >= 0 and data[last] == _LINE_FEED else width - 1)
    return found if whole and not inside_before else None


def _among(values: np.ndarray[Any, Any], *allowed: int) -> bool:
    return bool(np.isin(values, np.array(allowed, np.uint8)).all())
