"""Which card of its machine a process takes where several train together, and what is to be true before NCCL connects.

NCCL sums up over cards. Between two of them this has not been run, so that it is off unless `SWITCH` says otherwise.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from bpx.errors import BackendError, InputError

SWITCH = "BPX_NCCL_UNTRIED"
"""The environment variable that, set to 1, lets NCCL sum up over cards."""

_LOCAL_RANKS = ("LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID")
"""Variables in which torchrun, Open MPI, MPICH and Intel MPI, and srun number the processes of one machine."""

LOST_SECONDS = 3.0
"""How long a process that has lost another may take to say so and end; after that its watch ends it."""


def choose_card(count: int) -> int:
    """Return the number of the card that is meant where none was named.

    It is 0, and where `SWITCH` is on, the number of this process among those of its machine. A launcher may also show
    each process a card of its own alone, which is number 0 for it.

    Parameters
    ----------
    count : int
        Cards that this process sees.

    Raises
    ------
    BackendError
        If more processes were started on this machine than it has cards.
    """
    if os.environ.get(SWITCH) != "1":
        return 0
    text = next((os.environ[name] for name in _LOCAL_RANKS if name in os.environ), "0").strip()
    place = int(text) if text.isdigit() else 0
    if place >= count > 1:
        raise BackendError(
            f"process {place + 1} of this machine has no card of its own, for there are {count}; start one process for "
            "each card"
        )
    return place if place < count else 0


def check_switch(spec: str) -> None:
    """Raise unless it was said that NCCL may be used.

    Raises
    ------
    InputError
    """
    if os.environ.get(SWITCH) != "1":
        raise InputError(
            f"several processes on {spec} would sum up by NCCL, and that has not been run on two cards yet; set "
            f"{SWITCH}=1 to be the first, start one process, or make the network on a CPU"
        )


def check_cards(communicator: Any, card: str) -> None:
    """Raise, on all processes, if two of them are on one card, which NCCL refuses or waits at for ever.

    Parameters
    ----------
    communicator : Communicator
    card : str
        The identifier that the driver gives this process's card, which no other card has.

    Raises
    ------
    InputError
    """
    first: dict[str, int] = {}
    for rank, each in enumerate(communicator.gather(card)):
        if each in first:
            error = InputError(
                f"ranks {first[each]} and {rank} are on one card ({each}), and NCCL sums up over different ones; start "
                "one process for each card, and name none, or a different one on each"
            )
            raise communicator.mark(error)
        first[each] = rank


def leave(communicator: Any, why: str) -> None:
    """End this process from a thread, as the one that trains waits for a sum that will never come."""
    sys.stderr.write(f"rank {communicator.rank} of {communicator.size} ends: {why}\n")
    sys.stderr.flush()
    os._exit(1)


class Closing:
    """Closes a connection when called, at the end of the process, which is not held up where that does not return.

    Parameters
    ----------
    function : callable
        Closes the connection, in a thread that is made now: at its end an interpreter makes no more.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._called = threading.Event()
        self._thread = threading.Thread(target=self._close, daemon=True)
        self._thread.start()

    def __call__(self) -> None:
        self._called.set()
        self._thread.join(LOST_SECONDS)

    def _close(self) -> None:
        self._called.wait()
        self._function()
