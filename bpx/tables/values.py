"""The values of one column as numbers, booleans, text or integers, with an error that names row and value otherwise.

Each function takes a column of any type and gives up only at a value that does not fit, so that a column written as
text in one file and as numbers in another comes out the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.errors import InputError
from bpx.tables.messages import in_row, shown

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "as_booleans",
    "as_integers",
    "as_numbers",
    "as_texts",
    "differ_by_rounding",
    "is_category",
    "is_text",
    "looks_like_dates",
    "read_booleans",
    "read_values",
    "refuse_rows",
    "strip_texts",
    "write_ascii_digits",
]

Array = np.ndarray[Any, Any]

_INT64 = "integers from -2^63 to 2^63 - 1"
_ROUNDING = {"Float16": 4e-3, "Float32": 1e-6}
_ROUNDING_OF_FLOAT64 = 1e-13
"""How far apart two numbers of one size may be by rounding alone, as a part of that size: some units in the last place,
which is what a conversion of units and back, or a sum in another order, leaves behind."""

_LAST_PLACE = {"Float16": 2.0**-10, "Float32": 2.0**-23}
_LAST_PLACE_OF_FLOAT64 = 2.0**-52
"""The distance from 1 to the next larger number."""

_VALUES_AT_A_TIME = 2**16
_SAMPLE = 10_000
"""Values that are looked at to see whether most values differ."""

_MARKS = {chr(0xFEE0 + ord(mark)): mark for mark in "%()+,-./:"} | {"\u066a": "%", "\u066b": ".", "\u066c": ","}
"""What stands among digits that are none of ASCII: wide forms of marks, and those of Arabic for percent, before
decimals and between thousands."""
_OTHER_DIGITS = rf"[\p{{Nd}}{''.join(_MARKS)}&&[^0-9]]"

_DATE = r"^(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})|\d{4}/\d{1,2}/\d{1,2})([T ]\d{1,2}:\d{2}.*)?$"
_TIME = r"^\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?$"


def is_text(series: pl.Series) -> bool:
    """Tell whether a column holds text, plain or as polars' categories."""
    import polars as pl

    return series.dtype in (pl.String, pl.Categorical, pl.Enum)


def is_category(series: pl.Series) -> bool:
    """Tell whether the type of a column says that it holds categories, whatever they look like."""
    import polars as pl

    return series.dtype in (pl.Categorical, pl.Enum)


def strip_texts(texts: pl.Series) -> pl.Series:
    """Take spaces off text, and give null where nothing is left."""
    stripped = texts.str.strip_chars()
    return stripped.set(stripped == "", None)


def write_ascii_digits(texts: pl.Series) -> pl.Series:
    """Give text with the decimal digits of every script, and the marks that stand among them, as those of ASCII."""
    odd = texts.filter(texts.str.contains(_OTHER_DIGITS))
    if not len(odd):
        return texts
    found = odd.str.extract_all(_OTHER_DIGITS).explode().unique().drop_nulls().to_list()
    digits = {mark: str(unicodedata.decimal(mark)) for mark in found if unicodedata.decimal(mark, None) is not None}
    changes = _MARKS | digits
    return texts.str.replace_many(list(changes), list(changes.values()))


def read_values(values: pl.Series, read: Callable[[pl.Series], Array]) -> Array:
    """Read values as numbers by a function that looks at each of them alone: at each different one once.

    Where most of them differ, it is given all of them, so many at a time, because what lies between text and number
    takes ten times the memory of both.

    Parameters
    ----------
    values : polars.Series
        Of any type that can be told apart; null for a gap.
    read : callable
        Gives float64 numbers, NaN where there is none; shape (values,).

    Returns
    -------
    array of float64, shape (values,)
        What ``read`` gives; NaN for gaps.
    """
    import polars as pl

    if len(values) <= _VALUES_AT_A_TIME:
        return read(values)
    sample = values.gather_every(len(values) // _SAMPLE)
    different = values.drop_nulls().unique() if 2 * sample.n_unique() < len(sample) else values
    numbers = np.empty(len(different))
    for start in range(0, len(different), _VALUES_AT_A_TIME):
        part = slice(start, start + _VALUES_AT_A_TIME)
        numbers[part] = read(different[part])
    if different is values:
        return numbers
    if not len(different):
        return np.full(len(values), np.nan)
    spread: Array = values.replace_strict(different, pl.Series(numbers), default=None).cast(pl.Float64).to_numpy()
    return spread


def looks_like_dates(texts: pl.Series) -> bool:
    """Tell whether every text that is not missing is a date, with or without a time, or a time."""
    values = texts.drop_nulls().str
    return len(texts) > texts.null_count() and bool(values.contains(_DATE).all() or values.contains(_TIME).all())


def refuse_rows(series: pl.Series, faulty: np.ndarray[Any, Any], what: str, expected: str, advice: str = "") -> None:
    """Raise the error for the first faulty row, if there is one.

    Parameters
    ----------
    series : polars.Series
        The column as it came.
    faulty : array of bool, shape (rows,)
        True where a value does not fit.
    what : str
        What the column is, such as ``column 'age'``.
    expected : str
        What each value has to be.
    advice : str, optional
        What to do, with its own punctuation.

    Raises
    ------
    InputError
        If any row is faulty. The message names the row, counted from 1 below the header, and the value.
    """
    if faulty.any():
        first = int(faulty.argmax())
        where = in_row(first, int(faulty.sum()))
        raise InputError(f"{what}: expected {expected}, got {shown(series[first])} {where}{advice}")


def as_numbers(series: pl.Series, what: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give a column as float64 numbers, NaN where it is missing.

    Raises
    ------
    InputError
        If a value is text that is no number, infinite, a boolean, a date or anything else.
    """
    import polars as pl

    if is_text(series):
        texts = as_texts(series, what)
        numbers = texts.str.strip_chars().cast(pl.Float64, strict=False)
        refuse_rows(texts, (numbers.is_null() & texts.is_not_null()).to_numpy(), what, "numbers")
    elif series.dtype.is_numeric() or series.dtype == pl.Null:
        numbers = series.cast(pl.Float64)
    else:
        raise InputError(f"{what}: expected numbers, got {series.dtype}")
    values: np.ndarray[Any, np.dtype[np.float64]] = numbers.to_numpy()
    refuse_rows(series, np.isinf(values), what, "finite numbers")
    return values


def differ_by_rounding(series: pl.Series, numbers: np.ndarray[Any, Any]) -> bool:
    """Tell whether numbers are all the same but for rounding, so that their spread says nothing.

    That is so if ``max - min <= r * max(|min|, |max|)``, with ``r = 1e-13`` for float64 and ``1e-6`` for float32:
    relative to the magnitude, so that small numbers and numbers on a large offset are treated alike. Integers that
    float64 holds exactly are not rounded, and ``r = 0`` for them.

    It is so too if they are what rounding leaves of a 0, as in ``0.1 + 0.2 - 0.3``: whole multiples of a sixteenth of a
    unit in the last place of 1, and no more than 64 such units. Measured numbers of that size are no such multiples.

    Parameters
    ----------
    series : polars.Series
        The column, whose type says how it was rounded.
    numbers : array of float64
        Its values, or some of them, without NaN.
    """
    low, high = float(numbers.min()), float(numbers.max())
    size = max(abs(low), abs(high))
    if series.dtype.is_integer() and size < 2.0**53:
        return low == high
    last_place = _LAST_PLACE.get(str(series.dtype), _LAST_PLACE_OF_FLOAT64)
    if size <= 64.0 * last_place and not (numbers % (last_place / 16.0)).any():
        return True
    with np.errstate(over="ignore"):
        return bool(np.float64(high) - low <= _ROUNDING.get(str(series.dtype), _ROUNDING_OF_FLOAT64) * size)


def as_booleans(series: pl.Series, what: str) -> pl.Series:
    """Give a column as booleans, null where it is missing; takes true and false as text, and 1 and 0.

    Raises
    ------
    InputError
        If a value is anything else.
    """
    import polars as pl

    if series.dtype in (pl.Boolean, pl.Null):
        return series.cast(pl.Boolean)
    words = as_texts(series, what).str.strip_chars().str.to_lowercase()
    booleans = words.replace_strict(
        {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False},
        default=None,
        return_dtype=pl.Boolean,
    )
    refuse_rows(series, (booleans.is_null() & words.is_not_null()).to_numpy(), what, "true or false")
    return booleans


def read_booleans(series: pl.Series, what: str) -> pl.Series:
    """Give a column as booleans, null where it is neither true, false, 1 nor 0, however these are written.

    Raises
    ------
    InputError
        If the column holds dates, lists or anything else that is not text, numbers or booleans.
    """
    import polars as pl

    if series.dtype in (pl.Boolean, pl.Null):
        return series.cast(pl.Boolean)
    words = as_texts(series, what).str.strip_chars().str.to_lowercase().str.strip_chars_end(".")
    named = words.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    numbers = words.cast(pl.Float64, strict=False)
    counted = numbers.replace_strict({1.0: True, 0.0: False}, default=None, return_dtype=pl.Boolean)
    return named.fill_null(counted)


def as_texts(series: pl.Series, what: str) -> pl.Series:
    """Give a column as text, null where it is missing.

    Raises
    ------
    InputError
        If the column holds dates, lists or anything else that is not text, numbers or booleans.
    """
    import polars as pl

    if not (is_text(series) or series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null)):
        raise InputError(f"{what}: expected text, got {series.dtype}")
    filled = series.fill_nan(None) if series.dtype.is_float() else series
    return filled.cast(pl.String)


def as_integers(series: pl.Series, what: str) -> pl.Series:
    """Give a column as signed 64-bit integers, null where it is missing; takes whole numbers of any type.

    Raises
    ------
    InputError
        If a value is no whole number, or too large.
    """
    import polars as pl

    if series.dtype.is_integer():
        integers = series.cast(pl.Int64, strict=False)
        refuse_rows(series, (integers.is_null() & series.is_not_null()).to_numpy(), what, _INT64)
        return integers
    numbers = as_numbers(series, what)
    with np.errstate(invalid="ignore"):
        refuse_rows(series, (numbers != np.floor(numbers)) & ~np.isnan(numbers), what, "whole numbers")
        refuse_rows(series, np.abs(numbers) >= 2.0**63, what, _INT64)
    return pl.Series(series.name, numbers).fill_nan(None).cast(pl.Int64)
