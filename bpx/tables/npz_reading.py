"""Reading NPZ: the arrays ``x`` and ``y``, or one array a column."""

from __future__ import annotations

import math
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.errors import InputError
from bpx.tables.archives import check_directory, check_unpacked
from bpx.tables.messages import listed, shown

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_npz"]

MAX_COLUMNS = 100_000
"""The most columns of a table from an archive."""

_NO_ARCHIVE = "not a NumPy archive that can be read"
_NO_ARRAYS = "expected a NumPy archive of arrays, as numpy.savez writes it"
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def read_npz(path: Path) -> pl.DataFrame:
    """Read a NumPy archive as a table.

    Either it holds ``x`` (or ``X``), of shape (rows, features) or (rows,), and may hold ``y`` (or ``Y``), of shape
    (rows,) or (rows, 1): the columns are then ``x0``, ``x1``, ... and ``y``. Or each of its arrays is one column, of
    shape (rows,). Nothing in the file is unpickled.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    polars.DataFrame
        The table.

    Raises
    ------
    InputError
        If the file is no NumPy archive, an array holds Python objects, complex numbers or records, a shape does not
        fit, or the lengths differ; or the archive would unpack to more than `MAX_UNPACKED` bytes and `MAX_RATIO` times
        its size, or to more than `MAX_COLUMNS` columns. That is seen before anything is unpacked.
    """
    import polars as pl

    arrays = _load(path)
    lowered = {name.lower() for name in arrays}
    if "x" in lowered and lowered <= {"x", "y"}:
        if len(lowered) != len(arrays):
            raise InputError(f"{path}: expected one array x and one array y, got {listed(arrays)}")
        columns = _columns_of_x_and_y(path, {name.lower(): array for name, array in arrays.items()})
    else:
        columns = arrays
    for name, array in columns.items():
        if array.ndim != 1:
            raise InputError(
                f"{path}: expected arrays x and y, or arrays of shape (rows,), one a column; "
                f"array {shown(name)} has shape {array.shape} (the file holds {listed(arrays)})"
            )
    lengths = {name: len(array) for name, array in columns.items()}
    if len(set(lengths.values())) > 1:
        short, long = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        raise InputError(
            f"{path}: expected columns of one length, got {lengths[short]:,} rows in {shown(short)} "
            f"and {lengths[long]:,} in {shown(long)}"
        )
    try:
        return pl.DataFrame([_make_series(path, name, array) for name, array in columns.items()])
    except InputError:
        raise
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise _refused(path, f"an array is none that a table takes ({str(error).splitlines()[0]})") from error


def _load(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Read the arrays of an archive whose sizes have been looked at, before anything is unpacked."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            if file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX:
                raise _refused(path, _NO_ARRAYS)
            check_directory(
                path,
                file,
                MAX_COLUMNS,
                _NO_ARCHIVE,
                f"its list of arrays takes {{length}} bytes, more than a table of {MAX_COLUMNS:,} columns",
            )
            with zipfile.ZipFile(file) as archive:
                _check_sizes(path, archive)
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                loaded = {name: arrays[name] for name in arrays.files}
    except (InputError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise a dozen classes on bytes that are none of theirs
        raise _refused(path, _NO_ARCHIVE) from error
    if not loaded or not all(isinstance(array, np.ndarray) for array in loaded.values()):
        raise _refused(path, _NO_ARRAYS)
    return loaded


def _refused(path: Path, reason: str) -> InputError:
    return InputError(f"{path}: {reason}")


def _check_sizes(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse arrays that are larger than their part of the archive, or far larger than the file that holds them."""
    entries = archive.infolist()
    if len(entries) > MAX_COLUMNS:
        raise _refused(path, f"it holds {len(entries):,} arrays, more than a table of {MAX_COLUMNS:,} columns")
    check_unpacked(path, archive, "save the arrays with numpy.savez, which does not compress")
    for entry in entries:
        if not entry.filename.endswith(".npy"):
            raise _refused(path, _NO_ARRAYS)
        name = shown(entry.filename.removesuffix(".npy"))
        with archive.open(entry) as stream:
            version = np.lib.format.read_magic(stream)
            if version == (3, 0):  # as 2.0, for names of fields beyond Latin-1
                raise _refused(path, f"array {name} has named fields; save one array a column")
            shape, _, dtype = _HEADERS[version](stream)
            header = stream.tell()
        if dtype.hasobject:
            reason = "an array holds Python objects, which are never unpickled here; save numbers, or text as dtype str"
            raise _refused(path, reason)
        if dtype.itemsize == 0 and 0 not in shape:
            raise _refused(path, f"array {name} has dtype {dtype}, which holds nothing")
        if any(n < 0 for n in shape) or header + math.prod(shape) * dtype.itemsize != entry.file_size:
            raise _refused(path, f"{_NO_ARCHIVE}: array {name} is not of the size that it says")
        if len(shape) > 1 and math.prod(shape[1:]) > MAX_COLUMNS:
            raise _refused(path, f"array {name} of shape {shape} is more than a table of {MAX_COLUMNS:,} columns")


def _columns_of_x_and_y(path: Path, arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    x = arrays["x"]
    if x.ndim not in (1, 2):
        raise InputError(f"{path}: expected x of shape (rows, features), got {x.shape}; reshape it before saving")
    x = x.reshape(len(x), -1) if x.ndim == 1 else x
    columns = {f"x{index}": x[:, index] for index in range(x.shape[1])}
    if "y" in arrays:
        y = arrays["y"]
        if y.ndim == 2 and y.shape[1] == 1:
            y = y[:, 0]
        if y.ndim != 1:
            raise InputError(f"{path}: expected y of shape (rows,) or (rows, 1), got {y.shape}; a table has one target")
        columns["y"] = y
    return columns


def _make_series(path: Path, name: str, array: np.ndarray[Any, Any]) -> pl.Series:
    """Return a column; one in half precision says so by its type, where this polars has that."""
    import polars as pl

    series = pl.Series(name, _plain(path, name, array))
    half = array.dtype == np.float16 and hasattr(pl, "Float16")
    return series.cast(pl.Float16) if half else series


def _plain(path: Path, name: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Turn an array into one that polars takes: native byte order, no half precision, text rather than bytes."""
    if array.dtype.kind not in "biufSUMm":
        raise InputError(f"{path}: array {shown(name)} has dtype {array.dtype}; expected numbers, booleans or text")
    if array.dtype.kind == "S":
        try:
            return np.char.decode(array, "utf-8")
        except UnicodeDecodeError:
            raise InputError(f"{path}: array {shown(name)} holds bytes that are not UTF-8 text") from None
    if array.dtype.kind in "Mm":
        return array.astype(f"{array.dtype.kind}8[us]")
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        return array.astype(np.float32 if array.dtype.itemsize == 2 else np.float64)
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))
