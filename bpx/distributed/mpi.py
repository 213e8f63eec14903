"""Processes that mpirun or srun started, connected by mpi4py."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from bpx.optional import import_optional

POLL_SECONDS = 0.01
"""How often it is looked whether the others have come, where waiting for them has an end."""


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
