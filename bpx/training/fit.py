"""``fit``: from its arguments to a run and the loop that moves it on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from typing import Any, NoReturn

from bpx.core.model import Model
from bpx.core.regularization import Clip, Penalty
from bpx.errors import UnknownArgumentError, unknown_name
from bpx.optimizers import LBFGS, Adam, Optimizer, get_optimizer
from bpx.training.checkpoints.checkpointer import Checkpointer
from bpx.training.data import HeldOut, open_source
from bpx.training.fit_run import FitRun
from bpx.training.history import History
from bpx.training.loop import Loop
from bpx.training.settings import BatchSize, Settings, check_settings
from bpx.training.sources import Source


def fit(
    net: Model,
    x: Any,
    y: Any = None,
    *,
    epochs: int,
    batch_size: BatchSize = "auto",
    accumulate: int = 1,
    optimizer: str | Optimizer = "adam",
    validation_data: Any = None,
    sample_weight: Any = None,
    rows: Any = None,
    class_weight: Mapping[int, float] | str | None = None,
    metrics: Iterable[Any] = (),
    callbacks: Iterable[Any] = (),
    shuffle: bool | Callable[[int], Any] = True,
    progress: bool | None = None,
    penalties: Penalty | Sequence[Penalty] = (),
    clip: Clip | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_every: int | str = 1,
    keep: int | None = 3,
    on_checkpoint_error: str = "warn",
    resume: str | os.PathLike[str] | None = None,
    memory_limit: int | None = None,
    prefetch: bool = True,
    distributed: bool = False,
) -> History:
    """Train a network by backpropagation; `bpx.Network.fit` describes the arguments."""

    def check() -> tuple[Settings, Checkpointer | None]:
        settings = check_settings(
            epochs=epochs, batch_size=batch_size, optimizer=optimizer, metrics=metrics, callbacks=callbacks,
            shuffle=shuffle, progress=progress, penalties=penalties, clip=clip, class_weight=class_weight,
            prefetch=prefetch, accumulate=accumulate,
        )  # fmt: skip
        if checkpoint is None and resume is None:
            return settings, None
        return settings, Checkpointer(checkpoint, checkpoint_every, keep, on_checkpoint_error, resume)

    def open_data(settings: Settings) -> tuple[Source, HeldOut | None]:
        source = open_source(net, x, y, sample_weight, settings, memory_limit, rows)
        if validation_data is None:
            return source, None
        return source, HeldOut(net, validation_data, settings, memory_limit)

    if distributed:
        from bpx.distributed.communicator import connect

        communicator = connect(net.backend, "fit")
        if communicator is not None:
            from bpx.training.sharing import fit_together

            return fit_together(net, communicator, check, open_data)
    settings, checkpointer = check()
    devices = net.backend.spread() if distributed else None
    with contextlib.nullcontext() if devices is None else net.placed_on(devices), net.occupancy:
        source, validation = open_data(settings)
        return Loop(FitRun(net, source, validation, settings), checkpointer).train()


def refuse_unknown(unknown: Mapping[str, Any], optimizer: Any) -> NoReturn:
    """Raise the error for arguments that ``fit`` does not have.

    Parameters
    ----------
    unknown : mapping
        The arguments.
    optimizer : str or Optimizer
        What was given as the optimizer, whose settings a learning rate belongs to.
    """
    name, value = next(iter(unknown.items()))
    if name in ("learning_rate", "lr"):
        kind = type(get_optimizer(optimizer))
        taking = Adam if kind is LBFGS else kind
        raise UnknownArgumentError(
            f"the learning rate is a setting of the optimizer: write optimizer=bpx.{taking.__name__}({value!r}) "
            f"instead of {name}={value!r}"
        )
    if name == "precision":
        raise UnknownArgumentError(
            f"precision is the network's: call net.to(precision={value!r}) before, or make the network with it"
        )
    known = [parameter for parameter in signature(fit).parameters if parameter != "net"]
    raise UnknownArgumentError(str(unknown_name("argument of fit", name, known)))
