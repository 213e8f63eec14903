"""``distributed=True`` of the estimators: the processes that a launcher started, and what these draw alike."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import check_random_state

from bpx.backend.base import Array, Backend
from bpx.core.model import Model
from bpx.distributed.launchers import find_launch
from bpx.errors import InputError

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator

__all__ = ["compute_outputs_together", "draw_alike", "joining"]


@contextlib.contextmanager
def joining(distributed: bool, choose_backend: Callable[[], Backend]) -> Iterator[Communicator | None]:
    """Have the processes that were started together do what is in the block; give what they talk by.

    What is raised in the block on one of them alone ends all, which would wait for it for ever.

    Parameters
    ----------
    distributed : bool
        The estimator's parameter.
    choose_backend : callable
        Returns where the network is to compute; called if it is asked for.

    Yields
    ------
    Communicator or None
        None where this process is alone, or is to be.

    Raises
    ------
    InputError
        If the processes cannot be connected, or this is none of them: one that a process of theirs has started, or
        another thread than the main one.
    """
    communicator = _connect(choose_backend()) if distributed else None
    if communicator is None:
        yield None
        return
    with communicator.calling("fit of an estimator"):
        yield communicator


def _connect(backend: Backend) -> Communicator | None:
    from bpx.distributed.communicator import connect

    launch = find_launch()
    if launch is not None and launch.size != 1:
        _check_main_thread()
    return connect(backend, "fit of an estimator")


def _check_main_thread() -> None:
    """Raise in another thread than the main one, such as a search with several jobs starts side by side.

    Raises
    ------
    InputError
    """
    if threading.current_thread() is not threading.main_thread():
        raise InputError(
            "distributed=True cannot be used in one of several threads of a rank, which would talk to the other ranks "
            "at once: leave n_jobs at None around it, or leave distributed out"
        )


def draw_alike(random_state: Any, communicator: Communicator | None) -> np.random.RandomState:
    """Return the generator of an estimator's draws; of processes that train together all have the first one's.

    A number is taken as it is: another one on some rank is found when they compare what they are to do.

    Parameters
    ----------
    random_state : int, RandomState or None
        The estimator's parameter. A generator that is given continues where that of the first process does.
    communicator : Communicator or None
        None where there is one process.
    """
    own: np.random.RandomState = check_random_state(random_state)
    if communicator is None or isinstance(random_state, Integral):
        return own
    state = communicator.broadcast(own.get_state())
    if communicator.rank > 0:
        if not isinstance(random_state, np.random.RandomState):
            own = np.random.RandomState()  # NumPy's global one stays as it is
        own.set_state(state)
    return own


def compute_outputs_together(net: Model, x: Array, communicator: Communicator) -> Array:
    """Return the outputs for samples of which each rank computes a part; all get all."""
    first, end = communicator.find_part(x.shape[0])
    own = net.backend.to_numpy(net.compute_outputs(x[first:end, ...])) if first < end else None
    parts = [part for part in communicator.gather(own) if part is not None]
    return net.backend.asarray(np.concatenate(parts))
