"""Text and named arrays in a safetensors file, with a checksum over both: what models and checkpoints are kept in."""

from __future__ import annotations

import json
import math
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from bpx.backend.numpy_functions import allocate
from bpx.errors import FileFormatError, InputError
from bpx.writing import check_path

CHECKSUM = "checksum"
"""Key of the checksum in the metadata; it covers everything but itself."""

LARGEST_TEXT = 32 * 2**20
"""Bytes of one text in the metadata: what is larger is neither written nor read."""

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U64": "<u8",
    "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip
"""NumPy's names of the element types of safetensors that NumPy has."""

LONGEST = 600
"""Characters of a message about a file; what such a file says of itself may be of any length."""


class StoredArray(NamedTuple):
    """Where an array lies in a file.

    Attributes
    ----------
    dtype : numpy.dtype
    shape : tuple of int
    start : int
        Its first byte, counted from the beginning of the file.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int

    @property
    def nbytes(self) -> int:
        """How many bytes it takes."""
        return math.prod(self.shape) * self.dtype.itemsize


def describe_fault(path: str | os.PathLike[str], fault: str) -> FileFormatError:
    """Return the error that says what is wrong with a file, cut where that becomes long."""
    return FileFormatError(f"{path}{shorten(fault)}")


def shorten(text: str) -> str:
    """Return the beginning of what a file says, as much of it as fits a message."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def to_bytes(metadata: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return the content of a file that holds text and arrays, with their checksum.

    Raises
    ------
    InputError
        If a text is larger than a file may hold.
    """
    from safetensors.numpy import save

    for key, text in metadata.items():
        if len(text) > LARGEST_TEXT:
            raise InputError(
                f"the file's {key!r} would take {len(text) / 2**20:.0f} MiB as text, and at most "
                f"{LARGEST_TEXT // 2**20} MiB are kept with the arrays"
            )
    arrays = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    total = add_text_to_checksum(metadata)
    for name in sorted(arrays):
        total = add_array_to_checksum(total, name, arrays[name])
    return save(arrays, metadata={**metadata, CHECKSUM: f"{total:08x}"})


def add_text_to_checksum(metadata: Mapping[str, str]) -> int:
    """Return the CRC-32 of metadata, in the order of their keys, the checksum itself left out."""
    total = 0
    for key in sorted(metadata):
        if key != CHECKSUM:
            total = zlib.crc32(f"{key}={metadata[key]}".encode(), total)
    return total


def add_array_to_checksum(total: int, name: str, array: np.ndarray) -> int:
    """Return a CRC-32 continued over the name, dtype, shape and numbers of a contiguous array."""
    total = zlib.crc32(f"{name}:{array.dtype}{array.shape}".encode(), total)
    return zlib.crc32(_view_bytes(array), total)


def _view_bytes(array: np.ndarray) -> memoryview:
    """Return the bytes of a contiguous array, without a copy."""
    return memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type] # a Buffer since Python 3.12


class ArrayFile:
    """An open safetensors file: its text is read and its arrays are known, but none of them is in memory yet.

    Parameters
    ----------
    path : path

    Attributes
    ----------
    metadata : dict of str
    arrays : dict of StoredArray
        By name; they fill the rest of the file exactly.

    Raises
    ------
    InputError
        If there is no such file, or it cannot be read.
    FileFormatError
        If it is no whole safetensors file, or holds elements of a type that NumPy does not have.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = check_path("the name of a file", path)
        self._file = _open_regular(self.path)
        try:
            self.metadata, self.arrays = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_header(self) -> tuple[dict[str, str], dict[str, StoredArray]]:
        """Return metadata and the places of the arrays; the library looks first whether the whole is consistent."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="numpy"):
                pass
            length = int.from_bytes(self._file.read(8), "little")
            header = json.loads(self._file.read(min(length, os.fstat(self._file.fileno()).st_size)))
            metadata = header.pop("__metadata__", None) or {}
            arrays = {}
            for name, entry in header.items():
                if entry["dtype"] not in DTYPES:
                    raise describe_fault(
                        self.path, f": the elements of an array are {entry['dtype']}, which bpx does not read: {name!r}"
                    )
                dtype, start = np.dtype(DTYPES[entry["dtype"]]), 8 + length + entry["data_offsets"][0]
                arrays[name] = StoredArray(dtype, tuple(entry["shape"]), start)
        except (SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, FileFormatError):
                raise
            raise describe_fault(self.path, f" is no whole safetensors file: {error}") from error
        for key, text in metadata.items():
            if len(text) > LARGEST_TEXT:
                raise describe_fault(
                    self.path,
                    f": a text in it takes {len(text) / 2**20:.0f} MiB, and at most {LARGEST_TEXT // 2**20} MiB are "
                    f"read: {key!r}",
                )
        return metadata, arrays

    def read_json(self, key: str, what: str) -> Any:
        """Return the plain data that a text of the metadata holds.

        Parameters
        ----------
        key : str
        what : str
            What it is, for the message.

        Raises
        ------
        FileFormatError
            If it is missing or no JSON, or goes deeper than JSON can be read.
        """
        if key not in self.metadata:
            raise FileFormatError(f"{self.path}: {what} cannot be read: {key!r} is missing")
        try:
            return json.loads(self.metadata[key])
        except (ValueError, RecursionError) as error:  # RecursionError: lists within lists, thousands of them
            raise describe_fault(self.path, f": {what} cannot be read: {error}") from error

    def read_arrays(self, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[tuple[str, np.ndarray]]:
        """Yield the arrays in the order of their names, one at a time; compare the checksum when all are read.

        Parameters
        ----------
        wanted : callable
            Tells by its name whether an array is yielded; the others are only looked at.

        Yields
        ------
        str, numpy.ndarray
            A fresh array, which nobody else has.

        Raises
        ------
        FileFormatError
            If the file ends too early, an array is larger than the memory, or the checksum, where the file has one, is
            that of other content.
        """
        total = add_text_to_checksum(self.metadata)
        for name in sorted(self.arrays):
            array = self._read_array(name)
            total = add_array_to_checksum(total, name, array)
            if wanted(name):
                yield name, array
            del array
        if self.metadata.get(CHECKSUM, f"{total:08x}") != f"{total:08x}":
            raise FileFormatError(f"{self.path} is damaged: its content is not what was written")

    def _read_array(self, name: str) -> np.ndarray:
        """Return one array, read into memory of its own."""
        stored = self.arrays[name]
        try:
            room = allocate(stored.nbytes)  # JAX takes memory over as it is if it begins at a cache line
            array, left = room.view(stored.dtype).reshape(stored.shape), _view_bytes(room)
            self._file.seek(stored.start)
            while left:
                count = self._file.readinto(left)
                if not count:
                    raise describe_fault(self.path, f" is no whole safetensors file: it ends within {name!r}")
                left = left[count:]
        except (MemoryError, OSError, OverflowError, ValueError) as error:
            if isinstance(error, FileFormatError):
                raise
            size = f"{stored.nbytes / 2**20:,.0f} MiB"
            raise describe_fault(self.path, f": an array of {size} cannot be read: {error}; it is {name!r}") from error
        return array


def _open_regular(path: Path) -> FileIO:
    """Open a file for reading, without a buffer; a folder, a device or a pipe is refused, and never waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except OSError as error:
        if os.path.isdir(path):  # Windows opens no folder
            raise InputError(f"{path} is a folder, not a file") from None
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise InputError(f"{path} is a {'folder' if stat.S_ISDIR(mode) else 'device or a pipe'}, not a file")
    return os.fdopen(descriptor, "rb", buffering=0)
