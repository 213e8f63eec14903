"""Reading CSV in parts: as `read_csv` reads it whole, but with some MiB of it in memory at a time."""

from __future__ import annotations

import dataclasses
import io
import itertools
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.tables.csv_parsing import parse_regular
from bpx.tables.csv_reading import explain_decimal, make_text_frame, take_block
from bpx.tables.csv_rows import allow_long_fields, find_separator, read_rows, split_rows
from bpx.tables.headers import check_second_header, count_rows_to_compare, name_columns, number_columns
from bpx.tables.inferring import Decimal, DecimalSearch, Inference
from bpx.tables.text_reading import Text
from bpx.tables.text_streaming import BlockReader, StreamedText

if TYPE_CHECKING:
    import polars as pl

__all__ = ["HEAD", "CsvParts", "take_start"]

Array = np.ndarray[Any, Any]

HEAD = 2**20
"""Bytes at the beginning that tell the separator and the names."""


class CsvParts:
    """A CSV file that is read in parts, as often as it is needed.

    Parameters
    ----------
    text : StreamedText
        The file.
    how : Inference
        Which columns stay text, and what is missing.
    header : bool
        Whether the first line is one of names.
    bytes_a_part : int
        How much text makes a part, about.
    notes : list of str
        Gets a line about columns without a name.

    Raises
    ------
    InputError
        As `read_csv` does of the header.
    """

    def __init__(
        self, text: StreamedText, how: Inference, *, header: bool, bytes_a_part: int, notes: list[str]
    ) -> None:
        self.text, self.how, self.bytes_a_part, self._header = text, how, bytes_a_part, header
        start, whole = take_start(text.read_blocks(), HEAD)
        start = start if whole else start[: _find_cut(start)] or start
        head = Text(text.path, start, text.encoding, text.mark, text.compression)
        self.separator, self.told = find_separator(head)
        with allow_long_fields():
            rows = (row for row in read_rows(head, self.separator, self.told) if row.values)
            top = next(rows)
            below = list(itertools.islice(rows, count_rows_to_compare(len(top.values)) if header else 0))
        where = f"{text.path}, line {top.line}"
        self.names = (
            name_columns(where, top.values, [row.values for row in below], notes)
            if header
            else number_columns(len(top.values))
        )

    def find_decimal(self, notes: list[str]) -> Decimal:
        """Find what stands before decimals as `read_csv` does, from all of the file.

        Parameters
        ----------
        notes : list of str
            Gets a line about decimal commas that were found.
        """
        if self.separator == ",":
            return "."
        search, how = DecimalSearch(), Inference(text=set(self.names), markers=self.how.markers)
        for frame, _ in self._read(how):
            search.look_at(frame.get_columns())
        decimal, example = search.conclude(self.separator)
        if decimal == ",":
            notes.append(explain_decimal(example))
        return decimal

    def read(self, texts: Collection[str] = ()) -> Iterator[tuple[pl.DataFrame, int]]:
        """Yield the parts, each with how many bytes of the text were read by then.

        Parameters
        ----------
        texts : collection of str
            Further columns that stay text, though not verbatim.

        Raises
        ------
        InputError
            As `read_csv` does.
        """
        how = dataclasses.replace(self.how, text={*self.how.text, *texts}, gaps={})
        first = True
        for frame, done in self._read(how):
            if first and self._header:
                check_second_header(self.text.path, frame)
            first = False
            yield frame, done

    def _read(self, how: Inference) -> Iterator[tuple[pl.DataFrame, int]]:
        """Yield regular parts by polars; from the first that is not, all rows by Python's own reader."""
        blocks, rest, line, done = self.text.read_blocks(), b"", 1, 0
        first, header, ended = True, self._header, False
        while not ended:
            more, ended = take_start(blocks, self.bytes_a_part - len(rest))
            rest += more
            cut = len(rest) if ended else _find_cut(rest)
            chunk = rest[len(self.told) if first else 0 : cut]
            frame = parse_regular(chunk, self.separator, self.names, how, header=header) if chunk else None
            if frame is None and rest:
                yield from self._read_rest(itertools.chain([rest], blocks), how, line, done, first, header)
                return
            rest, done, line = rest[cut:], done + cut, line + rest.count(b"\n", 0, cut)
            first = header = False
            if frame is not None and frame.height:
                yield frame, done

    def _read_rest(
        self, blocks: Iterator[bytes], how: Inference, line: int, done: int, first: bool, header: bool
    ) -> Iterator[tuple[pl.DataFrame, int]]:
        """Yield parts of the rest of the file, from a line that begins a row."""
        counted = _Counted(blocks, done)
        stream = io.TextIOWrapper(io.BufferedReader(BlockReader(counted)), encoding="utf-8", newline="")
        rows = split_rows(self.text.path, stream, self.separator, self.told if first else "", line)
        rows = (row for row in rows if row.values)
        with allow_long_fields():
            if header:
                next(rows)
        while True:
            with allow_long_fields():
                block = take_block(self.text.path, rows, len(self.names), self._header)
            if not block:
                return
            frame = make_text_frame(self.names, block)
            yield frame.with_columns(how.infer(column) for column in frame.get_columns()), counted.done


def take_start(blocks: Iterator[bytes], size: int) -> tuple[bytes, bool]:
    """Take blocks of bytes until they are so many; return them, and whether there are none left."""
    taken: list[bytes] = []
    total = 0
    while total < max(size, 1):
        block = next(blocks, None)
        if block is None:
            return b"".join(taken), True
        taken.append(block)
        total += len(block)
    return b"".join(taken), False


class _Counted:
    """Blocks of bytes, and how many bytes have gone by."""

    def __init__(self, blocks: Iterator[bytes], done: int) -> None:
        self._blocks, self.done = blocks, done

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self.done += len(block)
            yield block


def _find_cut(content: bytes) -> int:
    """Find the end of the last row that is whole, if quotation marks enclose values; 0 where there is none."""
    if b'"' not in content:
        return content.rfind(b"\n") + 1
    data = np.frombuffer(content, np.uint8)
    inside = np.cumsum(data == ord('"'), dtype=np.uint8) & 1
    ends = np.flatnonzero((data == ord("\n")) & (inside == 0))
    return int(ends[-1]) + 1 if len(ends) else 0
