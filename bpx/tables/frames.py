"""Checks of a table before anything is computed from it: its type, the columns it has, the columns it lacks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from bpx.errors import InputError
from bpx.optional import import_optional
from bpx.tables.messages import counted, listed, nearest, shown

if TYPE_CHECKING:
    import polars as pl

__all__ = ["check_columns", "check_frame", "named_column"]


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
