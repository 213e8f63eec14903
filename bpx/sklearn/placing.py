"""Samples on their way to a device, and what their dtype and the random state decide there."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from bpx.backend.base import Array, Backend
from bpx.errors import BackendError
from bpx.sklearn.sparse_rows import is_sparse


def placed(backend: Backend, X: Any, dtype: str) -> Array:
    """Return samples on a device; sparse ones stay sparse on NumPy alone."""
    if is_sparse(X) and backend.name != "numpy":
        X = X.toarray()
    return backend.asarray(X, dtype)


def dtype_of(array: Any) -> str:
    """Return the name of an array's dtype."""
    return str(array.dtype).rpartition(".")[2]


def require_dtype(backend: Backend, dtype: str) -> None:
    """Raise unless a backend has a dtype, which is that of the samples."""
    try:
        backend.require_dtype(dtype)
    except BackendError as error:
        raise BackendError(f"{error} (an estimator computes in the dtype of X: give X as float32)") from None


def dropout_seed(random_state: np.random.RandomState) -> int:
    """Return a seed for dropout masks that takes nothing from the stream."""
    return int(copy.deepcopy(random_state).randint(np.iinfo(np.int32).max))
