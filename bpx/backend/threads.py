"""How many threads the products of NumPy and PyTorch run on: one where a second gains nothing, else as found.

The threads of OpenBLAS and MKL wait by spinning. A product that is too small gains nothing from them on a quiet
machine, and on a busy one it stands still whenever the system gives a waiting thread's processor to somebody else: a
step of 784-128-10 then took four to ten times as long with two threads as with one. The rule is therefore one of sizes.
It asks neither for the load nor for the time, because a product's bits depend on the number of threads: the same
network with the same batches has the same number, however its training is cut into calls.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol

from bpx.arguments import check_count

THREADED_STEP = 10_000_000
"""Multiplications in float32 of a training step's largest product, from which a second thread gains anything.

On a quiet machine with two processors the ratio of two threads to one is 1.0 to 1.2 up to 8.4 million, and 0.9 from
12.8 million on. A step does more than its products, and its arrays change between the caches of two processors.
"""

THREADED_PASS = 2_000_000
"""The same of a forward pass alone: the ratio is 1.0 up to 1.6 million, 0.95 at 2.0 and 0.9 at 3.2."""

UNSHARED_STEP = 8192
"""Multiplications up to which OpenBLAS shares nothing of a step between threads, sums over the rows included."""

UNSHARED_PASS = 262_144
"""Multiplications up to which OpenBLAS shares no product of matrices: it is left as it is, which costs nothing."""

_chosen: int | None = None


def set_threads(n: int | None) -> None:
    """Set on how many threads bpx computes in this process; None gives the choice back to bpx.

    Left alone, bpx takes as many as the array library was told (``OPENBLAS_NUM_THREADS``, ``OMP_NUM_THREADS``,
    ``MKL_NUM_THREADS``, `threadpoolctl.threadpool_limits`; all processors where nothing was said), and on NumPy one for
    products that are too small to gain from more. A number given here is taken for products of every size, and may be
    larger than what the library was told.

    Parameters
    ----------
    n : int or None
        At least 1.

    Raises
    ------
    InputError
        If ``n`` is no whole number of at least 1.

    Notes
    -----
    It holds on NumPy and on PyTorch's CPU, from the next call or the next steps of a running one. While bpx computes,
    the library is told; before and after, it has its own number, so that NumPy code of yours runs as it did. JAX has no
    such switch at run time. Processes that this one starts do not take it over.

    A product's last bits may depend on the number of threads. bpx's choice depends on the network and its batches
    alone, so that a training that is resumed, or cut into several calls of ``fit``, ends with the same bits; with
    numbers of your own, give the same to each part. The setting is the process's: of two trainings in two threads that
    differ in it, both have the larger one, and with it the bits of whoever comes second may differ.

    Examples
    --------
    >>> import bpx
    >>> bpx.set_threads(1)
    >>> bpx.set_threads(None)
    """
    global _chosen
    _chosen = None if n is None else check_count("n", n)


def get_chosen() -> int | None:
    """Return what `set_threads` was given."""
    return _chosen


class Pool(Protocol):
    """The threads of a library, as threadpoolctl describes them."""

    num_threads: int

    def set_num_threads(self, num_threads: int) -> Any:
        """Have the library use so many threads."""


class BlasThreads:
    """The number of threads of the BLAS libraries in this process, which all that computes in it shares.

    Each call that computes asks for a number, or for that of before. Within a thread the innermost counts; of threads
    at work at the same time the one that asks for most. The last that leaves puts back what the first found.
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[int, list[int | None]] = {}
        self._pools: Sequence[Pool] = ()
        self._found: list[int] = []
        self._now: int | None = None

    def begin(self, number: int | None) -> None:
        """Ask for a number of threads; None: as many as there were."""
        with self._lock:
            if not self._asked:
                self._pools = find_blas("scipy.linalg" in sys.modules)
                self._found = [pool.num_threads for pool in self._pools]
            self._asked.setdefault(threading.get_ident(), []).append(number)
            self._apply()

    def end(self) -> None:
        """Ask no more for what this thread last asked for."""
        with self._lock:
            mine = self._asked[threading.get_ident()]
            mine.pop()
            if not mine:
                del self._asked[threading.get_ident()]
            self._apply()

    def _apply(self) -> None:
        numbers = [asked[-1] for asked in self._asked.values()]
        wanted = None if not numbers or None in numbers else max(n for n in numbers if n is not None)
        if wanted != self._now:
            self._now = wanted
            for pool, found in zip(self._pools, self._found, strict=True):
                pool.set_num_threads(found if wanted is None else wanted)


blas_threads = BlasThreads()
if hasattr(os, "register_at_fork"):  # a child has one thread, whatever the parent's others were computing
    os.register_at_fork(after_in_child=blas_threads._forget)


@lru_cache(maxsize=2)
def find_blas(with_scipy: bool) -> Sequence[Pool]:
    """Return the BLAS libraries that are loaded: NumPy's, and SciPy's own where that has been imported.

    Looking for them takes a millisecond, and so it is done once for each answer to ``with_scipy``.
    """
    from threadpoolctl import ThreadpoolController

    found = ThreadpoolController().lib_controllers
    return tuple(library for library in found if library.user_api == "blas")


class BlasLimit:
    """The context in which BLAS has so many threads; None: as many as before.

    Parameters
    ----------
    number : int or None
    """

    def __init__(self, number: int | None) -> None:
        self._number = number

    def __enter__(self) -> None:
        blas_threads.begin(self._number)

    def __exit__(self, *exception: object) -> None:
        blas_threads.end()
