"""Finding the task, classes or regression, from the target column of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bpx.errors import InputError, unknown_name
from bpx.tables.finding import constant_reason, marker_advice, measure_note, odd_ones_out
from bpx.tables.frames import ColumnType
from bpx.tables.messages import counted, shown
from bpx.tables.target import (
    ClassTarget,
    LabelType,
    NumberTarget,
    Target,
    label_values,
    refuse_missing,
    target_numbers,
)
from bpx.tables.values import as_numbers, as_texts, differ_by_rounding, is_text

if TYPE_CHECKING:
    import polars as pl

__all__ = ["find_target"]

Array = np.ndarray[Any, Any]
AskedTask = Literal["auto", "classification", "regression"]

_INTEGER_CLASSES_MAX = 20


def find_target(
    series: pl.Series,
    task: AskedTask = "auto",
    rows: Array | None = None,
    *,
    categories_max: int = 100,
    declared: ColumnType | None = None,
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
        return _find_classes(series, "str", limit, what), ""
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
        return _find_numbers(series, rows, what), _classes_note(series, label_type, task)
    note = measure_note(as_texts(series, what), what) if task == "auto" and is_text(series) else ""
    return _find_classes(series, label_type, categories_max, what), note


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


def _find_numbers(series: pl.Series, rows: Array | None, what: str) -> NumberTarget:
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
    return NumberTarget(series.name, mean, std)
