"""Batches of samples: which rows each step takes, and how much it counts in the mean loss of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bpx.evaluation import Data

if TYPE_CHECKING:
    from bpx.network import Network


class Block(NamedTuple):
    """Samples that are on the device together, and the steps that are made with them.

    Attributes
    ----------
    data : tuple (x, y, weight)
        On the device.
    groups : list of array of int (steps, batch)
        Rows of each step; steps of equal size that follow each other are in one array.
    shares : array of float64 (steps,)
        How much each step counts in the mean loss: its samples, or the sum of their weights.
    """

    data: Data
    groups: list[np.ndarray]
    shares: np.ndarray


class Source:
    """Where the batches of a training come from.

    Attributes
    ----------
    steps_per_epoch : int or None
        None where nobody can say before the first epoch is over.
    batch_size : int or None
        Samples of a step; None where the batches come as they are.
    whole : tuple (x, y, weight) or None
        All samples on the device, for epochs of one step; None where they do not lie there.
    measured : tuple (x, y, weight) or None
        What metrics on the training data are measured on: all samples, without weights of classes.
    """

    steps_per_epoch: int | None = None
    batch_size: int | None = None
    whole: Data | None = None
    measured: Data | None = None

    def blocks(
        self, epoch: int, first: int, poll: Callable[[], None]
    ) -> AbstractContextManager[Iterable[Block] | Iterator[Block]]:
        """Return the blocks of an epoch, inside a context that closes what they need.

        Parameters
        ----------
        epoch : int
            Number of the epoch over all calls of ``fit``, from 0.
        first : int
            Steps of this epoch that have been made already, and are left out.
        poll : callable
            Called now and then while a block is waited for; what it raises ends the waiting.
        """
        raise TypeError(f"{type(self).__name__} defines no blocks")

    def described(self) -> dict[str, Any]:
        """Return what must be the same for a training to go on exactly, as plain data."""
        raise TypeError(f"{type(self).__name__} defines no description")


def equal_batches(order: np.ndarray, size: int) -> list[np.ndarray]:
    """Return an order of rows cut into batches: those of full size in one array, and the rest in another."""
    full, rest = divmod(order.size, size)
    cut = full * size
    groups = [order[:cut].reshape(full, size)] if full else []
    return [*groups, order[cut:].reshape(1, rest)] if rest else groups


def without_first(groups: list[np.ndarray], steps: int) -> list[np.ndarray]:
    """Return batches without the first ones."""
    left = []
    for group in groups:
        if steps < len(group):
            left.append(group[steps:] if steps else group)
        steps = max(0, steps - len(group))
    return left


def shares(groups: list[np.ndarray], weight: np.ndarray | None) -> np.ndarray:
    """Return how much each step counts: its samples, or the sum of their weights on the host."""
    if weight is not None:
        return np.concatenate([weight[group].sum(axis=1) for group in groups] or [np.zeros(0)])
    return np.repeat([float(group.shape[1]) for group in groups], [len(group) for group in groups])


def host_weight(net: Network, data: Data) -> np.ndarray | None:
    """Return the weights of samples on the host in float64, or None where there are none."""
    return None if data[2] is None else net.backend.to_numpy(data[2]).astype(np.float64)
