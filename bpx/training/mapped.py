"""Arrays in files that are mapped into memory: found, read piece by piece, and let go again."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.backend.transfer import check_real, library_of
from bpx.core.model import Data, Model
from bpx.errors import InputError
from bpx.rng import SHUFFLE, generator
from bpx.training.batches import cut_batches, drop_steps, fetch_weight, list_own_columns, sum_shares
from bpx.training.class_weights import sum_by_class, weigh_by_class, weigh_classes
from bpx.training.fingerprint import fingerprint_on_host
from bpx.training.settings import Settings
from bpx.training.sources import Block
from bpx.training.streams import Stream, count_bytes

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator

CHUNKS_PER_BLOCK = 16
"""Chunks of neighboring rows that a block of a mapped array is put together from, where batches are small enough."""


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


class MappedArrays:
    """Samples, targets and weights of which the samples lie in a file; read and checked piece by piece.

    Parameters
    ----------
    net : Model
    x : array mapped from a file (samples, n_in)
    y : array_like
        Targets, as for ``fit``.
    sample_weight : array_like (samples,) or None

    Raises
    ------
    InputError
        If the shapes do not fit each other or the network.
    """

    def __init__(self, net: Model, x: Any, y: Any, sample_weight: Any) -> None:
        self.net = net
        for name, array in (("x", x), ("y", y), ("sample_weight", sample_weight)):
            check_real(name, array)
        self.x = x
        self.y = np.asarray(y) if library_of(y) is None else y
        self.weight = sample_weight if sample_weight is None or library_of(sample_weight) else np.asarray(sample_weight)
        self.rows: int = x.shape[0] if x.ndim else 0
        for name, array in (("y", self.y), ("sample_weight", self.weight)):
            if array is not None and (array.ndim == 0 or array.shape[0] != self.rows):
                got = "a single number" if array.ndim == 0 else f"{array.shape[0]}"
                raise InputError(f"{name} must have one row for each of the {self.rows} samples of x, got {got}")
        first = net.place(x[:1], self.y[:1, ...], None)
        self.row_bytes = count_bytes(net, first) + 8  # and a weight

    def describe(self) -> dict[str, Any]:
        """Return shapes and hashes, as plain data; a few rows are read."""
        named = {"x": self.x, "y": self.y, "sample_weight": self.weight}
        to_numpy = self.net.backend.to_numpy
        hosts = {n: a if a is None or isinstance(a, np.ndarray) else to_numpy(a) for n, a in named.items()}
        return {name: fingerprint_on_host(array) for name, array in hosts.items()}

    def read(self, start: int, stop: int) -> Data:
        """Return rows from ``start`` to before ``stop``, checked, on the device, and no longer mapped."""
        weight = None if self.weight is None else self.weight[start:stop]
        try:
            piece = self.net.place(self.x[start:stop], self.y[start:stop, ...], weight, whole=False)
        except InputError as error:
            raise InputError(f"rows {start} to {stop - 1}: {error}") from None
        x, y, weight = (array if find_file_map(array) is None else self.net.backend.copy(array) for array in piece)
        for array in (self.x, self.y, self.weight):
            release_pages(array)
        return x, y, weight

    def take(self, rows: np.ndarray) -> Data:
        """Return rows of some numbers in ascending order, checked, on the device; of none, arrays without rows."""
        chosen = rows if rows.size else np.zeros(1, dtype=np.int64)
        weight = None if self.weight is None else self.weight[chosen]
        try:
            x, y, weight = self.net.place(np.asarray(self.x)[chosen], self.y[chosen, ...], weight, whole=False)
        except InputError as error:
            raise InputError(f"some of rows {chosen[0]} to {chosen[-1]}: {error}") from None
        for array in (self.x, self.y, self.weight):
            release_pages(array)
        part = slice(0, rows.size)
        return x[part, ...], y[part, ...], None if weight is None else weight[part]


class MappedStream(Stream):
    """Arrays in files, larger than the memory limit, read in chunks of neighboring rows.

    Each epoch draws an order of the chunks, puts some of them together to a block, and draws an order of the rows in
    each block; batches are cut from that. Every row is visited once an epoch.

    Parameters
    ----------
    net : Model
    arrays : MappedArrays
    settings : Settings
    memory_limit : int

    Raises
    ------
    InputError
        If there is no batch size, or a batch does not fit a block.
    """

    def __init__(self, net: Model, arrays: MappedArrays, settings: Settings, memory_limit: int) -> None:
        super().__init__(net, settings, memory_limit)
        self.arrays = arrays
        self.rows = arrays.rows
        size = settings.choose_step_size(self.rows)
        if size is None:
            raise InputError(
                f"a step that takes all {arrays.rows} samples takes {arrays.rows * arrays.row_bytes} bytes, which is "
                f"above the memory_limit of {memory_limit}; give a batch_size"
            )
        self.step_size: int = size
        self.batch_size = settings.choose_batch_size(self.rows)
        self.batch = None if settings.accumulate == 1 else self.batch_size
        self.steps_per_epoch = -(-arrays.rows // size)
        room = self.block_bytes // arrays.row_bytes
        if room < size:
            what = f"a batch of {size} samples takes"
            if self.batch is not None:
                what = f"{settings.accumulate} batches of {self.batch} samples take"
            raise InputError(
                f"{what} {size * arrays.row_bytes} bytes, and a block may take "
                f"{self.block_bytes}, a sixth of memory_limit={memory_limit}; lower batch_size, or raise memory_limit"
            )
        self.chunk_rows = max(1, room // CHUNKS_PER_BLOCK // size) * size
        self.chunks_per_block = room // self.chunk_rows
        self._table = weigh_classes(net, settings.class_weight, self._sum_by_class)
        self._communicator: Communicator | None = None

    def share_out(self, communicator: Communicator) -> None:
        self._communicator = communicator

    def _list_spans(self) -> list[tuple[int, int]]:
        rows, size = self.arrays.rows, self.chunk_rows
        return [(start, min(start + size, rows)) for start in range(0, rows, size)]

    def _sum_by_class(self, n_classes: int) -> np.ndarray:
        total = np.zeros(n_classes)
        for start, stop in self._list_spans():
            _, y, weight = self.arrays.read(start, stop)
            total += sum_by_class(self.net, y, weight, n_classes)
        return total

    def _make_blocks(self, epoch: int, first: int, poll: Callable[[], None]) -> Generator[Block, None, None]:
        spans = self._list_spans()
        draw = generator(self.net.seed, SHUFFLE, epoch)
        chunks = draw.permutation(len(spans)) if self.shuffle else np.arange(len(spans))
        for number, start in enumerate(range(0, len(spans), self.chunks_per_block)):
            chosen = [spans[i] for i in chunks[start : start + self.chunks_per_block]]
            rows = sum(stop - begin for begin, stop in chosen)
            groups = cut_batches(self._draw_order(rows, epoch, number), self.step_size)
            steps = sum(map(len, groups))
            left = drop_steps(groups, first)
            if left and self._communicator is not None:
                yield self._make_own_block(self._communicator, chosen, left)
            elif left:
                yield self._make_block([self.arrays.read(begin, stop) for begin, stop in chosen], left, self.batch)
            if left:
                poll()
            first = max(0, first - steps)

    def _make_own_block(
        self, communicator: Communicator, spans: list[tuple[int, int]], groups: list[np.ndarray]
    ) -> Block:
        """Return a block of which only the rows that this process takes are read."""
        own = [group[:, list_own_columns(communicator, group.shape[1], self.batch)] for group in groups]
        in_file = np.concatenate([np.arange(begin, stop) for begin, stop in spans])
        chosen = np.sort(np.concatenate([rows.reshape(-1) for rows in own]))
        places = np.full(in_file.size, -1)
        order = np.argsort(in_file[chosen])  # chunks are not in the order of the file, in which it is read
        x, y, weight = self.arrays.take(in_file[chosen][order])
        places[chosen[order]] = np.arange(chosen.size)
        weight = weigh_by_class(self.net, y, weight, self._table)
        data: Data = (x, y, weight)
        shares = sum_shares([places[rows] for rows in own], fetch_weight(self.net, data))
        if weight is None:
            shares = sum_shares(groups, None)
        return Block(data, groups, shares, self.batch, places)

    def describe(self) -> dict[str, Any]:
        return {**self.arrays.describe(), "memory_limit": self.memory_limit}
