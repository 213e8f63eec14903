"""Arrays in files that are mapped into memory: found, read piece by piece, and let go again."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.backend.transfer import library_of
from bpx.errors import InputError
from bpx.evaluation import Data
from bpx.training.comparison import fingerprint_on_host

if TYPE_CHECKING:
    from bpx.network import Network


def file_map(array: Any) -> mmap.mmap | None:
    """Return the map that an array is a view of, or None where it lies in ordinary memory."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None


def let_go(array: Any) -> None:
    """Take the pages that were read of a mapped array out of this process's memory; the file and its cache stay."""
    source, mode = array, None
    while isinstance(source, np.ndarray):
        mode = getattr(source, "mode", mode)
        source = source.base
    if isinstance(source, mmap.mmap) and hasattr(source, "madvise") and mode in ("r", "r+", "w+"):
        source.madvise(mmap.MADV_DONTNEED)  # a private map ("c") would lose what was written into it


class MappedArrays:
    """Samples, targets and weights of which the samples lie in a file; read and checked piece by piece.

    Parameters
    ----------
    net : Network
    x : array mapped from a file (samples, n_in)
    y : array_like
        Targets, as for ``fit``.
    sample_weight : array_like (samples,) or None

    Raises
    ------
    InputError
        If the shapes do not fit each other or the network.
    """

    def __init__(self, net: Network, x: Any, y: Any, sample_weight: Any) -> None:
        self.net = net
        self.x = x
        self.y = np.asarray(y) if library_of(y) is None else y
        self.weight = sample_weight if sample_weight is None or library_of(sample_weight) else np.asarray(sample_weight)
        self.rows: int = x.shape[0] if x.ndim else 0
        for name, array in (("y", self.y), ("sample_weight", self.weight)):
            if array is not None and (array.ndim == 0 or array.shape[0] != self.rows):
                got = "a single number" if array.ndim == 0 else f"{array.shape[0]}"
                raise InputError(f"{name} must have one row for each of the {self.rows} samples of x, got {got}")
        first = net._inputs(x[:1], self.y[:1, ...], None)
        self.row_bytes = n_bytes(net, first) + 8  # and a weight

    def described(self) -> dict[str, Any]:
        """Return shapes and hashes, as plain data; a few rows are read."""
        named = {"x": self.x, "y": self.y, "sample_weight": self.weight}
        to_numpy = self.net.backend.to_numpy
        hosts = {n: a if a is None or isinstance(a, np.ndarray) else to_numpy(a) for n, a in named.items()}
        return {name: fingerprint_on_host(array) for name, array in hosts.items()}

    def piece(self, start: int, stop: int) -> Data:
        """Return rows from ``start`` to before ``stop``, checked, on the device, and no longer mapped."""
        weight = None if self.weight is None else self.weight[start:stop]
        try:
            piece = self.net._inputs(self.x[start:stop], self.y[start:stop, ...], weight)
        except InputError as error:
            raise InputError(f"rows {start} to {stop - 1}: {error}") from None
        x, y, weight = (array if file_map(array) is None else self.net.backend.copy(array) for array in piece)
        for array in (self.x, self.y, self.weight):
            let_go(array)
        return x, y, weight


def n_bytes(net: Network, data: Data) -> int:
    """Return the memory that samples, targets and weights take on the device."""
    width = 8 if net.dtype == "float64" else 4
    return sum(width * int(np.prod(array.shape)) for array in data if array is not None)


def concatenated(net: Network, pieces: list[Data]) -> Data:
    """Return pieces in one: arrays that share no memory with any of them."""
    xp = net.backend.xp
    weights = [weight for _, _, weight in pieces if weight is not None]
    return (
        xp.concat([x for x, _, _ in pieces], axis=0),
        xp.concat([y for _, y, _ in pieces], axis=0),
        xp.concat(weights, axis=0) if weights else None,
    )
