"""What ``fit`` is asked for, beside the data: checked, and described so that two runs can be compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.arguments import check_count
from bpx.core.regularization import Clip, Penalty, check_clip, check_penalties
from bpx.errors import InputError
from bpx.metrics import Metric, list_metrics
from bpx.optimizers import Optimizer, get_optimizer
from bpx.training.callback import Callback, FunctionCallback, list_callbacks

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
    prefetch : bool
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
    prefetch: bool = True

    def describe(self) -> dict[str, Any]:
        """Return what must be the same for a training to continue exactly, as plain data."""
        return {
            "optimizer": describe(self.optimizer),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle if isinstance(self.shuffle, bool) else "a function",
            "penalties": [describe(penalty) for penalty in self.penalties],
            "clip": describe(self.clip),
            "class_weight": describe(self.class_weight),
            "metrics": [metric.name for metric in self.metrics],
            "callbacks": [
                "a function" if isinstance(callback, FunctionCallback) else type(callback).__name__
                for callback in self.callbacks
            ],
        }


def check_settings(
    *,
    epochs: Any,
    batch_size: Any,
    optimizer: Any,
    metrics: Any,
    callbacks: Any,
    shuffle: Any,
    progress: Any,
    penalties: Any,
    clip: Any,
    class_weight: Any,
    prefetch: Any = True,
) -> Settings:
    """Return the settings of a call of ``fit``.

    Raises
    ------
    InputError
        If one of them has a value that it cannot have.
    """
    penalties = check_penalties(penalties)
    check_clip(clip)
    if not (isinstance(shuffle, (bool, np.bool_)) or callable(shuffle)):
        raise InputError(f"shuffle is True, False or a function of the epoch's number, got {shuffle!r}")
    if not isinstance(prefetch, (bool, np.bool_)):
        raise InputError(f"prefetch is True or False, got {prefetch!r}")
    return Settings(
        epochs=check_count("epochs", epochs),
        batch_size=None if batch_size is None else check_count("batch_size", batch_size),
        optimizer=get_optimizer(optimizer),
        metrics=list_metrics(metrics),
        callbacks=list_callbacks(callbacks),
        shuffle=bool(shuffle) if isinstance(shuffle, np.bool_) else shuffle,
        progress=progress,
        penalties=penalties,
        clip=clip,
        class_weight=class_weight,
        prefetch=bool(prefetch),
    )


def describe(value: Any) -> Any:
    """Return settings as plain data: dataclasses as their kind and fields, numbers and text as they are."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: describe(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return type(value).__name__
