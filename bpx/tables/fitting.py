"""Learning a preprocessing from a training table: its columns, its target and what is left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.errors import InputError
from bpx.tables.columns import CategoryColumn, Column
from bpx.tables.finding import Found, find_column, marker_advice
from bpx.tables.frames import ColumnType, check_types, named_column, take_frame
from bpx.tables.messages import counted, listed, shown
from bpx.tables.target import Target
from bpx.tables.task import AskedTask, find_target
from bpx.tables.values import is_text

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Fitted", "fit_table"]


@dataclass(frozen=True)
class Fitted:
    """What a training table taught."""

    columns: tuple[Column, ...]
    target: Target
    left_out: tuple[str, ...]
    notes: tuple[str, ...]


def fit_table(
    frame: pl.DataFrame,
    target: str,
    task: AskedTask,
    impute: bool,
    drop: Collection[str],
    types: Mapping[str, ColumnType],
    categories_max: int,
    rows: np.ndarray[Any, Any] | None,
) -> Fitted:
    """Find the columns and the target of a training table; see `Preprocessor.fit`.

    Raises
    ------
    InputError
        As `Preprocessor.fit` does.
    """
    frame = take_frame(frame)
    if isinstance(drop, str):
        raise InputError(f"expected drop to be a list of columns, got the text {shown(drop)}; write [{shown(drop)}]")
    if frame.height == 0:
        raise InputError("the table has no rows")
    target_series = named_column(frame, target, "target")
    for name in drop:
        named_column(frame, name, "dropped column")
    if target in drop:
        raise InputError(f"column {shown(target)} is the target and cannot be dropped too")
    check_types(frame, types, drop)
    found_target, target_note = find_target(
        target_series, task, rows, categories_max=categories_max, declared=types.get(target)
    )
    features = [series for series in frame.get_columns() if series.name != target and series.name not in drop]
    found = {series.name: find_column(series, rows, categories_max, types.get(series.name)) for series in features}
    if not impute:
        _refuse_missing(found, [series.name for series in features if is_text(series) and series.name not in types])
    unused = {name: one.reason for name, one in found.items() if one.column is None}
    notes = [target_note, *(one.note for one in found.values()), *_imputed_notes(found, types)]
    notes += [f"column {shown(name)} is left out: {reason}" for name, reason in unused.items()]
    columns = tuple(one.column for one in found.values() if one.column is not None)
    if not columns:
        left_out = f"; left out: {listed([*drop, *unused])}" if drop or unused else ""
        raise InputError(f"expected one or more columns to learn from beside the target {shown(target)}{left_out}")
    left_out_names = tuple(name for name in frame.columns if name in drop or name in unused)
    return Fitted(columns, found_target, left_out_names, tuple(note for note in notes if note))


def _imputed_notes(found: Mapping[str, Found], types: Mapping[str, ColumnType]) -> list[str]:
    """Say which columns of text have values for missing that may be meant as they stand, such as NA for Namibia."""
    return [
        f"column {shown(name)}: {counted(int(one.missing.sum()), 'missing value')}, taken as "
        f"{shown(one.column.most_frequent)}{marker_advice(name)}"
        for name, one in found.items()
        if isinstance(one.column, CategoryColumn) and one.missing.any() and name not in types
    ]


def _refuse_missing(found: Mapping[str, Found], texts: Collection[str]) -> None:
    """Refuse missing values, all columns that have some in one message; say of those of text what may be meant."""
    counts = {name: int(one.missing.sum()) for name, one in found.items() if one.missing.any()}
    if counts:
        named = ", ".join(f"{shown(name)} ({counted(count, 'value')})" for name, count in list(counts.items())[:20])
        raise InputError(
            f"values are missing in {counted(len(counts), 'column')}: {named}; fill them in, leave the columns out "
            "(drop, --drop), or pass missing='impute' (--missing impute)"
            + marker_advice(next((name for name in counts if name in texts), None))
        )
