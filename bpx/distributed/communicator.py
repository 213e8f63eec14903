"""What the processes that train one network say to each other: sums, broadcasts, and how all of them end alike."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import pickle
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Protocol, TypeVar

from bpx.backend.base import Array, Backend
from bpx.distributed.attendance import (
    FAILED,
    LEFT,
    Attendance,
    leave_it_to_the_engine,
    make_loss,
    name_ranks,
    wait_for_first_call,
)
from bpx.distributed.launchers import check_slurm, find_launch
from bpx.errors import BusyError, InputError, LostRankError

Result = TypeVar("Result")
Raised = TypeVar("Raised", bound=BaseException)

SETTLE_SECONDS = 2.0
"""How long a process that has failed waits for the others to fail too; after that it ends them."""

ALIVE = "alive"
"""The word of a rank that has lost another one."""

_SPEAKS = "_bpx_speaks"
"""Attribute of an exception that is raised on all ranks: whether this is the one that tells people of it."""


class Engine(Protocol):
    """What `Communicator` needs of MPI, torch.distributed or JAX."""

    name: str
    rank: int
    size: int

    def sum(self, array: Array) -> Array:
        """Replace an array by the sum of all processes' arrays, to the same bits on each; return it."""

    def broadcast(self, value: Any) -> Any:
        """Return what process 0 has."""

    def gather(self, value: Any) -> list[Any]:
        """Return what each process has, to each of them."""

    def meet(self, seconds: float) -> bool:
        """Wait for all processes to come here, so long at most; tell whether they have."""

    def begin_call(self, name: str) -> Callable[[], list[str] | None]:
        """Begin a call; return a function that returns what each process calls, once all have come.

        That function may raise `LostRankError`. The last word of a process that has left may stand for its call.
        """

    def post(self, word: str) -> None:
        """Leave a word for the others, in place of the last one."""

    def read(self) -> dict[int, str]:
        """Return the last words of the others that have left one, by their ranks, as far as they have come here."""

    def leave(self, word: str) -> None:
        """Leave a last word, before this process ends."""

    def abort(self) -> None:
        """End all processes."""


class Communicator:
    """The processes that train one network together; a process is a rank.

    All ranks call the same methods in the same order. If something fails on one of them, `together`, `lead` and
    `settle` keep that so: the exception is raised on all ranks, or ends them all. What ranks do together stands in a
    block of `calling`, which begins with a wait for all of them. Within the block, a rank can only be missing because
    it raised an exception, or because it ended, which the launcher or the engine sees.

    Parameters
    ----------
    engine : Engine

    Attributes
    ----------
    engine : Engine
    process : int
        Its number on the machine.
    rank : int
        Number of this process, from 0.
    size : int
        How many there are.
    name : str
        What the engine is called.
    works_since : float or None
        When this rank began the work that it is at with the others, in seconds of some clock; None where it is at none.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine, self.process = engine, os.getpid()
        self.rank, self.size, self.name = engine.rank, engine.size, engine.name
        launch = find_launch()
        self._parent = os.getppid() if launch is not None and launch.kind == "torchrun" else None
        self._calls = 0
        self._holder: int | None = None
        self._names: list[str] = []
        self._is_alone = False
        self._lost: tuple[int, ...] = ()
        atexit.register(self._leave)
        self.works_since: float | None = None
        self._sum: Callable[[Array], Array] = engine.sum
        self._sums: dict[str, Callable[[Array], Array]] = {}

    def __repr__(self) -> str:
        return f"Communicator(rank={self.rank}, size={self.size}, engine={self.name!r})"

    # -- what numbers and objects there are -----------------------------------------------------------------

    def find_part(self, rows: int, rank: int | None = None) -> tuple[int, int]:
        """Return which of some rows are a rank's, this one's if none is named: from the first to before the second."""
        rank = self.rank if rank is None else rank
        return rank * rows // self.size, (rank + 1) * rows // self.size

    def reach(self, backend: Backend) -> None:
        """Sum up arrays of a backend from now on, where they lie.

        Raises
        ------
        InputError
            On all ranks, if their devices cannot be connected.
        """
        if backend.spec not in self._sums:
            with self.guarding():
                self._sums[backend.spec] = backend.open_sum(self) or self.engine.sum
        self._sum = self._sums[backend.spec]
        self.name = getattr(self._sum, "name", self.engine.name)

    def sum(self, array: Array) -> Array:
        """Replace an array by the sum of all ranks' arrays, to the same bits on each; return it.

        It lies on the backend that was last made known by `reach`, or on the host.
        """
        return self._sum(array)

    def agree(self, number: int) -> int:
        """Return the least of all ranks' numbers."""
        return int(min(self.gather(int(number))))

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value, on every rank."""
        return self.engine.broadcast(value)

    def gather(self, value: Any) -> list[Any]:
        """Return every rank's value in the order of the ranks, on every rank."""
        return self.engine.gather(value)

    @property
    def is_abandoned(self) -> bool:
        """Whether the launcher has gone, and with it who would end this process; MPI ends it by itself."""
        return self._parent is not None and os.getppid() != self._parent

    # -- how all ranks begin alike ----------------------------------------------------------------------------

    @contextlib.contextmanager
    def calling(self, name: str, works: bool = True) -> Iterator[None]:
        """Begin, with all ranks, what they do together in the block; what is raised there on one rank ends all.

        Parameters
        ----------
        name : str
            What they do, as it is called.
        works : bool
            As for `guarding`.

        Raises
        ------
        InputError
            On all ranks, if they do not all begin the same; on this one, if it is in the middle of what it does alone.
        LostRankError
            If a rank has ended.
        BusyError
            If another thread of this process is in such a block.
        """
        thread = threading.get_ident()
        if self._holder not in (None, thread):
            raise BusyError(
                f"a distributed {name} cannot begin: another thread of rank {self.rank} is in such a call, and "
                "the ranks would mix them up; call one after the other"
            )
        if self._is_alone:
            raise InputError(
                f"a distributed {name} is for all ranks, and this is inside of {self._names[-1]}, where one "
                "rank is alone, as in a callback; leave distributed out here"
            )
        self._holder = thread
        self._names.append(name)
        try:
            self._begin_call(name)
            with self.guarding(works):
                yield
        finally:
            self._names.pop()
            if not self._names:
                self._holder = None

    def _begin_call(self, name: str) -> None:
        """Wait until all ranks have come to a call, and see that it is the same one."""
        self._calls += 1
        attendance = Attendance(self.engine, self.rank, self.size, name, f"waits {self._calls}")
        try:
            if self._lost:
                raise make_loss(list(self._lost), name, self.rank)
            names = attendance.wait(self.engine.begin_call(name))
            left = [rank for rank, each in enumerate(names) if each == LEFT]
            if left:
                raise make_loss(left, name, self.rank)
        except LostRankError as error:
            loss = error
            if not loss.ranks:  # a connection broke; whoever has left word is named, and else who does not answer
                try:
                    attendance.look()
                except LostRankError as named:
                    loss = named
                else:
                    loss = self._name_silent(error)
            self._lost = loss.ranks
            raise _mark_loss(loss, self.rank) from None
        for rank, each in enumerate(names):
            if each != names[0]:
                parted = InputError(
                    f"rank {rank} has come to {each} while rank 0 has come to {names[0]}: all ranks have to come "
                    "to the same distributed calls, in the same order"
                )
                raise self.mark(parted)

    def _name_silent(self, error: LostRankError) -> LostRankError:
        """Return the exception for ranks that have gone without a word."""
        lost = self._find_silent()
        if not lost:  # it has said why
            _end_now(self.engine)
        loss = LostRankError(f"{_describe_silence(lost)} while rank {self.rank} waits in {self._names[-1]} ({error})")
        loss.ranks = tuple(lost)
        return loss

    def _leave(self) -> None:
        """Say that this rank ends, for those that wait for it, or will."""
        if self._lost:
            _end_now(self.engine)
        with contextlib.suppress(Exception):  # the others may have gone
            self.engine.leave(LEFT)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Refuse what is for all ranks in a block that one rank does alone."""
        before, self._is_alone = self._is_alone, bool(self._names)
        try:
            yield
        finally:
            self._is_alone = before

    # -- how all ranks end alike ------------------------------------------------------------------------------

    def lead(self, function: Callable[[], Result]) -> Result:
        """Call a function on rank 0 alone; return its result, or raise what it raises, on every rank."""
        result: Any = None
        error: Exception | None = None
        if self.rank == 0:
            try:
                with self._alone():
                    result = function()
            except Exception as raised:
                error = raised
        result, packed = self.broadcast((result, _pack(error)))
        if packed is not None:
            raise self._share(error, packed, 0)
        return result  # type: ignore[no-any-return]

    def together(self, function: Callable[[], Result]) -> list[Result]:
        """Call a function on every rank, one that asks no other; where it raises on one rank, all raise that.

        Returns
        -------
        list
            What it returned on each rank.
        """
        result: Any = None
        error: Exception | None = None
        try:
            with self._alone():
                result = function()
        except Exception as raised:
            error = raised
        said = self.gather((result, _pack(error)))
        for rank, (_, packed) in enumerate(said):
            if packed is not None:
                raise self._share(error if rank == self.rank else None, packed, rank)
        return [each for each, _ in said]

    @contextlib.contextmanager
    def guarding(self, works: bool = True) -> Iterator[None]:
        """Have what is raised in the block on this rank alone end all ranks, which would wait for it for ever.

        Parameters
        ----------
        works : bool
            Whether all ranks are at work together until the block ends; otherwise one may have done earlier.
        """
        before = self.works_since
        if works and before is None:
            self.works_since = time.monotonic()
        try:
            yield
        except BaseException as error:
            self.settle(error)
            raise
        finally:
            self.works_since = before

    def mark(self, error: Raised, rank: int = 0) -> Raised:
        """Return an exception that all ranks raise now, of which a rank tells people."""
        return _mark(error, rank == self.rank)

    def settle(self, error: BaseException) -> None:
        """Return if all ranks have failed alike, so that an exception may go on; otherwise end all of them.

        Parameters
        ----------
        error : BaseException
            What ended the work on this rank.
        """
        if hasattr(error, _SPEAKS):
            return
        if isinstance(error, LostRankError):
            self._end_without(error)
        if not self.engine.meet(SETTLE_SECONDS):
            self.abort(error)
        self.mark(error).add_note(f"on rank 0 of {self.size}, and on all others")

    def abort(self, error: BaseException) -> None:
        """Print what happened, with the number of this rank, and end all ranks."""
        lines = "".join(traceback.format_exception(error))
        _write(f"{lines}rank {self.rank} of {self.size} failed, and all ranks end: {type(error).__name__}: {error}")
        _end_now(self.engine)

    def _end_without(self, error: LostRankError) -> None:
        """End all ranks because another one has ended; say so, unless that has said why."""
        lost = self._find_silent()
        if lost and all(rank in lost for rank in range(self.rank)):
            silence = _describe_silence(lost)
            _write(f"rank {self.rank} of {self.size} ends, and so do all: {silence} in the middle of a call ({error})")
        _end_now(self.engine)

    def _find_silent(self) -> list[int]:
        """Return the ranks that do not answer, now that one is lost; none if that said why, or nobody can be asked."""
        with contextlib.suppress(Exception):  # whoever has ended may have taken the words with it
            self.engine.post(ALIVE)
            time.sleep(SETTLE_SECONDS)
            words = self.engine.read()
            if FAILED not in words.values():
                return [rank for rank in range(self.size) if rank != self.rank and words.get(rank) != ALIVE]
        return []

    def _share(self, error: Exception | None, packed: bytes, rank: int) -> Exception:
        """Return the exception that is raised here for one that was raised on a rank."""
        shared: Exception = pickle.loads(packed) if error is None else error
        if not hasattr(shared, _SPEAKS):
            shared.add_note(f"on rank {rank} of {self.size}, and so on all others")
        return self.mark(shared, rank)

    def report_uncaught(self, error: BaseException, show: Callable[[], object]) -> None:
        """Tell of an exception that nobody has caught: one that all ranks raise is shown once; any other ends them."""
        if not hasattr(error, _SPEAKS):
            self.abort(error)
        if getattr(error, _SPEAKS):
            show()
        self.engine.meet(SETTLE_SECONDS)  # a launcher ends all at the first that ends, also who has not spoken yet


def is_spoken_elsewhere(error: BaseException) -> bool:
    """Tell whether an exception was raised on all ranks, and another one than this tells people of it."""
    return not getattr(error, _SPEAKS, True)


def _describe_silence(ranks: list[int]) -> str:
    have = "has" if len(ranks) == 1 else "have"
    return f"{name_ranks(ranks)} {have} ended without a word, killed perhaps or by os._exit,"


def _mark(error: Raised, speaks: bool) -> Raised:
    setattr(error, _SPEAKS, speaks)
    return error


def _mark_loss(error: LostRankError, rank: int) -> LostRankError:
    """Return the exception for ranks that have ended; of those that are left, the first tells people."""
    return _mark(error, not error.told and all(lower in error.ranks for lower in range(rank)))


def _write(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # a terminal that has gone
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def _end_now(engine: Engine | None) -> None:
    """End all ranks, or this one where it is not connected with them."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    if engine is not None:
        with contextlib.suppress(Exception):
            engine.post(FAILED)
        engine.abort()
    os._exit(1)


def _pack(error: Exception | None) -> bytes | None:
    """Return an exception as it can be sent, or None."""
    if error is None:
        return None
    try:
        packed = pickle.dumps(error)
        pickle.loads(packed)
        return packed
    except Exception:  # one of the user's own, perhaps with arguments that no pickle holds
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


_connected: Communicator | None = None
_connecting = threading.Lock()


def find_place() -> tuple[int, int] | None:
    """Return this process's number and how many there are, or None if they are not connected yet."""
    return None if _connected is None else (_connected.rank, _connected.size)


def connect(backend: Backend, call: str = "what all do together") -> Communicator | None:
    """Return the processes that were started together with this one; None where it is alone.

    The first call connects them, which takes a moment, and waits for all.

    Parameters
    ----------
    backend : Backend
        Of the network that they train.
    call : str
        What they are connected for, to tell people who waits in what.

    Raises
    ------
    InputError
        If the processes cannot be connected: the launcher does not fit the backend, its library is missing, srun
        started processes that know nothing of each other, or this is none of them but one that they have started.
    LostRankError
        If another process has ended without coming here.
    """
    global _connected
    with _connecting:
        _check_own(call)
        if _connected is None:
            engine = _open_engine(backend, call)
            if engine is None or engine.size == 1:
                return None
            _connected = Communicator(engine)
            leave_it_to_the_engine()
            _install_hook()
        _connected.reach(backend)
        return _connected


def _check_own(call: str) -> None:
    """Raise in a process that a rank has started: it has the rank's variables and, if forked, its connection."""
    launch = find_launch()
    if launch is None or launch.size == 1:
        return
    forked = _connected is not None and _connected.process != os.getpid()
    if forked or multiprocessing.parent_process() is not None:
        raise InputError(
            f"a distributed {call} is not for a process that a rank has started, and that is no rank "
            "itself: leave n_jobs at None around it, or leave distributed out"
        )


def _install_hook() -> None:
    """Have `_report_uncaught` print what nobody catches."""
    if getattr(sys.excepthook, "func", None) is not _report_uncaught:
        sys.excepthook = partial(_report_uncaught, sys.excepthook)


def _report_uncaught(
    usual: Callable[..., object], kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    def show() -> None:
        usual(kind, error, trace)

    if isinstance(error, LostRankError) and hasattr(error, _SPEAKS):  # the others cannot come to a meeting
        if getattr(error, _SPEAKS):
            show()
        else:
            time.sleep(SETTLE_SECONDS)
        _end_now(None if _connected is None else _connected.engine)
    if _connected is None:
        show()
    else:
        _connected.report_uncaught(error, show)


def _open_engine(backend: Backend, call: str) -> Engine | None:
    launch = find_launch()
    if launch is not None:
        try:
            wait_for_first_call(call)
        except LostRankError as error:
            _install_hook()
            raise _mark_loss(error, launch.rank or 0) from None
    engine: Engine | None = backend.open_group()
    if engine is not None or launch is None or launch.size == 1:
        return engine
    if launch.kind == "torchrun":
        raise InputError(
            f"torchrun connects networks on the backend 'torch', and this one is on {backend.spec!r}; start the "
            "program by mpirun or srun, or make the network with backend='torch'"
        )
    if not (backend.sums_in_place or backend.sums_on_cards):
        hint = "; start it by torchrun" if backend.name == "torch" else ""
        raise InputError(
            f"mpirun and srun connect networks on NumPy, on torch:cpu or on CuPy, and this one is on {backend.spec!r}"
            f"{hint}"
        )
    from bpx.distributed.mpi import MPIGroup

    engine = MPIGroup()
    check_slurm(engine.size)
    return engine
