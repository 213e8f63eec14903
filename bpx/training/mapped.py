"""Training on arrays in files that are larger than the memory limit: an order of their rows, block by block."""

from __future__ import annotations

from collections.abc import Callable, Generator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.backend.base import Backend, StepRows
from bpx.backend.selection import get_backend
from bpx.core.file_rows import FileRows, MappedArrays
from bpx.core.model import PREDICT_ROWS, Data, Model
from bpx.core.samples import check_mass
from bpx.errors import InputError
from bpx.rng import SHUFFLE, generator
from bpx.training.batches import cut_batches, drop_steps, fetch_weight, list_own_columns, sum_shares
from bpx.training.class_weights import count_classes, sum_by_class, weigh_by_class, weigh_classes
from bpx.training.fingerprint import fingerprint_on_host
from bpx.training.settings import Settings
from bpx.training.sources import Block
from bpx.training.streams import Stream

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator

CHUNKS_PER_BLOCK = 16
"""Chunks of neighboring rows that a block of a mapped array is put together from, where batches are small enough."""

SECTIONS = 1024
"""Parts of the rows whose classes are counted one by one; they are added up in one order, whoever has counted them."""


def describe_mapped(arrays: MappedArrays) -> dict[str, Any]:
    """Return shapes and hashes, as plain data; a few rows are read."""
    named = {"x": arrays.x, "y": arrays.y, "sample_weight": arrays.weight}
    to_numpy = arrays.net.backend.to_numpy
    hosts = {n: a if a is None or isinstance(a, (np.ndarray, FileRows)) else to_numpy(a) for n, a in named.items()}
    return {name: fingerprint_on_host(array) for name, array in hosts.items()}


class MappedStream(Stream):
    """Arrays in files, larger than the memory limit, read in chunks of neighboring rows.

    Each epoch draws an order of the chunks, puts some of them together to a block, and draws an order of the rows in
    each block; batches are cut from that. Every row is visited once an epoch.

    Parameters
    ----------
    net : Model
    arrays : MappedArrays
    settings : Settings

    Raises
    ------
    InputError
        If there is no batch size, or a batch does not fit a block.
    """

    def __init__(self, net: Model, arrays: MappedArrays, settings: Settings) -> None:
        memory_limit = arrays.memory_limit
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
        self._counts = isinstance(settings.class_weight, str) and settings.class_weight == "balanced"
        if self._counts:
            count_classes(net)
        else:
            self._table = weigh_classes(net, settings.class_weight, None)
        self._communicator: Communicator | None = None

    def prepare(self, communicator: Communicator | None = None) -> None:
        if self._counts:
            self._table = weigh_classes(self.net, "balanced", lambda n: self._sum_by_class(n, communicator))

    def share_out(self, communicator: Communicator) -> None:
        self._communicator = communicator

    def _list_spans(self) -> list[tuple[int, int]]:
        rows, size = self.arrays.rows, self.chunk_rows
        return [(start, min(start + size, rows)) for start in range(0, rows, size)]

    def _sum_by_class(self, n_classes: int, communicator: Communicator | None) -> np.ndarray:
        """Return the sum of the sample weights of each class, to the same bits for any number of processes."""
        n = min(SECTIONS, self.arrays.rows)

        def sum_sections(first: int, end: int) -> list[np.ndarray]:
            bounds = [i * self.arrays.rows // n for i in range(first, end + 1)]
            return [self._sum_section(start, stop, n_classes) for start, stop in pairwise(bounds)]

        if communicator is None:
            sums = sum_sections(0, n)
        else:
            found = communicator.together(lambda: sum_sections(*communicator.find_part(n)))
            sums = [each for those in found for each in those]
        return np.add.reduce(sums, axis=0)  # type: ignore[no-any-return]

    def _sum_section(self, start: int, stop: int, n_classes: int) -> np.ndarray:
        total, rows = np.zeros(n_classes), min(self.chunk_rows, PREDICT_ROWS)
        backend = self.net.backend.own_device()
        for first in range(start, stop, rows):
            y, weight = self.arrays.read_targets(first, min(first + rows, stop), backend)
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
            if left and (self._communicator is not None or self.net.backend.deals_rows):
                yield self._make_own_block(chosen, left)
            elif left:
                yield self._make_block([self.arrays.read(begin, stop) for begin, stop in chosen], left, self.batch)
            if left:
                poll()
            first = max(0, first - steps)

    def _make_own_block(self, spans: list[tuple[int, int]], groups: list[np.ndarray]) -> Block:
        """Return a block of which only the rows are read that this process takes, or its devices."""
        net, deals = self.net, self.net.backend.deals_rows
        columns = [self._list_own_columns(group.shape[1]) for group in groups]
        own = [group[:, some] for group, some in zip(groups, columns, strict=True)]
        chosen = np.sort(np.concatenate([rows.reshape(-1) for rows in own]))
        in_file = find_in_file(spans, chosen)
        order = np.argsort(in_file)  # chunks are not in the order of the file, in which it is read
        host = get_backend("numpy") if deals else None
        x, y, weight = self.arrays.take(in_file[order], host)
        weight = weigh_by_class(net, y, weight, self._table, host)
        places = np.full(sum(stop - begin for begin, stop in spans), -1, dtype=np.int32)
        places[chosen[order]] = np.arange(chosen.size)
        placed = [places[group] for group in groups]
        shares = sum_shares(groups, None)
        if weight is not None:
            counted = [self._list_counted(some, group.shape[1]) for some, group in zip(columns, groups, strict=True)]
            some = [rows[:, each] for rows, each in zip(placed, counted, strict=True)]
            shares = sum_shares(some, fetch_weight(net, (x, y, weight)))
        summed = weight is None or self._communicator is None
        if weight is not None and summed:
            check_mass("the weights of samples in a batch", float(shares.max()), net.dtype, whole=False)
        if not deals:
            return Block((x, y, weight), placed, shares, self.batch, shared=True, summed=summed)
        dealt = [
            (rows.shape[1], deal_steps(net.backend, (x, y, weight), rows[:, some], some, rows.shape[1]))
            for rows, some in zip(placed, columns, strict=True)
        ]
        steps = [np.broadcast_to(np.arange(len(rows), dtype=np.int32)[:, None], rows.shape) for rows in placed]
        return Block(StepRows(dict(dealt)), steps, shares, self.batch, shared=True, summed=summed)

    def _list_own_columns(self, rows: int) -> np.ndarray:
        """Return which of the rows of a step this process takes, or its devices."""
        if self.net.backend.deals_rows:
            return self.net.backend.list_own_columns(rows)
        assert self._communicator is not None
        return list_own_columns(self._communicator, rows, self.batch)

    def _list_counted(self, columns: np.ndarray, rows: int) -> np.ndarray:
        """Return which of the rows that this process takes it counts: of those that all take, its part."""
        if self._communicator is None or not self.net.backend.deals_rows or columns.size < rows:
            return columns
        return columns[slice(*self._communicator.find_part(rows))]

    def describe(self) -> dict[str, Any]:
        return {**describe_mapped(self.arrays), "memory_limit": self.memory_limit}


def find_in_file(spans: list[tuple[int, int]], rows: np.ndarray) -> np.ndarray:
    """Return the numbers that rows of a block have among those of the files."""
    starts, stops = np.array(spans).T
    ends = np.cumsum(stops - starts)
    numbers = np.searchsorted(ends, rows, side="right")
    return rows - ends[numbers] + stops[numbers]  # type: ignore[no-any-return]


def deal_steps(backend: Backend, data: Data, places: np.ndarray, columns: np.ndarray, rows: int) -> Data:
    """Return the rows of steps on the devices, (steps, rows, ...), of which some columns are here on the host.

    Parameters
    ----------
    backend : Backend
    data : tuple (x, y, weight)
        Arrays of the host.
    places : array of int (steps, columns)
        Which of their rows each step takes in these columns.
    columns : array of int
        Which of its rows these are.
    rows : int
        Of a step.
    """
    x, y, weight = (None if a is None else backend.deal(a[places, ...], columns, rows) for a in data)
    return x, y, weight
