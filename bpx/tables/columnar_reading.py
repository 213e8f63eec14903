"""Reading Parquet and Arrow files, which polars reads: tried in a process of its own first."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bpx.errors import InputError
from bpx.tables.trying import try_apart
from bpx.tables.unpacking import MAX_RATIO

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ColumnarFile", "open_columnar", "read_arrow", "read_parquet"]

ColumnarKind = Literal["parquet", "arrow"]

_NAMES: dict[ColumnarKind, str] = {"parquet": "a Parquet file", "arrow": "an Arrow file"}
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


@dataclass(frozen=True)
class ColumnarFile:
    """A Parquet or Arrow file of which some rows are read at a time.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    kind : {"parquet", "arrow"}
        Its format.
    rows : int
        How many it has.
    rows_a_part : int
        How many are read at a time.
    """

    path: Path
    kind: ColumnarKind
    rows: int
    rows_a_part: int

    def read(self) -> Iterator[pl.DataFrame]:
        """Yield the rows, some at a time.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        import polars as pl

        try:
            yield from _read_slices(self.path, self.kind, self.rows, self.rows_a_part)
        except (MemoryError, InputError):
            raise
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise InputError(f"{self.path}: not {_NAMES[self.kind]} that can be read ({_first_line(error)})") from error


def open_columnar(path: Path, kind: ColumnarKind, cells_a_part: int) -> ColumnarFile:
    """Open a file of which so many values are to be read at a time, once a process of its own has read all of it so.

    Raises
    ------
    InputError
        If it is none, or damaged, or, of an Arrow file, takes far more memory than its size lets expect.
    """
    _open(path)
    memory = 0 if kind == "parquet" else max(_LEAST_MEMORY, MAX_RATIO * path.stat().st_size)
    try_apart(path, _NAMES[kind], __name__, _decode_slices.__name__, part=f"{kind} {cells_a_part}", memory=memory)
    import polars as pl

    try:
        rows, width = _measure(path, kind)
    except MemoryError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # a panic is no Exception
        raise InputError(f"{path}: not {_NAMES[kind]} that can be read ({_first_line(error)})") from error
    return ColumnarFile(path, kind, rows, max(cells_a_part // max(width, 1), 1))


def _measure(path: Path, kind: ColumnarKind) -> tuple[int, int]:
    """Return how many rows and columns a file has."""
    import polars as pl

    table = _scan(path, kind)
    return int(table.select(pl.len()).collect().item()), len(table.collect_schema())


def _scan(path: Path, kind: ColumnarKind) -> pl.LazyFrame:
    import polars as pl

    if kind == "parquet":
        return pl.scan_parquet(path, glob=False, hive_partitioning=False)
    literal = {"glob": False} if "glob" in inspect.signature(pl.scan_ipc).parameters else {}  # which polars 1.20 lacks
    return pl.scan_ipc(path, **literal)


def _read_slices(path: Path, kind: ColumnarKind, rows: int, step: int) -> Iterator[pl.DataFrame]:
    for start in range(0, rows, step):
        yield _scan(path, kind).slice(start, step).collect()


def _decode_slices(path: str | Path, part: str) -> None:
    """Read all of a file, some rows at a time."""
    kind: Any
    kind, cells = part.split()
    rows, width = _measure(Path(path), kind)
    for _ in _read_slices(Path(path), kind, rows, max(int(cells) // max(width, 1), 1)):
        pass


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
