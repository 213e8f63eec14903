"""NumPy on the CPU: the reference that every other backend is compared with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from bpx.backend.base import FLOAT_DTYPES, Array, Backend, Body, slices
from bpx.backend.numpy_functions import all_finite, numpy_namespace
from bpx.backend.precision import round_mantissa
from bpx.backend.replayed import ReplayedLoop
from bpx.backend.threads import THREADED_PASS, THREADED_STEP, UNSHARED_PASS, UNSHARED_STEP, BlasLimit, get_chosen

_UNCHANGED = contextlib.nullcontext()

CACHE_BLOCK_BYTES = 512 * 1024
"""Piece of each array that an in-place update works on at a time, so that a few pieces stay in a core's caches.

Arrays of up to four pieces, and updates without slots (two passes over two arrays), are faster whole.
"""


RETAINED_BYTES = 31 * 2**20
"""Size of arrays up to which freed memory stays with the process, instead of going back to the system at each step.

glibc learns it from the largest block that was freed, up to 32 MiB, and gives back what is free above twice that size.
Before it has learned, steps with arrays of a size at its limit meet page faults all the time: Adam on 784 x 128 weights
in float32 took 330 microseconds instead of 90, and 20 iterations of L-BFGS on the digits 34,000 faults instead of 4.
"""


@lru_cache(maxsize=1)
def _retain_freed_memory() -> None:
    """Free a large block that was never written to, once in a process."""
    np.empty(RETAINED_BYTES, dtype=np.int8)


class NumpyBackend(Backend):
    """NumPy arrays on the CPU."""

    name = "numpy"
    device = "cpu"
    sums_in_place = True

    def __init__(self) -> None:
        _retain_freed_memory()
        self.xp = numpy_namespace()

    @property
    def spec(self) -> str:
        return "numpy"

    @classmethod
    def of(cls, array: Array) -> Backend:
        return cls()

    def asarray(self, data: Any, dtype: str | None = None) -> np.ndarray:
        if type(data) is np.ndarray and data.dtype == dtype:
            return data
        from bpx.backend.transfer import host_array

        return np.asarray(host_array(data), dtype=dtype)

    def to_numpy(self, array: Array) -> np.ndarray:
        return np.asarray(array)

    def copy(self, array: Array) -> Array:
        return np.array(array)

    def all_finite(self, array: Array) -> bool:
        return all_finite(array)

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        return np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore")

    def round_mantissa(self, array: Array, bits: int) -> Array:
        return round_mantissa(array, bits)  # of arrays on a tape too

    def threads(self, work: int, updates: bool = False) -> contextlib.AbstractContextManager[Any]:
        if work <= (UNSHARED_STEP if updates else UNSHARED_PASS):
            return _UNCHANGED
        chosen = get_chosen()
        if chosen is None and work < (THREADED_STEP if updates else THREADED_PASS):
            chosen = 1
        return BlasLimit(chosen)

    def rows_per_step(self, order: np.ndarray) -> Sequence[Any]:
        return slices(order) or list(order)

    def fetch_scalars(self, values: list[Array]) -> np.ndarray:
        return np.array(values, dtype=np.float64)

    def per_step(self, values: np.ndarray, dtype: str, constant: bool = False) -> Sequence[Any]:
        if dtype not in FLOAT_DTYPES:
            return super().per_step(values, dtype)
        if (values == values[0]).all():
            return [_scalars(values[0], dtype)] * len(values)
        return [_scalars(row, dtype) for row in values]

    def loop(self, body: Body, pure: bool = False) -> Callable[..., tuple[Any, np.ndarray]]:
        plainly = super().loop(body, pure)
        return ReplayedLoop(body, plainly) if pure else plainly

    def elementwise(self, kernel: Callable[..., Any], like: Array, slots: int) -> Callable[..., tuple[Array, ...]]:
        whole = partial(kernel, self.xp)
        if not slots or like.nbytes <= 4 * CACHE_BLOCK_BYTES:
            return whole
        block, n = CACHE_BLOCK_BYTES // like.itemsize, 2 + slots

        def in_pieces(*arguments: Any) -> tuple[Array, ...]:
            arrays, numbers = arguments[:n], arguments[n:]
            if not all(array.flags.c_contiguous for array in arrays):
                return whole(*arguments)  # type: ignore[no-any-return]
            flat = [array.reshape(-1) for array in arrays]
            for start in range(0, like.size, block):
                kernel(self.xp, *(array[start : start + block] for array in flat), *numbers)
            return (arrays[0], *arrays[2:])

        return in_pieces


def _scalars(row: np.ndarray, dtype: str) -> tuple[np.ndarray, ...]:
    """Return numbers as arrays without axes, which NumPy multiplies by in 0.6 of the time of a Python number."""
    return tuple(np.asarray(number) for number in row.astype(dtype))
