"""New columns at the end of a CSV file, whose own text stays as it is to the byte."""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bpx.errors import InputError
from bpx.tables.csv_rows import Row, allow_long_fields, is_tsv, split_rows
from bpx.tables.inferring import Decimal
from bpx.tables.messages import shown
from bpx.tables.text_streaming import StreamedText

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CsvAppender", "choose_separator"]


class CsvAppender:
    """Writes the content of a CSV file with further columns, some rows at a time.

    Each row of the file is followed by its new values, in the dialect of the file: its encoding and byte order mark,
    its separator, its decimal commas, its line tails (none after a last line that has none), and quotation marks around
    names, text and numbers if the file has them around all of those. Blank lines stay, and so does a first line such as
    ``sep=;``. Only if another separator is asked for than the file has are its values written anew, each as it was but
    for quotation marks that it does not need. A file that is compressed comes back unpacked.

    Parameters
    ----------
    text : StreamedText
        The file.
    file : binary file
        Gets the content, in the encoding of the file.
    own : str
        What stands between values in the file.
    told : str
        The line that says so, as `find_separator` gives it.
    separator : str, optional
        What stands between values in the result; by default what does so in the file.
    decimal : {".", ","}
        What stands before decimals in the file.
    header : bool
        Whether the file has a line of names. Without one, the result has none either.
    """

    def __init__(
        self,
        text: StreamedText,
        file: BinaryIO,
        own: str,
        told: str = "",
        separator: str | None = None,
        *,
        decimal: Decimal = ".",
        header: bool = True,
    ) -> None:
        self._text, self._file, self._own, self._told = text, file, own, told
        self._mark = own if separator is None else separator
        self._comma, self._header = self._mark != "," and decimal == ",", header
        self._encoder = codecs.getincrementalencoder(text.encoding)()
        self._rows = split_rows(text.path, text.open(), own, told)
        self._start: list[Row] = []
        self._quote_text = self._quote_numbers = self._begun = False

    def write(self, columns: Sequence[pl.Series]) -> None:
        """Write further rows.

        Parameters
        ----------
        columns : sequence of polars.Series
            The new columns, with a value for each row.

        Raises
        ------
        InputError
            If the file has fewer rows left, or its encoding lacks a character of the new columns.
        """
        with allow_long_fields():
            lines = [] if self._begun else self._begin(columns)
            values = _join_rows(
                columns, self._mark, self._comma, quote_text=self._quote_text, quote_numbers=self._quote_numbers
            )
            lines += self._append(values)
        self._encode("".join(lines))

    def finish(self) -> None:
        """Write what is below the last row: blank lines.

        Raises
        ------
        InputError
            If there are more rows.
        """
        lines = []
        with allow_long_fields():
            for row in self._rows:
                if row.values:
                    raise InputError(
                        f"{self._text.path}: the file has got more rows since it was read; predict it again"
                    )
                lines.append(row.raw)
        self._encode("".join(lines), last=True)

    def _begin(self, columns: Sequence[pl.Series]) -> list[str]:
        """Look at the first rows, write the byte order mark, and return the header."""
        self._start = _take(self._text.path, self._rows, 2 if self._header else 1)
        top = [row for row in self._start if row.values]
        self._quote_numbers = _is_quoted(top[-1], self._own)
        self._quote_text = self._quote_numbers or _is_quoted(top[0], self._own)
        self._begun = True
        self._file.write(self._text.mark)
        if not self._header:
            return []
        return self._append([self._mark.join(_quote(one.name, self._mark, always=self._quote_text) for one in columns)])

    def _append(self, values: Sequence[str]) -> list[str]:
        """Return as many rows that are not blank, each with its new text behind it, and the blank ones among them."""
        lines, place = [], 0
        while place < len(values):
            row = self._start.pop(0) if self._start else next(self._rows, None)
            if row is None:
                raise InputError(f"{self._text.path}: the file has got fewer rows since it was read; predict it again")
            if not row.values:
                lines.append("" if self._told and row.line == 1 and self._mark != self._own else row.raw)
                continue
            text, line_end = _split_line_end(row.raw)
            if self._mark != self._own:
                text = self._mark.join(_quote(value, self._mark, always=False) for value in row.values)
            lines.append(f"{text}{self._mark}{values[place]}{line_end}")
            place += 1
        return lines

    def _encode(self, text: str, *, last: bool = False) -> None:
        try:
            self._file.write(self._encoder.encode(text, last))
        except UnicodeEncodeError as error:
            lacking = shown(error.object[error.start : error.start + 1])
            raise InputError(
                f"{self._text.path} is {self._text.encoding} text, which has no {lacking}; write a Parquet file, or "
                "save it as UTF-8"
            ) from None


def choose_separator(source: Path, suffix: str) -> str | None:
    """Return what is to stand between values in a file with an ending, if that is not what does in its source."""
    if (suffix == ".tsv") == is_tsv(source):
        return None
    return "\t" if suffix == ".tsv" else ","


def _take(source: Path, rows: Iterator[Row], count: int) -> list[Row]:
    """Take the rows up to so many that are not blank: the header, and the first below it."""
    taken: list[Row] = []
    for row in rows:
        taken.append(row)
        if sum(bool(one.values) for one in taken) == count:
            return taken
    raise InputError(f"{source}: the file has lost its rows since it was read; predict it again")


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
