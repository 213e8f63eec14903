"""Where the samples of a training come from: what the loop asks of them, however they are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bpx.backend.base import StepRows
from bpx.core.model import Data

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator


class Block(NamedTuple):
    """Samples that are on the device together, and the steps that are made with them.

    Attributes
    ----------
    data : tuple (x, y, weight), or StepRows
        On the device.
    groups : list of array of int (steps, batch)
        Rows of each step; steps of equal size that follow each other are in one array. Of `StepRows` the number of the
        step, in place of each of its rows.
    shares : array of float64 (steps,)
        How much each step counts in the mean loss: its samples, or the sum of their weights.
    batch : int or None
        Samples of a batch, where a step takes several; None where a step is one batch.
    shared : bool
        Whether only the rows of this process are in ``data``; ``groups`` have -1 in place of the others.
    summed : bool
        Whether ``shares`` count the rows of all processes, and not of this one alone.
    """

    data: Data | StepRows
    groups: list[np.ndarray]
    shares: np.ndarray
    batch: int | None = None
    shared: bool = False
    summed: bool = True


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

    def prepare(self, communicator: Communicator | None = None) -> None:
        """Find out what takes a look at all rows, before the first step; of several processes each looks at a part."""
        return

    def share_out(self, communicator: Communicator) -> None:
        """Leave out, from now on, what other processes take, where that spares reading it."""
        return

    def describe(self) -> dict[str, Any]:
        """Return what must be the same for a training to continue exactly, as plain data."""
        raise TypeError(f"{type(self).__name__} defines no description")
