"""Processes that torchrun started, connected by torch.distributed over gloo."""

from __future__ import annotations

import atexit
import contextlib
import datetime
import os
import time
from collections.abc import Iterator
from typing import Any

from bpx.backend.base import Array
from bpx.errors import LostRankError

POLL_SECONDS = 0.01
"""How often it is looked whether the others have come, where waiting for them has an end."""

PATIENCE = datetime.timedelta(days=7)
"""How long a sum waits for the others, which may be measuring or writing; torch's own 30 minutes could be too short."""


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
        self.rank: int = distributed.get_rank()
        self.size: int = distributed.get_world_size()

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
