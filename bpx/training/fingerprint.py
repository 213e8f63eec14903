"""Is it the same data? Its shape and a hash of its numbers, the same on every backend."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np

from bpx.backend.base import Array, Backend

WHOLE_BYTES = 16 * 2**20
"""Arrays up to this size are hashed as a whole, larger ones by some of their rows."""

HASHED_BYTES = 2**20
"""How much of an array is hashed at a time."""

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
    """Return shape and hash of an array on the host, or of `FileRows`, of which only the hashed rows are read."""
    if array is None:
        return None
    rows = _sample_rows(array.shape[0], array.nbytes)
    return {"shape": list(array.shape), "hash": _hash(array if rows is None else array[rows])}


def _sample_rows(n: int, n_bytes: int) -> np.ndarray | None:
    """Return the rows to hash, the last among them, or None for all."""
    if n_bytes <= WHOLE_BYTES or n <= SAMPLED_ROWS:
        return None
    return np.linspace(0, n - 1, SAMPLED_ROWS).astype(np.int64)


def _hash(array: Any) -> str:
    """Return a hash of the numbers of an array, which is read some rows at a time."""
    digest = hashlib.blake2b(digest_size=8)
    n = array.shape[0]
    rows = max(1, HASHED_BYTES // max(1, array.nbytes // max(1, n)))
    for start in range(0, n, rows):
        piece = array[start : start + rows]
        if piece.dtype.kind in "iub":
            piece = piece.astype(np.int64)
        digest.update(np.ascontiguousarray(piece).tobytes())
    return digest.hexdigest()
