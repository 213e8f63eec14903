"""Deciding what an ordinary column becomes: what can be used is, and what was decided is told.

`find_column` of `bpx.tables.finding` is the strict way, which refuses what it does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.tables.columns import (
    FAR_DATES,
    BooleanColumn,
    CategoryColumn,
    Column,
    DateColumn,
    NumberColumn,
    PresenceColumn,
    find_missing,
)
from bpx.tables.dates import CYCLES, FoundDates, count_years, find_dates, find_phase, read_any_order
from bpx.tables.facts import Facts
from bpx.tables.finding import NO_VALUES, Found, constant_reason, training_rows
from bpx.tables.frames import ColumnType
from bpx.tables.identifiers import find_key, find_many_texts
from bpx.tables.inferring import Decimal
from bpx.tables.messages import counted, shown
from bpx.tables.notation import FoundNotation, NumberNotation, choose_notation, find_notation, tidy_texts
from bpx.tables.spelling import find_spellings, tell_spellings
from bpx.tables.values import (
    as_numbers,
    as_texts,
    differ_by_rounding,
    is_category,
    is_text,
    refuse_rows,
    strip_texts,
)

if TYPE_CHECKING:
    import polars as pl

__all__ = ["decide_column", "note_sentinels"]

Array = np.ndarray[Any, Any]

_EXAMPLES = 3
_ENOUGH_ROWS = 2
"""Training rows from which a category among many has a code of its own."""
_MOST_CODES = 5000
"""Categories of an undeclared column that have one, at the most: a step takes time as their number, not as its rows."""
_FEW_PRESENT = 5
"""Training rows with a value, and without one, that it takes for the difference to mean something."""
_SENTINEL_DIGITS = (99.0, 999.0, 9999.0, 99999.0, 999999.0, 8888.0, 88888.0, 99.9, 999.9, 9999.9, 99.99, 999.99)


def decide_column(
    series: pl.Series,
    rows: Array | None,
    categories_max: int,
    declared: ColumnType | None,
    facts: Facts,
    *,
    flag: bool = True,
    decimal: Decimal = ".",
    codes: bool = False,
) -> Found:
    """Decide what a column becomes, and learn its encoding from the training rows.

    A column whose type says that it holds categories holds neither numbers nor dates, whatever they look like, and each
    of them is told apart as it is spelled.

    Parameters
    ----------
    series : polars.Series
        The column.
    rows : array of int or None
        The training rows; None for all.
    categories_max : int
        How many categories of a column have a feature, unless it is declared a category; with `codes`, of any column.
    declared : {"text", "number", "category"} or None
        What the column is, where the user says so.
    facts : Facts
        Gets what the user should know.
    flag : bool
        Whether gaps get a feature that says where they are.
    decimal : {".", ","}
        What stands before decimals in the file.
    codes : bool
        Whether a column of more categories becomes codes.

    Returns
    -------
    Found
        What was learned, or the reason why the column is not used. A column that is left out because it identifies rows
        has both. Of one with gaps that would be left out, it is used whether there is a value.

    Raises
    ------
    InputError
        If a column that is declared a number holds text that is none.
    """
    found = _decide(series, rows, categories_max, declared, facts, flag, decimal, codes)
    if not found.reason or not flag or series.dtype.is_nested():
        return found
    missing = find_missing(series)
    gaps = int((missing if rows is None else missing[rows]).sum())
    if min(gaps, (len(series) if rows is None else len(rows)) - gaps) < _FEW_PRESENT:
        return found
    for topic in ("left out", "text keys"):
        facts.move(topic, "presence", series.name)
    return Found(missing, PresenceColumn(series.name))


def _decide(
    series: pl.Series,
    rows: Array | None,
    categories_max: int,
    declared: ColumnType | None,
    facts: Facts,
    flag: bool,
    decimal: Decimal,
    codes: bool,
) -> Found:
    """Decide what a column becomes by its values; whether they are there is for `decide_column`."""
    import polars as pl

    name = series.name
    if series.dtype == pl.Duration:
        series = (series.dt.total_microseconds() / 1e6).alias(name)
    if series.null_count() == len(series):
        return _leave_out(series, "it has no values", facts)
    if declared in ("text", "category"):
        texts = as_texts(series, f"column {shown(name)}")
        return _decide_category(texts, rows, categories_max, facts, flag, codes, whole=declared == "category")
    if declared == "number":
        return _decide_declared_number(series, rows, facts, flag, decimal)
    if series.dtype.is_nested() or not (
        is_text(series) or series.dtype.is_numeric() or series.dtype.is_temporal() or series.dtype == pl.Boolean
    ):
        return _leave_out(series, f"it holds {series.dtype}", facts)
    if series.dtype == pl.Boolean:
        return _decide_boolean(series, rows, facts, flag)
    if is_category(series):
        return _decide_words(as_texts(series, name), rows, categories_max, facts, flag, codes, stripped=False)
    if series.dtype.is_temporal() or series.dtype.is_integer() or is_text(series):
        dates = find_dates(series)
        if dates is not None:
            return _decide_dates(series, rows, dates, facts, flag)
    if series.dtype.is_numeric():
        return _decide_number(series, series.cast(pl.Float64).to_numpy(), rows, facts, flag)
    return _decide_text(as_texts(series, name), rows, categories_max, facts, flag, decimal, codes)


def _leave_out(series: pl.Series, reason: str, facts: Facts, missing: Array | None = None) -> Found:
    facts.add("left out", series.name, reason.removeprefix("it is ").removeprefix("it "))
    return Found(series.is_null().to_numpy() if missing is None else missing, reason=reason)


def _note_gaps(column: Column, missing: Array, facts: Facts) -> None:
    if column.flagged:
        facts.add("gaps", column.name, counted(int(missing.sum()), "value"))


def _note_odd(name: str, odd: tuple[str, ...], facts: Facts) -> None:
    if odd:
        more = f" and {len(odd) - _EXAMPLES:,} more" if len(odd) > _EXAMPLES else ""
        facts.add("odd", name, ", ".join(shown(text) for text in odd[:_EXAMPLES]) + more)


def _decide_boolean(series: pl.Series, rows: Array | None, facts: Facts, flag: bool) -> Found:
    missing = series.is_null().to_numpy()
    known = training_rows(series, rows)
    values = known.drop_nulls()
    true = int(values.sum())
    if len(values) == 0 or true in (0, len(values)):
        same = "true" if true else "false"
        return _leave_out(series, f"it is {same} in every training row" if len(values) else NO_VALUES, facts)
    column = BooleanColumn(series.name, true > len(values) - true, flag and known.null_count() > 0)
    _note_gaps(column, missing, facts)
    return Found(missing, column)


def _decide_declared_number(series: pl.Series, rows: Array | None, facts: Facts, flag: bool, decimal: Decimal) -> Found:
    """Read a column as numbers, by the notation that most of its texts have, and refuse what is none."""
    what = f"column {shown(series.name)}"
    if not is_text(series):
        return _decide_number(series, as_numbers(series, what), rows, facts, flag, keep=True)
    texts = as_texts(series, what)
    found = find_notation(texts, decimal)
    notation = found.notation or choose_notation(texts, decimal)
    numbers = notation.read(texts)
    refuse_rows(texts, np.isnan(numbers) & tidy_texts(texts).is_not_null().to_numpy(), what, "numbers")
    _note_notation(series.name, found, facts)
    return _decide_number(series, numbers, rows, facts, flag, notation=notation, keep=True)


def _note_notation(name: str, found: FoundNotation, facts: Facts) -> None:
    if found.example:
        facts.add("numbers", name, found.example)
    if found.doubtful:
        facts.add("points", name, f"{shown(found.doubtful)}")
    if found.bound:
        facts.add("bounds", name, shown(found.bound))
    _note_odd(name, found.odd, facts)


def _decide_number(
    series: pl.Series,
    numbers: Array,
    rows: Array | None,
    facts: Facts,
    flag: bool,
    *,
    notation: NumberNotation | None = None,
    odd: bool = False,
    keep: bool = False,
) -> Found:
    """Standardize numbers; those that identify rows are left out, unless they are to be kept."""
    infinite = np.isinf(numbers)
    if infinite.any():
        facts.add("infinite", series.name, counted(int(infinite.sum()), "value"))
        numbers = np.where(infinite, np.nan, numbers)
    missing = np.isnan(numbers)
    values = numbers if rows is None else numbers[rows]
    gaps = np.isnan(values)
    if gaps.all():
        return _leave_out(series, NO_VALUES, facts, missing)
    if differ_by_rounding(series, values[~gaps]):
        return _leave_out(series, constant_reason(series, values[~gaps], rows), facts, missing)
    with np.errstate(over="ignore", invalid="ignore"):
        median = float(np.median(values[~gaps]))
        values = np.where(gaps, median, values)
        mean, std = float(values.mean()), float(values.std())
    if not (np.isfinite(mean) and np.isfinite(std) and std > 0.0):
        reason = f"from {values.min():g} to {values.max():g}, its mean and standard deviation are out of range"
        return _leave_out(series, reason, facts, missing)
    column = NumberColumn(series.name, mean, std, median, flag and bool(gaps.any()), notation, odd)
    key = "" if keep or missing.any() else _find_number_key(series, numbers)
    if key:
        facts.add("number keys", series.name, key)
        return Found(missing, column, key)
    _note_gaps(column, missing, facts)
    note_sentinels(series.name, numbers[~missing], facts)
    return Found(missing, column)


def _find_number_key(series: pl.Series, numbers: Array) -> str:
    import polars as pl

    if series.dtype.is_integer():
        return find_key(series)
    if is_text(series) and (numbers == np.floor(numbers)).all() and np.abs(numbers).max() < 2.0**53:
        return find_key(pl.Series(series.name, numbers).cast(pl.Int64))
    return ""


def note_sentinels(name: str, numbers: Array, facts: Facts) -> None:
    """Tell of a number of nines, or eights, that stands far outside all others.

    Parameters
    ----------
    name : str
        The column.
    numbers : array of float64
        Its values, without NaN.
    facts : Facts
        Gets what was found.
    """
    low, high = float(numbers.min()), float(numbers.max())
    for value in (number * sign for number in _SENTINEL_DIGITS for sign in (-1.0, 1.0)):
        if value not in (low, high):  # what stands outside all others is the first or the last of them
            continue
        same = numbers == value
        rest = numbers[~same]
        if len(rest) >= _EXAMPLES and _stands_outside(value, float(rest.min()), float(rest.max())):
            facts.add("sentinels", name, f"{value:g} in {counted(int(same.sum()), 'row')}")


def _stands_outside(value: float, low: float, high: float) -> bool:
    """Tell whether a number is far from all others, which go from ``low`` to ``high``, or alone below zero."""
    return low >= 0 > value or value > high + (high - low) or value < low - (high - low)


def _note_sentinel_dates(series: pl.Series, moments: Array, facts: Facts) -> None:
    """Tell of a first or last date that comes again and stands far outside all others, such as 9999-12-31."""
    known = moments[~np.isnan(moments)]
    for value in (known.max(), known.min()):
        same = known == value
        rest = known[~same]
        if same.sum() < 2 or len(rest) < _EXAMPLES:
            continue
        low, high = float(rest.min()), float(rest.max())
        if value > high + (high - low) or value < low - (high - low):
            written = str(series[int(np.flatnonzero(moments == value)[0])])
            facts.add("sentinel dates", series.name, f"{written} in {counted(int(same.sum()), 'row')}")


def _decide_dates(series: pl.Series, rows: Array | None, dates: FoundDates, facts: Facts, flag: bool) -> Found:
    moments = read_any_order(series, dates.kind, day_first=bool(dates.day_first), months=dates.months)
    missing = np.isnan(moments)
    values = moments if rows is None else moments[rows]
    gaps = np.isnan(values)
    values = values[~gaps]
    if len(values) == 0 or values.min() == values.max():
        first = training_rows(series, rows).drop_nulls()[:1].to_list()
        reason = f"it is {shown(str(first[0]))} in every training row" if len(values) else NO_VALUES
        return _leave_out(series, reason, facts, missing)
    _note_sentinel_dates(series, moments, facts)
    years = count_years(values) if dates.kind == "date" else np.zeros(1)
    wheel = CYCLES if dates.kind == "date" else ("hour",)
    cycles = tuple(cycle for cycle in wheel if np.ptp(find_phase(values, cycle)) > 0.0)
    filled = np.r_[values, np.full(int(gaps.sum()), np.median(values))]
    mean, std = float(filled.mean()), float(filled.std())
    reach = float((np.abs(values - mean) / std).max())
    column = DateColumn(
        series.name,
        dates.kind,
        dates.day_first,
        mean,
        std,
        float(np.median(values)),
        float(years.mean()),
        float(years.std()),
        cycles,
        flag and bool(gaps.any()),
        bool(dates.odd),
        dates.months,
        reach if reach > FAR_DATES else 0.0,
    )
    parts = ", ".join(["time", *(["year"] if column.year_std else []), *cycles])
    facts.add("dates", series.name, f"{shown(dates.example)}: {parts}" if dates.example else parts)
    if dates.ambiguous:
        order = "day, month" if dates.day_first else "month, day"
        facts.add("either way", series.name, f"{shown(dates.ambiguous)} taken as {order}")
    _note_odd(series.name, dates.odd, facts)
    _note_gaps(column, missing, facts)
    return Found(missing, column)


def _decide_text(
    texts: pl.Series, rows: Array | None, categories_max: int, facts: Facts, flag: bool, decimal: Decimal, codes: bool
) -> Found:
    name = texts.name
    found = find_notation(texts, decimal)
    if found.notation is not None:
        numbers = found.notation.read(texts)
        result = _decide_number(texts, numbers, rows, facts, flag, notation=found.notation, odd=bool(found.odd))
        if not result.reason:
            _note_notation(name, found, facts)
            if not found.example:
                facts.add("numbers", name, f"such as {shown(texts[int((~np.isnan(numbers)).argmax())])}")
        return result
    stripped = strip_texts(texts)
    varying = f"; numbers whose unit varies: {', '.join(found.units)}" if found.units else ""
    result = _decide_words(stripped, rows, categories_max, facts, flag, codes, stripped=True, more=varying)
    if result.reason:
        return result
    spaced = texts.filter((texts != stripped) & stripped.is_not_null())
    if len(spaced):
        facts.add("spaces", name, f"such as {shown(spaced[0])}")
    if found.units:
        facts.add("units", name, ", ".join(found.units))
    elif found.codes:
        values = stripped.drop_nulls()
        zeros = values.filter(values.str.contains(r"^[+-]?0\d"))
        facts.add("codes", name, shown(zeros[0] if len(zeros) else values[0]))
    elif found.odd:
        facts.add("mixed", name, ", ".join(map(shown, found.odd[:_EXAMPLES])))
    return result


def _decide_words(
    texts: pl.Series,
    rows: Array | None,
    categories_max: int,
    facts: Facts,
    flag: bool,
    codes: bool,
    *,
    stripped: bool,
    more: str = "",
) -> Found:
    """Choose the categories of a column that is not declared, or leave it out where its texts hardly come again.

    Parameters
    ----------
    stripped : bool
        Whether spelling does not count.
    more : str
        What is told beside the reason why the column is left out.
    """
    reason = find_many_texts(texts)
    result = _decide_category(texts, rows, categories_max, facts, flag, codes, told=not reason, stripped=stripped)
    if result.column is None or not reason:
        return result
    facts.add("text keys", texts.name, reason + more)
    return Found(result.missing, result.column, reason)


def _decide_category(
    texts: pl.Series,
    rows: Array | None,
    categories_max: int,
    facts: Facts,
    flag: bool,
    codes: bool,
    *,
    told: bool = True,
    stripped: bool = False,
    whole: bool = False,
) -> Found:
    """Choose the categories that are told apart: the most frequent, or, as codes, all that are frequent enough.

    Parameters
    ----------
    told : bool
        Whether what was decided is told.
    stripped : bool
        Whether the column is neither declared nor of a type for categories, so that spelling does not count.
    whole : bool
        Whether all categories are told apart.
    """
    missing = texts.is_null().to_numpy()
    spellings = find_spellings(training_rows(texts, rows)) if stripped else {}
    if spellings:
        texts = texts.replace(spellings)
    known = training_rows(texts, rows)
    frequency = known.drop_nulls().value_counts(name="rows")
    ranked = frequency.sort("rows", texts.name, descending=[True, False]).get_column(texts.name).to_list()
    if len(ranked) < 2:
        return _leave_out(texts, f"it is {shown(ranked[0])} in every training row" if ranked else NO_VALUES, facts)
    often = int((frequency.get_column("rows") >= _ENOUGH_ROWS).sum())
    enough = len(ranked) if whole else min(often, max(_MOST_CODES, categories_max))
    coded = codes and enough > categories_max
    kept = ranked[:enough] if coded or whole else ranked[: max(categories_max, 2)]
    other = len(kept) < len(ranked)
    flagged = flag and known.null_count() > 0
    column = CategoryColumn(texts.name, tuple(sorted(kept)), ranked[0], flagged, other, stripped, True, coded)
    if told:
        if spellings:
            facts.add("spellings", texts.name, tell_spellings(spellings))
        if coded and not other:
            facts.add("embedded", texts.name, f"{len(kept):,} texts")
        elif other:
            share = frequency.filter(frequency.get_column(texts.name).is_in(kept)).get_column("rows").sum()
            rest = counted(len(known) - known.null_count() - int(share), "training row")
            facts.add(
                "embedded" if coded else "most frequent",
                texts.name,
                f"{len(kept):,} of {len(ranked):,}, {rest} in the others",
            )
        _note_gaps(column, missing, facts)
    return Found(missing, column)
