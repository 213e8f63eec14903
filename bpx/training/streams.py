"""Samples that come block by block, each made while the one before it is in use, or when it is asked for."""

from __future__ import annotations

import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

import numpy as np

from bpx.backend.base import Backend
from bpx.core.file_rows import BLOCK_SHARE
from bpx.core.model import Data, Model
from bpx.core.samples import check_mass
from bpx.errors import InputError
from bpx.rng import SHUFFLE, generator
from bpx.training.batches import fetch_weight, sum_shares
from bpx.training.class_weights import weigh_by_class
from bpx.training.settings import Settings
from bpx.training.sources import Block, Source

Item = TypeVar("Item")

POLL_SECONDS = 0.1
"""How long to wait for the next item before ``poll`` is called."""

CLOSE_SECONDS = 5.0
"""How long closing waits for a thread that is in the middle of an item; it ends with the process at the latest."""


class Stream(Source):
    """Data that comes in blocks: each made in a thread while the one before it is in use, or without ``prefetch`` here.

    Parameters
    ----------
    net : Model
    settings : Settings
    memory_limit : int
        Bytes that samples, targets and weights may take on the device.
    """

    def __init__(self, net: Model, settings: Settings, memory_limit: int) -> None:
        if not isinstance(settings.shuffle, bool):
            raise InputError("a function as shuffle needs data that is in memory as a whole; use shuffle=True or False")
        self.net, self.shuffle, self.memory_limit = net, settings.shuffle, memory_limit
        self.block_bytes = memory_limit // BLOCK_SHARE
        self.prefetch = settings.prefetch and not net.backend.bound_to_thread
        self._table: np.ndarray | None = None

    def open_blocks(self, epoch: int, first: int, poll: Callable[[], None]) -> AbstractContextManager[Iterator[Block]]:
        if self.prefetch:
            return self._read_ahead(epoch, first, poll)
        return contextlib.closing(self._make_blocks(epoch, first, poll))

    def _read_ahead(self, epoch: int, first: int, poll: Callable[[], None]) -> Prefetch[Block]:
        """Return the blocks as a thread makes them."""
        return Prefetch(self.net.backend, lambda: self._make_blocks(epoch, first, lambda: None), poll)

    def _make_blocks(self, epoch: int, first: int, poll: Callable[[], None]) -> Generator[Block, None, None]:
        """Return the blocks of an epoch without its first steps; ``poll`` is called after each piece that is read."""
        raise TypeError(f"{type(self).__name__} defines no blocks")

    def _draw_order(self, rows: int, epoch: int, block: int) -> np.ndarray:
        """Return the order of the rows within a block."""
        if not self.shuffle:
            return np.arange(rows)
        return generator(self.net.seed, SHUFFLE, epoch, block).permutation(rows)

    def _make_block(self, pieces: list[Data], groups: list[np.ndarray], batch: int | None) -> Block:
        data = concatenate(self.net, pieces)
        data = (*data[:2], weigh_by_class(self.net, data[1], data[2], self._table))
        shares = sum_shares(groups, fetch_weight(self.net, data))
        name = "sample_weight" if self._table is None else "the samples' weights times those of their classes"
        check_mass(f"{name} in a batch", float(shares.max()), self.net.dtype, whole=False)
        return Block(data, groups, shares, batch)


def concatenate(net: Model, pieces: list[Data]) -> Data:
    """Return pieces in one: arrays that share no memory with any of them."""
    xp = net.backend.xp
    weights = [weight for _, _, weight in pieces if weight is not None]
    return (
        xp.concat([x for x, _, _ in pieces], axis=0),
        xp.concat([y for _, y, _ in pieces], axis=0),
        xp.concat(weights, axis=0) if weights else None,
    )


class Prefetch(AbstractContextManager["Prefetch[Item]"], Generic[Item]):
    """Go through an iterator in a thread that makes the next item while one is in use, and never more than one.

    Parameters
    ----------
    backend : Backend
        Its ``computing()`` context is the thread's too.
    make : callable
        ``make() -> iterator``; called, gone through and closed in the thread, with the caller's context variables.
    poll : callable
        Called now and then while an item is waited for; what it raises ends the waiting.

    Notes
    -----
    What the iterator raises is raised by ``next``. Leaving the context stops the thread, also in the middle.
    """

    def __init__(self, backend: Backend, make: Callable[[], Iterator[Item]], poll: Callable[[], None]) -> None:
        self._backend, self._make, self._poll = backend, make, poll
        self._items: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._permits = threading.Semaphore(1)  # how many items may be made beyond the one in use
        self._stopping = threading.Event()
        work = contextvars.copy_context().run
        self._thread = threading.Thread(target=work, args=(self._work,), name="bpx-prefetch", daemon=True)

    def __enter__(self) -> Prefetch[Item]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._permits.release()
        self._thread.join(CLOSE_SECONDS)

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        while True:
            try:
                kind, value = self._items.get(timeout=POLL_SECONDS)
                break
            except queue.Empty:
                self._poll()
        if kind == "error":
            raise value
        if kind == "end":
            raise StopIteration
        self._permits.release()
        return value  # type: ignore[no-any-return]

    def _work(self) -> None:
        """Fill the queue; the last entry says how it ended."""
        try:
            with self._backend.computing():
                self._fill(self._make())
        except BaseException as error:
            self._items.put(("error", error))
        else:
            self._items.put(("end", None))

    def _fill(self, iterator: Iterator[Item]) -> None:
        try:
            while True:
                self._permits.acquire()
                if self._stopping.is_set():
                    return
                try:
                    self._items.put(("item", next(iterator)))  # no name of its own, which would keep it alive
                except StopIteration:
                    return
        finally:
            close = getattr(iterator, "close", None)
            if close is not None:
                close()
