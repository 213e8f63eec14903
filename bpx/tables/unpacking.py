"""The content of a file, unpacked where it is compressed, block by block and within bounds."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from bpx.errors import InputError
from bpx.optional import import_optional

__all__ = ["GZIP", "MAX_RATIO", "MAX_UNPACKED", "ZSTD", "find_compression", "read_blocks"]

MAX_UNPACKED, MAX_RATIO = 2**28, 100
"""Bytes that any archive may unpack to, and how many times its own size a larger one may: DEFLATE packs zeros into a
thousandth."""

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
"""The first bytes of compressed files."""

_BLOCK = 2**18
_ZSTD_PIECE = 2**9
"""Bytes given to zstd at a time. It unpacks four of them to 128 KiB at most, and all of a piece at once."""

_LARGEST_WINDOW = 2**27
"""Bytes of what went before that a compressed file may refer to, the most that ``zstd`` takes without being told to."""


def find_compression(start: bytes) -> str:
    """Return how a file is compressed, ``"gzip"`` or ``"zstd"``, by its first bytes; nothing if it is not."""
    return "gzip" if start.startswith(GZIP) else "zstd" if start.startswith(ZSTD) else ""


def read_blocks(path: Path) -> Iterator[bytes]:
    """Yield the content of a file, unpacked if it is compressed, in blocks of some MiB or less.

    Raises
    ------
    InputError
        If it is damaged, or unpacks to more than `MAX_UNPACKED` bytes and `MAX_RATIO` times its size. No more than that
        is unpacked.
    """
    with path.open("rb") as file:
        compression = find_compression(file.read(4))
        file.seek(0)
        if not compression:
            yield from iter(lambda: file.read(_BLOCK), b"")
            return
        packed, unpacked = path.stat().st_size, 0
        unpack = _unpack_gzip if compression == "gzip" else _unpack_zstd
        for block in unpack(path, file):
            unpacked += len(block)
            if unpacked > max(MAX_UNPACKED, MAX_RATIO * packed):
                raise InputError(
                    f"{path}: its {packed:,} bytes unpack to more than {MAX_RATIO} times as many; where right, unpack "
                    f"it first"
                )
            yield block


def _unpack_gzip(path: Path, file: BinaryIO) -> Iterator[bytes]:
    try:
        with gzip.GzipFile(fileobj=file) as members:
            yield from iter(lambda: members.read(_BLOCK), b"")
    except EOFError as error:
        raise InputError(f"{path}: not a gzip file that can be read: it ends too early; fetch it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: not a gzip file that can be read: it is damaged ({error})") from error


def _unpack_zstd(path: Path, file: BinaryIO) -> Iterator[bytes]:
    zstandard: Any = import_optional("zstandard", "files compressed by zstd", "table")
    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    whole = True
    try:
        frame, rest = decompressor.decompressobj(), b""
        while data := rest or file.read(_ZSTD_PIECE):
            whole = False
            block = frame.decompress(data)
            rest = b""
            if frame.eof:
                whole, rest = True, frame.unused_data
                frame = decompressor.decompressobj()
            if block:
                yield block
    except zstandard.ZstdError as error:
        raise InputError(f"{path}: not a zstd file that can be read: it is damaged ({error})") from error
    if not whole:
        raise InputError(f"{path}: not a zstd file that can be read: it ends too early; fetch it again")
