"""Taking a table of any library, and checking the columns that it has and lacks, before anything is computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from bpx.errors import InputError, unknown_name
from bpx.optional import import_optional
from bpx.tables.messages import counted, listed, nearest, shown
from bpx.tables.values import as_texts, is_text

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ColumnType", "check_columns", "check_types", "named_column", "take_frame"]

ColumnType = Literal["text", "number", "category"]
"""What a column can be declared: text and category keep each text of a CSV file as it stands."""


def take_frame(table: Any) -> pl.DataFrame:
    """Give a table of any library that narwhals knows as a data frame of polars; one of polars comes back as it is.

    Missing values become null, categories of any kind polars' categories, which are text, and names that are numbers
    text too. A frame that is lazy is collected; an index is no column.

    Parameters
    ----------
    table : data frame
        Of polars, pandas, pyarrow, modin, cuDF, DuckDB, ...

    Raises
    ------
    InputError
        If polars or narwhals is not installed, ``table`` is something else, or a column is none of a table's.
    """
    import_optional("polars", "tables", "table")
    import polars as pl

    if isinstance(table, pl.DataFrame):
        return table
    narwhals: Any = import_optional("narwhals", "tables", "table")
    try:
        found = narwhals.from_native(table, pass_through=True, series_only=False)
        if isinstance(found, narwhals.LazyFrame):
            found = found.collect()
    except (TypeError, ValueError) as error:
        columns = getattr(table, "columns", ())
        _check_names(getattr(table, "column_names", columns))  # pyarrow's columns are no names
        raise InputError(f"the table cannot be taken: {str(error).splitlines()[0]}") from error
    if not isinstance(found, narwhals.DataFrame):
        raise InputError(
            "expected a data frame, such as one of polars, pandas or pyarrow, got "
            f"{type(table).__module__}.{type(table).__qualname__}"
        )
    names = _check_names(found.columns)
    if found.implementation.is_polars():
        native: pl.DataFrame = found.to_native()
        return native
    columns = zip(found.iter_columns(), names, strict=True)
    return pl.DataFrame([_take_column(column, name) for column, name in columns])


def _check_names(columns: Iterable[Any]) -> list[str]:
    """Return the names of columns as text; pandas numbers those without names.

    Raises
    ------
    InputError
        If two are the same.
    """
    names = [str(name) for name in columns]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            f"expected columns that are each named once, got several that are called {listed(twice)}; rename them"
        )
    return names


def _take_column(column: Any, name: str) -> pl.Series:
    """Give a column of another library as one of polars."""
    import polars as pl

    dtype = column.dtype
    categories = _holds_categories(dtype)
    try:
        if dtype.is_numeric() and not dtype.is_decimal() and not column.is_null().any():
            return pl.Series(name, column.to_numpy())
        missing = column.is_null().to_list()
        values = [None if gone else value for value, gone in zip(column.to_list(), missing, strict=True)]
        return _name_categories(name, values) if categories else pl.Series(name, values, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"column {shown(name)}: expected values of one type, got {dtype} that no table has "
            f"({str(error).splitlines()[0]})"
        ) from error


def _holds_categories(dtype: Any) -> bool:
    """Tell whether a type of narwhals is one of categories, ordered or not."""
    narwhals: Any = import_optional("narwhals", "tables", "table")
    return any(dtype == kind for kind in (narwhals.Categorical, narwhals.Enum))


def _name_categories(name: str, values: list[Any]) -> pl.Series:
    """Give categories as text: numbers and booleans as they are written in a column of their own, others by `str`."""
    import polars as pl

    try:
        series = pl.Series(name, values, strict=True)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError):  # of several types
        series = None
    if series is None or not (is_text(series) or series.dtype.is_numeric() or series.dtype in (pl.Boolean, pl.Null)):
        series = pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
    return as_texts(series, f"column {shown(name)}").cast(pl.Categorical)


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
