"""What can listen to a training: objects with these methods, or a plain function called after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from bpx.errors import InputError

if TYPE_CHECKING:
    from bpx.training.run import Run


class Callback:
    """Listen to a training; every method does nothing unless overridden.

    The methods are given the `Run`. What they may use of it:

    - ``run.net``, the network; ``run.training``, its training state (``rate_scale`` is a factor of the learning rate);
    - ``run.epoch``, the epoch just done, from 1, over all calls of ``fit``; ``run.epochs``, how many this call has;
    - ``run.logs``, the epoch's numbers by name ("loss", "validation_loss", metrics, "validation_" and a metric), and
      ``run.history``, those of all epochs; ``run.log_names``, the names, known before the first epoch;
    - ``run.learning_rate``, that of the step just done;
    - ``run.stop(reason)``, which ends the training after this epoch;
    - ``run.resumed``, whether the training goes on from a checkpoint.

    Order of calls: ``on_train_begin``, then, where a training is resumed, ``load_state_dict``; ``on_epoch_end`` after
    each epoch, in the order in which callbacks were given, and ``state_dict`` whenever a checkpoint is written;
    ``on_train_end`` at last, also where an error or Ctrl-C ended the training.

    Examples
    --------
    >>> import bpx
    >>> class StopBelow(bpx.Callback):
    ...     def __init__(self, loss):
    ...         self.loss = loss
    ...
    ...     def on_epoch_end(self, run):
    ...         if run.logs["loss"] < self.loss:
    ...             run.stop(f"the loss is below {self.loss}")
    >>> x, y = bpx.datasets.xor()
    >>> net = bpx.mlp([2, 8, 1], "tanh", loss="squared_error")
    >>> net.fit(x, y, epochs=500, optimizer=bpx.Adam(0.05), callbacks=[StopBelow(0.05)]).stop_reason
    'the loss is below 0.05'
    """

    def on_train_begin(self, run: Run) -> None:
        """Called once, before the first step: the place to check what is needed, and to forget an earlier training."""

    def on_epoch_end(self, run: Run) -> None:
        """Called after each epoch, when its numbers are in ``run.logs``."""

    def on_train_end(self, run: Run) -> None:
        """Called once, when training has ended, also where an error ended it."""

    def state_dict(self) -> dict[str, Any]:
        """Return what the callback must know to go on after a resume: plain data and arrays, in dicts and lists."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what `state_dict` returned when the checkpoint was written; arrays come as NumPy's."""


class FunctionCallback(Callback):
    """A plain function as a callback: called with the run after each epoch.

    Parameters
    ----------
    function : callable
        ``function(run)``.
    """

    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.function = function

    def on_epoch_end(self, run: Run) -> None:
        self.function(run)


def as_callbacks(callbacks: Any) -> list[Callback]:
    """Return callbacks as objects of the protocol; a single one may stand alone.

    Raises
    ------
    InputError
        If one is neither a `Callback` nor callable.
    """
    alone = callable(callbacks) or isinstance(callbacks, Callback)
    given: Iterable[Any] = (callbacks,) if alone else callbacks
    result: list[Callback] = []
    for callback in given:
        if isinstance(callback, Callback):
            result.append(callback)
        elif callable(callback) and not isinstance(callback, type):
            result.append(FunctionCallback(callback))
        else:
            hint = ", an instance, with parentheses" if isinstance(callback, type) else ""
            raise InputError(f"a callback is a bpx.Callback or a function of the run{hint}, got {callback!r}")
    return result
