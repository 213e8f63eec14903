"""Training data larger than memory: files mapped into it, and iterables of batches, taken block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.errors import InputError
from bpx.evaluation import Data
from bpx.rng import SHUFFLE, generator
from bpx.training.batches import Block, Source, equal_batches, host_weight, shares, without_first
from bpx.training.class_weights import class_weights, masses, weighted
from bpx.training.iterables import Iterables
from bpx.training.mapped import MappedArrays, concatenated, n_bytes
from bpx.training.prefetch import Prefetch
from bpx.training.settings import Settings

if TYPE_CHECKING:
    from bpx.network import Network

BLOCK_SHARE = 6
"""A block takes at most this part of the memory limit: one is in use, one is made, one is its pieces, and as much again
is for what the steps and the allocator need."""

CHUNKS_PER_BLOCK = 16
"""Chunks of neighboring rows that a block of a mapped array is put together from, where batches are small enough."""

BATCHES_PER_BLOCK = 64
"""Batches of an iterable that a block is put together from, at most."""


class Stream(Source):
    """Data that comes in blocks, each made in a thread while the one before it is in use.

    Parameters
    ----------
    net : Network
    settings : Settings
    memory_limit : int
        Bytes that samples, targets and weights may take on the device.
    """

    def __init__(self, net: Network, settings: Settings, memory_limit: int) -> None:
        if not isinstance(settings.shuffle, bool):
            raise InputError("a function as shuffle needs data that is in memory as a whole; use shuffle=True or False")
        self.net, self.shuffle, self.memory_limit = net, settings.shuffle, memory_limit
        self.block_bytes = memory_limit // BLOCK_SHARE
        self._table: np.ndarray | None = None

    def blocks(self, epoch: int, first: int, poll: Callable[[], None]) -> AbstractContextManager[Iterator[Block]]:
        return Prefetch(self.net.backend, lambda: self._blocks(epoch, first), poll)

    def _blocks(self, epoch: int, first: int) -> Iterator[Block]:
        """Return the blocks of an epoch without its first steps."""
        raise TypeError(f"{type(self).__name__} defines no blocks")

    def _order(self, rows: int, epoch: int, block: int) -> np.ndarray:
        """Return the order of the rows within a block."""
        if not self.shuffle:
            return np.arange(rows)
        return generator(self.net.seed, SHUFFLE, epoch, block).permutation(rows)

    def _block(self, pieces: list[Data], groups: list[np.ndarray]) -> Block:
        data = concatenated(self.net, pieces)
        data = (*data[:2], weighted(self.net, data[1], data[2], self._table))
        return Block(data, groups, shares(groups, host_weight(self.net, data)))


class Mapped(Stream):
    """Arrays in files, larger than the memory limit, read in chunks of neighboring rows.

    Each epoch draws an order of the chunks, puts some of them together to a block, and draws an order of the rows in
    each block; batches are cut from that. Every row is visited once an epoch.

    Parameters
    ----------
    net : Network
    arrays : MappedArrays
    settings : Settings
    memory_limit : int

    Raises
    ------
    InputError
        If there is no batch size, or a batch does not fit a block.
    """

    def __init__(self, net: Network, arrays: MappedArrays, settings: Settings, memory_limit: int) -> None:
        super().__init__(net, settings, memory_limit)
        self.arrays = arrays
        if settings.batch_size is None:
            raise InputError(
                f"batch_size=None takes all {arrays.rows} samples at each step, {arrays.rows * arrays.row_bytes} "
                f"bytes, which is above the memory_limit of {memory_limit}; give a batch_size"
            )
        self.batch_size = size = settings.batch_size
        self.steps_per_epoch = -(-arrays.rows // size)
        room = self.block_bytes // arrays.row_bytes
        if room < size:
            raise InputError(
                f"a batch of {size} samples takes {size * arrays.row_bytes} bytes, and a block may take "
                f"{self.block_bytes}, a sixth of memory_limit={memory_limit}; lower batch_size, or raise memory_limit"
            )
        self.chunk_rows = max(1, room // CHUNKS_PER_BLOCK // size) * size
        self.chunks_per_block = room // self.chunk_rows
        self._table = class_weights(net, settings.class_weight, self._masses)

    def _spans(self) -> list[tuple[int, int]]:
        rows, size = self.arrays.rows, self.chunk_rows
        return [(start, min(start + size, rows)) for start in range(0, rows, size)]

    def _masses(self, n_classes: int) -> np.ndarray:
        total = np.zeros(n_classes)
        for start, stop in self._spans():
            _, y, weight = self.arrays.piece(start, stop)
            total += masses(self.net, y, weight, n_classes)
        return total

    def _blocks(self, epoch: int, first: int) -> Iterator[Block]:
        spans = self._spans()
        draw = generator(self.net.seed, SHUFFLE, epoch)
        chunks = draw.permutation(len(spans)) if self.shuffle else np.arange(len(spans))
        for number, start in enumerate(range(0, len(spans), self.chunks_per_block)):
            taken = [spans[i] for i in chunks[start : start + self.chunks_per_block]]
            rows = sum(stop - begin for begin, stop in taken)
            groups = equal_batches(self._order(rows, epoch, number), self.batch_size or rows)
            steps = sum(map(len, groups))
            left = without_first(groups, first)
            if left:
                yield self._block([self.arrays.piece(begin, stop) for begin, stop in taken], left)
            first = max(0, first - steps)

    def described(self) -> dict[str, Any]:
        return {**self.arrays.described(), "memory_limit": self.memory_limit}


class Batches(Stream):
    """Batches of an iterable, in their order; with shuffle the rows of neighboring batches are exchanged.

    A block is made of up to `BATCHES_PER_BLOCK` batches, fewer where the memory limit says so. Their sizes stay; with
    ``shuffle`` the rows of all of them are put in a seeded order first.

    Parameters
    ----------
    net : Network
    batches : Iterables
    settings : Settings
    memory_limit : int

    Raises
    ------
    InputError
        If a batch size or class_weight="balanced" is asked for, or it can be gone through once only but there are
        several epochs.
    """

    def __init__(self, net: Network, batches: Iterables, settings: Settings, memory_limit: int) -> None:
        super().__init__(net, settings, memory_limit)
        self.batches = batches
        if settings.batch_size is not None:
            raise InputError("batch_size is set by the iterable of batches; leave it out")
        if batches.once and settings.epochs > 1:
            raise InputError(
                "a generator can be gone through once only, and there are several epochs; pass the function that makes "
                "it, or another iterable that starts anew"
            )
        self.steps_per_epoch = batches.length()
        self._table = class_weights(net, settings.class_weight, None)

    def _blocks(self, epoch: int, first: int) -> Iterator[Block]:
        pieces: list[Data] = []
        taken = number = 0
        for piece in self.batches.pieces(epoch):
            size = n_bytes(self.net, piece)
            if size > self.block_bytes:
                raise InputError(
                    f"a batch of {piece[0].shape[0]} samples takes {size} bytes, and a block may take "
                    f"{self.block_bytes}, a sixth of memory_limit={self.memory_limit}; raise memory_limit"
                )
            if pieces and (taken + size > self.block_bytes or len(pieces) == BATCHES_PER_BLOCK):
                yield from self._of(pieces, epoch, number, first)
                first = max(0, first - len(pieces))
                number, pieces, taken = number + 1, [], 0
            pieces.append(piece)
            taken += size
        if pieces:
            yield from self._of(pieces, epoch, number, first)

    def _of(self, pieces: list[Data], epoch: int, number: int, first: int) -> Iterator[Block]:
        """Return the block of some batches, unless all its steps have been made."""
        if first >= len(pieces):
            return
        sizes = [piece[0].shape[0] for piece in pieces]
        order = self._order(sum(sizes), epoch, number)
        groups: list[np.ndarray] = []
        start = 0
        for size in sizes:
            row = order[None, start : start + size]
            if groups and groups[-1].shape[1] == size:
                groups[-1] = np.concatenate([groups[-1], row])
            else:
                groups.append(row)
            start += size
        yield self._block(pieces, without_first(groups, first))

    def described(self) -> dict[str, Any]:
        return {"batches": self.batches.length(), "memory_limit": self.memory_limit}
