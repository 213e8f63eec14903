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
from bpx.errors import InputError

THREADED_STEP = 9_000_000
"""Multiplications in float32 of a training step's largest product, from which a second thread gains anything.

On a quiet machine with two processors the ratio of two threads to one is 1.0 to 1.2 up to 8.4 million, 0.94 to 1.0 at
9.6 and 0.9 from 12.8 million on; at 6.6 million it is 0.97 to 1.15, by what else a step does. A step does more than its
products, and its arrays change between the caches of two processors.
"""

THREADED_PASS = 2_000_000
"""The same of a forward pass alone: the ratio is 1.0 up to 1.6 million, 0.95 at 2.0 and 0.9 at 3.2."""

UNSHARED_STEP = 65_536
"""Multiplications up to which OpenBLAS shares nothing of a step between threads, sums over the rows included.

It shares products of matrices above four times as many, and sums, made as products with ones, above 9,216 elements:
those have not so many here, where the layers have at least 8 inputs. To be left alone saves 7 microseconds.
"""

UNSHARED_PASS = 262_144
"""Multiplications up to which OpenBLAS shares no product of matrices: it is left as it is, which costs nothing."""

MOST_THREADS = 1024
"""Threads that anybody may ask for: libraries start what they are told, or end the process where they cannot."""

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
        From 1 to 1024.

    Raises
    ------
    InputError
        If ``n`` is no whole number from 1 to 1024.

    See Also
    --------
    set_backend : Choose the backend of this process.
    Network.fit : Train a network.

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
    _chosen = None if n is None else check_threads("n", n)


def check_threads(name: str, n: Any) -> int:
    """Return a number of threads, checked.

    Raises
    ------
    InputError
        If it is no whole number from 1 to `MOST_THREADS`.
    """
    number = check_count(name, n)
    if number > MOST_THREADS:
        raise InputError(f"{name} must be at most {MOST_THREADS}, got {number}")
    return number


def get_chosen() -> int | None:
    """Return what `set_threads` was given."""
    return _chosen


class Pool(Protocol):
    """The threads of a library, as threadpoolctl describes them."""

    num_threads: int

    @property
    def threading_layer(self) -> str:
        """What its threads are made with, such as "pthreads" or "openmp"; not every library says so."""

    def set_num_threads(self, num_threads: int) -> Any:
        """Have the library use so many threads."""


class BlasThreads:
    """The number of threads of those BLAS libraries in this process that have one number for all who compute.

    Each call that computes asks for a number, or for that of before. Within a thread the innermost counts; of threads
    at work at the same time the one that asks for most. What was found is put back as soon as nobody needs another, and
    as long as nobody does, no library is asked or told anything.
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
            self._asked.setdefault(threading.get_ident(), []).append(number)
            if number is not None or self._now is not None:
                self._apply()

    def end(self) -> None:
        """Ask no more for what this thread last asked for."""
        with self._lock:
            mine = self._asked[threading.get_ident()]
            mine.pop()
            if not mine:
                del self._asked[threading.get_ident()]
            if self._asked or self._now is not None:
                self._apply()

    def _apply(self) -> None:
        numbers = [asked[-1] for asked in self._asked.values()]
        wanted = None if not numbers or None in numbers else max(n for n in numbers if n is not None)
        if wanted != self._now:
            if self._now is None:
                self._pools = [pool for pool in list_blas() if not has_own_number(pool)]
                self._found = [pool.num_threads for pool in self._pools]
            self._now = wanted
            for pool, found in zip(self._pools, self._found, strict=True):
                pool.set_num_threads(found if wanted is None else wanted)


blas_threads = BlasThreads()
if hasattr(os, "register_at_fork"):  # a child has one thread, whatever the parent's others were computing
    os.register_at_fork(after_in_child=blas_threads._forget)


def list_blas() -> Sequence[Pool]:
    """Return the BLAS libraries that are loaded."""
    return find_blas("scipy.linalg" in sys.modules)


def has_own_number(pool: Pool) -> bool:
    """Tell whether each thread that computes has a number of its own: with OpenMP, OpenBLAS asks for the caller's."""
    return getattr(pool, "threading_layer", "") == "openmp"


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
        self._before: Sequence[tuple[Pool, int]] = ()

    def __enter__(self) -> None:
        blas_threads.begin(self._number)
        if self._number is not None:
            self._before = [(pool, pool.num_threads) for pool in list_blas() if has_own_number(pool)]
            for pool, _ in self._before:
                pool.set_num_threads(self._number)

    def __exit__(self, *exception: object) -> None:
        for pool, number in self._before:
            pool.set_num_threads(number)
        blas_threads.end()
