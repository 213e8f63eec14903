"""What ``fit`` trains on and validates with: arrays, files mapped into memory, or iterables of batches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.core.evaluation import check_metrics
from bpx.core.file_rows import MappedArrays, check_limit, open_arrays
from bpx.core.model import Data, Model
from bpx.errors import InputError
from bpx.training.batches import Batches
from bpx.training.fingerprint import fingerprint
from bpx.training.iterables import Iterables, IterableStream
from bpx.training.mapped import MappedStream, describe_mapped
from bpx.training.settings import Settings
from bpx.training.sources import Source

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator


def open_source(
    net: Model,
    x: Any,
    y: Any,
    sample_weight: Any,
    settings: Settings,
    memory_limit: int | None,
    rows: Any = None,
) -> Source:
    """Return where the batches of a training come from.

    Raises
    ------
    InputError
        If the data is not as ``fit`` describes it; for arrays in memory before any work, for the rest as far as it can
        be known without reading all of it.
    """
    limit = check_limit(memory_limit)
    if y is None:
        if rows is not None:
            raise InputError("rows are numbers of rows of arrays, and an iterable of batches has none; leave rows out")
        if sample_weight is not None:
            raise InputError("the weights of an iterable of batches are in the batches: (x, y, sample_weight)")
        if x is None:
            raise InputError("x is missing: got None")
        source: Source = IterableStream(net, Iterables(net, x, "x", settings.prefetch), settings, limit)
    else:
        opened = open_arrays(net, x, y, sample_weight, limit)
        if not isinstance(opened, MappedArrays):
            data = net.place(*opened)
            source = Batches(net, data, settings, None if rows is None else _check_rows(rows, data[0].shape[0]))
        elif rows is not None:
            raise InputError(
                "rows are chosen of arrays in memory, and x is read from its file in blocks; leave rows out"
            )
        else:
            source = MappedStream(net, opened, settings)
    if settings.metrics:
        check_metrics(net, settings.metrics, None if source.unweighted is None else source.unweighted[1])
    return source


def _is_list_of_batches(given: Any) -> bool:
    """Tell whether a sequence holds batches, (x, y) each, where x and y are expected: as arrays they would be one."""
    return isinstance(given, list) and all(
        isinstance(each, tuple) and len(each) in (2, 3) and all(hasattr(part, "shape") for part in each)
        for each in given
    )


def _check_rows(rows: Any, n: int) -> np.ndarray:
    """Return the numbers of the rows to train on."""
    chosen = np.asarray(rows)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not chosen.size:
        raise InputError(f"rows must be numbers of rows, shape (n,), got shape {chosen.shape} of {chosen.dtype}")
    if chosen.min() < 0 or chosen.max() >= n:
        raise InputError(f"rows must be from 0 to {n - 1}, got {chosen.min()} to {chosen.max()}")
    return chosen.astype(np.int64)


def take_part(communicator: Communicator, data: Data) -> Data:
    """Return the rows of data on the device that are this process's: views, or none."""
    x, y, weight = data
    own = slice(*communicator.find_part(x.shape[0]))
    return x[own, ...], y[own, ...], None if weight is None else weight[own]


class HeldOut:
    """Data that a network is measured on after each epoch.

    Parameters
    ----------
    net : Model
    validation_data : tuple (x, y) or (x, y, sample_weight), or iterable of batches
        As for ``fit``.
    settings : Settings
    memory_limit : int or None

    Raises
    ------
    InputError
        If it is not as ``fit`` describes it.
    """

    def __init__(self, net: Model, validation_data: Any, settings: Settings, memory_limit: int | None) -> None:
        self.net = net
        self._communicator: Communicator | None = None
        self.whole: Data | None = None
        self.batches: Iterables | None = None
        self.mapped: MappedArrays | None = None
        if not isinstance(validation_data, (tuple, list)):
            self.batches = Iterables(net, validation_data, "validation_data", settings.prefetch)
            if self.batches.once and settings.epochs > 1:
                raise InputError("validation_data is a generator, good for one epoch; pass the function that makes it")
            return
        if len(validation_data) not in (2, 3) or _is_list_of_batches(validation_data):
            raise InputError(
                "validation_data must be (x, y) or (x, y, sample_weight), or an iterable of batches; a list of batches "
                "could be either: pass a function that returns it"
            )
        x, y, weight = validation_data if len(validation_data) == 3 else (*validation_data, None)
        opened = open_arrays(net, x, y, weight, check_limit(memory_limit))
        if isinstance(opened, MappedArrays):
            self.mapped = opened
        else:
            self.whole = net.place(*opened)
            check_metrics(net, settings.metrics, self.whole[1])

    def share_out(self, communicator: Communicator) -> None:
        """Have each process take a part of it, in the order of their ranks."""
        self._communicator = communicator

    def place_pieces(self) -> Iterable[Data]:
        """Return all of it on the device, in pieces; where it is shared out, this process's part."""
        if self.whole is not None:
            return [self._take_own(self.whole)]
        if self.batches is not None:
            return map(self._take_own, self.batches.place_batches(0))
        assert self.mapped is not None
        if self._communicator is None:
            return self.mapped.read_pieces()
        return self.mapped.read_pieces(self._communicator.find_part(self.mapped.rows), self._communicator.size)

    def _take_own(self, piece: Data) -> Data:
        return piece if self._communicator is None else take_part(self._communicator, piece)

    def describe(self) -> dict[str, Any]:
        """Return what must be the same for a training to continue exactly, as plain data."""
        if self.whole is not None:
            named = zip(("x", "y", "sample_weight"), self.whole, strict=True)
            return {name: fingerprint(self.net.backend, array) for name, array in named}
        if self.mapped is not None:
            return describe_mapped(self.mapped)
        return {"batches": None if self.batches is None else self.batches.count()}
