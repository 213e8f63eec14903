"""``fit`` on several processes: each takes a part of every batch, and what must be decided is decided by all alike.

The loop, the run and the data are those of one process. Here is what several need beyond it: the sums of a step, one
word of rank 0 on what a clock or a callback says, and an exchange before the first step and between segments of steps.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from bpx._version import __version__
from bpx.backend.base import StepRows
from bpx.backend.trees import list_leaves, rebuild
from bpx.core.evaluation import measure
from bpx.core.file_rows import MappedArrays
from bpx.core.model import Data, Model
from bpx.core.samples import check_mass
from bpx.core.sharing import SharedStep, check_shareable
from bpx.core.state import TrainingState
from bpx.core.step import make_step
from bpx.core.together import hash_parameters
from bpx.distributed.communicator import Communicator
from bpx.errors import InputError
from bpx.files.array_file import shorten
from bpx.files.network_file import describe_network
from bpx.optimizers import LBFGS
from bpx.training.batches import cut_step, list_own_columns
from bpx.training.callback import FunctionCallback
from bpx.training.checkpoints.checkpointer import Checkpointer, find_differences
from bpx.training.data import HeldOut, take_part
from bpx.training.fit_run import FitRun
from bpx.training.history import History
from bpx.training.interrupts import Interrupts, make_interrupted
from bpx.training.iterables import IterableStream
from bpx.training.loop import Loop
from bpx.training.settings import Settings
from bpx.training.sources import Block, Source

LOOKED_AT_ROWS = 64
"""Rows of a block of batches by which ranks see that they were given the same."""

COUNTS = ("step", "optimizer_step", "optimizer_epoch", "epoch", "rate_scale")
"""What a training state holds beside the optimizer's settings and arrays."""

NO_LBFGS = (
    "optimizer 'lbfgs' cannot be used by several processes: SciPy leads it, and a line search that rounds differently "
    "on two of them would part them; use another optimizer, or leave distributed out"
)

_said: set[str] = set()
"""What was warned about in this process: the ranks are the same in every training."""

PLACE = ("first_step", "first_epoch", "position", "losses", "shares", "history", "seconds_before", "stop_reason")
"""What says where a run stands."""


def fit_together(
    net: Model,
    communicator: Communicator,
    check: Callable[[], tuple[Settings, Checkpointer | None]],
    open_data: Callable[[Settings], tuple[Source, HeldOut | None]],
) -> History:
    """Train a network on all ranks.

    Parameters
    ----------
    net : Model
    communicator : Communicator
    check : callable
        Checks the arguments of ``fit``; returns the settings, and what writes and reads checkpoints.
    open_data : callable
        Opens the data.

    Raises
    ------
    InputError
        On all ranks, before any work, if an argument is not as ``fit`` describes it on one of them, if they were
        started with different ones, or for what several processes cannot do.
    """
    with communicator.calling("fit"), contextlib.ExitStack() as held:
        devices = net.backend.spread()
        if devices is not None:
            share_arrays(net, communicator)  # JAX takes arrays for all processes only if they are the same on all
            held.enter_context(net.placed_on(devices))
        held.enter_context(net.occupancy)
        loops: list[SharedLoop] = []

        def prepare() -> None:
            settings, checkpointer = check()
            source, validation = open_data(settings)
            check_possible(net, settings, source)
            run = SharedRun(net, source, validation, settings, communicator)
            loops.append(SharedLoop(run, checkpointer, communicator))

        communicator.together(prepare)
        (loop,) = loops
        loop.agree()
        return loop.train()


def check_possible(net: Model, settings: Settings, source: Source) -> None:
    """Raise for what one process can do and several cannot.

    Raises
    ------
    InputError
        For L-BFGS, batches that are given once, and layers whose own code looks at the batch.
    """
    if isinstance(settings.optimizer, LBFGS):
        raise InputError(NO_LBFGS)
    if isinstance(source, IterableStream) and source.batches.once:
        raise InputError(
            "a generator cannot be used by several processes, which could not see that theirs give the same batches in "
            "the same order; pass a function that makes it, or another iterable that starts anew"
        )
    check_shareable(net.layers)


def share_arrays(net: Model, communicator: Communicator, training: TrainingState | None = None) -> None:
    """Take over rank 0's parameters, running statistics and, of a training, the optimizer's arrays."""
    backend = net.backend
    training = net.training if training is None else training
    tree = [net.params, net.state, None if training is None else training.slots]
    hosts = [backend.to_numpy(array) for array in list_leaves(tree)] if communicator.rank == 0 else None
    received = communicator.broadcast(hosts)
    if communicator.rank > 0 or backend.sums_inside:
        params, state, slots = rebuild(tree, (backend.asarray(np.array(host)) for host in received))
        net.adopt(params, state)
        if training is not None:
            training.slots = slots


class SharedRun(FitRun):
    """A call of ``fit`` on one of several ranks; its callbacks are called on rank 0.

    Parameters
    ----------
    net, source, validation, settings
        As for `FitRun`.
    communicator : Communicator
    """

    def __init__(
        self, net: Model, source: Source, validation: HeldOut | None, settings: Settings, communicator: Communicator
    ) -> None:
        super().__init__(net, source, validation, settings)
        self._communicator = communicator
        self._twin: Model | None = None
        self._may_change_weights = any(
            isinstance(each, FunctionCallback) or not type(each).__module__.startswith("bpx.")
            for each in self.callbacks
        )
        source.share_out(communicator)
        if validation is not None and not net.backend.sums_inside:
            validation.share_out(communicator)

    def _prepare_source(self) -> None:
        return  # the ranks look at it together, when they have agreed that they have the same

    def _measure_validation(self, validation: HeldOut) -> dict[str, float]:
        if validation.mapped is None or not self.net.backend.sums_inside:
            return super()._measure_validation(validation)
        mapped, size = validation.mapped, self._communicator.size
        arrays = MappedArrays(self._copy_here(), mapped.x, mapped.y, mapped.weight, mapped.memory_limit)
        pieces = arrays.read_pieces(self._communicator.find_part(arrays.rows), size)
        return measure(arrays.net, pieces, self.metrics, self._communicator)

    def _copy_here(self) -> Model:
        """Return the network on one device of this process, where it computes with rows that the others have not."""
        net, place = self.net, self.net.backend.own_device()
        if self._twin is None:
            self._twin = Model.without_arrays(
                layers=net.layers, loss=net.loss, dtype=net.dtype, seed=net.seed, backend=place, precision=net.precision
            )
        params, state = (
            [{name: place.asarray(net.backend.to_numpy(array)) for name, array in part.items()} for part in arrays]
            for arrays in (net.params, net.state)
        )
        self._twin.adopt(params, state)
        return self._twin

    def _measure_pieces(self, pieces: Iterable[Data]) -> dict[str, float]:
        if self.net.backend.sums_inside:
            return super()._measure_pieces(pieces)
        if self.source.unweighted is not None:
            pieces = (take_part(self._communicator, p) if p is self.source.unweighted else p for p in pieces)
        return measure(self.net, pieces, self.metrics, self._communicator)

    def _call_callbacks(self) -> None:
        def call() -> tuple[str, float]:
            super(SharedRun, self)._call_callbacks()
            return self.stop_reason, self.training.rate_scale

        if self.callbacks:
            self.stop_reason, self.training.rate_scale = self._communicator.lead(call)
            if self._may_change_weights:
                self.share_arrays()

    def share_arrays(self) -> None:
        """Take over rank 0's parameters, running statistics and optimizer's arrays."""
        share_arrays(self.net, self._communicator, self.training)

    def share_place(self) -> None:
        """Take over from rank 0 where the run stands, with all arrays."""
        place = [getattr(self, name) for name in PLACE]
        counts = [getattr(self.training, name) for name in COUNTS]
        places, numbers = self._communicator.broadcast((place, counts))
        for name, value in zip(PLACE, places, strict=True):
            setattr(self, name, value)
        for name, value in zip(COUNTS, numbers, strict=True):
            setattr(self.training, name, value)
        self.share_arrays()


class SharedLoop(Loop):
    """The training loop on one of several ranks.

    Parameters
    ----------
    run : SharedRun
    checkpointer : Checkpointer or None
        Reads and writes on rank 0; the others ask it when a checkpoint is due.
    communicator : Communicator
    """

    run: SharedRun

    def __init__(self, run: SharedRun, checkpointer: Checkpointer | None, communicator: Communicator) -> None:
        super().__init__(run, checkpointer)
        self.communicator = communicator
        self.interrupts = Interrupts(terminations=True)
        self._leads = communicator.rank == 0
        self._factor = 1
        if not self._leads:
            self.progress.silence()
        self._inside = run.net.backend.sums_inside
        if run.whole_set and run.source.whole is not None and not self._inside:
            self._data = self._take_batches(run.source.whole)

    # -- before the first step ----------------------------------------------------------------------------

    def agree(self) -> None:
        """Make sure that all ranks are to do the same, and give them the same seed, parameters and counters.

        Raises
        ------
        InputError
            If they were started with different data, settings, networks, or versions of bpx.
        """
        communicator, net = self.communicator, self.net
        seeds = communicator.gather((net.seed, net.seed_was_given))
        if not any(given for _, given in seeds):
            net.seed = seeds[0][0]  # which the operating system chose, another one on each rank
        said = communicator.together(self._describe)
        for rank, description in enumerate(said):
            found = find_differences(description, said[0], places=(f"on rank {rank}", "on rank 0"))
            if found:
                error = InputError(
                    f"rank {rank} of {communicator.size} was started with something else than rank 0: "
                    f"{shorten('; '.join(found))}"
                )
                raise communicator.mark(error)
        self.run.source.prepare(communicator)
        self.run.share_place()
        cores = communicator.gather(_find_cores())
        if self._leads:
            for line in self._list_doubts(cores):
                if line not in _said:
                    _said.add(line)
                    warnings.warn(line, stacklevel=2)

    def _describe(self) -> dict[str, Any]:
        """Return what must be the same on all ranks."""
        run, state, checkpointer = self.run, self.run.training, self.checkpointer
        description = {
            "bpx": __version__,
            "network": json.loads(describe_network(run.net)[0]["network"]),
            "precision": run.net.precision,
            "backend": run.net.backend.name,
            "device": None if self._inside else run.net.backend.device.partition(":")[0],  # of each rank another one
            "epochs": run.epochs,
            "training": {name: getattr(state, name) for name in COUNTS},
            **run.describe(),
        }
        if checkpointer is not None:
            resume = None if checkpointer.resume is None else str(checkpointer.resume)
            kept = {"folder": str(checkpointer.folder), "resume": resume, "every": checkpointer.every}
            description["checkpoints"] = {**kept, "unit": checkpointer.unit, "keep": checkpointer.keep}
        return description

    def _list_doubts(self, cores: list[tuple[str, int, int]]) -> Iterator[str]:
        """Yield what a person should know about how the ranks were started."""
        size, rows = self.communicator.size, self.run.source.batch or self.run.source.step_size
        if rows is not None and rows < size:
            yield (
                f"batches of {rows} rows are shared out among {size} ranks, and {size - rows} of them have none; give "
                "a larger batch_size, or start fewer ranks"
            )
        host, own, of_machine = cores[0]
        here = [each for each in cores if each[0] == host]
        if len(here) > of_machine:
            yield (
                f"{len(here)} ranks share the {of_machine} cores of {host}, and wait for each other at every step; "
                "start at most one for each core"
            )
        elif own == 1 and of_machine >= 2 * len(here):
            yield (
                f"each rank is bound to one of the {of_machine} cores of {host}, and computes on one thread; with "
                f"mpirun --map-by slot:PE={of_machine // len(here)} each has {of_machine // len(here)}"
            )

    def _begin(self) -> dict[str, Any] | None:
        if self.checkpointer is None:
            return None
        saved: list[dict[str, Any] | None] = [None]

        def begin() -> bool:
            saved[0] = super(SharedLoop, self)._begin()
            return saved[0] is not None

        resumed = self.communicator.lead(begin)
        if resumed:
            self.run.share_place()
            return saved[0] or {}
        return None

    # -- epochs -------------------------------------------------------------------------------------------

    def _run_all(self, saved: dict[str, Any] | None) -> None:
        with self.communicator.guarding():
            super()._run_all(saved)
            self._check_equal()

    def _check_equal(self) -> None:
        """Raise unless all ranks have ended with the same bits."""
        digests = self.communicator.gather(hash_parameters(self.net))
        for rank, each in enumerate(digests):
            if each != digests[0]:
                error = RuntimeError(
                    f"rank {rank} has ended with other parameters than rank 0: a sum of {self.communicator.name} is "
                    "not the same on all ranks, or something has changed parameters on one of them"
                )
                raise self.communicator.mark(error)

    def _begin_callbacks(self, saved: dict[str, Any] | None) -> None:
        def begin() -> None:
            super(SharedLoop, self)._begin_callbacks(saved)

        self.communicator.lead(begin)

    def _end_callbacks(self, error: BaseException | None) -> None:
        def end() -> None:
            super(SharedLoop, self)._end_callbacks(error)

        self.communicator.lead(end)
        if self.run.callbacks:
            self.run.share_arrays()

    def _look_at_blocks(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """Yield the blocks of an epoch, when all ranks have seen that theirs are the same."""
        iterator = iter(blocks)
        found: list[Block | None] = [None]
        while True:

            def take() -> Any:
                block = found[0] = next(iterator, None)
                return None if block is None else self._describe_block(block)

            said = self.communicator.together(take)
            for rank, each in enumerate(said):
                if each != said[0]:
                    error = InputError(
                        f"rank {rank} was given other batches than rank 0 in epoch {self.run.epoch + 1}; an iterable "
                        "must give the same ones on all ranks, so give its shuffling a seed"
                    )
                    raise self.communicator.mark(error)
            block = found[0]
            if block is None:
                return
            yield self._sum_shares(block)

    def _describe_block(self, block: Block) -> Any:
        """Return the sizes of a block's steps, and a hash of some of its rows where it is not known yet."""
        shapes = [group.shape for group in block.groups]
        if block.shared:  # the order is the seed's, and the rows are those of each rank
            return shapes
        orders = [hashlib.blake2b(group.tobytes()).hexdigest() for group in block.groups]
        if self.run.source.whole is not None:
            return shapes, orders
        assert not isinstance(block.data, StepRows)
        digest = hashlib.blake2b()
        n = block.data[0].shape[0]
        rows = self.net.backend.asarray(np.unique(np.linspace(0, n - 1, min(n, LOOKED_AT_ROWS)).astype(np.int64)))
        for array in block.data:
            if array is not None:
                some = self.net.backend.to_numpy(self.net.backend.xp.take(array, rows, axis=0))
                digest.update(np.ascontiguousarray(some).tobytes())
        return shapes, orders, digest.hexdigest()

    def _sum_shares(self, block: Block) -> Block:
        """Return a block whose shares count the rows of all ranks."""
        if block.summed:
            return block
        shares = np.sum(np.array(self.communicator.gather(block.shares)), axis=0)
        check_mass("the weights of samples in a batch", float(shares.max()), self.net.dtype, whole=False)
        return block._replace(shares=shares, summed=True)

    # -- steps --------------------------------------------------------------------------------------------

    def _take_batches(self, data: Data) -> Data:
        """Return the rows of data, which are one step, that are this rank's."""
        if self._batch is None:
            return take_part(self.communicator, data)
        xp, backend = self.net.backend.xp, self.net.backend
        rows = backend.asarray(list_own_columns(self.communicator, data[0].shape[0], self._batch))
        x, y, weight = (None if array is None else xp.take(array, rows, axis=0) for array in data)
        return x, y, weight

    def _take_own(self, order: np.ndarray) -> np.ndarray:
        if self._inside:
            return order
        return order[:, list_own_columns(self.communicator, order.shape[1], self._batch)]

    def _count_rows(self, order: np.ndarray | None) -> int:
        return super()._count_rows(order) if self._inside else -(-super()._count_rows(order) // self.communicator.size)

    def _grow_segment(self, factor: int) -> None:
        self._factor = factor  # rank 0's, from the next pause on

    def _make_program(self, order: np.ndarray | None) -> Callable[..., tuple[Any, np.ndarray]]:
        if self._inside:
            return super()._make_program(order)
        net, optimizer, gather = self.net, self.run.training.optimizer, order is not None
        penalties, clip, batch = self.run.settings.penalties, self.run.settings.clip, self._batch
        sizes = tuple(size for _, size in cut_step(self._count_step_rows(order), batch))

        def make() -> Any:
            shared = SharedStep(net.loss, self.communicator, sizes)
            step = make_step(net, optimizer, penalties, clip, gather, batch, shared)
            return net.backend.loop(step)  # never from a tape: ranks could differ in when they write one

        key = ("shared steps", self._update, optimizer.groups, penalties, clip, gather, batch, sizes)
        return net.keep_program(key, make)  # type: ignore[no-any-return]

    # -- between steps ------------------------------------------------------------------------------------

    def _pause(self, epoch_done: bool) -> None:
        """Write a checkpoint that is due, and hear of all ranks what they have to say."""

        def look() -> tuple[bool, int]:
            if self._leads and self.checkpointer is not None:
                self.checkpointer.save_if_due(self.run, epoch_done)
            return self.interrupts.caught or self.communicator.is_abandoned, self._factor

        said = self.communicator.together(look)
        self._segment *= said[0][1]
        self._factor = 1
        self._end_if_told([rank for rank, (caught, _) in enumerate(said) if caught])

    def _save(self) -> None:
        def save() -> None:
            super(SharedLoop, self)._save()

        self.communicator.lead(save)

    def _poll(self) -> None:
        return  # ranks wait for blocks at different times; they hear of a signal at the next pause

    def _check_for_interrupt(self) -> None:
        said = self.communicator.gather(self.interrupts.caught)
        self._end_if_told([rank for rank, caught in enumerate(said) if caught])

    def _end_if_told(self, ranks: list[int]) -> None:
        """If some ranks were told to end, write a checkpoint and raise `Interrupted` on all."""
        if ranks:
            error = self.communicator.lead(lambda: make_interrupted(self.run, self.checkpointer))
            who = "rank" if len(ranks) == 1 else "ranks"
            why = "lost the launcher" if self.communicator.is_abandoned else "caught a signal to end"
            error.add_note(f"{who} {', '.join(map(str, ranks))} of {self.communicator.size} {why}")
            raise self.communicator.mark(error)


def _find_cores() -> tuple[str, int, int]:
    """Return the name of this machine, the cores that this process may use, and those of the machine."""
    cores = os.cpu_count() or 1
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return socket.gethostname(), own, cores
