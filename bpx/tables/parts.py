"""A table of any size, of which some rows at a time are in memory.

A file that is small is read whole, by `read_table`'s own way, and is one part; so is a workbook and a NumPy archive. Of
larger ones, CSV and JSON lines are read some MiB at a time, Parquet and Arrow some rows at a time. The rows, and what
becomes of them, are the same wherever the table is cut.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bpx.errors import InputError
from bpx.tables.column_types import ColumnTypes
from bpx.tables.columnar_reading import open_columnar
from bpx.tables.csv_streaming import CsvParts, take_start
from bpx.tables.inferring import Decimal, Inference
from bpx.tables.json_lines_reading import read_json_lines
from bpx.tables.reading import PreparedReading, blank_frame, explain_failures, prepare_reading, read_prepared
from bpx.tables.reading_options import ReadingOptions
from bpx.tables.text_reading import Text
from bpx.tables.text_streaming import StreamedText, open_text
from bpx.tables.unpacking import find_compression

if TYPE_CHECKING:
    import polars as pl

    from bpx.tables.preprocessor import Preprocessor

__all__ = ["TableParts", "open_parts", "prepare_new_rows"]

BYTES_A_PART = 2**24
"""Text that is read at a time."""

CELLS_A_PART = 2**21
"""Values of a Parquet or Arrow file that are read at a time, if its columns are few enough."""

LARGEST_WHOLE = 2**26
"""Bytes of text up to which a file is read whole; of a compressed one, a tenth."""


@dataclass(frozen=True)
class TableParts:
    """A table that is read in parts, as often as it is needed.

    Parameters
    ----------
    size : int
        How much there is to read, in bytes or rows.
    read : callable
        Yields the parts, data frames of the same columns, each with how much was read by then.
    decimal : {".", ","}
        What stands before decimals.
    whole : bool
        Whether there is one part, which is in memory.
    """

    size: int
    read: Callable[[], Iterator[tuple[pl.DataFrame, int]]]
    decimal: Decimal = "."
    whole: bool = False
    _where: str = field(default="the table", repr=False)

    def __iter__(self) -> Iterator[tuple[pl.DataFrame, int]]:
        with explain_failures(self._where):
            yield from self.read()


def open_parts(
    path: str | Path,
    preprocessor: Preprocessor,
    *,
    decimal: Decimal | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    typed: bool = False,
    notes: list[str],
) -> TableParts:
    """Open a file whose rows a trained model is to be applied to, as it was told to read files in training.

    Parameters
    ----------
    path : str or path
        The file.
    preprocessor : Preprocessor
        The model's.
    decimal, encoding, sheet : str, optional
        As `read_table` takes them.
    typed : bool
        Whether columns that the model does not use need the types that they have in the whole table too.
    notes : list of str
        Gets what was decided and may be wrong, a line each.

    Raises
    ------
    InputError
        As `read_table` does; of what is wrong far behind the beginning, when that is read.
    """
    reading: ReadingOptions = preprocessor.reading
    file = Path(path)
    with explain_failures(str(file)):
        source = prepare_new_rows(file, preprocessor, decimal=decimal, encoding=encoding, sheet=sheet)
        if source.kind in ("parquet", "arrow"):
            return _open_columnar(source)
        if source.kind in ("csv", "json lines") and not _is_small(file):
            text = open_text(file, encoding, notes)
            if source.kind == "csv":
                return _open_csv(text, source.how, reading.header, decimal or reading.decimal, typed, notes)
            return _open_json_lines(text, source.how, notes)
        frame = read_prepared(source, header=reading.header, notes=notes)
    height = frame.height
    return TableParts(height, lambda: iter([(frame, height)]), source.how.decimal, True, str(file))


def prepare_new_rows(
    path: str | Path,
    preprocessor: Preprocessor,
    *,
    decimal: Decimal | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
) -> PreparedReading:
    """Look at a file whose rows a trained model is to be applied to, and at how it is to be read; see `open_parts`.

    A decimal comma that the training was told, and that is not told of this file, is kept to as far as the file allows.

    Raises
    ------
    InputError
        As `prepare_reading` does.
    """
    reading: ReadingOptions = preprocessor.reading
    return prepare_reading(
        path,
        text=preprocessor.text_columns,
        types=preprocessor.types,
        known_texts=preprocessor.known_texts,
        missing_values=reading.missing_values,
        decimal=decimal or reading.decimal,
        encoding=encoding,
        sheet=sheet,
        doubted=() if decimal else preprocessor.plain_numbers,
    )


def _is_small(path: Path) -> bool:
    with path.open("rb") as file:
        packed = 10 if find_compression(file.read(4)) else 1
    return path.stat().st_size * packed <= LARGEST_WHOLE


def _open_csv(
    text: StreamedText, how: Inference, header: bool, decimal: Decimal | None, typed: bool, notes: list[str]
) -> TableParts:
    parts = CsvParts(text, how, header=header, bytes_a_part=BYTES_A_PART, notes=notes)
    if decimal is None:
        how.decimal = parts.find_decimal(notes)
    elif how.doubt is not None:
        for _ in parts.read():
            pass  # the search looks at each part
        how.settle_decimal(parts.separator, notes)
    if not typed:
        return TableParts(text.size, parts.read, how.decimal, False, str(text.path))
    types = ColumnTypes()
    for frame, _ in parts.read():
        types.look_at(frame)
    texts = types.list_texts()

    def read() -> Iterator[tuple[pl.DataFrame, int]]:
        for frame, done in parts.read(texts):
            yield types.apply(frame), done

    return TableParts(text.size, read, how.decimal, False, str(text.path))


def _open_json_lines(text: StreamedText, how: Inference, notes: list[str]) -> TableParts:
    types = ColumnTypes()
    for frame, _ in _read_json_lines(text, how):
        types.look_at(frame)
    if how.settle_decimal("", notes):
        types = ColumnTypes()
        for frame, _ in _read_json_lines(text, how):
            types.look_at(frame)
    if not types.names:
        raise InputError(f"{text.path}: the table has no rows")
    texts = types.list_texts()
    again = dataclasses.replace(how, text={*how.text, *texts}, gaps={})

    def read() -> Iterator[tuple[pl.DataFrame, int]]:
        for frame, done in _read_json_lines(text, again):
            yield types.apply(frame), done

    return TableParts(text.size, read, how.decimal, False, str(text.path))


def _read_json_lines(text: StreamedText, how: Inference) -> Iterator[tuple[pl.DataFrame, int]]:
    blocks, rest, line, done, ended = text.read_blocks(), b"", 1, 0, False
    while not ended:
        more, ended = take_start(blocks, BYTES_A_PART)
        rest += more
        cut = len(rest) if ended else rest.rfind(b"\n") + 1
        part, rest = rest[:cut], rest[cut:]
        if part.strip():
            yield read_json_lines(Text(text.path, part), how, first_line=line), done + cut
        done, line = done + cut, line + part.count(b"\n")


def _open_columnar(source: PreparedReading) -> TableParts:
    file = open_columnar(source.path, source.kind, CELLS_A_PART)  # type: ignore[arg-type]
    if file.rows == 0:
        raise InputError(f"{source.path}: the table has no rows")

    def read() -> Iterator[tuple[pl.DataFrame, int]]:
        done = 0
        for frame in file.read():
            done += frame.height
            yield blank_frame(frame, source.markers, source.how), done

    return TableParts(file.rows, read, ".", file.rows <= file.rows_a_part, str(source.path))
