"""Processes that mpirun or srun started, connected by mpi4py."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bpx.distributed.attendance import LISTENERS
from bpx.optional import import_optional

POLL_SECONDS = 0.01
"""How often it is looked whether the others have come, where waiting for them has an end."""

WORD_BYTES = 64
"""How long a word of a process for the others may be."""


def import_mpi() -> Any:
    """Return the module ``mpi4py.MPI``, whose import connects this process with the others.

    Raises
    ------
    InputError
        If mpi4py is not installed.
    """
    return import_optional("mpi4py.MPI", "several processes under mpirun or srun", "mpi")


class MPIGroup:
    """All processes of an MPI program.

    Attributes
    ----------
    name : str
        What the engine is called.
    rank, size : int
    """

    name = "MPI"

    def __init__(self) -> None:
        self._mpi = import_mpi()
        self._world = self._mpi.COMM_WORLD.Dup()
        self._aside = self._mpi.COMM_WORLD.Dup()  # where those meet who have failed, while others are waiting elsewhere
        self._door = self._mpi.COMM_WORLD.Dup()  # where it is waited for those who have not come yet
        self._words: dict[int, str] = {}
        self._sent: list[Any] = []
        self.rank: int = self._world.Get_rank()
        self.size: int = self._world.Get_size()

    def sum(self, array: Any) -> Any:
        """Replace an array of the host by the sum of all processes' arrays; return it."""
        host = np.asarray(array)  # a tensor's memory is taken over, and so is written into
        if not host.flags.c_contiguous or not host.flags.writeable:
            host = array = np.array(host)
        self._world.Allreduce(self._mpi.IN_PLACE, host)
        return array

    def broadcast(self, value: Any) -> Any:
        """Return what process 0 has."""
        return self._world.bcast(value)

    def gather(self, value: Any) -> list[Any]:
        """Return what each process has, to each of them."""
        return self._world.allgather(value)  # type: ignore[no-any-return]

    def begin_call(self, name: str) -> Callable[[], list[str] | None]:
        """Begin a call; return a function that returns what each process calls, once all have come or ended."""
        own, all_of_them = _encode(name), np.empty((self.size, WORD_BYTES), dtype=np.uint8)
        request = self._door.Iallgather(own, all_of_them)

        def find() -> list[str] | None:
            done = request.Test()  # which also keeps alive what is sent
            return [_decode(row) for row in all_of_them] if done else None

        return find

    def post(self, word: str) -> None:
        """Leave a word for those that listen."""
        for rank in LISTENERS:
            if rank < self.size and rank != self.rank:
                own = _encode(word)
                self._sent.append((self._door.Isend(own, rank), own))

    def read(self) -> dict[int, str]:
        """Return the last words of the others that have left one, as far as this one listens."""
        status = self._mpi.Status()
        while self._door.Iprobe(status=status):
            word = np.empty(WORD_BYTES, dtype=np.uint8)
            self._door.Recv(word, status.source)
            self._words[status.source] = _decode(word)
        return self._words

    def leave(self, word: str) -> None:
        """Leave a last word, also in place of a call, and wait until all have come to one or left."""
        if self._mpi.Is_finalized():
            return
        self.post(word)
        find = self.begin_call(word)
        while find() is None:
            time.sleep(POLL_SECONDS)
        self.read()

    def meet(self, seconds: float) -> bool:
        """Wait for all processes to come here, so long at most; tell whether they have."""
        end, request = time.monotonic() + seconds, self._aside.Ibarrier()
        while not request.Test():
            if time.monotonic() > end:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def abort(self) -> None:
        """End all processes."""
        self._mpi.COMM_WORLD.Abort(1)


def _encode(word: str) -> np.ndarray:
    """Return a word as bytes of the length that all words have."""
    return np.frombuffer(word.encode()[:WORD_BYTES].ljust(WORD_BYTES, b"\0"), dtype=np.uint8)


def _decode(word: np.ndarray) -> str:
    return word.tobytes().rstrip(b"\0").decode(errors="replace")
