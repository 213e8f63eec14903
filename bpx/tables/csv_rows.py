"""The rows of a CSV file as Python's ``csv`` module splits them, each with its line and with its text as it stands."""

from __future__ import annotations

import contextlib
import csv
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from bpx.errors import InputError

__all__ = ["BOM", "Row", "find_separator", "open_csv", "read_rows"]

BOM = "\ufeff"
"""What some programs put before the first character of a UTF-8 file."""

_SEPARATORS = (",", ";", "\t", "|")
_LONGEST_FIELD = 2**31 - 1
_LIMIT_OF_THE_PROCESS = threading.Lock()


class Row(NamedTuple):
    """One row of a file.

    Parameters
    ----------
    line : int
        The line it starts in, from 1.
    values : list of str
        Its values, without quotation marks; none if the row is blank.
    raw : str
        Its text, the line end included.
    """

    line: int
    values: list[str]
    raw: str


@contextlib.contextmanager
def open_csv(path: Path) -> Iterator[TextIO]:
    """Open a CSV file as text, fields of any length allowed (Python's own limit is 131,072 characters).

    Raises
    ------
    InputError
        If it is no UTF-8 text.
    """
    with path.open(encoding="utf-8", newline="") as file, _LIMIT_OF_THE_PROCESS:
        limit = csv.field_size_limit(_LONGEST_FIELD)
        try:
            yield file
        except UnicodeDecodeError:
            raise InputError(f"{path}, line {_undecodable_line(path)}: not UTF-8 text; save it as CSV UTF-8") from None
        finally:
            csv.field_size_limit(limit)


def find_separator(path: Path, file: TextIO) -> str:
    """Find what stands between values: a tab in a TSV file, else a comma, or what a header without commas has.

    That is the first of semicolon, tab and bar. The file is read from its beginning again afterwards.
    """
    if path.suffix.lower() == ".tsv":
        return "\t"
    head = re.sub(r'"[^"]*"', "", next((line for line in file if line.strip(BOM).strip()), ""))
    file.seek(0)
    return next((mark for mark in _SEPARATORS if mark in head), ",")


def read_rows(path: Path, file: TextIO, separator: str) -> Iterator[Row]:
    """Yield the rows of a file that `open_csv` opened, the header first, a mark `BOM` left in no value.

    Raises
    ------
    InputError
        If a quotation mark is not closed, or a value goes on after one.
    """
    consumed: list[str] = []

    def pass_lines() -> Iterator[str]:
        for number, text in enumerate(file):
            consumed.append(text)
            yield text if number else text.removeprefix(BOM)

    reader = csv.reader(pass_lines(), delimiter=separator, strict=True)
    line = 1
    try:
        for values in reader:
            blank = len(values) == 1 and values[0].isspace()
            yield Row(line, [] if blank else values, "".join(consumed))
            consumed.clear()
            line = reader.line_num + 1
    except csv.Error as error:
        reason = "a quotation mark is not closed" if "end of data" in str(error) else str(error)
        raise InputError(f"{path}, line {line}: not CSV: {reason}") from error


def _undecodable_line(path: Path) -> int:
    """Find the first line that is not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1
