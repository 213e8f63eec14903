"""Processes that torchrun started, connected by torch.distributed over gloo."""

from __future__ import annotations

import atexit
import contextlib
import datetime
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from bpx.backend.base import Array
from bpx.errors import LostRankError

POLL_SECONDS = 0.01
"""How often it is looked whether the others have come, where waiting for them has an end."""

PATIENCE = datetime.timedelta(days=7)
"""How long a sum waits for the others, which may be measuring or writing; torch's own 30 minutes could be too short."""


NAME_BYTES = 64
"""How long the name of a call may be."""


class StoreBoard:
    """Words that processes leave for each other in the store of torchrun's agent, which outlives them.

    Parameters
    ----------
    store : torch.distributed.Store
    rank, size : int
    """

    def __init__(self, store: Any, rank: int, size: int) -> None:
        self._store, self.rank, self.size = store, rank, size
        self._posts = 0
        self._words: dict[int, str] = {}

    def post(self, word: str) -> None:
        """Leave a word in place of the last one."""
        self._store.set(f"word/{self.rank}", word)
        self._store.add("posts", 1)

    def read(self) -> dict[int, str]:
        """Return the last words of the others that have left one, by their ranks."""
        posts = self._store.add("posts", 0)
        if posts != self._posts:
            for rank in range(self.size):
                if rank != self.rank and self._store.check([f"word/{rank}"]):
                    self._words[rank] = self._store.get(f"word/{rank}").decode()
            self._posts = posts
        return self._words


def open_store_board(rank: int, size: int) -> StoreBoard | None:
    """Return the board of processes that torchrun started; None where its agent has no store, or it has gone."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None
    import torch.distributed as distributed

    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        store = distributed.TCPStore(host, port, is_master=False, timeout=datetime.timedelta(seconds=5))
    except RuntimeError:
        return None
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return StoreBoard(distributed.PrefixStore(f"bpx/{attempt}", store), rank, size)


class TorchGroup:
    """All processes of a program that torchrun started; their tensors lie on the CPU.

    Parameters
    ----------
    torch : module

    Attributes
    ----------
    name : str
        What the engine is called.
    rank, size : int
    """

    name = "gloo"

    def __init__(self, torch: Any) -> None:
        import torch.distributed as distributed

        self._torch, self._distributed = torch, distributed
        if not distributed.is_initialized():
            distributed.init_process_group("gloo", timeout=PATIENCE)
            atexit.register(self._leave)
        self._group = distributed.new_group(backend="gloo", timeout=PATIENCE)
        self._aside = distributed.new_group(backend="gloo", timeout=PATIENCE)  # for those who have failed
        self._door = distributed.new_group(backend="gloo", timeout=PATIENCE)  # where it is waited for those to come
        self.rank: int = distributed.get_rank()
        self.size: int = distributed.get_world_size()
        self._board = open_store_board(self.rank, self.size)

    def sum(self, array: Array) -> Array:
        """Replace a tensor by the sum of all processes' tensors; return it."""
        tensor = array.contiguous()
        with self._losing():
            self._distributed.all_reduce(tensor, group=self._group)
        return tensor

    def broadcast(self, value: Any) -> Any:
        """Return what process 0 has."""
        values = [value if self.rank == 0 else None]
        with self._losing():
            self._distributed.broadcast_object_list(values, src=0, group=self._group)
        return values[0]

    def gather(self, value: Any) -> list[Any]:
        """Return what each process has, to each of them."""
        values: list[Any] = [None] * self.size
        with self._losing():
            self._distributed.all_gather_object(values, value, group=self._group)
        return values

    def begin_call(self, name: str) -> Callable[[], list[str] | None]:
        """Begin a call; return a function that returns what each process calls, once all have come."""
        data = name.encode()[:NAME_BYTES].ljust(NAME_BYTES, b"\0")
        own = self._torch.frombuffer(bytearray(data), dtype=self._torch.uint8)
        names = [self._torch.empty_like(own) for _ in range(self.size)]
        work = self._distributed.all_gather(names, own, group=self._door, async_op=True)

        def find() -> list[str] | None:
            if not work.is_completed():
                return None
            with self._losing():
                work.wait()
            return [bytes(each.tolist()).rstrip(b"\0").decode(errors="replace") for each in names]

        return find

    def post(self, word: str) -> None:
        """Leave a word for the others."""
        if self._board is not None:
            self._board.post(word)

    def read(self) -> dict[int, str]:
        """Return the last words of the others that have left one."""
        return {} if self._board is None else self._board.read()

    def leave(self, word: str) -> None:
        """Leave a last word."""
        self.post(word)

    def meet(self, seconds: float) -> bool:
        """Wait for all processes to come here, so long at most; tell whether they have."""
        end = time.monotonic() + seconds
        try:
            work = self._distributed.barrier(group=self._aside, async_op=True)
            while not work.is_completed():
                if time.monotonic() > end:
                    return False
                time.sleep(POLL_SECONDS)
            work.wait()
        except RuntimeError:  # somebody has gone
            time.sleep(max(0.0, end - time.monotonic()))
            return False
        return True

    def abort(self) -> None:
        """End this process; torchrun ends the others."""
        os._exit(1)

    @contextlib.contextmanager
    def _losing(self) -> Iterator[None]:
        """Raise `LostRankError` where another process has ended."""
        try:
            yield
        except RuntimeError as error:
            raise LostRankError(f"another rank has ended: {error}") from error

    def _leave(self) -> None:
        with contextlib.suppress(Exception):
            self._distributed.destroy_process_group()
