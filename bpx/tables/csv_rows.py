"""The rows of a CSV file as Python's ``csv`` module splits them, each with its line and with its text as it stands."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from bpx.errors import InputError
from bpx.tables.text_reading import Text

__all__ = ["Row", "allow_long_fields", "find_separator", "is_tsv", "read_rows", "split_rows"]

_SEPARATORS = (",", ";", "\t", "|")
_LONGEST_FIELD = 2**31 - 1
_LIMIT_OF_THE_PROCESS = threading.Lock()
_EXCEL = re.compile(rb"\A(sep=([ -~\t]))[ \t]*(\r\n|\n|\r)", re.IGNORECASE)
"""The first line by which Excel is told the separator."""


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
def allow_long_fields() -> Iterator[None]:
    """Let values have any length in this block (Python's own limit is 131,072 characters)."""
    with _LIMIT_OF_THE_PROCESS:
        limit = csv.field_size_limit(_LONGEST_FIELD)
        try:
            yield
        finally:
            csv.field_size_limit(limit)


def is_tsv(path: Path) -> bool:
    """Tell whether a file is TSV by its name, as in ``data.tsv`` and ``data.tsv.gz``."""
    return any(suffix.lower() == ".tsv" for suffix in path.suffixes[-2:])


def find_separator(text: Text) -> tuple[str, str]:
    """Find what stands between values, and the line that says so, which is no row.

    It is what a first line such as ``sep=;`` says; a tab in a TSV file; else the mark that the first two lines have
    equally often, the most frequent of several; else a comma, or what a header without commas has: the first of
    semicolon, tab and bar.
    """
    told = _EXCEL.match(text.content)
    if told and told[2] not in (b'"', b"="):
        return told[2].decode(), told[0].decode()
    if is_tsv(text.path):
        return "\t", ""
    heads = _take_lines(text.content, 2)
    counts = {mark: [head.count(mark) for head in heads] for mark in _SEPARATORS}
    regular = [mark for mark in _SEPARATORS if len(set(counts[mark])) == 1 and counts[mark][0]]
    if regular and len(heads) == 2:
        return max(regular, key=lambda mark: counts[mark][0]), ""
    return next((mark for mark in _SEPARATORS if heads and mark in heads[0]), ","), ""


def _take_lines(content: bytes, count: int) -> list[str]:
    """Take the first lines that are not blank, without what stands in quotation marks."""
    lines = []
    for line in io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"):
        if line.strip():
            lines.append(re.sub(r'"[^"]*"', "", line))
        if len(lines) == count:
            break
    return lines


def read_rows(text: Text, separator: str, told: str = "") -> Iterator[Row]:
    """Yield the rows of a file, the header first.

    Parameters
    ----------
    text : Text
        The file.
    separator, told : str
        As `find_separator` gives them; the line that tells the separator comes as a blank row.

    Raises
    ------
    InputError
        If a quotation mark is not closed, or a value goes on after one.
    """
    stream = io.TextIOWrapper(io.BytesIO(text.content), encoding="utf-8", newline="")
    yield from split_rows(text.path, stream, separator, told)


def split_rows(path: Path, stream: TextIO, separator: str, told: str = "", line: int = 1) -> Iterator[Row]:
    """Yield the rows of a stream of CSV text, which begins in a line of a file, as `read_rows` does.

    Raises
    ------
    InputError
        If a quotation mark is not closed, or a value goes on after one.
    """
    consumed: list[str] = []
    if told:
        yield Row(1, [], stream.readline())
        line = 2
    before = line - 1

    def pass_lines() -> Iterator[str]:
        for one in stream:
            consumed.append(one)
            yield one

    reader = csv.reader(pass_lines(), delimiter=separator, strict=True)
    try:
        for values in reader:
            blank = len(values) == 1 and values[0].isspace()
            yield Row(line, [] if blank else values, "".join(consumed))
            consumed.clear()
            line = before + reader.line_num + 1
    except csv.Error as error:
        reason = "a quotation mark is not closed" if "end of data" in str(error) else str(error)
        raise InputError(f"{path}, line {line}: not CSV: {reason}") from error
