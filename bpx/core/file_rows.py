"""Rows that lie in files, in one or in several: found, read piece by piece, checked, and let go of again."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.arguments import check_count
from bpx.backend.base import Array, Backend
from bpx.backend.transfer import check_real, library_of
from bpx.core import samples
from bpx.core.model import PREDICT_ROWS, Data, Model
from bpx.errors import InputError

if TYPE_CHECKING:
    from types import EllipsisType

MEMORY_LIMIT = 512 * 2**20
"""Bytes that data larger than memory may take at a time, where no ``memory_limit`` is given."""

BLOCK_SHARE = 6
"""A block takes at most this part of the memory limit: one is in use, one is made, one is its pieces, and as much again
is for what the steps and the allocator need."""

PIECE_BYTES = 2**20
"""Bytes of a file that are mapped at a time, where its rows lie one after the other."""


def find_file_map(array: Any) -> mmap.mmap | None:
    """Return the map that an array is a view of, or None where it lies in ordinary memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None


def release_pages(array: Any) -> None:
    """Take the pages that were read of a mapped array out of this process's memory; the file and its cache stay."""
    source, mode = array, None
    while isinstance(source, np.ndarray):
        mode = getattr(source, "mode", mode)
        source = source.base
    if isinstance(source, mmap.mmap) and hasattr(source, "madvise") and mode in ("r", "r+", "w+"):
        source.madvise(mmap.MADV_DONTNEED)  # a private map ("c") would lose what was written into it


class FileRows:
    """The rows of several arrays, those of one after those of the other, as one array that is never made as a whole.

    What is taken of it are copies, made by pieces of `PIECE_BYTES`, whose pages are let go of at once.

    Parameters
    ----------
    name : str
        What it is called in errors.
    parts : sequence of numpy.ndarray
        Mapped from files, or in memory. Parts without rows are none.

    Attributes
    ----------
    shape : tuple of int
    dtype : numpy.dtype
        The smallest that holds all of them.
    ndim, size, nbytes : int

    Raises
    ------
    InputError
        If the parts differ in anything but their number of rows and how many bits their numbers have.
    """

    def __init__(self, name: str, parts: Sequence[np.ndarray]) -> None:
        first = parts[0]
        for i, part in enumerate(parts):
            check_real(name, part)
            if part.ndim == 0 or part.shape[1:] != first.shape[1:]:
                raise InputError(
                    f"the parts of {name} must have the same columns, but part {i} has shape {part.shape}, and part 0 "
                    f"{first.shape}"
                )
            if part.dtype.kind != first.dtype.kind:
                raise InputError(
                    f"the parts of {name} must hold numbers of one kind, but part {i} holds {part.dtype}, and part 0 "
                    f"{first.dtype}"
                )
        self.dtype = np.result_type(*{part.dtype for part in parts}).newbyteorder("=")
        self._parts = [np.asarray(part) for part in parts if len(part)]
        self._ends = np.cumsum([len(part) for part in self._parts], dtype=np.int64)
        self._starts = np.concatenate([np.zeros(1, dtype=np.int64), self._ends[:-1]])
        self._steps = np.array([_count_piece_rows(part) for part in self._parts], dtype=np.int64)
        self.shape: tuple[int, ...] = (sum(map(len, self._parts)), *first.shape[1:])
        self.ndim, self.size = len(self.shape), math.prod(self.shape)
        self.nbytes = self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice | np.ndarray | tuple[slice | np.ndarray, EllipsisType]) -> np.ndarray:
        """Return some rows: a slice of them without a step, or those of some numbers, best in ascending order."""
        rows = key[0] if isinstance(key, tuple) else key
        if not isinstance(rows, slice):
            return self._take(rows)
        start, stop, _ = rows.indices(len(self))
        return self._read(start, max(start, stop))

    def join(self) -> np.ndarray:
        """Return all rows as one array in memory."""
        return self._read(0, len(self))

    def _read(self, start: int, stop: int) -> np.ndarray:
        taken = np.empty((stop - start, *self.shape[1:]), dtype=self.dtype)
        number = int(np.searchsorted(self._ends, start, side="right"))
        row = start
        while row < stop:
            part, first, step = self._parts[number], int(self._starts[number]), int(self._steps[number])
            end = min(stop, first + len(part))
            for begin in range(row, end, step):
                till = min(begin + step, end)
                taken[begin - start : till - start] = part[begin - first : till - first]
                release_pages(part)
            row, number = end, number + 1
        return taken

    def _take(self, rows: np.ndarray) -> np.ndarray:
        taken = np.empty((rows.size, *self.shape[1:]), dtype=self.dtype)
        if not rows.size:
            return taken
        numbers = np.searchsorted(self._ends, rows, side="right")
        places = rows - self._starts[numbers]
        new = (np.diff(numbers) != 0) | (np.diff(places // self._steps[numbers]) != 0)
        for begin, end in pairwise([0, *(np.flatnonzero(new) + 1).tolist(), rows.size]):
            part = self._parts[numbers[begin]]
            taken[begin:end] = part[places[begin:end]]
            release_pages(part)
        return taken


def _count_piece_rows(part: np.ndarray) -> int:
    """Return how many rows are a piece; of an array that lies column by column, where any row is everywhere, all."""
    if part.ndim > 1 and abs(part.strides[0]) < max(map(abs, part.strides[1:])):
        return len(part)
    return max(1, PIECE_BYTES // max(1, part.nbytes // len(part)))


def join_lists(net: Model, x: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, Any, Any]:
    """Return samples, targets and weights with those that are lists of arrays, one for each file, as `FileRows`.

    Samples are such a list if all its entries are NumPy's arrays and have the dimensions of samples of the network; of
    a network that takes any, if one is mapped from a file. Targets and weights are, beside such samples, if there are
    as many. All else is left as it is.

    Raises
    ------
    InputError
        If the arrays of a list do not fit each other, or those of the samples.
    """
    if not _is_list_of_samples(net, x):
        return x, y, sample_weight
    joined = FileRows("x", x)
    return joined, *(_join_beside(x, len(joined), *each) for each in (("y", y), ("sample_weight", sample_weight)))


def _is_list_of_samples(net: Model, data: Any) -> bool:
    if not _is_list_of_arrays(data):
        return False
    if net.input_shape is not None:
        return any(part.ndim == len(net.input_shape) + 1 for part in data)
    return any(part.ndim > 1 and find_file_map(part) is not None for part in data)


def _is_list_of_arrays(data: Any) -> bool:
    return isinstance(data, (list, tuple)) and len(data) > 0 and all(isinstance(part, np.ndarray) for part in data)


def _join_beside(x: Sequence[np.ndarray], rows: int, name: str, data: Any) -> Any:
    """Return targets or weights of samples that are a list of arrays."""
    if not _is_list_of_arrays(data) or any(part.ndim == 0 for part in data):
        return data
    lengths, wanted = [len(part) for part in data], [len(part) for part in x]
    if lengths == wanted:
        return FileRows(name, data)
    if len(data) == rows:
        return data  # a row is an array
    if len(data) != len(x):
        raise InputError(
            f"{name} is a list of {len(data)} arrays, and x one of {len(x)}; give as many, or one array with all "
            f"{rows} rows"
        )
    i = next(i for i in range(len(x)) if lengths[i] != wanted[i])
    raise InputError(f"part {i} of {name} has {lengths[i]} rows, and part {i} of x has {wanted[i]}")


class MappedArrays:
    """Samples, targets and weights of which the samples lie in files; read and checked piece by piece.

    Parameters
    ----------
    net : Model
    x : array mapped from a file (samples, n_in), or FileRows
    y : array_like or FileRows
        Targets, as for ``fit``.
    sample_weight : array_like (samples,), FileRows or None
    memory_limit : int
        Bytes that they may take at a time.

    Attributes
    ----------
    rows : int
    row_bytes : int
        What a row takes on the device, with its target and a weight.

    Raises
    ------
    InputError
        If the shapes do not fit each other or the network.
    """

    def __init__(self, net: Model, x: Any, y: Any, sample_weight: Any, memory_limit: int) -> None:
        self.net, self.memory_limit = net, memory_limit
        self.x = _keep_in_file("x", x)
        self.y = _keep_in_file("y", y)
        self.weight = None if sample_weight is None else _keep_in_file("sample_weight", sample_weight)
        self.rows: int = self.x.shape[0] if self.x.ndim else 0
        for name, array in (("y", self.y), ("sample_weight", self.weight)):
            if array is not None and (array.ndim == 0 or array.shape[0] != self.rows):
                got = "a single number" if array.ndim == 0 else f"{array.shape[0]}"
                raise InputError(f"{name} must have one row for each of the {self.rows} samples of x, got {got}")
        first = net.place(self.x[:1], self.y[:1, ...], None)
        self.row_bytes = count_bytes(net, first) + 8  # and a weight

    def read(self, start: int, stop: int) -> Data:
        """Return rows from ``start`` to before ``stop``, checked, on the device."""
        weight = None if self.weight is None else self.weight[start:stop]
        try:
            return self.net.place(self.x[start:stop], self.y[start:stop, ...], weight, whole=False)
        except InputError as error:
            raise InputError(f"rows {start} to {stop - 1}: {error}") from None

    def read_targets(self, start: int, stop: int, backend: Backend) -> tuple[Array, Array | None]:
        """Return targets and weights of some rows, checked, on a backend; of the samples nothing is read."""
        net, n = self.net, stop - start
        n_out = net.output_shape[-1] if net.output_shape else None
        weight = None if self.weight is None else self.weight[start:stop]
        try:
            with backend.computing():
                y = samples.place_targets(
                    backend, self.y[start:stop, ...], net.loss, n, n_out, net.dtype, self.x.shape[1]
                )
                return y, samples.place_weights(backend, weight, n, net.dtype, whole=False)
        except InputError as error:
            raise InputError(f"rows {start} to {stop - 1}: {error}") from None

    def take(self, rows: np.ndarray, backend: Backend | None = None) -> Data:
        """Return rows of some numbers in ascending order, checked; of none, arrays without rows.

        Parameters
        ----------
        rows : array of int
        backend : Backend or None
            Where they go; None: the network's.
        """
        chosen = rows if rows.size else np.zeros(1, dtype=np.int64)
        weight = None if self.weight is None else self.weight[chosen]
        try:
            x, y, weight = self.net.place(self.x[chosen], self.y[chosen, ...], weight, whole=False, backend=backend)
        except InputError as error:
            raise InputError(f"some of rows {chosen[0]} to {chosen[-1]}: {error}") from None
        part = slice(0, rows.size)
        return x[part, ...], y[part, ...], None if weight is None else weight[part]

    def read_pieces(self, span: tuple[int, int] | None = None, processes: int = 1) -> Iterator[Data]:
        """Yield the rows from one number to before another, all if none are named, in pieces on the device.

        A piece takes as much of the memory limit as a block of a training, of several processes its part of that.
        """
        first, end = (0, self.rows) if span is None else span
        for start, stop in cut_rows(first, end, self.memory_limit // processes, self.row_bytes):
            yield self.read(start, stop)


def _keep_in_file(name: str, data: Any) -> Any:
    """Return data that is mapped from a file as `FileRows`, and other data as arrays."""
    if isinstance(data, FileRows):
        return data
    check_real(name, data)
    if find_file_map(data) is not None and data.ndim:
        return FileRows(name, [data])
    return np.asarray(data) if library_of(data) is None else data


def cut_rows(first: int, end: int, memory_limit: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """Yield the spans of rows that are read at a time; where it may be, some thousands as the network takes them."""
    rows = max(1, memory_limit // BLOCK_SHARE // row_bytes)
    if rows > PREDICT_ROWS:
        rows -= rows % PREDICT_ROWS
    for start in range(first, end, rows):
        yield start, min(start + rows, end)


def count_bytes(net: Model, data: Data) -> int:
    """Return the memory that samples, targets and weights take on the device."""
    width = 8 if net.dtype == "float64" else 4
    return sum(width * math.prod(array.shape) for array in data if array is not None)


def check_limit(memory_limit: int | None) -> int:
    """Return the bytes that data larger than memory may take at a time."""
    return MEMORY_LIMIT if memory_limit is None else check_count("memory_limit", memory_limit)


def open_arrays(
    net: Model, x: Any, y: Any, sample_weight: Any, memory_limit: int
) -> MappedArrays | tuple[Any, Any, Any]:
    """Return samples, targets and weights as they came, or, where the samples are in files and too large, mapped.

    Lists of arrays that together are small enough are joined.

    Raises
    ------
    InputError
        As for `join_lists` and `MappedArrays`.
    """
    x, y, sample_weight = join_lists(net, x, y, sample_weight)
    if is_larger(net, x, memory_limit):
        return MappedArrays(net, x, y, sample_weight, memory_limit)
    return join(x), join(y), join(sample_weight)


def may_be_in_files(x: Any) -> bool:
    """Tell whether samples may lie in files: arrays that are mapped, and lists, which may hold some."""
    return isinstance(x, (list, tuple)) or find_file_map(x) is not None


def is_larger(net: Model, x: Any, memory_limit: int) -> bool:
    """Tell whether samples lie in files and take more memory on the device than they may."""
    if not isinstance(x, FileRows) and find_file_map(x) is None:
        return False
    return bool(x.size * (8 if net.dtype == "float64" else 4) > memory_limit)


def join(data: Any) -> Any:
    """Return data with rows of several files as one array."""
    return data.join() if isinstance(data, FileRows) else data


def predict_rows(
    net: Model, x: Any, memory_limit: int, span: tuple[int, int] | None = None, processes: int = 1
) -> list[Array]:
    """Return the predictions of samples in files that are too large to be placed as a whole, piece by piece.

    Parameters
    ----------
    net : Model
    x : FileRows or array mapped from a file
    memory_limit : int
    span : tuple of int or None
        The rows, from one to before the other; None: all.
    processes : int
        Among which the memory is shared out.

    Raises
    ------
    InputError
        If they are not what the network takes.
    """
    rows = _keep_in_file("x", x)
    first, end = (0, len(rows)) if span is None else span
    row_bytes = (8 if net.dtype == "float64" else 4) * math.prod(rows.shape[1:])
    made = []
    for start, stop in cut_rows(first, end, memory_limit // processes, row_bytes):
        try:
            placed = net.place_samples(rows[start:stop], look=not net.backend.repeats)
            made.append(net.compute_predictions(placed))
        except InputError as error:
            raise InputError(f"rows {start} to {stop - 1}: {error}") from None
    return made
