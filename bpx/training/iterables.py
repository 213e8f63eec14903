"""Iterables of batches: lists, PyTorch's DataLoader, functions that return generators; iterated over once an epoch."""

from __future__ import annotations

import contextlib
import inspect
import re
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from bpx.backend.transfer import keep, library_of
from bpx.core.file_rows import count_bytes
from bpx.core.model import Data, Model
from bpx.errors import InputError
from bpx.training.batches import drop_steps
from bpx.training.class_weights import weigh_classes
from bpx.training.settings import Settings
from bpx.training.sources import Block
from bpx.training.streams import Stream

BATCHES_PER_BLOCK = 64
"""Batches of an iterable that a block is put together from, at most."""


class Iterables:
    """Batches ``(x, y)`` or ``(x, y, sample_weight)`` from something that can be iterated over again for each epoch.

    Parameters
    ----------
    net : Model
    batches : iterable or callable
        A callable returns an iterable, and is given the epoch's number, from 1, if it takes an argument.
    name : str
        What it is called in errors.
    prefetch : bool
        Whether this training reads batches in a thread of its own.

    Attributes
    ----------
    given : int
        Batches that it has given in this epoch so far.

    Raises
    ------
    InputError
        If it is neither.
    """

    def __init__(self, net: Model, batches: Any, name: str, prefetch: bool = True) -> None:
        if library_of(batches) is not None or hasattr(batches, "__array__") or isinstance(batches, (str, bytes, dict)):
            raise InputError(f"{name} is a {type(batches).__name__} without targets: give (x, y), or batches (x, y)")
        if not (callable(batches) or isinstance(batches, Iterable)):
            raise InputError(f"{name} must be arrays, or an iterable of batches (x, y), got {type(batches).__name__}")
        self.net, self.batches, self.name, self.prefetch = net, batches, name, prefetch
        self.given = 0
        self._takes_epoch = callable(batches) and _takes_argument(batches)

    @property
    def once(self) -> bool:
        """Whether it can be iterated over only once, as a generator can."""
        return isinstance(self.batches, Iterator)

    def count(self) -> int | None:
        """Return the number of batches, where it says one."""
        try:
            return len(self.batches)
        except TypeError:
            return None

    def place_batches(self, epoch: int, *, kept: bool = False) -> Generator[Data, None, None]:
        """Return the batches of an epoch, numbered from 0, checked, on the device.

        Whoever keeps a batch when the next one is asked for says so: what is written into its arrays later, as by a
        generator that fills the same ones again and again, does not change it then.
        """
        self.given = 0
        iterator: Any = None
        weighted: bool | None = None
        try:
            iterator = self._start(epoch)
            for number, item in enumerate(iterator, 1):
                self.given = number
                x, y, weight = self._split(item, number)
                if weighted is None:
                    weighted = weight is not None
                elif weighted != (weight is not None):
                    raise InputError(f"batch {number} of {self.name}: either all batches have weights or none has")
                try:
                    placed = self.net.place(x, y, weight, whole=False)
                except InputError as error:
                    raise InputError(f"batch {number} of {self.name}: {error}") from None
                yield self._keep(placed, (x, y, weight)) if kept else placed
        except Exception as error:
            if self.prefetch and is_bound_to_thread(error):
                error.add_note(
                    f"{self.name}: fit reads batches to train on in a thread of its own; where something belongs to "
                    "the thread that made it, fit(..., prefetch=False) reads them in the one that called fit"
                )
            raise
        finally:
            close = getattr(iterator, "close", None)
            if close is not None and iterator is not self.batches:
                close()

    def _start(self, epoch: int) -> Iterator[Any]:
        """Return an iterator over the batches of an epoch."""
        batches = self.batches
        if callable(batches):
            batches = batches(epoch + 1) if self._takes_epoch else batches()
            if not isinstance(batches, Iterable):
                raise InputError(f"{self.name} must return an iterable of batches, got {type(batches).__name__}")
        return iter(batches)

    def _keep(self, placed: Data, given: tuple[Any, Any, Any]) -> Data:
        """Return what was placed in memory that nobody else writes into."""
        pairs = zip(placed, given, strict=True)
        x, y, weight = (None if a is None else keep(self.net.backend, a, source) for a, source in pairs)
        return x, y, weight

    def _split(self, item: Any, number: int) -> tuple[Any, Any, Any]:
        if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
            got = f"{len(item)} entries" if isinstance(item, (tuple, list)) else type(item).__name__
            raise InputError(f"batch {number} of {self.name} must be (x, y) or (x, y, sample_weight), got {got}")
        return (*item, None) if len(item) == 2 else tuple(item)


class IterableStream(Stream):
    """Batches of an iterable, in their order; with shuffle the rows of neighboring batches are exchanged.

    A block is made of up to `BATCHES_PER_BLOCK` batches, fewer where the memory limit says so. Their sizes stay; with
    ``shuffle`` the rows of all of them are put in a seeded order first. Where a step takes several batches, a block has
    whole steps, and the rows of one are taken by as many at a time as the block's largest batch has.

    Parameters
    ----------
    net : Model
    batches : Iterables
    settings : Settings
    memory_limit : int

    Raises
    ------
    InputError
        If a batch size or class_weight="balanced" is asked for, or it can be iterated over only once but there are
        several epochs.
    """

    def __init__(self, net: Model, batches: Iterables, settings: Settings, memory_limit: int) -> None:
        super().__init__(net, settings, memory_limit)
        self.batches = batches
        if settings.batch_size not in (None, "auto"):
            raise InputError("batch_size is set by the iterable of batches; leave it out")
        if batches.once and settings.epochs > 1:
            raise InputError(
                "a generator can be gone through once only, and there are several epochs; pass the function that makes "
                "it, or another iterable that starts anew"
            )
        self.batches_per_step, count = settings.accumulate, batches.count()
        self.steps_per_epoch = None if count is None else -(-count // self.batches_per_step)
        self._table = weigh_classes(net, settings.class_weight, None)

    def open_blocks(self, epoch: int, first: int, poll: Callable[[], None]) -> AbstractContextManager[Iterator[Block]]:
        if self.prefetch:
            return contextlib.closing(self._read_ahead_if_possible(epoch, first, poll))
        return super().open_blocks(epoch, first, poll)

    def _read_ahead_if_possible(self, epoch: int, first: int, poll: Callable[[], None]) -> Generator[Block, None, None]:
        """Yield the blocks as a thread makes them, or, where the batches show that they belong to this one, here."""
        try:
            with self._read_ahead(epoch, first, poll) as blocks:
                yield from blocks
            return
        except Exception as error:
            if self.batches.given or self.batches.once or not is_bound_to_thread(error):
                raise
            reason = f"{type(error).__name__}: {error}"
        warnings.warn(
            f"{self.batches.name} cannot be read in a thread of its own ({reason}), and is read where fit was called; "
            "fit(..., prefetch=False) does so from the start",
            stacklevel=2,
        )
        self.prefetch = False
        yield from self._make_blocks(epoch, first, poll)

    def _make_blocks(self, epoch: int, first: int, poll: Callable[[], None]) -> Generator[Block, None, None]:
        steps: list[list[Data]] = []
        taken = number = 0
        with contextlib.closing(self.batches.place_batches(epoch, kept=True)) as placed:
            for step in self._gather_steps(placed, poll):
                size = sum(count_bytes(self.net, piece) for piece in step)
                if size > self.block_bytes:
                    rows, what = sum(piece[0].shape[0] for piece in step), "a batch"
                    if self.batches_per_step > 1:
                        what = f"a step of {len(step)} batches, together"
                    raise InputError(
                        f"{what} of {rows} samples takes {size} bytes, and a block may take "
                        f"{self.block_bytes}, a sixth of memory_limit={self.memory_limit}; raise memory_limit"
                    )
                full = (len(steps) + 1) * self.batches_per_step > BATCHES_PER_BLOCK
                if steps and (taken + size > self.block_bytes or full):
                    yield from self._make_block_of(steps, epoch, number, first)
                    first = max(0, first - len(steps))
                    number, steps, taken = number + 1, [], 0
                steps.append(step)
                taken += size
        if steps:
            yield from self._make_block_of(steps, epoch, number, first)

    def _gather_steps(self, placed: Iterator[Data], poll: Callable[[], None]) -> Iterator[list[Data]]:
        """Yield the batches of each step; of the last one those that are left."""
        step: list[Data] = []
        for piece in placed:
            poll()
            step.append(piece)
            if len(step) == self.batches_per_step:
                yield step
                step = []
        if step:
            yield step

    def _make_block_of(self, steps: list[list[Data]], epoch: int, number: int, first: int) -> Iterator[Block]:
        """Return the block of some steps, unless all of them have been made."""
        if first >= len(steps):
            return
        pieces = [piece for step in steps for piece in step]
        sizes = [sum(piece[0].shape[0] for piece in step) for step in steps]
        order = self._draw_order(sum(sizes), epoch, number)
        groups: list[np.ndarray] = []
        start = 0
        for size in sizes:
            row = order[None, start : start + size]
            if groups and groups[-1].shape[1] == size:
                groups[-1] = np.concatenate([groups[-1], row])
            else:
                groups.append(row)
            start += size
        batch = None if self.batches_per_step == 1 else max(piece[0].shape[0] for piece in pieces)
        yield self._make_block(pieces, drop_steps(groups, first), batch)

    def describe(self) -> dict[str, Any]:
        return {"batches": self.batches.count(), "memory_limit": self.memory_limit}


_OF_THREADS = re.compile(
    r"thread|event loop|greenlet|current context|application context|apartment|CoInitialize|BAD_RSLOT", re.IGNORECASE
)
"""What messages of sources say that may be used in one thread only: SQLite, Tk, asyncio, greenlets, CUDA, COM, LMDB."""


def is_bound_to_thread(error: BaseException | None) -> bool:
    """Tell whether an exception, or one that it comes of, is typical of sources that belong to a thread."""
    while error is not None:
        if _OF_THREADS.search(f"{type(error).__module__}.{type(error).__qualname__}: {error}"):
            return True
        error = error.__cause__ or error.__context__
    return False


def _takes_argument(function: Any) -> bool:
    """Tell whether a function needs a positional argument."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return any(p.kind in positional and p.default is inspect.Parameter.empty for p in parameters)
