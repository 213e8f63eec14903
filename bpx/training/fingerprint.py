"""Is it the same data? Its shape and a hash of its numbers, the same on every backend."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

from bpx.backend.base import Array, Backend

WHOLE_BYTES = 16 * 2**20
"""Arrays up to this size are hashed as a whole, larger ones by some of their rows."""

SAMPLED_ROWS = 256
"""How many rows of a large array are hashed: the first, the last, and others at equal distances."""


def fingerprint(backend: Backend, array: Array | None) -> dict[str, Any] | None:
    """Return shape and hash of an array on the device, as plain data; the same on every backend.

    Notes
    -----
    It tells other data from the same data; a change of some rows of a large array can go unseen.
    """
    if array is None:
        return None
    shape = list(array.shape)
    rows = _sample_rows(shape[0], math.prod(shape) * 8)
    if rows is not None:
        array = backend.xp.take(array, backend.asarray(rows), axis=0)
    return {"shape": shape, "hash": _hash(backend.to_numpy(array))}


def fingerprint_on_host(array: Any) -> dict[str, Any] | None:
    """Return shape and hash of an array on the host, of which only the hashed rows are read."""
    if array is None:
        return None
    rows = _sample_rows(array.shape[0], array.nbytes)
    return {"shape": list(array.shape), "hash": _hash(np.array(array if rows is None else array[rows]))}


def _sample_rows(n: int, n_bytes: int) -> np.ndarray | None:
    """Return the rows to hash, the last among them, or None for all."""
    if n_bytes <= WHOLE_BYTES or n <= SAMPLED_ROWS:
        return None
    return np.linspace(0, n - 1, SAMPLED_ROWS).astype(np.int64)


def _hash(array: np.ndarray) -> str:
    if array.dtype.kind in "iub":
        array = array.astype(np.int64)
    return hashlib.blake2b(np.ascontiguousarray(array).tobytes(), digest_size=8).hexdigest()
