"""The text of a file: its compression and encoding found by looking, and given as UTF-8."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from bpx.errors import InputError
from bpx.tables.messages import shown
from bpx.tables.unpacking import find_compression, read_blocks

__all__ = ["Text", "check_encoding", "read_text"]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LOOKED_AT = 4096
_BLOCK = 2**20
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


@dataclass(frozen=True)
class Text:
    """The text of a file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    content : bytes
        Its text in UTF-8, without a byte order mark.
    encoding : str
        What it is in on the disk.
    mark : bytes
        The byte order mark that it begins with; empty if it has none.
    compression : str
        "gzip" or "zstd"; empty if it is not compressed.
    """

    path: Path
    content: bytes
    encoding: str = "utf-8"
    mark: bytes = b""
    compression: str = ""

    def encode(self, text: str) -> bytes:
        """Return a text as the file's own encoding has it, behind the file's own mark.

        Raises
        ------
        InputError
            If the encoding lacks a character.
        """
        try:
            return self.mark + text.encode(self.encoding)
        except UnicodeEncodeError as error:
            lacking = shown(error.object[error.start : error.start + 1])
            raise InputError(
                f"{self.path} is {self.encoding} text, which has no {lacking}; write a Parquet file, or save "
                "it as UTF-8"
            ) from None


def check_encoding(encoding: str) -> None:
    """Refuse an encoding that Python does not know.

    Raises
    ------
    InputError
        If it is none, or none of text.
    """
    try:
        known = codecs.lookup(encoding)
        "".encode(encoding)  # which those of bytes refuse
    except (LookupError, TypeError, ValueError):
        known = None
    if known is None:
        raise InputError(f"unknown encoding {shown(encoding)}; expected one such as utf-8, utf-16, cp1252 or latin-1")


def read_text(path: Path, encoding: str | None, notes: list[str]) -> Text:
    """Read the text of a file.

    Its encoding is the one asked for; else what its byte order mark says, UTF-16 where every other byte of its
    beginning is zero, UTF-8 where it is that, and cp1252, Windows' Western European, otherwise; latin-1 where even
    that is impossible.

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
        If it is no text, or not in this encoding. That is seen at its beginning before the rest is read.
    """
    blocks = read_blocks(path)
    first = next(blocks, b"")
    with path.open("rb") as file:
        compression = find_compression(file.read(4))
    found, mark = _look_at(path, first, encoding)
    data = b"".join([first, *blocks]) if compression else path.read_bytes()
    del first, blocks
    if found == "utf-8":
        fault = _find_fault(data)
        if fault is None:
            return Text(path, data.removeprefix(mark), "utf-8", mark, compression)
        if encoding or mark or _is_mostly_utf8(data):
            raise _refused(path, data, fault, "UTF-8")
        found = _guess_western(data)
        line = 1 + data.count(b"\n", 0, fault)
        example = data[max(data.rfind(b"\n", 0, fault) + 1, fault - 10) : fault + 10].partition(b"\n")[0]
        notes.append(
            f"read as {found} text, because it is not UTF-8 (line {line:,}: {shown(example.decode(found).strip())}); "
            "if that is wrong, pass encoding='...' (--encoding ...)"
        )
    try:
        content = data.removeprefix(mark).decode(found).encode()
    except UnicodeError as error:
        raise _refused(path, data, getattr(error, "start", 0) + len(mark), found) from None
    return Text(path, content, found, mark, compression)


def _look_at(path: Path, start: bytes, asked: str | None) -> tuple[str, bytes]:
    """Find encoding and byte order mark at the beginning of a text; UTF-8 if nothing there says otherwise."""
    mark, marked = next(((mark, name) for mark, name in _MARKS if start.startswith(mark)), (b"", ""))
    if asked is not None:
        name = codecs.lookup(asked).name.removesuffix("-sig")
        if mark and not marked.startswith(name):
            raise InputError(
                f"{path}: begins with the mark of {marked.upper()} text, and {asked} was asked for; leave the encoding "
                "out"
            )
        return (marked, mark) if mark else (f"{name}-le" if name in ("utf-16", "utf-32") else name, b"")
    if mark:
        return marked, mark
    head = start[:_LOOKED_AT]
    if len(head) > 1 and b"\0" in head:
        even, odd = head[0::2], head[1::2]
        for name, zeros, letters in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
            if 2 * zeros.count(0) > len(zeros) and not letters.count(0):
                return name, b""
    if b"\0" in head.partition(b"\n")[0]:
        raise InputError(f"{path}, line 1: not a text file: the header holds NUL bytes")
    if len(_CONTROLS.findall(head)) > len(head) // 20 + 1:
        raise InputError(f"{path}, line 1: not a text file: it holds control characters")
    return "utf-8", b""


def _find_fault(data: bytes) -> int | None:
    """Find the first byte that is not UTF-8; None if there is none."""
    if data.isascii():
        return None
    decoder, done = codecs.getincrementaldecoder("utf-8")(), 0
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK]
        pending = len(decoder.getstate()[0])
        try:
            decoder.decode(block, final=start + _BLOCK >= len(data))
        except UnicodeDecodeError as error:
            return max(done - pending + error.start, 0)
        done += len(block)
    return None


def _is_mostly_utf8(data: bytes) -> bool:
    """Tell whether a text that is not UTF-8 has more characters of several bytes that are than bytes that are not."""
    text = data[: 16 * _BLOCK].decode("utf-8", "surrogateescape")
    high: list[str] = re.findall(r"[^\x00-\x7f]", text)
    bad = sum("\udc80" <= mark <= "\udcff" for mark in high)
    return len(high) - bad > bad


def _guess_western(data: bytes) -> str:
    return "latin-1" if any(mark in data for mark in (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")) else "cp1252"


def _refused(path: Path, data: bytes, fault: int, encoding: str) -> InputError:
    line_end = "\n".encode(encoding) if encoding.startswith(("utf-16", "utf-32")) else b"\n"
    line = 1 + data.count(line_end, 0, fault)
    return InputError(
        f"{path}, line {line}: not {encoding} text; correct it, save it as CSV UTF-8, or say what it is by "
        "encoding='latin-1' (--encoding latin-1)"
    )
