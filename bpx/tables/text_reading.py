"""The text of a file: its compression and encoding found by looking, and given as UTF-8."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from bpx.errors import InputError
from bpx.tables.messages import shown
from bpx.tables.unpacking import find_compression, read_blocks

__all__ = [
    "ONLY_LATIN_1",
    "Text",
    "check_encoding",
    "explain_guess",
    "guess_western",
    "is_mostly_utf8",
    "look_at_start",
    "read_text",
    "refuse_text",
]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
ONLY_LATIN_1 = (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")
"""Bytes that latin-1 has and cp1252 lacks."""

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
    found, mark = look_at_start(path, first, encoding)
    data = b"".join([first, *blocks]) if compression else path.read_bytes()
    del first, blocks
    if found == "utf-8":
        fault = _find_fault(data)
        if fault is None:
            return Text(path, data.removeprefix(mark), "utf-8", mark, compression)
        if encoding or mark or is_mostly_utf8(data):
            raise _refused(path, data, fault, "UTF-8")
        found = guess_western(data)
        example = data[max(data.rfind(b"\n", 0, fault) + 1, fault - 10) : fault + 10].partition(b"\n")[0]
        notes.append(explain_guess(found, 1 + data.count(b"\n", 0, fault), example))
    try:
        content = data.removeprefix(mark).decode(found).encode()
    except UnicodeError as error:
        raise _refused(path, data, getattr(error, "start", 0) + len(mark), found) from None
    return Text(path, content, found, mark, compression)


def look_at_start(path: Path, start: bytes, asked: str | None) -> tuple[str, bytes]:
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


def is_mostly_utf8(data: bytes) -> bool:
    """Tell whether a text that is not UTF-8 has more characters of several bytes that are than bytes that are not."""
    text = data[: 16 * _BLOCK].decode("utf-8", "surrogateescape")
    high: list[str] = re.findall(r"[^\x00-\x7f]", text)
    bad = sum("\udc80" <= mark <= "\udcff" for mark in high)
    return len(high) - bad > bad


def guess_western(data: bytes) -> str:
    """Return the encoding of Western Europe that has all bytes of a text: cp1252, or latin-1 where that lacks some."""
    return "latin-1" if any(byte in data for byte in ONLY_LATIN_1) else "cp1252"


def explain_guess(encoding: str, line: int, example: bytes) -> str:
    """Say that an encoding was guessed, because of what stands in a line."""
    return (
        f"read as {encoding} text, because it is not UTF-8 (line {line:,}: {shown(example.decode(encoding).strip())}); "
        "if that is wrong, pass encoding='...' (--encoding ...)"
    )


def refuse_text(path: Path, line: int, encoding: str) -> InputError:
    """Return the error for a text that is not in an encoding; line 0 for one that is not known."""
    return InputError(
        f"{path}{f', line {line}' if line else ''}: not {encoding} text; correct it, save it as CSV UTF-8, or say what "
        "it is by encoding='latin-1' (--encoding latin-1)"
    )


def _refused(path: Path, data: bytes, fault: int, encoding: str) -> InputError:
    line_end = "\n".encode(encoding) if encoding.startswith(("utf-16", "utf-32")) else b"\n"
    return refuse_text(path, 1 + data.count(line_end, 0, fault), encoding)
