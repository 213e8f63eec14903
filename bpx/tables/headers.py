"""The names of the columns: a header that is checked, completed where a column has no name, or absent."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from bpx.errors import InputError
from bpx.tables.messages import counted, listed, shown

if TYPE_CHECKING:
    import polars as pl

__all__ = ["MissingHeaderError", "check_second_header", "count_rows_to_compare", "name_columns", "number_columns"]

_ROWS, _VALUES = 1000, 200_000
"""Rows and values below a header that are compared with it."""


class MissingHeaderError(InputError):
    """The first line of a table looks like data, where column names were expected."""


def count_rows_to_compare(width: int) -> int:
    """Return how many rows below a header of so many columns `name_columns` is to be given."""
    return min(_ROWS, max(1, _VALUES // max(width, 1)))


def number_columns(width: int) -> list[str]:
    """Name columns that have no header by their places, from 1."""
    return [str(place) for place in range(1, width + 1)]


def name_columns(where: str, header: Sequence[str], rows: Sequence[Sequence[str]], notes: list[str]) -> list[str]:
    """Return the names of the columns that a header has, those without one named ``unnamed`` and their place.

    Parameters
    ----------
    where : str
        File and line, for the messages.
    header : sequence of str
        The first line.
    rows : sequence of sequence of str
        Lines below it.
    notes : list of str
        Gets a line about columns without a name.

    Raises
    ------
    MissingHeaderError
        If it looks like data: numbers, with words that stand again below it, if any; or words alone that all do.
    InputError
        If it is empty or no text, or two columns have one name.
    """
    names = [name.strip() for name in header]
    if not names:
        raise InputError(f"{where}: expected a header, a line of column names, got an empty file")
    if any("\0" in name for name in names):
        raise InputError(f"{where}: not a text file: the header holds NUL bytes")
    if _looks_like_data(names, rows):
        raise MissingHeaderError(
            f"{where}: expected column names, got data ({listed(names[:4])}): the first line looks like one of rows; "
            f"add a line of names, or pass header=False: columns are then called by their places, 1 to {len(names)}"
        )
    unnamed = [place for place, name in enumerate(names, start=1) if not name]
    taken = set(names)
    for place in unnamed:
        names[place - 1] = _new_name(f"unnamed {place}", taken)
    seen: dict[str, int] = {}
    for place, name in enumerate(names, start=1):
        if name in seen:
            raise InputError(
                f"{where}: columns {seen[name]} and {place} are both named {shown(name)}; give each a name of its own"
            )
        seen[name] = place
    if unnamed:
        called = listed(names[place - 1] for place in unnamed)
        index = " (pandas writes its index so)" if unnamed == [1] else ""
        notes.append(f"{counted(len(unnamed), 'column')} without a name in the header{index}, read as {called}")
    return names


def check_second_header(path: object, frame: pl.DataFrame) -> None:
    """Refuse a table whose first row is a second header: of names, or of units.

    It is taken for one if it has no number, two or more columns, or all, are numbers but for it, and there are three
    rows or more.

    Raises
    ------
    InputError
        If it looks like one.
    """
    import polars as pl

    if frame.height < 3 or any(dtype.is_numeric() or dtype == pl.Boolean for dtype in frame.dtypes):
        return
    odd = []
    for column in frame.get_columns():
        first = column[0]
        if column.dtype != pl.String or first is None:
            continue
        if _is_number(first):
            return
        below = column.slice(1).drop_nulls()
        if len(below) > 1 and below.cast(pl.Float64, strict=False).null_count() == 0:
            odd.append(column)
    if odd and len(odd) >= min(2, frame.width):
        raise InputError(
            f"{path}: the first row below the header looks like a second one, of names or units "
            f"({listed(column[0] for column in odd[:4])} above numbers in "
            f"{listed(column.name for column in odd[:4])}); take it out"
        )


def _looks_like_data(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    if names == [str(i) for i in range(len(names))]:  # what pandas writes for columns that never had names
        return False
    below = [[value.strip() for value in row] for row in rows if len(row) == len(names)]
    words = [i for i, name in enumerate(names) if name and not _is_number(name)]
    again = [i for i in words if any(row[i] == names[i] for row in below)]
    if len(words) < sum(map(bool, names)):
        return not words or bool(again)
    repeated = any(row == list(names) for row in below)  # as where several files were put together
    return len(words) > 1 and again == words == list(range(len(names))) and not repeated


def _new_name(name: str, taken: Container[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
