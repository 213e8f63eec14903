"""Where the samples of a training come from: what the loop asks of them, however they are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bpx.core.model import Data

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator


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
    batch : int or None
        Samples of a batch, where a step takes several; None where a step is one batch.
    places : array of int or None
        Where only the rows of this process are in ``data``: the place there of each row of the block, or -1. ``shares``
        count these rows alone then, if they have weights. None: all rows are there, each at its own place.
    """

    data: Data
    groups: list[np.ndarray]
    shares: np.ndarray
    batch: int | None = None
    places: np.ndarray | None = None


class Source:
    """Where the batches of a training come from.

    Attributes
    ----------
    rows : int or None
        How many samples there are; None where they come as batches.
    steps_per_epoch : int or None
        None where that is not known before the end of the first epoch.
    batch_size : int or None
        Samples of a batch; None where the batches come as they are.
    step_size : int or None
        Samples of a step, of all its batches; None where the batches come as they are.
    batch : int or None
        The same where a step takes several batches; None where it is one.
    whole : tuple (x, y, weight) or None
        All samples on the device, for epochs of one step; None where they do not lie there.
    unweighted : tuple (x, y, weight) or None
        The same without the weights of classes: what metrics on the training data are computed from.
    """

    rows: int | None = None
    steps_per_epoch: int | None = None
    batch_size: int | None = None
    step_size: int | None = None
    batch: int | None = None
    whole: Data | None = None
    unweighted: Data | None = None

    def open_blocks(
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

    def share_out(self, communicator: Communicator) -> None:
        """Leave out, from now on, what other processes take, where that spares reading it."""
        return

    def describe(self) -> dict[str, Any]:
        """Return what must be the same for a training to continue exactly, as plain data."""
        raise TypeError(f"{type(self).__name__} defines no description")
