"""Finding the task, classes or regression, from the target column of a table."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bpx.errors import InputError, unknown_name
from bpx.tables.dates import find_dates
from bpx.tables.facts import Facts
from bpx.tables.finding import constant_reason, declare_advice, marker_advice, measure_note, odd_ones_out
from bpx.tables.frames import ColumnType
from bpx.tables.identifiers import find_key, find_many_texts
from bpx.tables.inferring import Decimal
from bpx.tables.messages import counted, shown
from bpx.tables.notation import NumberNotation, find_notation
from bpx.tables.spelling import find_spellings, tell_spellings
from bpx.tables.target import (
    ClassTarget,
    LabelType,
    NumberTarget,
    Target,
    label_values,
    refuse_missing,
    target_numbers,
)
from bpx.tables.values import as_numbers, as_texts, differ_by_rounding, is_category, is_text, strip_texts

if TYPE_CHECKING:
    import polars as pl

__all__ = ["declare_by_type", "find_target", "read_target"]

Array = np.ndarray[Any, Any]
AskedTask = Literal["auto", "classification", "regression"]

_INTEGER_CLASSES_MAX = 20

_PLAIN_CLASSES = 5
"""Different whole numbers up to which nobody is told that they are taken for classes."""


def declare_by_type(series: pl.Series, task: AskedTask, declared: ColumnType | None) -> ColumnType | None:
    """Return what a target is declared: text where nothing is said and its type says that it holds categories.

    Parameters
    ----------
    series : polars.Series
        The target, with the type that it has in its table.
    task : {"auto", "classification", "regression"}
        The task that is asked for; a regression is one, whatever the type says.
    declared : {"text", "number", "category"} or None
        What the user says.
    """
    return "text" if declared is None and task != "regression" and is_category(series) else declared


def find_target(
    series: pl.Series,
    task: AskedTask = "auto",
    rows: Array | None = None,
    *,
    categories_max: int = 100,
    declared: ColumnType | None = None,
    strict: bool = True,
    notation: NumberNotation | None = None,
) -> tuple[Target, str]:
    """Find the task and learn the encoding of the target.

    With ``task="auto"``, text and booleans are classes. Integers are classes if they are only 0 and 1, or if there are
    at most 20 different ones and each is there twice on average. Other integers and all floats mean regression. The
    labels of integers that 64 bits with a sign do not hold are text.

    Parameters
    ----------
    series : polars.Series
        The target column, without missing values.
    task : {"auto", "classification", "regression"}
        The task, or that it is to be found.
    rows : array of int, optional
        The training rows, from which mean and standard deviation are taken; by default all. Classes are taken from all
        rows.
    categories_max : int
        Text with more classes than this has to have each twice on average, unless it is declared a category.
    declared : {"text", "number", "category"}, optional
        What the target is, where the user says so: text and categories are classes, with labels of text, and a number
        is a number unless the task is classification.
    strict : bool
        Whether the target is taken as it came, and not as `read_target` gave it: then one that numbers its rows, or
        that has a class for each of them, is refused.
    notation : NumberNotation, optional
        How numbers are written, as `read_target` found it.

    Returns
    -------
    target : ClassTarget or NumberTarget
        The encoding.
    note : str
        What the user should know; empty if there is nothing.

    Raises
    ------
    InputError
        If values are missing, not finite or of a type that cannot be predicted; there is one class or one number only;
        there are too many classes; the task is found and text stands among many different numbers; or the declared type
        and the task contradict each other.
    """
    if task not in ("auto", "classification", "regression"):
        raise unknown_name("task", task, ("auto", "classification", "regression"))
    what = f"target {shown(series.name)}"
    if series.null_count() == len(series):
        raise InputError(f"{what}: the column has no values")
    if declared in ("text", "category"):
        if task == "regression":
            raise InputError(
                f"{what}: declared {declared}, which is for classes, and the task is regression; choose one"
            )
        series = as_texts(series, what)
        limit = len(series) if declared == "category" else categories_max
        refuse_missing(what, series.is_null().to_numpy())
        return dataclasses.replace(_find_classes(series, "str", limit, what), folded=not strict), ""
    if not strict and declared is None and task == "auto":
        _refuse_identifiers(series, what)
    if declared == "number":
        series = _as_number_series(series, what)
        task = "regression" if task == "auto" else task
    label_type = _label_type(series, what)
    advice = marker_advice(series.name if is_text(series) else None)
    refuse_missing(what, label_values(series, label_type, what).is_null().to_numpy(), advice)
    odd = odd_ones_out(label_values(series, "str", what)) if task == "auto" and is_text(series) else ""
    if odd:
        raise InputError(
            f"{what}: expected classes or numbers, got text among numbers: {odd}; correct it, or pass "
            "task='classification' (--task classification) if each text is a class"
        )
    if task == "regression" or (task == "auto" and not _holds_classes(series, label_type)):
        return _find_numbers(series, rows, what, notation), _classes_note(series, label_type, task)
    note = measure_note(as_texts(series, what), what) if task == "auto" and is_text(series) else ""
    found = _find_classes(series, label_type, categories_max, what)
    if not strict and task == "auto" and label_type == "int" and len(found.labels) > _PLAIN_CLASSES:
        note = (
            f"{what}: taken as {len(found.labels)} classes, because few different whole numbers occur; for numbers "
            "pass task='regression' (--task regression)"
        )
    if not strict and label_type == "str":
        found = dataclasses.replace(found, stripped=True, folded=True)
    return found, note


def read_target(
    series: pl.Series, task: AskedTask, declared: ColumnType | None, facts: Facts, decimal: Decimal = "."
) -> tuple[pl.Series, NumberNotation | None]:
    """Read the target as ordinary files have it: spaces around text taken off, numbers in disguise as numbers.

    Text among many numbers is missing, as are infinity and text without anything but spaces. Classes that differ in
    spelling, as `bpx.tables.spelling` takes it, are the most frequent one.

    Parameters
    ----------
    series : polars.Series
        The target, all rows of the table.
    task : {"auto", "classification", "regression"}
        The task that is asked for.
    declared : {"text", "number", "category"} or None
        What the target is, where the user says so.
    facts : Facts
        Gets what the user should know.
    decimal : {".", ","}
        What stands before decimals in the file.

    Returns
    -------
    series : polars.Series
        The target, null where it is missing: integers where all numbers are whole and written plainly.
    notation : NumberNotation or None
        How numbers are written; None if they are no text.
    """
    import polars as pl

    if series.dtype.is_float():
        series = series.fill_nan(None)
        infinite = series.is_infinite().fill_null(False)
        if infinite.any():
            facts.add("infinite", series.name, counted(int(infinite.sum()), "value"))
            series = series.set(infinite, None)
        integers = series.cast(pl.Int64, strict=False)
        # what has gaps and is whole otherwise were integers, before another program wrote them as floats for the gaps
        whole = series.null_count() > 0 and integers.null_count() == series.null_count() and (integers == series).all()
        return (integers if whole else series), None
    if not is_text(series):
        return series, None
    texts = as_texts(series, "")
    stripped = strip_texts(texts)
    spaced = texts.filter((texts != stripped) & stripped.is_not_null())
    if len(spaced):
        facts.add("spaces", series.name, f"such as {shown(spaced[0])}")
    found = find_notation(stripped, decimal)
    if declared in ("text", "category"):
        return stripped, None
    if found.notation is None or task == "classification" or (declared == "number" and found.odd):
        spellings = find_spellings(stripped) if declared is None and task != "regression" else {}
        if spellings:
            facts.add("spellings", series.name, tell_spellings(spellings))
        return stripped.replace(spellings) if spellings else stripped, None
    numbers = pl.Series(series.name, found.notation.read(stripped)).fill_nan(None)
    if found.example or (task == "auto" and declared is None):
        facts.add(
            "numbers", series.name, found.example or f"such as {shown(stripped.filter(numbers.is_not_null())[0])}"
        )
    if found.doubtful:
        facts.add("points", series.name, shown(found.doubtful))
    if found.bound:
        facts.add("bounds", series.name, shown(found.bound))
    if found.odd:
        facts.add("odd", series.name, ", ".join(map(shown, found.odd[:3])))
    integers = numbers.cast(pl.Int64, strict=False)
    plain = not found.example and (integers == numbers).all()
    return (integers if plain else numbers), found.notation


def _refuse_identifiers(series: pl.Series, what: str) -> None:
    """Refuse a target of dates, and one that tells rows apart and nothing else."""
    rows = counted(len(series), "row")
    dates = find_dates(series) if is_text(series) or series.dtype.is_integer() else None
    if dates is not None:
        raise InputError(
            f"{what}: expected classes or numbers, got dates or times ({shown(dates.example)}); turn them into numbers "
            f"such as days or hours, or {declare_advice(series.name, 'category')} if each is a class"
        )
    if series.dtype.is_integer():
        key = find_key(series)
        if key in ("all different", "counting up"):
            raise InputError(
                f"{what}: expected something to predict, got numbers that only tell the {rows} apart ({key}); choose "
                "another target, or pass task='regression' (--task regression) if they are to be predicted"
            )
    elif is_text(series):
        reason = find_many_texts(as_texts(series, what))
        if reason:
            got = f"one for each of {rows}" if reason == "all different" else reason
            raise InputError(
                f"{what}: expected classes that come again, got {got}; "
                f"choose another target, or {declare_advice(series.name, 'category')} if each is a class"
            )


def _as_number_series(series: pl.Series, what: str) -> pl.Series:
    """Give text as integers, or as floats where one of them is none; other columns as they are."""
    import polars as pl

    if not is_text(series):
        return series
    numbers = pl.Series(series.name, as_numbers(series, what)).fill_nan(None)
    integers = numbers.cast(pl.Int64, strict=False)
    return integers if integers.null_count() == numbers.null_count() and (integers == numbers).all() else numbers


def _label_type(series: pl.Series, what: str) -> LabelType:
    import polars as pl

    if is_text(series):
        return "str"
    if series.dtype == pl.Boolean:
        return "bool"
    if series.dtype.is_integer():
        fits = series.cast(pl.Int64, strict=False).null_count() == series.null_count()
        return "int" if fits else "str"
    if series.dtype.is_numeric():
        return "float"
    raise InputError(f"{what}: expected text, booleans or numbers, got {series.dtype}")


def _holds_classes(series: pl.Series, label_type: LabelType) -> bool:
    if not series.dtype.is_integer():
        return label_type != "float"
    different = series.unique().sort().to_list()
    return different == [0, 1] or len(different) <= min(_INTEGER_CLASSES_MAX, len(series) / 2)


def _classes_note(series: pl.Series, label_type: LabelType, task: AskedTask) -> str:
    few = task == "auto" and label_type == "float" and series.n_unique() <= min(_INTEGER_CLASSES_MAX, len(series) / 2)
    if not few or not bool((series == series.round()).all()):
        return ""
    return (
        f"target {shown(series.name)}: taken as numbers, though only {series.n_unique()} whole ones occur; "
        "for classes pass task='classification' (--task classification)"
    )


def _find_classes(series: pl.Series, label_type: LabelType, categories_max: int, what: str) -> ClassTarget:
    values = label_values(series, label_type, what)
    labels = sorted(values.unique().to_list())
    if len(labels) == 1:
        raise InputError(f"{what}: expected two or more classes, got {shown(labels[0])} in every row")
    if len(labels) > max(categories_max, len(series) / 2):
        raise InputError(
            f"{what}: {len(labels):,} classes in {counted(len(series), 'row')} are too many; choose another target, "
            "or pass task='regression' (--task regression) if these are numbers to be predicted"
        )
    return ClassTarget(series.name, label_type, tuple(labels))


def _find_numbers(
    series: pl.Series, rows: Array | None, what: str, notation: NumberNotation | None = None
) -> NumberTarget:
    numbers = target_numbers(series, what)
    numbers = numbers if rows is None else numbers[rows]
    if differ_by_rounding(series, numbers):
        reason = constant_reason(series, numbers, rows)
        raise InputError(f"{what}: expected different numbers, {reason.replace('it is', 'got', 1)}")
    with np.errstate(over="ignore", invalid="ignore"):
        mean, std = float(numbers.mean()), float(numbers.std())
    if not (np.isfinite(mean) and np.isfinite(std) and std > 0.0):
        raise InputError(
            f"{what}: from {numbers.min():g} to {numbers.max():g}, its mean and standard deviation are out of range; "
            "rescale the numbers"
        )
    return NumberTarget(series.name, mean, std, notation)
