"""Finding what kind of column each one is, and learning from the training rows what its encoding needs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.errors import InputError
from bpx.tables.columns import BooleanColumn, CategoryColumn, Column, NumberColumn
from bpx.tables.frames import ColumnType
from bpx.tables.messages import counted, listed, shown
from bpx.tables.values import (
    as_numbers,
    as_texts,
    differ_by_rounding,
    is_category,
    is_text,
    looks_like_dates,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "NO_VALUES",
    "Found",
    "constant_reason",
    "declare_advice",
    "drop_advice",
    "find_column",
    "marker_advice",
    "measure_note",
    "odd_ones_out",
    "training_rows",
]

Array = np.ndarray[Any, Any]

NO_VALUES = "it has no values in the training rows"
_MANY_NUMBERS = 10
"""Text with more different numbers than this is numbers with a slip, not categories such as 0, 1, 2, 3+."""


_COMMAS = r"^\s*[+-]?\d+(,\d+|(,\d{3})+(\.\d+)?)\s*$"
_THOUSANDS = r"^\s*[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?\s*$"
_CURRENCY = r"\s*[$€£¥₹]?\s*"
_MEASURE = (
    rf"^{_CURRENCY}[+-]?{_CURRENCY}(\d+([.,]\d+)?|\d{{1,3}}([.,]\d{{3}})+([.,]\d+)?)"
    r"\s*(%|‰|[$€£¥₹]|°?[A-Za-zµμΩ]+[²³]?(/[A-Za-z]+[²³]?)?)?\s*$"
)
"""A number with a currency or a unit, or with commas."""
_FEW_MEASURES = 3


@dataclass(frozen=True)
class Found:
    """One column of the training table.

    Parameters
    ----------
    missing : array of bool, shape (rows,)
        Where a value is missing.
    column : Column or None
        What was learned; None when the column has nothing to learn from. With a reason, it is used only where there is
        nothing else.
    reason : str
        Why the column is not used; empty if it is.
    note : str
        What the user should know; empty if there is nothing.
    """

    missing: Array
    column: Column | None = None
    reason: str = ""
    note: str = ""


def find_column(
    series: pl.Series,
    rows: Array | None,
    categories_max: int,
    declared: ColumnType | None = None,
    *,
    codes: bool = False,
) -> Found:
    """Find the kind of a column and learn its encoding.

    Numbers of any width are a number column, booleans a boolean column, text is a category column; a column whose type
    says that it holds categories is not asked whether they are meant as numbers or dates. The kind is found from all
    rows, the mean, standard deviation, median, categories and most frequent value from the training rows. A column with
    one value only in the training rows is not used; numbers that differ by rounding alone (`differ_by_rounding`) are
    one value.

    Parameters
    ----------
    series : polars.Series
        The column.
    rows : array of int or None
        The training rows; None for all.
    categories_max : int
        The most categories that a column may have, unless it is declared a category.
    declared : {"text", "number", "category"}, optional
        What the column is, where the user says so. Text and categories are then not asked whether they are meant as
        numbers or dates; values of another type become text. Text that is declared a number has to be one in every row.
    codes : bool
        Whether a column that is declared a category, and has more categories than that, becomes codes.

    Returns
    -------
    Found
        The kind, or the reason why the column is not used.

    Raises
    ------
    InputError
        If the column holds dates, types that cannot be encoded, numbers that are not finite, or too many categories.
    """
    import polars as pl

    if declared in ("text", "category"):
        texts = as_texts(series, f"column {shown(series.name)}")
        found = _find_category(texts, rows, len(texts) if declared == "category" else categories_max, guess=False)
        if codes and isinstance(found.column, CategoryColumn) and len(found.column.categories) > categories_max:
            found = replace(found, column=replace(found.column, coded=True))
        return found
    if declared == "number":
        return _find_number(series, rows)
    if series.dtype.is_temporal() or (
        is_text(series) and not is_category(series) and looks_like_dates(as_texts(series, ""))
    ):
        example = ", ".join(shown(str(value)) for value in series.drop_nulls().head(1))
        raise InputError(
            f"column {shown(series.name)}: expected numbers, booleans or text, got dates or times ({example}); "
            f"turn them into numbers such as the year and the month, or {drop_advice(series.name)}"
        )
    if series.null_count() == len(series):
        return Found(series.is_null().to_numpy(), reason="it has no values")
    if series.dtype == pl.Boolean:
        return _find_boolean(series, rows)
    if series.dtype.is_numeric():
        return _find_number(series, rows)
    if is_text(series):
        return _find_category(series, rows, categories_max, guess=not is_category(series))
    raise InputError(
        f"column {shown(series.name)}: expected numbers, booleans or text, got {series.dtype}; "
        f"{drop_advice(series.name)}"
    )


def drop_advice(name: str) -> str:
    """Say how to leave a column out."""
    return f"leave the column out (drop=[{shown(name)}], --drop {shlex.quote(name)})"


def declare_advice(name: str, declared: ColumnType) -> str:
    """Say how to declare the type of a column."""
    return f"declare it (types={{{shown(name)}: '{declared}'}}, --{declared} {shlex.quote(name)})"


def marker_advice(name: str | None) -> str:
    """Say how to keep the texts of a column that CSV takes for missing values; nothing if there is no such column."""
    if name is None:
        return ""
    return f"; if NA, N/A, NaN, null or ? are values of {shown(name)}, {declare_advice(name, 'category')}"


def training_rows(series: pl.Series, rows: Array | None) -> pl.Series:
    """Take the training rows of a column."""
    return series if rows is None else series.gather(rows)


def odd_ones_out(texts: pl.Series) -> str:
    """Name the values that keep a column of text from being numbers, or nothing if it is not meant as numbers."""
    import polars as pl

    values = texts.drop_nulls().unique(maintain_order=True)
    numbers = values.str.strip_chars().cast(pl.Float64, strict=False)
    if numbers.len() - numbers.null_count() > max(_MANY_NUMBERS, numbers.null_count()):
        odd = values.filter(numbers.is_null())
        return listed(odd.to_list()) + (_comma_hint(odd) if odd.str.contains(_COMMAS).all() else "")
    commas = values.filter(values.str.contains(_COMMAS))
    if len(commas) > max(_MANY_NUMBERS, len(values) // 2):
        return shown(commas[0]) + _comma_hint(commas)
    return ""


def _comma_hint(texts: pl.Series) -> str:
    """Say what the commas in numbers may stand for, and how to write these numbers."""
    if not len(texts):
        return ""
    if texts.str.contains(_THOUSANDS).all():
        return f" (a comma between thousands? write {texts[0].replace(',', '').strip()})"
    return " (a decimal comma? write a point)"


def _find_boolean(series: pl.Series, rows: Array | None) -> Found:
    missing = series.is_null().to_numpy()
    values = training_rows(series, rows).drop_nulls()
    true = int(values.sum())
    if len(values) == 0:
        return Found(missing, reason=NO_VALUES)
    if true in (0, len(values)):
        return Found(missing, reason=f"it is {'true' if true else 'false'} in every training row")
    return Found(missing, BooleanColumn(series.name, true > len(values) - true))


def _find_number(series: pl.Series, rows: Array | None) -> Found:
    numbers = as_numbers(series, f"column {shown(series.name)}")
    missing = np.isnan(numbers)
    values = numbers if rows is None else numbers[rows]
    gaps = np.isnan(values)
    if gaps.all():
        return Found(missing, reason=NO_VALUES)
    if differ_by_rounding(series, values[~gaps]):
        return Found(missing, reason=constant_reason(series, values[~gaps], rows))
    median = float(np.median(values[~gaps]))
    values = np.where(gaps, median, values)
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = float(values.mean()), float(values.std())
    if not (np.isfinite(mean) and np.isfinite(std) and std > 0.0):
        raise InputError(
            f"column {shown(series.name)}: from {values.min():g} to {values.max():g}, its mean and standard deviation "
            f"are out of range; rescale the numbers, or {drop_advice(series.name)}"
        )
    return Found(missing, NumberColumn(series.name, mean, std, median))


def constant_reason(series: pl.Series, values: Array, rows: Array | None) -> str:
    """Say that numbers are the same in every training row, exactly or but for rounding."""
    low, high = values.min(), values.max()
    exact = training_rows(series, rows).drop_nulls()
    if series.dtype.is_integer() and exact.n_unique() > 1:
        return (
            f"its integers, from {exact.min()} to {exact.max()}, are too large to be told apart as numbers "
            f"(categories? {declare_advice(series.name, 'category')})"
        )
    if low == high:
        return f"it is {low:.17g} in every training row"
    return f"it is {low:.17g} in every training row, but for rounding (up to {high:.17g})"


def _find_category(series: pl.Series, rows: Array | None, categories_max: int, *, guess: bool = True) -> Found:
    texts = as_texts(series, f"column {shown(series.name)}")
    missing = texts.is_null().to_numpy()
    odd = odd_ones_out(texts) if guess else ""
    if odd:
        raise InputError(
            f"column {shown(series.name)}: expected numbers, got text among them: {odd}; correct it, "
            f"{declare_advice(series.name, 'category')} if each text is a category, or {drop_advice(series.name)}"
        )
    count = texts.drop_nulls().n_unique()
    if count > categories_max:
        raise InputError(
            f"column {shown(series.name)}: {counted(count, 'different text')} are too many for categories "
            f"(at most {categories_max}); {drop_advice(series.name)}, {declare_advice(series.name, 'category')} to "
            f"have them all, or raise categories_max{_number_advice(texts)}"
        )
    frequency = training_rows(texts, rows).drop_nulls().value_counts(name="rows")
    ranked = frequency.sort("rows", texts.name, descending=[True, False]).get_column(texts.name).to_list()
    if len(ranked) < 2:
        reason = f"it is {shown(ranked[0])} in every training row" if ranked else NO_VALUES
        return Found(missing, reason=reason)
    return Found(
        missing,
        CategoryColumn(series.name, tuple(sorted(ranked)), ranked[0]),
        note=_number_note(texts) if guess else "",
    )


def _number_note(texts: pl.Series) -> str:
    """Say that text which is wholly or partly numbers was taken as categories."""
    import polars as pl

    what = f"column {shown(texts.name)}"
    values = texts.drop_nulls().unique(maintain_order=True)
    numbers = values.str.strip_chars().cast(pl.Float64, strict=False)
    if numbers.null_count() == 0:
        advice = _number_advice(texts)
        return f"{what}: taken as categories, because its numbers are text ({_first_odd(values)}){advice}"
    if numbers.null_count() < len(values) / 2:
        odd = values.filter(numbers.is_null()).to_list()
        return f"{what}: taken as categories, because of text among the numbers: {listed(odd)}"
    return measure_note(texts, what)


def measure_note(texts: pl.Series, what: str) -> str:
    """Say that text which looks like numbers with a unit, a currency or commas was taken as it stands.

    That is so if more than half of the different values, and three or more, are written so, all with the same unit.
    """
    values = texts.drop_nulls().unique(maintain_order=True)
    measures = values.filter(values.str.contains(_MEASURE) & values.str.contains(r"[^\d.+-]"))
    if len(measures) < max(_FEW_MEASURES, len(values) // 2 + 1):
        return ""
    if measures.str.replace_all(r"[\d.,+\s-]", "").n_unique() > 1:
        return ""
    hint = _comma_hint(measures) if measures.str.contains(_COMMAS).all() else " (write the number alone)"
    return (
        f"{what}: taken as {counted(len(values), 'different text')}, though they look like numbers, such as "
        f"{shown(measures[0])}{hint}; {declare_advice(texts.name, 'category')} if it is right so"
    )


def _first_odd(values: pl.Series) -> str:
    """Show a number that is text because typing it would change it, if there is one."""
    zeros = values.filter(values.str.contains(r"^[+-]?0\d"))
    return shown(zeros[0] if len(zeros) else values[values.str.len_chars().arg_max() or 0])


def _number_advice(texts: pl.Series) -> str:
    """Say how to have text that is wholly numbers taken as numbers, if it is."""
    import polars as pl

    values = texts.drop_nulls().str.strip_chars()
    if values.cast(pl.Float64, strict=False).null_count():
        return ""
    return f"; if they are numbers, {declare_advice(texts.name, 'number')}"
