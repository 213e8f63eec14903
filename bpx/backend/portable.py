"""Arrays on their way through a pickle or a deep copy: each with its backend, for it is placed there again."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpx.backend.base import FLOAT_DTYPES, Array, Backend
from bpx.backend.transfer import backend_of, library_of
from bpx.errors import BackendError


class Held:
    """An array of any library, as pickles and deep copies take it.

    A pickle holds its numbers as NumPy's and its backend by name; a deep copy copies it on its device.

    Parameters
    ----------
    backend : Backend
    array : array
        On the backend, or on the host.
    on_host : bool
        Whether it is on the host, as it comes out of a pickle.
    """

    def __init__(self, backend: Backend, array: Array, on_host: bool = False) -> None:
        self.backend, self.array, self.on_host = backend, array, on_host

    def __reduce__(self) -> Any:
        host = self.array if self.on_host else self.backend.to_numpy(self.array)
        return Held, (self.backend, np.asarray(host), True)

    def __deepcopy__(self, memo: dict[int, Any]) -> Held:
        copied = np.array(self.array) if self.on_host else self.backend.copy(self.array)
        return Held(self.backend, copied, self.on_host)

    def place(self) -> Array:
        """Return the array on its backend; one that comes out of a pickle shares no memory with it.

        A backend that lacks its dtype is one that cannot be used: then it is the chosen default's.
        """
        if not self.on_host:
            return self.array
        backend, dtype = self.backend, self.array.dtype.name
        if dtype in FLOAT_DTYPES:
            try:
                backend.require_dtype(dtype)
            except BackendError:
                backend = Backend.restore(backend.spec, dtype)
        return backend.asarray(np.array(self.array))


def hold(tree: Any) -> Any:
    """Return nested dicts, lists and tuples with each array in them as `Held`; everything else stays as it is."""
    if isinstance(tree, dict):
        return {key: hold(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return _like(tree, [hold(value) for value in tree])
    backend = backend_of(tree) if library_of(tree) is not None else None
    return tree if backend is None or isinstance(tree, np.generic) else Held(backend, tree)


def release(tree: Any) -> Any:
    """Return what `hold` was given, its arrays on their backends."""
    if isinstance(tree, dict):
        return {key: release(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return _like(tree, [release(value) for value in tree])
    return tree.place() if isinstance(tree, Held) else tree


def _like(sequence: list[Any] | tuple[Any, ...], values: list[Any]) -> Any:
    """Return values as a list, tuple or named tuple, as the sequence is one."""
    kind = type(sequence)
    return kind(*values) if hasattr(kind, "_fields") else kind(values)
