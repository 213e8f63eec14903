"""What the processes that train one network say to each other: sums, broadcasts, and how all of them end alike."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Protocol, TypeVar

import numpy as np

from bpx.backend.base import Array, Backend
from bpx.distributed.launchers import check_slurm, find_launch
from bpx.errors import InputError, LostRankError

Result = TypeVar("Result")
Raised = TypeVar("Raised", bound=BaseException)

SETTLE_SECONDS = 2.0
"""How long a process that has failed waits for the others to fail too; after that it ends them."""

_SPEAKER = "_bpx_speaker"
"""Attribute of an exception that is raised on all ranks: the one that tells people of it."""


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

    def abort(self) -> None:
        """End all processes."""


class Communicator:
    """The processes that train one network together; a process is a rank.

    All ranks call the same methods in the same order. Ranks that would not, because something failed on one of them,
    are what `together`, `lead` and `settle` are for: an exception is raised on all ranks, or ends them all.

    Parameters
    ----------
    engine : Engine

    Attributes
    ----------
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
        self._engine = engine
        self.rank, self.size, self.name = engine.rank, engine.size, engine.name
        self.works_since: float | None = None
        self._sum: Callable[[Array], Array] = engine.sum
        self._sums: dict[str, Callable[[Array], Array]] = {}
        self._hook = sys.excepthook
        sys.excepthook = self._report_uncaught

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
                self._sums[backend.spec] = backend.open_sum(self) or self._engine.sum
        self._sum = self._sums[backend.spec]
        self.name = getattr(self._sum, "name", self._engine.name)

    def sum(self, array: Array) -> Array:
        """Replace an array by the sum of all ranks' arrays, to the same bits on each; return it.

        It lies on the backend that was last made known by `reach`, or on the host.
        """
        return self._sum(array)

    def agree(self, number: int) -> int:
        """Return the least of all ranks' numbers."""
        return int(min(self.gather(int(number))))

    def sum_numbers(self, numbers: Sequence[float]) -> list[float]:
        """Return the sums of all ranks' numbers, in float64."""
        gathered = self.gather([float(number) for number in numbers])
        return np.sum(np.array(gathered, dtype=np.float64), axis=0).tolist()  # type: ignore[no-any-return]

    def broadcast(self, value: Any) -> Any:
        """Return rank 0's value, on every rank."""
        return self._engine.broadcast(value)

    def gather(self, value: Any) -> list[Any]:
        """Return every rank's value in the order of the ranks, on every rank."""
        return self._engine.gather(value)

    # -- how all ranks end alike ------------------------------------------------------------------------------

    def lead(self, function: Callable[[], Result]) -> Result:
        """Call a function on rank 0 alone; return its result, or raise what it raises, on every rank."""
        result: Any = None
        error: Exception | None = None
        if self.rank == 0:
            try:
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
        setattr(error, _SPEAKER, rank)
        return error

    def settle(self, error: BaseException) -> None:
        """Return if all ranks have failed alike, so that an exception may go on; otherwise end all of them.

        Parameters
        ----------
        error : BaseException
            What ended the work on this rank.
        """
        if hasattr(error, _SPEAKER):
            return
        if isinstance(error, LostRankError):
            self._engine.meet(SETTLE_SECONDS)  # whoever ended has said why; the launcher ends the rest
            self._engine.abort()
        if not self._engine.meet(SETTLE_SECONDS):
            self.abort(error)
        self.mark(error).add_note(f"on rank 0 of {self.size}, and on all others")

    def abort(self, error: BaseException) -> None:
        """Print what happened, with the number of this rank, and end all ranks."""
        lines = "".join(traceback.format_exception(error))
        line = f"rank {self.rank} of {self.size} failed, and all ranks end: {type(error).__name__}: {error}"
        sys.stderr.write(f"{lines}{line}\n")
        sys.stderr.flush()
        self._engine.abort()
        os._exit(1)

    def _share(self, error: Exception | None, packed: bytes, rank: int) -> Exception:
        """Return the exception that is raised here for one that was raised on a rank."""
        shared: Exception = pickle.loads(packed) if error is None else error
        if not hasattr(shared, _SPEAKER):
            shared.add_note(f"on rank {rank} of {self.size}, and so on all others")
        return self.mark(shared, rank)

    def _report_uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Print an exception that nobody has caught: of one that all ranks raise once; any other ends all ranks."""
        speaker = getattr(error, _SPEAKER, None)
        if speaker is None:
            self.abort(error)
        if speaker == self.rank:
            self._hook(kind, error, trace)
        self._engine.meet(SETTLE_SECONDS)  # a launcher ends all at the first that ends, also who has not spoken yet


def is_spoken_elsewhere(error: BaseException) -> bool:
    """Tell whether an exception was raised on all ranks, and another one than this tells people of it."""
    speaker = getattr(error, _SPEAKER, None)
    return speaker is not None and _connected is not None and speaker != _connected.rank


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


def find_place() -> tuple[int, int] | None:
    """Return this process's number and how many there are, or None if they are not connected yet."""
    return None if _connected is None else (_connected.rank, _connected.size)


def connect(backend: Backend) -> Communicator | None:
    """Return the processes that were started together with this one; None where it is alone.

    The first call connects them, which takes a moment.

    Parameters
    ----------
    backend : Backend
        Of the network that they train.

    Raises
    ------
    InputError
        If the processes cannot be connected: the launcher does not fit the backend, its library is missing, or srun
        started processes that know nothing of each other.
    """
    global _connected
    if _connected is None:
        engine = _open_engine(backend)
        if engine is None or engine.size == 1:
            return None
        _connected = Communicator(engine)
    _connected.reach(backend)
    return _connected


def _open_engine(backend: Backend) -> Engine | None:
    engine: Engine | None = backend.open_group()
    launch = find_launch()
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
