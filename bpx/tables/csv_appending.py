"""New columns at the end of a CSV file, whose own text stays as it is to the byte."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bpx.errors import InputError
from bpx.tables.csv_rows import BOM, Row, find_separator, open_csv, read_rows

if TYPE_CHECKING:
    import polars as pl

__all__ = ["append_columns"]


def append_columns(source: Path, columns: Sequence[pl.Series], separator: str | None = None) -> bytes:
    """Return the content of a CSV file with further columns.

    Each row of the file is followed by its new values, in the dialect of the file: its separator, its line tails (none
    after a last line that has none), its byte order mark, and quotation marks around names, text and numbers if the
    file has them around all of those. Blank lines stay. Only if another separator is asked for than the file has are
    its values written anew, each as it was but for quotation marks that it does not need.

    Parameters
    ----------
    source : pathlib.Path
        The file, which `read_csv` has read.
    columns : sequence of polars.Series
        The new columns, with a value for each row that is not blank.
    separator : str, optional
        What stands between values in the result; by default what does so in the file.

    Returns
    -------
    bytes
        UTF-8 text.

    Raises
    ------
    InputError
        If the file is no CSV text, or has another number of rows than the columns.
    """
    content = io.StringIO(newline="")
    with open_csv(source) as file:
        own = find_separator(source, file)
        rows = read_rows(source, file, own)
        start = _take_two(source, rows)
        header, first = (row for row in start if row.values)
        mark = own if separator is None else separator
        quote_numbers = _is_quoted(first, own)
        quote_text = quote_numbers or _is_quoted(header, own)
        names = mark.join(_quote(column.name, mark, always=quote_text) for column in columns)
        tails = itertools.chain([names], _join_rows(columns, mark, quote_text=quote_text, quote_numbers=quote_numbers))
        for row in itertools.chain(start, rows):
            if not row.values:
                content.write(row.raw)
                continue
            text, line_end = _split_line_end(row.raw)
            if mark != own:
                text = BOM * text.startswith(BOM) + mark.join(_quote(value, mark, always=False) for value in row.values)
            new = next(tails, None)
            if new is None:
                raise InputError(f"{source}: the file has got more rows since it was read; predict it again")
            content.write(f"{text}{mark}{new}{line_end}")
    if next(tails, None) is not None:
        raise InputError(f"{source}: the file has got fewer rows since it was read; predict it again")
    return content.getvalue().encode()


def _take_two(source: Path, rows: Iterator[Row]) -> list[Row]:
    """Take the rows up to the second that is not blank: the header, and the first below it."""
    taken: list[Row] = []
    for row in rows:
        taken.append(row)
        if sum(bool(one.values) for one in taken) == 2:
            return taken
    raise InputError(f"{source}: the file has lost its rows since it was read; predict it again")


def _join_rows(columns: Sequence[pl.Series], mark: str, *, quote_text: bool, quote_numbers: bool) -> list[str]:
    """Write the values of each row with the separator between them."""
    import polars as pl

    texts = []
    for column in columns:
        values = column.cast(pl.String)
        if column.dtype == pl.String or quote_numbers:
            always = quote_text if column.dtype == pl.String else quote_numbers
            quoted = {value: _quote(value, mark, always=always) for value in values.unique()}
            values = pl.Series(column.name, [quoted[value] for value in values], dtype=pl.String)
        texts.append(values)
    joined: list[str] = pl.DataFrame(texts).select(pl.concat_str(pl.all(), separator=mark)).to_series().to_list()
    return joined


def _split_line_end(raw: str) -> tuple[str, str]:
    text = raw.removesuffix("\n").removesuffix("\r")
    return text, raw[len(text) :]


def _is_quoted(row: Row, separator: str) -> bool:
    """Tell whether each value of a row stands in quotation marks."""
    text = _split_line_end(row.raw)[0].removeprefix(BOM)
    between = text.count(f'"{separator}"') + 1
    return len(text) > 1 and text.startswith('"') and text.endswith('"') and between >= len(row.values)


def _quote(value: str, separator: str, *, always: bool) -> str:
    needed = always or any(mark in value for mark in (separator, '"', "\n", "\r"))
    return '"' + value.replace('"', '""') + '"' if needed else value
