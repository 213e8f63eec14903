"""Reading NPZ: the arrays ``x`` and ``y``, or one array a column."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.npyio import NpzFile

from bpx.errors import InputError
from bpx.tables.messages import listed, shown

if TYPE_CHECKING:
    import polars as pl

__all__ = ["read_npz"]


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
        fit, or the lengths differ.
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
    return pl.DataFrame([pl.Series(name, _plain(path, name, array)) for name, array in columns.items()])


def _load(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            arrays = {name: archive[name] for name in archive.files} if isinstance(archive, NpzFile) else {}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        if "Object arrays" in str(error):
            reason = "an array holds Python objects, which are never unpickled here; save numbers, or text as dtype str"
        else:
            reason = "not a NumPy archive that can be read"
        raise InputError(f"{path}: {reason}") from error
    if not arrays or not all(isinstance(array, np.ndarray) for array in arrays.values()):
        raise InputError(f"{path}: expected a NumPy archive of arrays, as numpy.savez writes it")
    return arrays


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
        return array.astype(np.float64)
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))
