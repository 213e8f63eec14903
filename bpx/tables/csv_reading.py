"""Reading CSV: every row checked, every column typed.

Polars parses what is regular (`parse_regular`). The rest goes through Python's own ``csv`` module, because polars fills
short rows with nulls without a word and cannot say in which line a fault is: blocks of rows go to polars as text, and
polars then types whole columns at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bpx.errors import InputError
from bpx.tables.csv_parsing import parse_regular
from bpx.tables.csv_rows import Row, allow_long_fields, find_separator, read_rows
from bpx.tables.headers import count_rows_to_compare, name_columns, number_columns
from bpx.tables.inferring import Inference, find_decimal, may_have_decimal_commas
from bpx.tables.messages import counted
from bpx.tables.text_reading import Text

if TYPE_CHECKING:
    import polars as pl

__all__ = ["explain_decimal", "make_text_frame", "read_csv", "take_block"]

_ROWS_A_BLOCK = 20_000


def read_csv(
    text: Text, how: Inference, *, header: bool = True, look_for_decimal: bool = False, notes: list[str]
) -> pl.DataFrame:
    """Read the text of a CSV file.

    Its separator is what `find_separator` finds. Spaces around names and values are taken off, and blank lines are
    passed over. A column whose values, but for the missing ones, are all integers becomes ``Int64``; all numbers,
    ``Float64``; all of true, false, True, False, TRUE, FALSE, ``Boolean``; anything else, ``String``. No value is lost
    by that; see `Inference.infer`.

    Parameters
    ----------
    text : Text
        The file.
    how : Inference
        Which columns stay text, and what is missing.
    header : bool
        Whether the first line is one of names; otherwise columns are named 1, 2, 3, ...
    look_for_decimal : bool
        Whether what stands before decimals is to be found, where ``how`` has a point.
    notes : list of str
        Gets a line about columns without a name, and one about decimal commas that were found.

    Returns
    -------
    polars.DataFrame
        The table. It has no rows if the file has none.

    Raises
    ------
    InputError
        If the file has no header, a bad quotation mark, two columns of one name, or a row of another length than the
        header. The message names file and line.
    """
    separator, told = find_separator(text)
    frame = _parse(text, separator, told, how, header, notes)
    if look_for_decimal and separator != "," and may_have_decimal_commas(frame.get_columns()):
        as_text = Inference(text=set(frame.columns), markers=how.markers)
        texts = _parse(text, separator, told, as_text, header, [])
        decimal, example = find_decimal(texts.get_columns(), separator)
        if decimal == ",":
            notes.append(explain_decimal(example))
            how.decimal = ","
            how.gaps.clear()
            frame = _parse(text, separator, told, how, header, [])
    if how.settle_decimal(separator, notes):
        frame = _parse(text, separator, told, how, header, [])
    return frame


def explain_decimal(example: str) -> str:
    """Say that decimal commas were found, as in an example."""
    return f"commas were taken for decimal marks ({example}); if that is wrong, pass decimal='.' (--decimal .)"


def _parse(text: Text, separator: str, told: str, how: Inference, header: bool, notes: list[str]) -> pl.DataFrame:
    import polars as pl

    with allow_long_fields():
        rows = (row for row in read_rows(text, separator, told) if row.values)
        top = next(rows, Row(1, [], ""))
        start = list(itertools.islice(rows, count_rows_to_compare(len(top.values)) if header else 0))
        if header:
            names = name_columns(f"{text.path}, line {top.line}", top.values, [row.values for row in start], notes)
        else:
            names = number_columns(len(top.values))
            start = [top] if top.values else []
        content = text.content[len(told) :]
        frame = parse_regular(content, separator, names, how, header=header) if start else None
        if frame is not None:
            return frame
        below = itertools.chain(start, rows)
        blocks = [make_text_frame(names, [])]
        while block := take_block(text.path, below, len(names), header):
            blocks.append(make_text_frame(names, block))
    frame = pl.concat(blocks)
    return frame.with_columns(how.infer(frame.get_column(name)) for name in names)


def make_text_frame(names: Sequence[str], rows: list[list[str]]) -> pl.DataFrame:
    """Return a table of text, of rows that have a value for each name."""
    import polars as pl

    columns = zip(*rows, strict=True) if rows else ([] for _ in names)
    return pl.DataFrame([pl.Series(name, values, dtype=pl.String) for name, values in zip(names, columns, strict=True)])


def take_block(path: Path, rows: Iterator[Row], width: int, header: bool) -> list[list[str]]:
    """Take the values of some thousand further rows.

    Raises
    ------
    InputError
        If a row has another width.
    """
    block = []
    for line, row, _ in itertools.islice(rows, _ROWS_A_BLOCK):
        if len(row) != width:
            values, above = counted(width, "value"), "header" if header else "first line"
            raise InputError(f"{path}, line {line}: expected {values}, as in the {above}, got {len(row)}")
        block.append(row)
    return block
