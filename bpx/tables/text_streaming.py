"""The text of a file of any size: looked at once to find its encoding, then given as UTF-8 block by block."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bpx.tables.text_reading import (
    ONLY_LATIN_1,
    explain_guess,
    guess_western,
    is_mostly_utf8,
    look_at_start,
    refuse_text,
)
from bpx.tables.unpacking import find_compression, read_blocks

__all__ = ["BlockReader", "StreamedText", "open_text"]

_LOOKED_AT = 16 * 2**20
"""Bytes at the beginning of a text that is not UTF-8 that tell whether it was meant to be."""

_TAIL = 200
"""Bytes before a fault that are kept, to show it."""


class BlockReader(io.RawIOBase):
    """A binary file made of blocks of bytes, to be read from its beginning to its end once.

    Parameters
    ----------
    blocks : iterable of bytes
    """

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer, and return how many bytes that took; 0 at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._rest = memoryview(block)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


@dataclass(frozen=True)
class StreamedText:
    """The text of a file, which is read as often as it is needed and never held as a whole.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    encoding : str
        What it is in on the disk.
    mark : bytes
        The byte order mark that it begins with; empty if it has none.
    compression : str
        "gzip" or "zstd"; empty if it is not compressed.
    size : int
        How many bytes it is unpacked, in its own encoding.
    """

    path: Path
    encoding: str
    mark: bytes
    compression: str
    size: int

    def read_blocks(self) -> Iterator[bytes]:
        """Yield the text in UTF-8, without its mark; a character may lie in two blocks.

        Raises
        ------
        InputError
            If the file is no longer what it was when it was opened.
        """
        blocks = _drop_mark(read_blocks(self.path), self.mark)
        if self.encoding == "utf-8":
            yield from blocks
            return
        decoder = codecs.getincrementaldecoder(self.encoding)()
        for block in _and_end(blocks):
            try:
                yield decoder.decode(block or b"", final=block is None).encode()
            except UnicodeError:
                raise refuse_text(self.path, 0, self.encoding) from None

    def open(self) -> io.TextIOWrapper:
        """Return a stream of the text, whose line ends are as they stand in the file."""
        return io.TextIOWrapper(io.BufferedReader(BlockReader(self.read_blocks())), encoding="utf-8", newline="")


def open_text(path: Path, encoding: str | None, notes: list[str]) -> StreamedText:
    """Find the encoding of a text as `bpx.tables.text_reading.read_text` does, without holding more than some blocks.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    encoding : str or None
        The encoding; None to find it.
    notes : list of str
        Gets a line about an encoding that was guessed.

    Raises
    ------
    InputError
        If it is no text, or not in this encoding.
    """
    first = next(read_blocks(path), b"")
    with path.open("rb") as file:
        compression = find_compression(file.read(4))
    found, mark = look_at_start(path, first, encoding)
    fault, size = _find_fault(path, found, mark)
    if fault is None:
        return StreamedText(path, found, mark, compression, size)
    line, shown_there, start, odd = fault
    if found != "utf-8" or encoding or mark or is_mostly_utf8(start):
        raise refuse_text(path, line, "UTF-8" if found == "utf-8" else found)
    found = guess_western(odd)
    notes.append(explain_guess(found, line, shown_there))
    return StreamedText(path, found, mark, compression, size)


def _find_fault(path: Path, encoding: str, mark: bytes) -> tuple[tuple[int, bytes, bytes, bytes] | None, int]:
    """Decode a text; tell of the first fault its line, what stands around it, and what else tells the encoding.

    Returns
    -------
    fault : tuple or None
        The line, the bytes around it, the beginning of the text, and which bytes that cp1252 lacks it has.
    size : int
        How many bytes the text is.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    line_end = "\n".encode(encoding) if encoding.startswith(("utf-16", "utf-32")) else b"\n"
    line, size, tail, start, odd = 1, len(mark), b"", [mark], b""
    fault: tuple[int, bytes] | None = None
    for block in _and_end(_drop_mark(read_blocks(path), mark)):
        if fault is None:
            pending = len(decoder.getstate()[0])
            try:
                if not (encoding == "utf-8" and not pending and block and block.isascii()):
                    decoder.decode(block or b"", final=block is None)
            except UnicodeError as error:
                at = len(tail) - pending + int(getattr(error, "start", 0))
                around = tail + (block or b"")
                line += (block or b"").count(line_end, 0, max(at - len(tail), 0))
                begin = max(around.rfind(b"\n", 0, at) + 1, at - 10)
                fault = line, around[begin : at + 10].partition(b"\n")[0]
            else:
                line += (block or b"").count(line_end)
        if block is None:
            break
        tail = (tail + block)[-_TAIL:]
        if fault is not None or size <= _LOOKED_AT:
            start.append(block if size <= _LOOKED_AT else b"")
        odd += b"".join(byte for byte in ONLY_LATIN_1 if byte not in odd and byte in block)
        size += len(block)
    return (None if fault is None else (*fault, b"".join(start)[:_LOOKED_AT], odd)), size


def _drop_mark(blocks: Iterator[bytes], mark: bytes) -> Iterator[bytes]:
    first = next(blocks, b"")
    yield first.removeprefix(mark)
    yield from blocks


def _and_end(blocks: Iterable[bytes]) -> Iterator[bytes | None]:
    yield from blocks
    yield None
