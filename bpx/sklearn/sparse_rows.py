"""NumPy, and samples that are the rows of a SciPy sparse matrix."""

from __future__ import annotations

from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np

from bpx.backend.base import Array
from bpx.backend.numpy_backend import NumpyBackend


class SparseNumpyBackend(NumpyBackend):
    """NumPy on the CPU, whose samples may be sparse: a batch is some rows, and only the first layer ever meets it."""

    def __init__(self) -> None:
        super().__init__()
        dense = self.xp

        def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
            return dense.take(x, indices, axis=axis) if isinstance(x, np.ndarray) else x[indices]

        def matmul(a: Any, b: np.ndarray, /) -> Any:
            return dense.matmul(a, b) if isinstance(a, np.ndarray) else a @ b

        self.xp = SimpleNamespace(**{**vars(dense), "take": take, "matmul": matmul})

    def asarray(self, data: Any, dtype: str | None = None) -> Array:
        if is_sparse(data):
            return data.tocsr() if dtype is None else data.tocsr().astype(dtype, copy=False)
        return super().asarray(data, dtype)


@lru_cache(maxsize=1)
def sparse_numpy() -> SparseNumpyBackend:
    """Return the one backend of this kind."""
    return SparseNumpyBackend()


def is_sparse(data: Any) -> bool:
    """Tell whether data is a SciPy sparse matrix or array."""
    from scipy.sparse import issparse

    return bool(issparse(data))
