"""What a file is, told by its first bytes, and by its name where those fit several formats."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

from bpx.errors import InputError
from bpx.tables.messages import shown
from bpx.tables.unpacking import find_compression, read_blocks

__all__ = ["READABLE", "SUFFIXES", "Kind", "find_kind"]

Kind = Literal["csv", "json lines", "excel", "parquet", "arrow", "npz"]

_BY_SUFFIX: dict[str, Kind] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "json lines",
    ".ndjson": "json lines",
    ".xlsx": "excel",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".npz": "npz",
}
SUFFIXES = tuple(_BY_SUFFIX)
"""Endings of the files that are read; those of text may be followed by ``.gz`` or ``.zst``."""

READABLE = "CSV, TSV, JSON lines (these also compressed by gzip or zstd), Excel (.xlsx), Parquet, Arrow or NPZ"
"""What can be read, for the messages."""

_NAMES: dict[Kind, str] = {
    "excel": "an Excel workbook",
    "parquet": "a Parquet file",
    "arrow": "an Arrow file",
    "npz": "a NumPy archive",
}
_MAGIC: dict[bytes, Kind] = {b"PAR1": "parquet", b"ARROW1": "arrow"}
_ZIP, _ENDS_OF_ZIP = b"PK\3\4", (b"PK\5\6", b"PK\7\x08")
_OTHERS = (
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls) or a protected one; save it as .xlsx or CSV"),
    (rb"%PDF-", "a PDF document"),
    (rb"SQLite format 3\0", "an SQLite database; write the table as CSV or Parquet"),
    (rb"\x89HDF\r\n", "an HDF5 file; write the table as CSV or Parquet"),
    (rb"\x93NUMPY", "a NumPy array (.npy); save it by numpy.savez"),
    (rb"FEA1", "a Feather file of version 1; write it anew, in version 2"),
    (rb"ORC", "an ORC file; write the table as CSV or Parquet"),
    (rb"RD[AX][23]\n", "a file of R; write the table as CSV or Parquet"),
    (rb"<stata_dta>", "a Stata file; write the table as CSV or Parquet"),
    (rb"\$FL2@\(#\)", "an SPSS file; write the table as CSV or Parquet"),
    (rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", "a bzip2 archive; unpack it first"),
    (rb"\xfd7zXZ\0", "an xz archive; unpack it first"),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (rb"Rar!\x1a\x07", "a RAR archive; unpack it first"),
    (rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a", "a picture"),
    (rb"\x80[\x02-\x05](\x95|\}|c|\]|\()", "a pickle, which is never opened; write the table as CSV or Parquet"),
    (rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype html|html|\?xml)", "a page of the web or XML, and no table"),
)


def find_kind(path: Path) -> Kind:
    """Find what a file is.

    Its content decides. A file that begins as text does is JSON lines if it begins with a JSON object, and CSV
    otherwise; one whose name ends as those of a format of bytes do has to be in one of these.

    Raises
    ------
    InputError
        If it is of a format that cannot be read, or holds text in place of what its name says. The message says what
        was found and what can be read.
    """
    with path.open("rb") as file:
        start = file.read(512)
    compression = find_compression(start)
    if compression:
        start = next(read_blocks(path), b"")[: 2**16]
        packed = _find_bytes(start) or ("zip" if start.startswith(_ZIP) else None)
        if packed is not None:
            what = "a zip archive" if packed == "zip" else _NAMES[packed]
            raise InputError(f"{path}: {what} compressed by {compression}; unpack it first")
    kind = _find_bytes(start)
    if kind is not None:
        return kind
    if start.startswith((_ZIP, *_ENDS_OF_ZIP)):
        return _find_in_zip(path, start)
    named = _find_named(path)
    if named == "npz":  # whose reader says what it finds
        return named
    for pattern, what in _OTHERS:
        if re.match(pattern, start):
            raise InputError(f"{path}: expected {READABLE}, got {what}")
    if named not in (None, "csv", "json lines"):
        holds = "" if b"\0" in start else "; it holds text: name it .csv if it is CSV"
        raise InputError(f"{path}: not {_NAMES[named]} that can be read (it does not begin as one{holds})")
    return _find_in_text(path, start, named)


def _find_bytes(start: bytes) -> Kind | None:
    return next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), None)


def _find_named(path: Path) -> Kind | None:
    """Find the format that the name of a file says, the ending of a compressed one taken off."""
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in (".gz", ".gzip", ".zst", ".zstd")]
    return _BY_SUFFIX.get(suffixes[-1]) if suffixes else None


def _find_in_zip(path: Path, start: bytes) -> Kind:
    """Tell archives apart by the name of their first entry, and by their own where that is damaged."""
    length = int.from_bytes(start[26:28], "little")
    first = start[30 : 30 + length].decode("utf-8", "replace") if start.startswith(_ZIP) else ""
    if first.endswith(".npy"):
        return "npz"
    if first.startswith(("[Content_Types].xml", "_rels/", "xl/", "docProps/")):
        return "excel"
    named = _find_named(path)
    if named in ("npz", "excel") and (named == "npz" or not first):
        return named
    if first == "mimetype":
        raise InputError(f"{path}: expected {READABLE}, got an OpenDocument file; save it as .xlsx or CSV")
    inside = f" that begins with {shown(first)}" if first else ""
    raise InputError(f"{path}: expected {READABLE}, got a zip archive{inside}; unpack it first")


def _find_in_text(path: Path, start: bytes, named: Kind | None) -> Kind:
    if named == "json lines":
        return named
    head = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    line = head.partition(b"\n")[0]
    if head.startswith(b"{"):
        try:
            return "json lines" if isinstance(json.loads(line), dict) else "csv"
        except (ValueError, RecursionError):
            cut = len(line) == len(head)  # too long to be seen whole
            return "json lines" if (cut and re.match(rb'\{\s*"', line)) or path.suffix.lower() == ".json" else "csv"
    if path.suffix.lower() == ".json":
        raise InputError(
            f"{path}: expected JSON lines, one object in each line, got other JSON; write a line for each row"
        )
    return "csv"
