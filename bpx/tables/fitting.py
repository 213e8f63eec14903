"""Learning a preprocessing from a training table: its columns, its target and what is left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.errors import InputError
from bpx.tables.columns import CategoryColumn, Column, NumberColumn, PresenceColumn, encode_column
from bpx.tables.deciding import decide_column, note_sentinels
from bpx.tables.encoding import Encoding
from bpx.tables.facts import Facts
from bpx.tables.finding import Found, find_column, marker_advice
from bpx.tables.frames import ColumnType, check_types, named_column, take_frame
from bpx.tables.inferring import MISSING_MARKERS, Decimal
from bpx.tables.leaks import find_leak
from bpx.tables.messages import counted, listed, shown
from bpx.tables.target import ClassTarget, NumberTarget, Target, target_numbers
from bpx.tables.task import AskedTask, declare_by_type, find_target, read_target
from bpx.tables.values import as_texts, is_text

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Fitted", "find_table_target", "fit_table"]

Array = np.ndarray[Any, Any]

_REFUSALS_SHOWN = 20
_FIRST_LOOK = 10_000
"""Training rows that are looked at first for what gives the target away; where nothing does, the others are not."""


@dataclass(frozen=True)
class Fitted:
    """What a training table taught."""

    columns: tuple[Column, ...]
    target: Target
    left_out: tuple[str, ...]
    notes: tuple[str, ...]
    kept_texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def fit_table(
    frame: pl.DataFrame,
    target: str,
    task: AskedTask,
    impute: bool,
    drop: Collection[str],
    types: Mapping[str, ColumnType],
    categories_max: int,
    rows: Array | None,
    strict: bool,
    decimal: Decimal = ".",
    codes: bool = False,
) -> Fitted:
    """Find the columns and the target of a training table; see `Preprocessor.fit`.

    Raises
    ------
    InputError
        As `Preprocessor.fit` does.
    """
    frame = take_frame(frame)
    _check_names(frame, target, drop, types)
    features = [name for name in frame.columns if name != target and name not in drop]
    how = (frame, target, task, impute, features, types, categories_max, rows, codes)
    fitted = _fit_strictly(*how) if strict else _fit_usual(*how, decimal)
    if not fitted.columns:
        unused = [*drop, *fitted.left_out]
        left_out = f"; left out: {listed(unused)}" if unused else ""
        raise InputError(f"expected one or more columns to learn from beside the target {shown(target)}{left_out}")
    left_out_names = tuple(name for name in frame.columns if name in drop or name in fitted.left_out)
    return dataclasses.replace(
        fitted,
        left_out=left_out_names,
        notes=tuple(note for note in fitted.notes if note),
        kept_texts=_find_kept_texts(frame, fitted, types),
    )


def _find_kept_texts(
    frame: pl.DataFrame, fitted: Fitted, types: Mapping[str, ColumnType]
) -> dict[str, tuple[str, ...]]:
    """Find the texts that a file of text would have had for missing values, and that are values of this table.

    Columns that are declared keep all of their texts in any file.
    """
    names = [one.name for one in fitted.columns if isinstance(one, (CategoryColumn, PresenceColumn))]
    if isinstance(fitted.target, ClassTarget) and fitted.target.label_type == "str":
        names.append(fitted.target.name)
    found = {}
    for name in names:
        series = frame.get_column(name)
        if is_text(series) and name not in types:
            texts = as_texts(series, name).str.strip_chars()
            there = set(texts.filter(texts.is_in(list(MISSING_MARKERS[1:]))).unique())
            found[name] = tuple(marker for marker in MISSING_MARKERS if marker in there)
    return {name: texts for name, texts in found.items() if texts}


def _check_names(frame: pl.DataFrame, target: str, drop: Collection[str], types: Mapping[str, ColumnType]) -> None:
    """Refuse names of columns that a table does not have or that contradict each other."""
    if isinstance(drop, str):
        raise InputError(f"expected drop to be a list of columns, got the text {shown(drop)}; write [{shown(drop)}]")
    if frame.height == 0:
        raise InputError("the table has no rows")
    named_column(frame, target, "target")
    for name in drop:
        named_column(frame, name, "dropped column")
    if target in drop:
        raise InputError(f"column {shown(target)} is the target and cannot be dropped too")
    check_types(frame, types, drop)


def _fit_strictly(
    frame: pl.DataFrame,
    target: str,
    task: AskedTask,
    impute: bool,
    features: list[str],
    types: Mapping[str, ColumnType],
    categories_max: int,
    rows: Array | None,
    codes: bool,
) -> Fitted:
    """Take each column as it is, and refuse what is not clear, all columns in one message."""
    series = frame.get_column(target)
    declared = declare_by_type(series, task, types.get(target))
    found_target, target_note = find_target(series, task, rows, categories_max=categories_max, declared=declared)
    if "" in features:
        raise InputError(
            f"column {frame.columns.index('') + 1} of {frame.width} has no name; name it, or take it out "
            "(pandas writes its index so)"
        )
    found: dict[str, Found] = {}
    refused: list[str] = []
    for name in features:
        try:
            found[name] = find_column(frame.get_column(name), rows, categories_max, types.get(name), codes=codes)
        except InputError as error:
            refused.append(str(error))
    if refused:
        many = f"{len(refused)} columns are refused: " if len(refused) > 1 else ""
        raise InputError(many + " | ".join(refused[:_REFUSALS_SHOWN]))
    if not impute:
        texts = [name for name in features if is_text(frame.get_column(name)) and name not in types]
        _refuse_missing(found, texts)
    unused = {name: one.reason for name, one in found.items() if one.column is None}
    notes = [target_note, *(one.note for one in found.values()), *_imputed_notes(found, types)]
    notes += [f"column {shown(name)} is left out: {reason}" for name, reason in unused.items()]
    columns = tuple(one.column for one in found.values() if one.column is not None)
    return Fitted(columns, found_target, tuple(unused), tuple(notes))


def _fit_usual(
    frame: pl.DataFrame,
    target: str,
    task: AskedTask,
    impute: bool,
    features: list[str],
    types: Mapping[str, ColumnType],
    categories_max: int,
    rows: Array | None,
    codes: bool,
    decimal: Decimal,
) -> Fitted:
    """Use what can be used, and tell what was decided."""
    facts, notes = Facts(), []
    found_target, series, kept, target_note = _fit_target(
        frame.get_column(target), task, types.get(target), categories_max, rows, facts, decimal
    )
    if len(kept) < frame.height:
        without = counted(frame.height - len(kept), "row")
        advice = marker_advice(target if is_text(frame.get_column(target)) and target not in types else None)
        notes.append(f"{without} without the target {shown(target)} left out{advice}")
        rows = None if rows is None else np.flatnonzero(np.isin(kept, rows))

    def take(name: str) -> pl.Series:
        column = frame.get_column(name)
        return column if len(kept) == len(column) else column.gather(kept)

    how: dict[str, Any] = {"flag": impute, "decimal": decimal, "codes": codes}
    found = {name: decide_column(take(name), rows, categories_max, types.get(name), facts, **how) for name in features}
    if not impute:
        _refuse_missing(found, [name for name in features if is_text(frame.get_column(name)) and name not in types])
    used = {name: one.column for name, one in found.items() if one.column is not None and not one.reason}
    if not used:
        used = {name: one.column for name, one in found.items() if one.column is not None}
        for name in used:
            facts.move("number keys", "kept", name)
            facts.move("text keys", "kept", name)
    y = found_target.encode(series)
    classes = isinstance(found_target, ClassTarget)
    _note_leaks(take, used, y if classes else found_target.decode(y), rows, classes, facts)
    unused = tuple(name for name in found if name not in used)
    return Fitted(tuple(used.values()), found_target, unused, (*notes, target_note, *facts.tell()))


def find_table_target(
    frame: pl.DataFrame,
    target: str,
    task: AskedTask,
    drop: Collection[str],
    types: Mapping[str, ColumnType],
    categories_max: int,
    decimal: Decimal = ".",
) -> tuple[Target, Array]:
    """Find the target of an ordinary table and the rows that have it, before any other column is looked at.

    Raises
    ------
    InputError
        If it cannot be predicted, or as `fit_table` does if a column that is named does not exist.
    """
    _check_names(frame, target, drop, types)
    found, _, kept, _ = _fit_target(
        frame.get_column(target), task, types.get(target), categories_max, None, Facts(), decimal
    )
    return found, kept


def _fit_target(
    column: pl.Series,
    task: AskedTask,
    declared: ColumnType | None,
    categories_max: int,
    rows: Array | None,
    facts: Facts,
    decimal: Decimal,
) -> tuple[Target, pl.Series, Array, str]:
    """Give the target, its values in the rows that have one, these rows, and what is to be told of it."""
    declared = declare_by_type(column, task, declared)
    series, notation = read_target(column, task, declared, facts, decimal)
    kept = np.flatnonzero(series.is_not_null().to_numpy())
    if len(kept) == 0:
        raise InputError(f"target {shown(column.name)}: the column has no values")
    if len(kept) < len(series):
        rows = None if rows is None else np.flatnonzero(np.isin(kept, rows))
        without = len(series) - len(kept)
        series = series.gather(kept)
        if task != "regression" and series.n_unique() == 1:
            raise InputError(
                f"target {shown(column.name)}: expected two or more classes, got {shown(series[0])} in every row that "
                f"has one, and {counted(without, 'row')} without; if a cell without one means another class, such as "
                "'no', write that there"
            )
    found, note = find_target(
        series, task, rows, categories_max=categories_max, declared=declared, strict=False, notation=notation
    )
    if isinstance(found, NumberTarget):
        note_sentinels(column.name, target_numbers(series, f"target {shown(column.name)}", notation), facts)
    return found, series, kept, note


def _note_leaks(
    take: Callable[[str], pl.Series],
    used: Mapping[str, Column],
    y: Array,
    rows: Array | None,
    classes: bool,
    facts: Facts,
) -> None:
    """Tell which columns give the target away: the first of many rows are looked at first, and all where they do."""
    at = np.arange(len(y)) if rows is None else rows
    for name, column in used.items():
        leak = _find_leak(take(name), column, y, at[:_FIRST_LOOK], classes)
        if leak and len(at) > _FIRST_LOOK:
            leak = _find_leak(take(name), column, y, at, classes)
        if leak:
            facts.add("leaks", name, leak)


def _find_leak(series: pl.Series, column: Column, y: Array, at: Array, classes: bool) -> str:
    """Say how some rows of a column give the target away: by its values, or by where they are missing."""
    block = encode_column(column, series.gather(at), Encoding(True, True, strict=False, refuse_unread=False))
    values = block[:, 0]
    gaps = block[:, -1] if column.flagged else np.zeros(len(at))
    if isinstance(column, CategoryColumn) and column.coded:
        gaps = (values == column.n_codes - 1) & column.flagged
        values = np.where((values < 0) | (values >= len(column.categories)), np.nan, values)
    elif isinstance(column, CategoryColumn):
        width = len(column.categories)
        values = np.where(block[:, :width].any(axis=1), block[:, :width].argmax(axis=1), np.nan)
    elif isinstance(column, NumberColumn):
        values = values * column.std + column.mean
    leak = find_leak(np.where(gaps > 0, np.nan, values), y[at], classes=classes)
    if not leak and column.flagged and find_leak(gaps, y[at], classes=classes):
        return "by where it is missing"
    return leak


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
