"""Processes that jax.distributed connects: XLA sums up inside of its loop, and here is what they say beside it."""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from bpx.backend.base import Array
from bpx.errors import LostRankError

HERE, GONE, LEFT, FAILED = "here", "gone", "left", "failed"
"""Words: of a process that will tell its end, of one that has ended and did not; and those of attendance."""

POLL_SECONDS = 0.05
"""How often a process that ends looks for the others."""

WORDS, CALLS, PROCESSES = "bpx/words/", "bpx/calls/", "bpx/processes/"
"""Where words, names of calls and numbers of processes are kept in the store of JAX's coordination service."""


class NoticeBoard:
    """Words that processes leave for each other in the store of JAX's coordination service.

    A process that was killed leaves none. The others on its machine see that it has gone, where Linux shows them the
    processes; on other machines the launcher ends them, or JAX's heartbeat does.

    Parameters
    ----------
    client : object
        JAX's connection to that service.
    rank : int
    """

    def __init__(self, client: Any, rank: int) -> None:
        self._client, self.rank = client, rank
        self._process = _describe_process()

    def sign(self) -> None:
        """Leave the number of this process for the others on its machine."""
        self._client.key_value_set(f"{PROCESSES}{self.rank}", self._process, allow_overwrite=True)

    def post(self, word: str) -> None:
        """Leave a word in place of the last one."""
        self._client.key_value_set(f"{WORDS}{self.rank}", word, allow_overwrite=True)

    def read(self) -> dict[int, str]:
        """Return the last words of the others that have left one, by their ranks; `GONE` for those who have none."""
        words = _read_folder(self._client, WORDS)
        for rank, process in _read_folder(self._client, PROCESSES).items():
            if words.get(rank) not in (LEFT, FAILED) and _has_ended(process, self._process):
                words[rank] = GONE
        words.pop(self.rank, None)
        return words


def _describe_process() -> str:
    """Return the number of this process, and on what machine, and in which space of numbers, it is that."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{os.getpid()} {boot} {os.readlink('/proc/self/ns/pid')}"
    return ""  # only Linux says


def _has_ended(process: str, own: str) -> bool:
    """Tell whether a process has ended, if it is on the machine of this one."""
    number, _, place = process.partition(" ")
    if not number or place != own.partition(" ")[2]:
        return False
    try:
        state = Path(f"/proc/{number}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in ("Z", "X")  # ended, and its parent has not asked for its exit code


def _read_folder(client: Any, folder: str) -> dict[int, str]:
    """Return what the processes have left in a folder of the store, by their ranks."""
    return {int(key.rpartition("/")[2]): value for key, value in client.key_value_dir_get(folder)}


def _find_client() -> Any:
    """Return JAX's connection to its coordination service, or None; it has no public name."""
    from jax._src import distributed

    return distributed.global_state.client


@cache
def watch_end(jax: Any) -> None:
    """Have this process leave word when it ends, if ``jax.distributed`` connects it with others."""
    client = _find_client()
    if client is not None and jax.process_count() > 1:
        board = NoticeBoard(client, jax.process_index())
        board.sign()
        board.post(HERE)
        atexit.register(_end, board)


def _end(board: NoticeBoard) -> None:
    """Say that this process has ended; wait for the others that will say so, as JAX's own end does next.

    That end waits for minutes where one of them has failed, and so is left out then.
    """
    word = _choose_last_word()
    with contextlib.suppress(Exception):  # the service may have ended already
        board.post(word)
        while (words := {word, *board.read().values()}) - {LEFT, FAILED, GONE}:
            if GONE in words or FAILED in words - {word}:
                break
            time.sleep(POLL_SECONDS)
        if words != {LEFT}:
            sys.stdout.flush()
            os._exit(1)


def _choose_last_word() -> str:
    return FAILED if hasattr(sys, "last_value") else LEFT  # Python has printed what nobody caught


class JaxGroup:
    """All processes of a program that has called ``jax.distributed.initialize``.

    Parameters
    ----------
    jax : module

    Attributes
    ----------
    name : str
        What the engine is called.
    rank, size : int
    """

    name = "JAX"

    def __init__(self, jax: Any) -> None:
        from jax.experimental import multihost_utils

        self._utilities = multihost_utils
        self.rank: int = jax.process_index()
        self.size: int = jax.process_count()
        self._meetings, self._calls = count(), count()
        self._client = _find_client()
        self._board = NoticeBoard(self._client, self.rank)

    def sum(self, array: Array) -> Array:
        """Return the sum of all processes' arrays of the host."""
        return np.sum(np.array(self.gather(np.asarray(array))), axis=0)

    def broadcast(self, value: Any) -> Any:
        """Return what process 0 has."""
        return self.gather(value if self.rank == 0 else None)[0]

    def gather(self, value: Any) -> list[Any]:
        """Return what each process has, to each of them."""
        data = np.frombuffer(pickle.dumps(value), dtype=np.uint8)
        with self._losing():
            sizes = self._utilities.process_allgather(np.array([data.size], dtype=np.int32)).reshape(-1)
            padded = np.zeros(int(sizes.max()), dtype=np.uint8)
            padded[: data.size] = data
            rows = np.asarray(self._utilities.process_allgather(padded)).reshape(self.size, -1)
        return [pickle.loads(row[:n].tobytes()) for row, n in zip(rows, sizes.tolist(), strict=True)]

    def begin_call(self, name: str) -> Callable[[], list[str] | None]:
        """Begin a call; return a function that returns what each process calls, once all have come."""
        number = next(self._calls)
        self._client.key_value_set(f"{CALLS}{number}/{self.rank}", name)
        if number > 1:  # all have come to the last one, and so have read those before it
            self._client.key_value_delete(f"{CALLS}{number - 2}/{self.rank}")

        def find() -> list[str] | None:
            names = _read_folder(self._client, f"{CALLS}{number}/")
            return [names[rank] for rank in range(self.size)] if len(names) == self.size else None

        return find

    def post(self, word: str) -> None:
        """Leave a word for the others."""
        self._board.post(word)

    def read(self) -> dict[int, str]:
        """Return the last words of the others that have left one, or have ended."""
        return {rank: LEFT if word == GONE else word for rank, word in self._board.read().items()}

    def leave(self, word: str) -> None:
        """Leave a last word; that of an end by an exception tells more."""
        self.post(FAILED if _choose_last_word() == FAILED else word)

    def meet(self, seconds: float) -> bool:
        """Wait for all processes to come here, so long at most; tell whether they have."""
        try:
            self._client.wait_at_barrier(f"bpx-{next(self._meetings)}", int(seconds * 1000))
        except Exception:  # of a class that JAX does not name in public
            return False
        return True

    def abort(self) -> None:
        """End this process; the others lose it."""
        os._exit(1)

    @contextlib.contextmanager
    def _losing(self) -> Iterator[None]:
        """Raise `LostRankError` where another process has ended."""
        try:
            yield
        except (RuntimeError, ValueError) as error:
            raise LostRankError(f"another rank has ended: {error}") from error
