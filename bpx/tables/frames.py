"""Checks of a table before anything is computed from it: its type, the columns it has, the columns it lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from bpx.errors import InputError, unknown_name
from bpx.optional import import_optional
from bpx.tables.messages import counted, listed, nearest, shown

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ColumnType", "check_columns", "check_frame", "check_types", "named_column"]

ColumnType = Literal["text", "number", "category"]
"""What a column can be declared: text and category keep each text of a CSV file as it stands."""


def check_frame(frame: object) -> None:
    """Refuse anything but a polars data frame.

    Raises
    ------
    InputError
        If polars is not installed, or ``frame`` is something else.
    """
    import_optional("polars", "tables", "table")
    import polars as pl

    if not isinstance(frame, pl.DataFrame):
        raise InputError(f"expected a polars.DataFrame, got {type(frame).__module__}.{type(frame).__qualname__}")


def named_column(frame: pl.DataFrame, name: str, kind: str) -> pl.Series:
    """Take a column by its name.

    Raises
    ------
    InputError
        If there is no such column. The message has the nearest name and the names of all columns.
    """
    if name not in frame.columns:
        close = nearest(name, frame.columns)
        raise InputError(f"{kind} {shown(name)} is not in the table{close}; its columns: {listed(frame.columns)}")
    return frame.get_column(name)


def check_types(frame: pl.DataFrame, types: Mapping[str, ColumnType], drop: Collection[str]) -> None:
    """Refuse declared types that no column has, that are no types, and those of columns that are left out.

    Raises
    ------
    InputError
        If there is such a type.
    """
    if not isinstance(types, Mapping):
        raise InputError(f"expected types to be a dict such as {{'zip': 'category'}}, got {shown(types)}")
    for name, declared in types.items():
        if declared not in get_args(ColumnType):
            raise unknown_name("column type", declared, sorted(get_args(ColumnType)))
        named_column(frame, name, f"{declared} column")
        if name in drop:
            raise InputError(f"column {shown(name)} is declared {declared} and dropped too; do one of the two")


def check_columns(frame: pl.DataFrame, needed: Sequence[str], also_known: Collection[str]) -> list[str]:
    """Refuse a table without one of the columns that are needed, and name the columns that are unknown.

    Raises
    ------
    InputError
        If columns are absent. The message names them, each with the nearest of the unknown columns.
    """
    extra = [name for name in frame.columns if name not in needed and name not in also_known]
    absent = [name for name in needed if name not in frame.columns]
    if absent:
        named = ", ".join(f"{shown(name)}{nearest(name, extra)}" for name in absent[:20])
        raise InputError(
            f"the table lacks {len(absent)} of the {counted(len(needed), 'column')} that training used: {named}; "
            f"its columns: {listed(frame.columns)}"
        )
    return extra
