"""Items made in a thread, one ahead of the one in use."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

from bpx.backend.base import Backend

Item = TypeVar("Item")

POLL_SECONDS = 0.1
"""How long a wait for the next item goes on before ``poll`` is called."""

CLOSE_SECONDS = 5.0
"""How long closing waits for a thread that is in the middle of an item; it ends with the process at the latest."""


class Prefetch(AbstractContextManager["Prefetch[Item]"], Generic[Item]):
    """Go through an iterator in a thread that makes the next item while one is in use, and never more than one.

    Parameters
    ----------
    backend : Backend
        Its ``computing()`` context is the thread's too.
    make : callable
        ``make() -> iterator``; called, gone through and closed in the thread.
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
        self._thread = threading.Thread(target=self._work, name="bpx-prefetch", daemon=True)

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
