"""Training data that lies on the device as a whole."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.errors import InputError
from bpx.rng import permutation
from bpx.training.batches import Block, Source, equal_batches, host_weight, shares, without_first
from bpx.training.class_weights import class_weights, masses, weighted
from bpx.training.comparison import fingerprint
from bpx.training.settings import Settings

if TYPE_CHECKING:
    from bpx.network import Network


class Arrays(Source):
    """Samples, targets and weights in arrays, moved to the device once; each epoch visits all rows in one order.

    Parameters
    ----------
    net : Network
    x, y, sample_weight
        As for ``fit``.
    settings : Settings
    """

    def __init__(self, net: Network, x: Any, y: Any, sample_weight: Any, settings: Settings) -> None:
        self.net = net
        self.shuffle = settings.shuffle
        self.measured = xs, ys, weight = net._inputs(x, y, sample_weight)
        table = class_weights(net, settings.class_weight, lambda n: masses(net, ys, weight, n))
        self.whole = (xs, ys, weighted(net, ys, weight, table))
        self.rows: int = xs.shape[0]
        self.batch_size = self.rows if settings.batch_size is None else min(settings.batch_size, self.rows)
        self.steps_per_epoch = -(-self.rows // self.batch_size)

    @cached_property
    def share_weight(self) -> np.ndarray | None:
        """What each row counts in the mean loss of an epoch, on the host: its weight; None where all count alike."""
        assert self.whole is not None
        return host_weight(self.net, self.whole)

    def blocks(
        self, epoch: int, first: int, poll: Callable[[], None]
    ) -> contextlib.AbstractContextManager[Iterable[Block]]:
        groups = equal_batches(self._order(epoch), self.batch_size or self.rows)
        if first:
            groups = without_first(groups, first)
        assert self.whole is not None
        return contextlib.nullcontext([Block(self.whole, groups, shares(groups, self.share_weight))])

    def _order(self, epoch: int) -> np.ndarray:
        """Return the rows in the order in which an epoch visits them."""
        if self.shuffle is True:
            return permutation(self.net.seed, epoch, self.rows)
        if self.shuffle is False:
            return np.arange(self.rows)
        order = np.asarray(self.shuffle(epoch))
        if order.shape != (self.rows,) or order.dtype.kind not in "iu":
            raise InputError(
                f"the function given as shuffle must return {self.rows} row numbers, got shape {order.shape} of "
                f"{order.dtype}"
            )
        if order.min() < 0 or order.max() >= self.rows:
            raise InputError(f"the function given as shuffle must return rows from 0 to {self.rows - 1}")
        return order.astype(np.int64)

    def described(self) -> dict[str, Any]:
        assert self.whole is not None
        named = zip(("x", "y", "sample_weight"), self.whole, strict=True)
        return {name: fingerprint(self.net.backend, array) for name, array in named}
