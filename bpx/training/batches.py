"""Batches of arrays that lie on the device: which rows each step takes, and how much it counts in the mean loss."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.core.model import Data, Model
from bpx.core.samples import check_mass
from bpx.errors import InputError
from bpx.rng import permutation
from bpx.training.class_weights import sum_by_class, weigh_by_class, weigh_classes
from bpx.training.fingerprint import fingerprint, fingerprint_on_host
from bpx.training.settings import Settings
from bpx.training.sources import Block, Source

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator


class Batches(Source):
    """Batches of samples on the device; each epoch visits all rows in an order of its own.

    Parameters
    ----------
    net : Model
    data : tuple (x, y, weight)
        On the network's device.
    settings : Settings
    chosen : array of int, optional
        The rows that are trained on, by their numbers; all by default. Steps gather theirs from ``data`` as it is. Only
        where all of them are needed together, by a step that takes the whole set or for metrics, they are copied.
    """

    def __init__(self, net: Model, data: Data, settings: Settings, chosen: np.ndarray | None = None) -> None:
        self.net = net
        self.shuffle = settings.shuffle
        self.rows: int = data[0].shape[0] if chosen is None else len(chosen)
        self.batch_size = min(settings.choose_batch_size(self.rows) or self.rows, self.rows)
        self.step_size: int = min(settings.choose_step_size(self.rows) or self.rows, self.rows)
        if chosen is not None and (self.step_size == self.rows or settings.metrics):
            data, chosen = (_take(net, data[0], chosen), *(_take(net, part, chosen) for part in data[1:])), None
        self.whole = self.unweighted = data
        self._chosen = chosen
        if settings.class_weight is not None:
            x, *rest = data
            y, weight = rest if chosen is None else (_take(net, part, chosen) for part in rest)
            table = weigh_classes(net, settings.class_weight, lambda n: sum_by_class(net, y, weight, n))
            products = weigh_by_class(net, y, weight, table)
            mass = float(net.backend.xp.sum(products))
            check_mass("the samples' weights times those of their classes", mass, net.dtype)
            self.whole = (x, rest[0], products if chosen is None else weigh_by_class(net, rest[0], rest[1], table))
        self.batch = None if settings.accumulate == 1 else self.batch_size
        self.steps_per_epoch = -(-self.rows // self.step_size)

    @cached_property
    def share_weight(self) -> np.ndarray | None:
        """What each row counts in the mean loss of an epoch, on the host: its weight; None where all count alike."""
        assert self.whole is not None
        return fetch_weight(self.net, self.whole)

    def open_blocks(
        self, epoch: int, first: int, poll: Callable[[], None]
    ) -> contextlib.AbstractContextManager[Iterable[Block]]:
        order = self._draw_order(epoch)
        groups = cut_batches(order if self._chosen is None else self._chosen[order], self.step_size)
        if first:
            groups = drop_steps(groups, first)
        assert self.whole is not None
        return contextlib.nullcontext([Block(self.whole, groups, sum_shares(groups, self.share_weight), self.batch)])

    def _draw_order(self, epoch: int) -> np.ndarray:
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

    def describe(self) -> dict[str, Any]:
        assert self.whole is not None
        named = zip(("x", "y", "sample_weight"), self.whole, strict=True)
        described = {name: fingerprint(self.net.backend, array) for name, array in named}
        return described if self._chosen is None else described | {"rows": fingerprint_on_host(self._chosen)}


def _take(net: Model, array: Any, rows: np.ndarray) -> Any:
    """Return some rows of an array on the device; None where there is none."""
    return None if array is None else net.backend.xp.take(array, net.backend.asarray(rows), axis=0)


def cut_batches(order: np.ndarray, size: int) -> list[np.ndarray]:
    """Return an order of rows cut into steps: those of full size in one array, and the rest in another."""
    full, rest = divmod(order.size, size)
    cut = full * size
    groups = [order[:cut].reshape(full, size)] if full else []
    return [*groups, order[cut:].reshape(1, rest)] if rest else groups


def drop_steps(groups: list[np.ndarray], steps: int) -> list[np.ndarray]:
    """Return batches without the first ones."""
    left = []
    for group in groups:
        if steps < len(group):
            left.append(group[steps:] if steps else group)
        steps = max(0, steps - len(group))
    return left


def list_own_columns(communicator: Communicator, rows: int, batch: int | None) -> np.ndarray:
    """Return which of the rows of a step are this process's: a part of each of its batches.

    Parameters
    ----------
    communicator : Communicator
    rows : int
        Of the step.
    batch : int or None
        Rows of a batch, where the step has several.
    """
    columns = []
    for start, size in cut_step(rows, batch):
        first, end = communicator.find_part(size)
        columns.append(np.arange(start + first, start + end))
    return np.concatenate(columns)


def cut_step(rows: int, batch: int | None) -> list[tuple[int, int]]:
    """Return the first row of each batch of a step, and its rows."""
    size = rows if batch is None else batch
    return [(start, min(size, rows - start)) for start in range(0, rows, size)]


def sum_shares(groups: list[np.ndarray], weight: np.ndarray | None) -> np.ndarray:
    """Return how much each step counts: its samples, or the sum of their weights on the host."""
    if weight is not None:
        return np.concatenate([weight[group].sum(axis=1) for group in groups] or [np.zeros(0)])
    return np.repeat([float(group.shape[1]) for group in groups], [len(group) for group in groups])


def fetch_weight(net: Model, data: Data) -> np.ndarray | None:
    """Return the weights of samples on the host in float64, or None where there are none."""
    return None if data[2] is None else net.backend.to_numpy(data[2]).astype(np.float64)
