"""Processes that torchrun started, connected by torch.distributed: over gloo, and on CUDA over NCCL beside it."""

from __future__ import annotations

import atexit
import contextlib
import datetime
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from bpx.backend.base import Array
from bpx.backend.cards import LOST_SECONDS, Closing, check_cards, check_switch, leave
from bpx.errors import InputError, LostRankError

POLL_SECONDS = 0.01
"""How often it is looked whether the others have come, where waiting for them has an end."""

PATIENCE = datetime.timedelta(days=7)
"""How long a sum waits for the others, which may be measuring or writing; torch's own 30 minutes could be too short."""


LEFT_SECONDS = 60.0
"""How long a process may be at the same work that another one has left in good order; the two may end it apart."""

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
    """All processes of a program that torchrun started, and what they say on their CPUs.

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
            atexit.register(Closing(self._leave))
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


class TorchSum:
    """The sum of tensors on CUDA over all processes, called by all in the same order: ``add(tensor)``.

    NCCL adds up in the order of the stream that computes, and so inside a recording where that is being made. The host
    goes on meanwhile, and waits for the device later, in a call that no signal reaches. Where a process has gone, NCCL
    waits for ever: so process 0 watches all others, and they watch process 0.

    Parameters
    ----------
    torch : module
    device : torch.device
        This process's card.
    communicator : Communicator
        Connects the processes, and knows when this one is at work with the others.

    Raises
    ------
    InputError
        On all processes, if `bpx.backend.cards.SWITCH` is off, this PyTorch has no NCCL, or two processes are on one
        card.
    """

    name: ClassVar[str] = "NCCL and gloo"

    engine: ClassVar[str] = "nccl"
    """The name by which torch.distributed knows what adds up."""

    def __init__(self, torch: Any, device: Any, communicator: Any) -> None:
        import torch.distributed as distributed

        check_switch(f"torch:{device}")
        communicator.together(lambda: _check_available(distributed))
        check_cards(communicator, str(torch.cuda.get_device_properties(device).uuid))
        self._distributed, self._communicator = distributed, communicator
        aside = distributed.new_group(backend="gloo", timeout=PATIENCE)
        others = range(1, communicator.size) if communicator.rank == 0 else (0,)
        self._watches = [Watch(torch, distributed, communicator, rank, aside) for rank in others]
        atexit.register(self._leave)
        torch.cuda.set_device(device)  # PyTorch waits for the current device before it records
        self._group = distributed.new_group(backend=self.engine, timeout=PATIENCE)
        self(torch.zeros(1, device=device))  # a first sum, outside of any recording, shows whether it works
        torch.cuda.synchronize(device)

    def __call__(self, array: Array) -> Array:
        """Give the device the work to replace a tensor by the sum of all processes' tensors; return it."""
        tensor = array.contiguous()
        self._distributed.all_reduce(tensor, group=self._group)
        return tensor

    def _leave(self) -> None:
        for watch in self._watches:
            watch.leave()
        for watch in self._watches:
            watch.thread.join(LOST_SECONDS)


class Watch:
    """Ends this process if another one has gone while it is at work with it, and does not find out by itself.

    A thread waits over gloo for one word of the other process, which says it when it leaves in good order. It hears at
    once when the other's connection ends without a word.

    Parameters
    ----------
    torch, distributed : module
    communicator : Communicator
    rank : int
        The other process.
    group : ProcessGroup
        Of gloo, for these words alone.

    Attributes
    ----------
    thread : Thread
        Waits for the word; a thread that is inside of PyTorch must not outlive the interpreter.
    """

    def __init__(self, torch: Any, distributed: Any, communicator: Any, rank: int, group: Any) -> None:
        self._distributed, self._communicator, self._rank, self._group = distributed, communicator, rank, group
        self._said, self._heard = torch.zeros(1), torch.zeros(1)
        self._lock, self._spoken, self._leaving = threading.Lock(), False, threading.Event()
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def leave(self) -> None:
        """Say that this process leaves in good order."""
        self._leaving.set()
        self._speak()

    def _speak(self) -> None:
        with self._lock:
            spoken, self._spoken = self._spoken, True
        if not spoken:
            with contextlib.suppress(RuntimeError):
                self._distributed.send(self._said, dst=self._rank, group=self._group)

    def _listen(self) -> None:
        patience = LEFT_SECONDS
        try:
            self._distributed.recv(self._heard, src=self._rank, group=self._group)
            self._speak()  # so that the other's thread ends before its interpreter does
        except RuntimeError:
            patience = LOST_SECONDS
        began = self._communicator.works_since
        if began is not None:
            self._leaving.wait(patience)
            if began == self._communicator.works_since:
                why = f"rank {self._rank} has ended, and the device waits for its part of a sum"
                leave(self._communicator, why)


def _check_available(distributed: Any) -> None:
    """Raise unless torch.distributed has NCCL."""
    if not distributed.is_nccl_available():
        raise InputError(
            "several processes on torch:cuda need NCCL, which this PyTorch was built without; its builds for Linux and "
            "CUDA have it"
        )
