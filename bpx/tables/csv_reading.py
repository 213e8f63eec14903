"""Reading CSV: every row checked, every column typed.

Polars parses what is regular (`parse_regular`). The rest goes through Python's own ``csv`` module, because polars fills
short rows with nulls without a word and cannot say in which line a fault is: blocks of rows go to polars as text, and
polars then types whole columns at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bpx.errors import InputError
from bpx.tables.csv_parsing import MISSING_MARKERS, infer_type, parse_regular
from bpx.tables.csv_rows import Row, find_separator, open_csv, read_rows
from bpx.tables.messages import counted, listed, shown

if TYPE_CHECKING:
    import polars as pl

__all__ = ["MISSING_MARKERS", "read_csv"]

_ROWS_A_BLOCK = 20_000
_BYTES_LOOKED_AT = 4096


def read_csv(path: Path, *, text: Collection[str] = (), verbatim: Collection[str] = ()) -> pl.DataFrame:
    """Read a CSV file with a header.

    The text is UTF-8, its separator what `find_separator` finds. Spaces around names and values are taken off, blank
    lines are passed over, and the values in `MISSING_MARKERS` are missing. A column whose other values are all integers
    becomes ``Int64``; all numbers, ``Float64``; all of true, false, True, False, TRUE, FALSE, ``Boolean``; anything
    else, ``String``. No value is lost by that: a column of integers with leading zeros (``01`` is not ``1``), or with
    one that neither 64 bits nor a float64 hold exactly, stays text.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    text : collection of str, optional
        Columns that stay text whatever their values are.
    verbatim : collection of str, optional
        Columns that stay text, with `MISSING_MARKERS` as any other: only an empty value is missing.

    Returns
    -------
    polars.DataFrame
        The table. It has no rows if the file has none.

    Raises
    ------
    InputError
        If the file is no UTF-8 text, has no header, a bad quotation mark, a column without a name or two of one name,
        or a row of another length than the header. The message names file and line.
    """
    import polars as pl

    with path.open("rb") as binary:
        start = binary.read(_BYTES_LOOKED_AT).partition(b"\n")[0]
    if b"\0" in start and not start.startswith((b"\xff\xfe", b"\xfe\xff")):  # which is UTF-16, and said so below
        raise InputError(f"{path}, line 1: not a text file: the header holds NUL bytes")
    with open_csv(path) as file:
        separator = find_separator(path, file)
        rows = (row for row in read_rows(path, file, separator) if row.values)
        header = next(rows, Row(1, [], ""))
        names = [name.strip() for name in header.values]
        first = next(rows, None)
        _check_header(f"{path}, line {header.line}", names, first.values if first else [])
        frame = parse_regular(path, separator, names, text=text, verbatim=verbatim) if first else None
        if frame is not None:
            return frame
        below = itertools.chain([first] if first else [], rows)
        blocks = [pl.DataFrame({name: [] for name in names}, schema=dict.fromkeys(names, pl.String))]
        while block := _block(path, below, len(names)):
            columns = zip(names, zip(*block, strict=True), strict=True)
            blocks.append(pl.DataFrame([pl.Series(name, values, dtype=pl.String) for name, values in columns]))
    frame = pl.concat(blocks)
    return frame.with_columns(
        infer_type(frame.get_column(name), text=name in text, verbatim=name in verbatim) for name in names
    )


def _block(path: Path, rows: Iterator[Row], width: int) -> list[list[str]]:
    block = []
    for line, row, _ in itertools.islice(rows, _ROWS_A_BLOCK):
        if len(row) != width:
            values = counted(width, "value")
            raise InputError(f"{path}, line {line}: expected {values}, as in the header, got {len(row)}")
        block.append(row)
    return block


def _check_header(where: str, names: list[str], first: list[str]) -> None:
    """Refuse a header that is no header, given the first row below it."""
    if not names:
        raise InputError(f"{where}: expected a header, a line of column names, got an empty file")
    if any("\0" in name for name in names):
        raise InputError(f"{where}: not a text file: the header holds NUL bytes")
    seen: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        if not name:
            raise InputError(
                f"{where}: column {position} of {len(names)} has no name; name it, or take it out "
                "(pandas writes one without a name unless index=False)"
            )
        if name in seen:
            raise InputError(f"{where}: columns {seen[name]} and {position} are both named {shown(name)}")
        seen[name] = position
    words = [index for index, name in enumerate(names) if not _is_number(name)]
    # As in "5.1,3.5,setosa" over "4.9,3.0,setosa": some numbers, and each word comes again right below.
    words_again = len(first) == len(names) and all(first[index].strip() == names[index] for index in words)
    unnamed = names == [str(index) for index in range(len(names))]  # what pandas writes for columns never named
    if len(words) < len(names) and (not words or words_again) and not unnamed:
        raise InputError(f"{where}: expected column names, got data ({listed(names[:4])}); add a line of names")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
