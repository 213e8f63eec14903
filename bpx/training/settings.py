"""What ``fit`` is asked for, beside the data: checked, and described so that two runs can be compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.callbacks import Callback, as_callbacks
from bpx.callbacks.protocol import FunctionCallback
from bpx.checks import choice, count
from bpx.errors import InputError
from bpx.lbfgs import LBFGS
from bpx.metrics import Metric, as_metrics
from bpx.optimizers import OPTIMIZERS, Optimizer, get_optimizer
from bpx.regularization import Clip, Penalty

if TYPE_CHECKING:
    from bpx.network import Network

Order = bool | Callable[[int], Any]
"""How samples are shuffled: by bpx, not at all, or by a function of the epoch's number."""


@dataclass(frozen=True)
class Settings:
    """The arguments of ``fit`` that are neither data nor about checkpoints.

    Attributes
    ----------
    epochs : int
    batch_size : int or None
    optimizer : Optimizer
    metrics : tuple of Metric
    callbacks : list of Callback
    shuffle : bool or callable
    progress : bool or None
    penalties : tuple of Penalty
    clip : Clip or None
    class_weight : dict, "balanced" or None
    """

    epochs: int
    batch_size: int | None
    optimizer: Optimizer
    metrics: tuple[Metric, ...]
    callbacks: list[Callback]
    shuffle: Order
    progress: bool | None
    penalties: tuple[Penalty, ...]
    clip: Clip | None
    class_weight: Any

    def described(self) -> dict[str, Any]:
        """Return what must be the same for a training to go on exactly, as plain data."""
        return {
            "optimizer": described(self.optimizer),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle if isinstance(self.shuffle, bool) else "a function",
            "penalties": [described(penalty) for penalty in self.penalties],
            "clip": described(self.clip),
            "class_weight": described(self.class_weight),
            "metrics": [metric.name for metric in self.metrics],
            "callbacks": [
                "a function" if isinstance(callback, FunctionCallback) else type(callback).__name__
                for callback in self.callbacks
            ],
        }


def checked(
    net: Network,
    *,
    epochs: Any,
    batch_size: Any = None,
    optimizer: Any = "adam",
    metrics: Any = (),
    callbacks: Any = (),
    shuffle: Any = True,
    progress: Any = None,
    penalties: Any = (),
    clip: Any = None,
    class_weight: Any = None,
) -> Settings:
    """Return the settings of a call of ``fit``.

    Raises
    ------
    InputError
        If one of them is none of the values it may have.
    """
    penalties = (penalties,) if isinstance(penalties, Penalty) else tuple(_iterable("penalties", penalties))
    if not all(isinstance(penalty, Penalty) for penalty in penalties):
        raise InputError(f"penalties are bpx.L1 or bpx.L2, got {penalties!r}")
    if not (clip is None or isinstance(clip, Clip)):
        raise InputError(f"clip is bpx.ClipValue, bpx.ClipNorm or None, got {clip!r}")
    if not (isinstance(shuffle, (bool, np.bool_)) or callable(shuffle)):
        raise InputError(f"shuffle is True, False or a function of the epoch's number, got {shuffle!r}")
    return Settings(
        epochs=count("epochs", epochs),
        batch_size=None if batch_size is None else count("batch_size", batch_size),
        optimizer=_optimizer(optimizer),
        metrics=as_metrics(metrics if isinstance(metrics, str) or callable(metrics) else _iterable("metrics", metrics)),
        callbacks=as_callbacks(
            callbacks if isinstance(callbacks, Callback) or callable(callbacks) else _iterable("callbacks", callbacks)
        ),
        shuffle=bool(shuffle) if isinstance(shuffle, np.bool_) else shuffle,
        progress=progress,
        penalties=penalties,
        clip=clip,
        class_weight=class_weight,
    )


def _optimizer(optimizer: Any) -> Optimizer:
    """Return the optimizer of a name, "lbfgs" among them; one with settings is returned as it is."""
    if isinstance(optimizer, str) and choice("optimizer", optimizer, [*OPTIMIZERS, LBFGS.name]) == LBFGS.name:
        return LBFGS()
    return get_optimizer(optimizer)


def _iterable(name: str, value: Any) -> Iterable[Any]:
    """Return ``value`` if one can go through it."""
    if not isinstance(value, Iterable):
        raise InputError(f"{name} must be a sequence, got {value!r}")
    return value


def described(value: Any) -> Any:
    """Return settings as plain data: dataclasses as their kind and fields, numbers and text as they are."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: described(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, dict):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return type(value).__name__
