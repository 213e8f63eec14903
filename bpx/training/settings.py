"""What ``fit`` is asked for, beside the data: checked, and described so that two runs can be compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bpx.arguments import check_count
from bpx.core.regularization import Clip, Penalty, check_clip, check_penalties
from bpx.errors import InputError
from bpx.metrics import Metric, list_metrics
from bpx.naming import Pickled, list_fields, name_class
from bpx.optimizers import LBFGS, Optimizer, get_optimizer
from bpx.training.callback import Callback, FunctionCallback, list_callbacks

Order = bool | Callable[[int], Any]
"""How samples are shuffled: by bpx, not at all, or by a function of the epoch's number."""

BatchSize = int | Literal["auto"] | None
"""Samples of a step: a number, what `choose_batch_size` says, or the whole set."""

WHOLE_SET_ROWS = 200
"""Samples up to which ``batch_size="auto"`` takes the whole set at each step."""

AUTO_BATCH_SIZE = 32
"""Samples that ``batch_size="auto"`` takes at each step of a larger set."""


def choose_batch_size(batch_size: BatchSize, rows: int | None, optimizer: Optimizer) -> int | None:
    """Return how many samples a step takes of a set of that many; None for all of them.

    Where ``rows`` is None, the samples come as batches, and "auto" chooses nothing.
    """
    if batch_size != "auto":
        return batch_size
    whole = rows is None or rows <= WHOLE_SET_ROWS or isinstance(optimizer, LBFGS)
    return None if whole else AUTO_BATCH_SIZE


@dataclass(frozen=True)
class Settings:
    """The arguments of ``fit`` that are neither data nor about checkpoints.

    Attributes
    ----------
    epochs : int
    batch_size : int, "auto" or None
    optimizer : Optimizer
    metrics : tuple of Metric
    callbacks : list of Callback
    shuffle : bool or callable
    progress : bool or None
    penalties : tuple of Penalty
    clip : Clip or None
    class_weight : dict, "balanced" or None
    prefetch : bool
    accumulate : int
        Batches of a step.
    """

    epochs: int
    batch_size: BatchSize
    optimizer: Optimizer
    metrics: tuple[Metric, ...]
    callbacks: list[Callback]
    shuffle: Order
    progress: bool | None
    penalties: tuple[Penalty, ...]
    clip: Clip | None
    class_weight: Any
    prefetch: bool = True
    accumulate: int = 1

    def choose_batch_size(self, rows: int | None) -> int | None:
        """Return how many samples a step takes of a set of that many; None for all of them."""
        return choose_batch_size(self.batch_size, rows, self.optimizer)

    def choose_step_size(self, rows: int) -> int | None:
        """Return how many samples of a set of that many are in the batches of a step; None for all of them.

        Raises
        ------
        InputError
            If a step is to have several batches, and there is no batch size.
        """
        size = self.choose_batch_size(rows)
        if size is None and self.accumulate > 1:
            raise InputError(
                f"accumulate={self.accumulate} makes steps of {self.accumulate} batches, and here all {rows} samples "
                "are one; give a batch_size"
            )
        return None if size is None else size * self.accumulate

    def describe(self, rows: int | None) -> dict[str, Any]:
        """Return what must be the same for a training to continue exactly, as plain data.

        Parameters
        ----------
        rows : int or None
            How many samples there are; None where that is not known.
        """
        return {
            "optimizer": describe(self.optimizer),
            "batch_size": self.choose_batch_size(rows),
            **({} if self.accumulate == 1 else {"accumulate": self.accumulate}),
            "shuffle": self.shuffle if isinstance(self.shuffle, bool) else "a function",
            "penalties": [describe(penalty) for penalty in self.penalties],
            "clip": describe(self.clip),
            "class_weight": describe(self.class_weight),
            "metrics": [metric.name for metric in self.metrics],
            "callbacks": [_describe_callback(callback) for callback in self.callbacks],
        }


def _describe_callback(callback: Callback) -> Any:
    """Return what a callback is, with the settings that its state has no meaning without."""
    if isinstance(callback, FunctionCallback):
        return "a function"
    name, settings = type(callback).__name__, getattr(callback, "settings", None)
    return {"kind": name, **settings} if isinstance(settings, dict) else name


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
    accumulate: Any = 1,
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
    if not (progress is None or isinstance(progress, (bool, np.bool_))):
        raise InputError(f"progress is True, False or None, got {progress!r}")
    if not isinstance(prefetch, (bool, np.bool_)):
        raise InputError(f"prefetch is True or False, got {prefetch!r}")
    return Settings(
        epochs=check_count("epochs", epochs),
        batch_size=_check_batch_size(batch_size),
        optimizer=get_optimizer(optimizer),
        metrics=list_metrics(metrics),
        callbacks=list_callbacks(callbacks),
        shuffle=bool(shuffle) if isinstance(shuffle, np.bool_) else shuffle,
        progress=None if progress is None else bool(progress),
        penalties=penalties,
        clip=clip,
        class_weight=class_weight,
        prefetch=bool(prefetch),
        accumulate=check_count("accumulate", accumulate),
    )


def _check_batch_size(batch_size: Any) -> BatchSize:
    if batch_size is None:
        return None
    if isinstance(batch_size, str):
        if batch_size != "auto":
            raise InputError(f"batch_size is a number of samples, None (the whole set) or 'auto', got {batch_size!r}")
        return "auto"
    return check_count("batch_size", batch_size)


def describe(value: Any) -> Any:
    """Return settings as plain data: dataclasses as their kind and fields, numbers and text as they are.

    A field that only a keyword sets is left out at its default: files of before it was there mean that too.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(field, getattr(value, field.name)) for field in list_fields(value)]
        told = {f.name: describe(held) for f, held in fields if not (f.kw_only and held == f.default)}
        return {"kind": name_class(type(value)), **told}
    if isinstance(value, dict):
        return {str(key): describe(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [describe(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Pickled):
        list_fields(value)  # a class without settings; what it keeps beside them would be lost
    return name_class(type(value))
