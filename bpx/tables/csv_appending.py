"""New columns at the end of a CSV file, whose own text stays as it is to the byte."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bpx.errors import InputError
from bpx.tables.csv_reading import read_csv
from bpx.tables.csv_rows import Row, allow_long_fields, find_separator, read_rows
from bpx.tables.inferring import Decimal, Inference
from bpx.tables.text_reading import Text, read_text

if TYPE_CHECKING:
    import polars as pl

__all__ = ["append_columns"]


def append_columns(
    source: Path,
    columns: Sequence[pl.Series],
    separator: str | None = None,
    *,
    encoding: str | None = None,
    decimal: Decimal | None = None,
    header: bool = True,
) -> bytes:
    """Return the content of a CSV file with further columns.

    Each row of the file is followed by its new values, in the dialect of the file: its encoding and byte order mark,
    its separator, its decimal commas, its line tails (none after a last line that has none), and quotation marks around
    names, text and numbers if the file has them around all of those. Blank lines stay, and so does a first line such as
    ``sep=;``. Only if another separator is asked for than the file has are its values written anew, each as it was but
    for quotation marks that it does not need. A file that is compressed comes back unpacked.

    Parameters
    ----------
    source : pathlib.Path
        The file, which `read_csv` has read.
    columns : sequence of polars.Series
        The new columns, with a value for each row that is not blank.
    separator : str, optional
        What stands between values in the result; by default what does so in the file.
    encoding : str, optional
        The encoding of the file; by default it is found.
    decimal : {".", ","}, optional
        What stands before decimals in the file; by default it is found.
    header : bool
        Whether the file has a line of names. Without one, the result has none either.

    Returns
    -------
    bytes
        Text in the encoding of the file.

    Raises
    ------
    InputError
        If the file is no CSV text, or has another number of rows than the columns; or its encoding lacks a character
        of the new columns.
    """
    content = io.StringIO(newline="")
    given = read_text(source, encoding, [])
    own, told = find_separator(given)
    mark = own if separator is None else separator
    comma = mark != "," and (decimal or _find_decimal(given, own, header)) == ","
    with allow_long_fields():
        rows = read_rows(given, own, told)
        start = _take(source, rows, 2 if header else 1)
        top = [row for row in start if row.values]
        quote_numbers = _is_quoted(top[-1], own)
        quote_text = quote_numbers or _is_quoted(top[0], own)
        names = mark.join(_quote(column.name, mark, always=quote_text) for column in columns)
        new_rows = _join_rows(columns, mark, comma, quote_text=quote_text, quote_numbers=quote_numbers)
        tails = itertools.chain([names] if header else [], new_rows)
        for row in itertools.chain(start, rows):
            if not row.values:
                content.write("" if told and row.line == 1 and mark != own else row.raw)
                continue
            text, line_end = _split_line_end(row.raw)
            if mark != own:
                text = mark.join(_quote(value, mark, always=False) for value in row.values)
            new = next(tails, None)
            if new is None:
                raise InputError(f"{source}: the file has got more rows since it was read; predict it again")
            content.write(f"{text}{mark}{new}{line_end}")
    if next(tails, None) is not None:
        raise InputError(f"{source}: the file has got fewer rows since it was read; predict it again")
    return given.encode(content.getvalue())


def _take(source: Path, rows: Iterator[Row], count: int) -> list[Row]:
    """Take the rows up to so many that are not blank: the header, and the first below it."""
    taken: list[Row] = []
    for row in rows:
        taken.append(row)
        if sum(bool(one.values) for one in taken) == count:
            return taken
    raise InputError(f"{source}: the file has lost its rows since it was read; predict it again")


def _find_decimal(given: Text, separator: str, header: bool) -> Decimal:
    """Find what stands before decimals, as who read the file did."""
    how = Inference()
    if separator != ",":
        read_csv(given, how, header=header, look_for_decimal=True, notes=[])
    return how.decimal


def _join_rows(
    columns: Sequence[pl.Series], mark: str, comma: bool, *, quote_text: bool, quote_numbers: bool
) -> list[str]:
    """Write the values of each row with the separator between them."""
    import polars as pl

    texts = []
    for column in columns:
        values = column.cast(pl.String)
        if comma and column.dtype.is_float():
            values = values.str.replace(".", ",", literal=True)
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
    text = _split_line_end(row.raw)[0]
    between = text.count(f'"{separator}"') + 1
    return len(text) > 1 and text.startswith('"') and text.endswith('"') and between >= len(row.values)


def _quote(value: str, separator: str, *, always: bool) -> str:
    needed = always or any(mark in value for mark in (separator, '"', "\n", "\r"))
    return '"' + value.replace('"', '""') + '"' if needed else value
