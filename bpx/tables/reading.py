"""Reading a table from a file: CSV, TSV, Parquet or NPZ."""

from __future__ import annotations

import difflib
import os
import stat
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from bpx.errors import InputError
from bpx.optional import import_optional
from bpx.tables.csv_reading import read_csv
from bpx.tables.frames import ColumnType
from bpx.tables.messages import shown
from bpx.tables.npz_reading import read_npz

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_table"]

SUFFIXES = (".csv", ".tsv", ".parquet", ".npz")

_TRIAL = f"import sys; sys.path[:] = sys.argv[2:]; from {__name__} import _decode; _decode(sys.argv[1])"
"""What a process of its own does with a Parquet file."""


def read_table(
    path: str | os.PathLike[str], *, text: Collection[str] = (), types: Mapping[str, ColumnType] | None = None
) -> pl.DataFrame:
    """Read a CSV, TSV, Parquet or NPZ file as a table.

    Parameters
    ----------
    path : str or path
        The file. Its ending says its format: ``.csv`` (separated by commas, or by semicolons, tabs or bars where the
        header has no comma), ``.tsv``, ``.parquet`` or ``.npz``.
    text : collection of str, optional
        Columns of a CSV or TSV file that stay text even if every value is a number, such as postal codes. For a
        trained model this is `Preprocessor.text_columns`. Names that the file lacks are ignored.
    types : dict from str to {"text", "number", "category"}, optional
        Columns of a CSV or TSV file whose type is declared. Those of text and of categories keep each text as it
        stands, ``NA`` and ``?`` among them, and only an empty value is missing. For a trained model this is
        `Preprocessor.types`. Names that the file lacks are ignored.

    Returns
    -------
    polars.DataFrame
        At least one row and one column. Missing values are null (NaN may occur too, in Parquet and NPZ). A CSV column
        is integers, floats, booleans (true, false) or text, whichever loses no value; see `read_csv` for the details.

    Raises
    ------
    InputError
        If the file is missing, a folder, unreadable, empty, of another format than its ending says, without a header
        or without rows; has a column without a name or two of one name; or has a row of another length than its
        header. The message is one line with the file's name and the line.
    """
    import_optional("polars", "tables", "table")
    file = Path(path)
    suffix = file.suffix.lower()
    if not os.fspath(path):
        raise InputError("expected the name of a file, got an empty one")
    try:
        _check_file(file, suffix)
        if suffix == ".parquet":
            frame = _read_parquet(file)
        elif suffix == ".npz":
            frame = read_npz(file)
        else:
            verbatim = [name for name, declared in (types or {}).items() if declared != "number"]
            frame = read_csv(file, text=text, verbatim=verbatim)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror or error}") from error
    except MemoryError as error:
        raise InputError(f"{file}: cannot be read: it takes more memory than there is") from error
    if frame.height == 0 or frame.width == 0:
        raise InputError(f"{file}: the table has no {'columns' if frame.width == 0 else 'rows'}")
    return frame


def _check_file(path: Path, suffix: str) -> None:
    """Refuse what is no file with content, before anything is read: a pipe would wait, and a device never ends."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: no such file{_similar_file(path)}") from None
    except ValueError as error:  # such as a NUL in the name
        raise InputError(f"{shown(str(path))}: no such file ({error})") from None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{path}: expected a file, got a folder")
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: expected a file that ends in {', '.join(SUFFIXES)}, got {suffix or 'no ending'!r}")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: expected a file, got a pipe or a device; write its content to a file first")
    if found.st_size == 0:
        raise InputError(f"{path}: the file is empty")


def _read_parquet(path: Path) -> pl.DataFrame:
    import polars as pl

    with path.open("rb"):  # an error of the system is one, and none of the format
        pass
    _try_parquet(path)
    try:
        return _decode(path)
    except MemoryError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # a panic is no Exception
        reason = (str(error).strip() or "unknown reason").splitlines()[0]
        raise InputError(f"{path}: not a Parquet file that can be read ({reason})") from error


def _decode(path: str | Path) -> pl.DataFrame:
    import polars as pl

    return pl.read_parquet(path, glob=False, hive_partitioning=False)


def _try_parquet(path: Path) -> None:
    """Have a process of its own read a Parquet file first: what is damaged may make polars end its process.

    Asked for more memory than there is, it aborts, which is no exception. An error that it can report is met again by
    who reads the file next.

    Raises
    ------
    InputError
        If that process was ended.
    """
    if not sys.executable or getattr(sys, "frozen", False):  # inside another program there is none to start
        return
    command = [sys.executable, "-c", _TRIAL, str(path.absolute()), *sys.path]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if ended.returncode not in (0, 1):  # 1: an exception
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        reason = shown(said[0]) if said else f"exit code {ended.returncode}"
        raise InputError(
            f"{path}: not a Parquet file that can be read: it is damaged, or larger than the memory "
            f"(a process that tried it was ended: {reason})"
        )


def _similar_file(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return ""
    close = difflib.get_close_matches(path.name, names, n=1)
    return f" (did you mean {shown(close[0])}?)" if close else ""
