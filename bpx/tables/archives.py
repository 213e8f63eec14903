"""Bounds of zip archives, which NPZ files and Excel workbooks are: looked at before anything is unpacked."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO

from bpx.errors import InputError
from bpx.tables.unpacking import MAX_RATIO, MAX_UNPACKED

__all__ = ["check_directory", "check_unpacked"]

_END_OF_DIRECTORY = 2**16 + 200
_BYTES_AN_ENTRY = 128


def check_directory(path: Path, file: BinaryIO, entries: int, fault: str, too_long: str) -> None:
    """Refuse an archive of more entries than so many, by the size of its directory alone.

    ``zipfile`` makes an object of each entry when it opens an archive, which takes minutes for millions of them.

    Parameters
    ----------
    path : pathlib.Path
        Its name.
    file : binary file
        The archive; it is at its beginning afterwards.
    entries : int
        The most entries.
    fault, too_long : str
        What the error says of a file that is no archive, and of one with more; ``{length}`` is the directory's size.

    Raises
    ------
    InputError
        If it is none, or has more.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END_OF_DIRECTORY))
    tail = file.read()
    file.seek(0)
    end, end64 = tail.rfind(b"PK\5\6"), tail.rfind(b"PK\6\6")  # the record, and that of archives beyond 4 GiB
    if end < 0:
        raise InputError(f"{path}: {fault}")
    length = struct.unpack_from("<I", tail, end + 12)[0]
    if end64 >= 0:
        length = max(length % 0xFFFFFFFF, struct.unpack_from("<Q", tail, end64 + 40)[0])
    if length > entries * _BYTES_AN_ENTRY:
        raise InputError(f"{path}: {too_long.format(length=f'{length:,}')}")


def check_unpacked(path: Path, archive: zipfile.ZipFile, advice: str) -> int:
    """Refuse an archive that says it unpacks to far more than its file; return the bytes that it unpacks to.

    Raises
    ------
    InputError
        If they are more than `MAX_UNPACKED` and `MAX_RATIO` times its size.
    """
    packed = path.stat().st_size
    unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > max(MAX_UNPACKED, MAX_RATIO * packed):
        raise InputError(
            f"{path}: its {packed:,} bytes would unpack to {unpacked:,}, more than {MAX_RATIO} times as many; where "
            f"right, {advice}"
        )
    return unpacked
