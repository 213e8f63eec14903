"""NumPy on the CPU: the reference that every other backend is compared with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from bpx.backend.base import Array, Backend

CACHE_BLOCK_BYTES = 64 * 1024
"""Piece of each array that an in-place update works on at a time; a few such pieces fit a core's second-level cache."""


@lru_cache(maxsize=256)
def _ones(n: int, dtype: np.dtype) -> np.ndarray:
    """Return a read-only vector of ones."""
    ones = np.ones(n, dtype=dtype)
    ones.flags.writeable = False
    return ones


def _sum(x: np.ndarray, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Sum as the standard has it; over the rows of a matrix of floats, as the product of ones and the matrix.

    The matrix product takes 0.4 to 0.5 of ``np.sum``'s time on 4x2 and on 128x512.
    """
    if axis == 0 and x.ndim == 2 and dtype is None and not keepdims and x.dtype.kind == "f":
        return _ones(x.shape[0], x.dtype) @ x
    return np.add.reduce(x, axis=axis, dtype=dtype, keepdims=keepdims)


def _max(x: np.ndarray, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Take the maximum as the standard has it, without ``np.max``'s Python layer."""
    return np.maximum.reduce(x, axis=axis, keepdims=keepdims)


@lru_cache(maxsize=1)
def numpy_namespace() -> Any:
    """Return the standard's functions for NumPy, with the Python layer peeled off the reductions of the hot loop."""
    import array_api_compat.numpy as compat

    functions = {name: getattr(compat, name) for name in dir(compat) if not name.startswith("__")}
    return SimpleNamespace(**{**functions, "sum": _sum, "max": _max})


class NumpyBackend(Backend):
    """NumPy arrays on the CPU."""

    name: ClassVar[str] = "numpy"
    device = "cpu"

    def __init__(self) -> None:
        self.xp = numpy_namespace()

    @property
    def spec(self) -> str:
        return "numpy"

    @classmethod
    def of(cls, array: Array) -> Backend:
        return cls()

    def asarray(self, data: Any, dtype: str | None = None) -> np.ndarray:
        from bpx.backend.transfer import host_array

        return np.asarray(host_array(data), dtype=dtype)

    def to_numpy(self, array: Array) -> np.ndarray:
        return np.asarray(array)

    def copy(self, array: Array) -> Array:
        return np.array(array)

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        return np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore")

    def rows_per_step(self, order: np.ndarray) -> np.ndarray:
        return order

    def fetch_scalars(self, values: list[Array]) -> np.ndarray:
        return np.array(values, dtype=np.float64)

    def elementwise(self, kernel: Callable[..., Any], arrays: tuple[Array, ...], *scalars: Any) -> tuple[Array, ...]:
        first = arrays[0]
        if first.nbytes <= 2 * CACHE_BLOCK_BYTES:
            return kernel(self.xp, *arrays, *scalars)  # type: ignore[no-any-return]
        flat = [a.reshape(-1) for a in arrays]
        if any(not np.shares_memory(f, a) for f, a in zip(flat, arrays, strict=True)):
            return kernel(self.xp, *arrays, *scalars)  # type: ignore[no-any-return]
        block = CACHE_BLOCK_BYTES // first.itemsize
        for start in range(0, first.size, block):
            kernel(self.xp, *(f[start : start + block] for f in flat), *scalars)
        return arrays
