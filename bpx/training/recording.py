"""The numbers of an epoch: measured on training and validation data, and written into the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bpx.errors import DivergenceError, InputError
from bpx.evaluation import measure
from bpx.schedules import as_schedule

if TYPE_CHECKING:
    from bpx.network import Network
    from bpx.training.call import Call
    from bpx.training.run import Run


def log_names(call: Call) -> tuple[str, ...]:
    """Return the names of the numbers that each epoch will have."""
    metrics = [metric.name for metric in call.metrics]
    names = ["loss", *(metrics if call.source.measured is not None else [])]
    if call.validation is not None:
        names += ["validation_loss", *(f"validation_{name}" for name in metrics)]
    return tuple(names)


def check_possible(call: Call) -> None:
    """Raise if what is asked for cannot be done with data of this kind.

    Raises
    ------
    InputError
        If there is nothing to measure the metrics on, or a schedule counts epochs whose length nobody knows.
    """
    if call.metrics and call.source.measured is None and call.validation is None:
        raise InputError(
            "metrics of data that is read in blocks or given as batches are measured on validation_data; give some, or "
            "leave metrics out"
        )
    if not call.source.steps_per_epoch and as_schedule(call.settings.optimizer.learning_rate).counts_epochs:
        raise InputError(
            "the schedule of the learning rate counts epochs, but this iterable does not say how many batches it has; "
            "give the schedule unit='steps', or an iterable with a length"
        )


def measured(run: Run, loss: float) -> dict[str, float]:
    """Return the numbers of the epoch just done, by name, and write those beyond the loss into the history."""
    history, logs = run.history, {"loss": loss}
    names = [metric.name for metric in run.metrics]
    if run.metrics and run.source.measured is not None:
        found = measure(run.net, [run.source.measured], run.metrics)
        for name in names:
            logs[name] = found[name]
            history.metrics.setdefault(name, []).append(found[name])
    if run.validation is not None:
        found = measure(run.net, run.validation.pieces(), run.metrics)
        logs["validation_loss"] = found["loss"]
        history.validation_loss.append(found["loss"])
        for name in names:
            logs[f"validation_{name}"] = found[name]
            history.validation_metrics.setdefault(name, []).append(found[name])
    return logs


def epoch_loss(net: Network, losses: np.ndarray, shares: np.ndarray) -> float:
    """Return an epoch's loss from its steps' losses: their mean, each by its share, or their sum."""
    if net.loss.reduction == "sum":
        return float(losses.sum())
    return float((losses * shares).sum() / shares.sum())


def divergence(run: Run, losses: np.ndarray, step: int) -> DivergenceError | None:
    """Return the error for losses of which one is NaN or infinite, None where none is.

    Parameters
    ----------
    run : Run
    losses : array (steps,)
    step : int
        Number of the first of them within its epoch, from 0.
    """
    bad = np.flatnonzero(~np.isfinite(losses))
    if not bad.size:
        return None
    epoch, step = run.training.epoch + 1, step + int(bad[0])
    if run.whole_set:
        epoch, step = epoch + step, 0
    of = f" of {run.source.steps_per_epoch}" if run.source.steps_per_epoch else ""
    return DivergenceError(
        f"the loss became {losses[bad[0]]} in epoch {epoch}, batch {step + 1}{of}; try a "
        "lower learning rate, inputs scaled to zero mean and unit variance, or clip=bpx.ClipNorm(1.0)"
    )
