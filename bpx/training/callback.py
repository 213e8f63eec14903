"""What listens to a training, and what it may read of it."""

from __future__ import annotations

from collections.abc import Callable as Function
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from bpx.core.model import Model
from bpx.core.state import TrainingState
from bpx.errors import InputError
from bpx.metrics import Metric
from bpx.training.history import History


class Run(Protocol):
    """A training as its callbacks see it.

    Attributes
    ----------
    net : Network
    training : TrainingState
        The optimizer's state and all counters; ``rate_scale`` is a factor of the learning rate that callbacks may set.
    epochs : int
        Epochs of this call of ``fit``.
    epoch : int
        Number of the epoch just done, counted over all calls, from 1.
    done : int
        Epochs of this call that are done; of a training that was resumed, from its first start.
    logs : dict of float
        Numbers of the epoch just done, by the names in ``log_names``.
    log_names : sequence of str
        "loss", metrics, "validation_loss", ``"validation_"`` and a metric: those that this training records.
    history : History
        Numbers of all epochs of this call.
    metrics : sequence of Metric
    validated : bool
        Whether there is validation data.
    whole_set : bool
        Whether each step takes all samples as one batch, so that an epoch is one step.
    resumed : bool
        Whether the training continues from a checkpoint.
    learning_rate : float
        Of the step just done.
    stop_reason : str
        Why training is to end early; empty while it is not.
    """

    net: Model
    training: TrainingState
    epochs: int
    logs: dict[str, float]
    history: History
    resumed: bool
    stop_reason: str

    @property
    def log_names(self) -> Sequence[str]: ...
    @property
    def metrics(self) -> Sequence[Metric]: ...
    @property
    def whole_set(self) -> bool: ...
    @property
    def epoch(self) -> int: ...
    @property
    def done(self) -> int: ...
    @property
    def validated(self) -> bool: ...
    @property
    def learning_rate(self) -> float: ...

    def compute_learning_rates(self, steps: np.ndarray) -> np.ndarray:
        """Return the learning rates of steps of this optimizer, counted from 0, with the epoch's ``rate_scale``."""

    def stop(self, reason: str) -> None:
        """End the training after this epoch."""


@runtime_checkable
class Callback(Protocol):
    """Listen to a training; every method does nothing unless overridden.

    A class of your own inherits from this one, or has all its methods. They are given the run, and may use of it:

    - ``run.net``, the network; ``run.training``, its training state (``rate_scale`` is a factor of the learning rate);
    - ``run.epoch``, the epoch just done, from 1, over all calls of ``fit``; ``run.epochs``, how many this call has;
    - ``run.logs``, the epoch's numbers by name ("loss", "validation_loss", metrics, ``"validation_"`` and a metric),
      and ``run.history``, those of all epochs; ``run.log_names``, the names, known before the first epoch;
    - ``run.learning_rate``, that of the step just done;
    - ``run.stop(reason)``, which ends the training after this epoch;
    - ``run.resumed``, whether the training continues from a checkpoint.

    Order of calls: ``on_train_begin``, then, where a training is resumed, ``load_state_dict``; ``on_epoch_end`` after
    each epoch, in the order in which callbacks were given, and ``state_dict`` whenever a checkpoint is written;
    ``on_train_end`` at last, also where an error or Ctrl-C ended the training.

    See Also
    --------
    EarlyStopping : End a training that no longer improves.
    Checkpoint : Keep the best or the newest network as a file.
    ProgressPrinter : Print a line for each epoch.

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
        return

    def on_epoch_end(self, run: Run) -> None:
        """Called after each epoch, when its numbers are in ``run.logs``."""
        return

    def on_train_end(self, run: Run) -> None:
        """Called once, when training has ended, also where an error ended it."""
        return

    def state_dict(self) -> dict[str, Any]:
        """Return what the callback must know to continue after a resume: plain data and arrays, in dicts and lists."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take what `state_dict` returned when the checkpoint was written; arrays come as NumPy's."""
        return


class FunctionCallback(Callback):
    """A plain function as a callback: called with the run after each epoch.

    Parameters
    ----------
    function : callable
        ``function(run)``.
    """

    def __init__(self, function: Function[[Run], Any]) -> None:
        self.function = function

    def on_epoch_end(self, run: Run) -> None:
        self.function(run)


def is_callback(value: Any) -> bool:
    """Tell whether a value is an object with the methods of a `Callback`; a class of such objects is none."""
    return isinstance(value, Callback) and not isinstance(value, type)


def list_callbacks(callbacks: Any) -> list[Callback]:
    """Return callbacks as objects of the protocol; a single one may stand alone.

    Raises
    ------
    InputError
        If one is neither a `Callback` nor callable.
    """
    alone = not isinstance(callbacks, (list, tuple)) and (callable(callbacks) or is_callback(callbacks))
    if not alone and not isinstance(callbacks, Iterable):
        raise InputError(f"callbacks must be a sequence, got {callbacks!r}")
    result: list[Callback] = []
    for callback in (callbacks,) if alone else callbacks:
        if is_callback(callback):
            result.append(callback)
        elif callable(callback) and not isinstance(callback, type):
            result.append(FunctionCallback(callback))
        else:
            hint = ", an instance, with parentheses" if isinstance(callback, type) else ""
            raise InputError(f"a callback is a bpx.Callback or a function of the run{hint}, got {callback!r}")
    return result
