"""What can listen to a training: objects with these methods, or a plain function called after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from bpx.errors import InputError

if TYPE_CHECKING:
    from bpx.training import Run


class Callback:
    """Listen to a training; every method is given the `Run`, and does nothing unless overridden.

    ``run.net`` is the network, ``run.epoch`` the epoch just done (from 1, over all calls of ``fit``), ``run.logs`` its
    numbers by name, ``run.history`` all of them, and ``run.stop(reason)`` ends the training after this epoch.
    """

    def on_train_begin(self, run: Run) -> None:
        """Called once, before the first step."""

    def on_epoch_end(self, run: Run) -> None:
        """Called after each epoch, validation included."""

    def on_train_end(self, run: Run) -> None:
        """Called once, when training has ended, also where an error ended it."""


class _Function(Callback):
    """A plain function as a callback: called with the run after each epoch."""

    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.function = function

    def on_epoch_end(self, run: Run) -> None:
        self.function(run)


def as_callbacks(callbacks: Iterable[Any]) -> list[Callback]:
    """Return callbacks as objects of the protocol.

    Raises
    ------
    InputError
        If one is neither a `Callback` nor callable.
    """
    if callable(callbacks) or isinstance(callbacks, Callback):
        callbacks = (callbacks,)
    result = []
    for callback in callbacks:
        if isinstance(callback, Callback):
            result.append(callback)
        elif callable(callback) and not isinstance(callback, type):
            result.append(_Function(callback))
        else:
            raise InputError(f"a callback is a bpx.Callback or a function of the run, got {callback!r}")
    return result
