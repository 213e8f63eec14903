"""Processes that jax.distributed connects: XLA sums up inside of its loop, and here is what they say beside it."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np

from bpx.backend.base import Array
from bpx.errors import LostRankError


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
        self._meetings = count()

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

    def meet(self, seconds: float) -> bool:
        """Wait for all processes to come here, so long at most; tell whether they have."""
        from jax._src import distributed  # JAX has no other way to a barrier that ends

        client = distributed.global_state.client
        try:
            client.wait_at_barrier(f"bpx-{next(self._meetings)}", int(seconds * 1000))
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
