"""Sums of CuPy arrays over processes, one card each, by NCCL; MPI starts them and carries everything else."""

from __future__ import annotations

import atexit
import threading
import time
from typing import Any

from bpx.backend.base import Array
from bpx.backend.cards import Closing, check_cards, check_switch, leave
from bpx.errors import InputError

POLL_SECONDS = 1.0
"""How often NCCL is asked whether something went wrong beside the calls."""


class CupySum:
    """The sum of CuPy arrays over all processes, called by all in the same order: ``add(array)``.

    NCCL adds up on the stream that computes, and so inside a recording where that is being made.

    Parameters
    ----------
    cupy, nccl : module
        CuPy, and its ``cupy.cuda.nccl``.
    index : int
        Number of this process's card.
    communicator : Communicator
        Connects the processes, and hears what NCCL needs to know.

    Raises
    ------
    InputError
        On all processes, if `bpx.backend.cards.SWITCH` is off, CuPy has no NCCL, or two processes are on one card.
    """

    name = "NCCL and MPI"

    def __init__(self, cupy: Any, nccl: Any, index: int, communicator: Any) -> None:
        check_switch(f"cupy:{index}")
        communicator.together(lambda: _check_available(nccl))
        check_cards(communicator, bytes(cupy.cuda.runtime.getDeviceProperties(index)["uuid"]).hex())
        self._cupy, self._communicator = cupy, communicator
        self._kinds = {"f": nccl.NCCL_FLOAT32, "d": nccl.NCCL_FLOAT64}
        self._operation = nccl.NCCL_SUM
        unique = communicator.lead(nccl.get_unique_id)
        with cupy.cuda.Device(index):
            self._nccl = nccl.NcclCommunicator(communicator.size, unique, communicator.rank)
            self(cupy.zeros(1, dtype="float32"))  # a first sum, outside of any recording, shows whether it works
            cupy.cuda.get_current_stream().synchronize()
        self._lock, self._open = threading.Lock(), True
        threading.Thread(target=self._watch, args=(nccl.NcclError,), daemon=True).start()
        atexit.register(Closing(self._close))

    def __call__(self, array: Array) -> Array:
        """Give the device the work to replace an array by the sum of all processes' arrays; return it."""
        array = self._cupy.ascontiguousarray(array)
        place, stream = array.data.ptr, self._cupy.cuda.get_current_stream().ptr
        self._nccl.allReduce(place, place, array.size, self._kinds[array.dtype.char], self._operation, stream)
        return array

    def _watch(self, error_class: type[Exception]) -> None:
        """End this process at an error that NCCL has met on the way: the device would wait for ever."""
        while self._open:
            time.sleep(POLL_SECONDS)
            try:
                with self._lock:
                    if self._open:
                        self._nccl.check_async_error()
            except error_class as error:
                leave(self._communicator, f"NCCL has lost another rank ({error})")

    def _close(self) -> None:
        with self._lock:
            self._open = False
        self._nccl.abort()  # nothing is under way, and to destroy it would wait for the others


def _check_available(nccl: Any) -> None:
    """Raise unless CuPy has found NCCL's library."""
    if not nccl.available:
        raise InputError(
            "several processes on CuPy need NCCL, which CuPy does not find; install the package nvidia-nccl-cu12, or "
            "nvidia-nccl-cu13 for CUDA 13, where CuPy 14 looks for it"
        )
