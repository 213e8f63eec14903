"""Who is training a network: one call at a time."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

from bpx.errors import BusyError


class Occupancy(AbstractContextManager[None]):
    """The right to train a network, which one call has at a time: ``with net.occupancy: ...``

    Raises
    ------
    BusyError
        If another call has it, of another thread or further up in this one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None

    def __enter__(self) -> None:
        if not self._lock.acquire(blocking=False):
            self.require_free("a training cannot begin")
            raise BusyError("a training cannot begin: another one of this network is just beginning or ending")
        self._thread = threading.get_ident()

    def __exit__(self, *exception: object) -> None:
        self._thread = None
        self._lock.release()

    @property
    def elsewhere(self) -> bool:
        """Whether the network is being trained in another thread."""
        thread = self._thread
        return thread is not None and thread != threading.get_ident()

    def require_free(self, what: str) -> None:
        """Raise, with the words of what cannot be done, while the network is being trained, by whoever it is."""
        self.require_not_elsewhere(what)
        if self._thread is not None:
            raise BusyError(
                f"{what}: this network is in the middle of a training, and the call comes from inside that (from a "
                "callback, a metric, a generator of batches); use a copy, net.copy()"
            )

    def require_not_elsewhere(self, what: str) -> None:
        """Raise, with the words of what cannot be done, while the network is being trained in another thread."""
        if self.elsewhere:
            raise BusyError(
                f"{what}: this network is being trained in another thread; wait until that has ended, or give each "
                "thread a copy of its own, net.copy()"
            )
