"""Reading Parquet and Arrow files, which polars reads: tried in a process of its own first."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from bpx.errors import InputError
from bpx.tables.trying import try_apart
from bpx.tables.unpacking import MAX_RATIO

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_arrow", "read_parquet"]

_LEAST_MEMORY = 2**32


def read_parquet(path: Path) -> pl.DataFrame:
    """Read a Parquet file.

    Raises
    ------
    InputError
        If it is none, or damaged.
    """
    _open(path)
    try_apart(path, "a Parquet file", __name__, _decode_parquet.__name__)
    import polars as pl

    try:
        return _decode_parquet(path)
    except MemoryError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # a panic is no Exception
        raise InputError(f"{path}: not a Parquet file that can be read ({_first_line(error)})") from error


def read_arrow(path: Path) -> pl.DataFrame:
    """Read an Arrow IPC file, as Feather of version 2 is one.

    Raises
    ------
    InputError
        If it is none, or damaged, or takes far more memory than its size lets expect.
    """
    memory = max(_LEAST_MEMORY, MAX_RATIO * path.stat().st_size)
    try_apart(path, "an Arrow file", __name__, _decode_arrow.__name__, memory=memory)
    import polars as pl

    try:
        return _decode_arrow(path)
    except MemoryError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:
        raise InputError(f"{path}: not an Arrow file that can be read ({_first_line(error)})") from error


def _decode_parquet(path: str | Path, _: str = "") -> pl.DataFrame:
    import polars as pl

    return pl.read_parquet(path, glob=False, hive_partitioning=False)


def _decode_arrow(path: str | Path, _: str = "") -> pl.DataFrame:
    import polars as pl

    return pl.read_ipc(io.BytesIO(Path(path).read_bytes()))  # no map of a file that somebody may change


def _open(path: Path) -> None:
    """Open a file and close it again: an error of the system is one, and none of the format."""
    with path.open("rb"):
        pass


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or "unknown reason").splitlines()[0]
