"""What ``fit`` is given to train on and to validate with, told apart: arrays, files mapped into memory, iterables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from bpx.checks import count
from bpx.errors import InputError
from bpx.evaluation import Data, check_metrics
from bpx.training.arrays import Arrays
from bpx.training.batches import Source
from bpx.training.comparison import fingerprint
from bpx.training.iterables import Iterables
from bpx.training.mapped import MappedArrays, file_map
from bpx.training.settings import Settings
from bpx.training.streams import BLOCK_SHARE, Batches, Mapped

if TYPE_CHECKING:
    from bpx.network import Network

MEMORY_LIMIT = 512 * 2**20
"""Bytes that data larger than memory may take at a time, where ``fit`` is given no ``memory_limit``."""


def training_source(
    net: Network, x: Any, y: Any, sample_weight: Any, settings: Settings, memory_limit: int | None
) -> Source:
    """Return where the batches of a training come from.

    Raises
    ------
    InputError
        If the data is not as ``fit`` describes it; for arrays in memory before any work, for the rest as far as it can
        be known without reading all of it.
    """
    limit = MEMORY_LIMIT if memory_limit is None else count("memory_limit", memory_limit)
    if y is None:
        if sample_weight is not None:
            raise InputError("the weights of an iterable of batches are in the batches: (x, y, sample_weight)")
        if x is None:
            raise InputError("x is missing: got None")
        source: Source = Batches(net, Iterables(net, x, "x"), settings, limit)
    else:
        arrays = _larger_than(limit, net, x, y, sample_weight)
        in_blocks = None if arrays is None else Mapped(net, arrays, settings, limit)
        source = in_blocks or Arrays(net, x, y, sample_weight, settings)
    check_metrics(net, settings.metrics, None if source.measured is None else source.measured[1])
    return source


def _larger_than(limit: int, net: Network, x: Any, y: Any, sample_weight: Any) -> MappedArrays | None:
    """Return arrays of which x is mapped from a file and too large to be taken as a whole, or None."""
    if file_map(x) is None or x.size * (8 if net.dtype == "float64" else 4) <= limit:
        return None
    return MappedArrays(net, x, y, sample_weight)


class HeldOut:
    """Data that a network is measured on after each epoch.

    Parameters
    ----------
    net : Network
    validation_data : tuple (x, y) or (x, y, sample_weight), or iterable of batches
        As for ``fit``.
    settings : Settings
    memory_limit : int or None

    Raises
    ------
    InputError
        If it is not as ``fit`` describes it.
    """

    def __init__(self, net: Network, validation_data: Any, settings: Settings, memory_limit: int | None) -> None:
        limit = MEMORY_LIMIT if memory_limit is None else memory_limit
        self.net = net
        self.whole: Data | None = None
        self.batches: Iterables | None = None
        self.mapped: MappedArrays | None = None
        if not isinstance(validation_data, (tuple, list)):
            self.batches = Iterables(net, validation_data, "validation_data")
            if self.batches.once and settings.epochs > 1:
                raise InputError("validation_data is a generator, good for one epoch; pass the function that makes it")
            return
        if len(validation_data) not in (2, 3):
            raise InputError("validation_data must be (x, y) or (x, y, sample_weight), or an iterable of batches")
        x, y, weight = validation_data if len(validation_data) == 3 else (*validation_data, None)
        self.mapped = _larger_than(limit, net, x, y, weight)
        self.chunk_bytes = limit // BLOCK_SHARE
        if self.mapped is None:
            self.whole = net._inputs(x, y, weight)
            check_metrics(net, settings.metrics, self.whole[1])

    def pieces(self) -> Iterable[Data]:
        """Return all of it, in pieces."""
        if self.whole is not None:
            return [self.whole]
        return self._chunks() if self.batches is None else self.batches.pieces(0)

    def _chunks(self) -> Iterator[Data]:
        assert self.mapped is not None
        rows = max(1, self.chunk_bytes // self.mapped.row_bytes)
        for start in range(0, self.mapped.rows, rows):
            yield self.mapped.piece(start, min(start + rows, self.mapped.rows))

    def described(self) -> dict[str, Any]:
        """Return what must be the same for a training to go on exactly, as plain data."""
        if self.whole is not None:
            named = zip(("x", "y", "sample_weight"), self.whole, strict=True)
            return {name: fingerprint(self.net.backend, array) for name, array in named}
        if self.mapped is not None:
            return self.mapped.described()
        return {"batches": None if self.batches is None else self.batches.length()}
