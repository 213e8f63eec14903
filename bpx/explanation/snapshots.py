"""A network's training as a series of snapshots, taken from a copy that trains in its place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bpx.arguments import check_count
from bpx.backend.base import Backend
from bpx.errors import InputError
from bpx.layers.base import Params
from bpx.network import Network
from bpx.optimizers import Optimizer

CURVE_POINTS = 300
"""Points of the loss curve that are kept, besides those of the snapshots."""


@dataclass(frozen=True)
class Snapshot:
    """A network at one moment of its training.

    Attributes
    ----------
    step : int
        Training steps since the first snapshot.
    loss : float
        Of the whole data.
    params : list of dict of numpy.ndarray
        In float64, exactly as they were.
    state : list of dict of numpy.ndarray
        Running statistics, for each layer too.
    """

    step: int
    loss: float
    params: list[dict[str, np.ndarray]]
    state: list[dict[str, np.ndarray]]


@dataclass(frozen=True)
class Recording:
    """Snapshots, and the loss curve between them.

    Attributes
    ----------
    snapshots : list of Snapshot
    steps : list of int
        Where the loss curve has its points.
    losses : list of float
    """

    snapshots: list[Snapshot]
    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


def choose_moments(snapshots: int | Sequence[int], epochs: int) -> list[int]:
    """Return after which epochs to take snapshots: those asked for, or at most a number of them, denser at the start.

    Raises
    ------
    InputError
        If an epoch is asked for that there will not be.
    """
    epochs = check_count("epochs", epochs, 0)
    if isinstance(snapshots, int):
        wanted = check_count("snapshots", snapshots)
        if wanted > epochs:
            return list(range(epochs + 1))
        if wanted == 1:
            return [epochs]
        between = np.geomspace(1, epochs, wanted - 1)[:-1].tolist()
        return sorted({0, epochs} | {round(value) for value in between})
    chosen = {check_count("a snapshot's epoch", epoch, 0) for epoch in snapshots}
    if not chosen or max(chosen) > epochs:
        raise InputError(f"snapshots are taken after epochs 0 to {epochs}, got {sorted(chosen)}")
    return sorted(chosen)


def fetch_arrays(backend: Backend, arrays: Sequence[Params]) -> list[dict[str, np.ndarray]]:
    """Return arrays of a network's layers in float64 on the host, exactly as they are."""
    return [{name: backend.to_numpy(array).astype(np.float64) for name, array in part.items()} for part in arrays]


def record(
    net: Network, x: Any, y: Any, epochs: Sequence[int], optimizer: Optimizer, batch_size: int | None
) -> Recording:
    """Train a copy of a network up to the last of some epochs, and take a snapshot after each of them.

    The loss curve starts with the first snapshot. With the whole set as one batch its points are the losses at their
    step, otherwise the means of the epochs before.
    """
    other = net.copy()
    rows = int(other.place(x, y, None)[0].shape[0])
    per_epoch = math.ceil(rows / min(batch_size, rows)) if batch_size else 1
    taken, steps, losses, done = [], [], [], 0
    for epoch in epochs:
        if epoch > done:
            history = other.fit(x, y, epochs=epoch - done, optimizer=optimizer, batch_size=batch_size, progress=False)
            shift = 0 if per_epoch == 1 else 1
            steps += [(done + k + shift) * per_epoch for k in range(len(history.loss))]
            losses += history.loss
            done = epoch
        params, state = (fetch_arrays(other.backend, arrays) for arrays in (other.params, other.state))
        taken.append(Snapshot(done * per_epoch, other.evaluate(x, y)["loss"], params, state))
    curve = dict(zip(steps, losses, strict=True)) | {snapshot.step: snapshot.loss for snapshot in taken}
    points = sorted(curve)
    if len(points) > CURVE_POINTS:
        kept = {points[round(k)] for k in np.linspace(0, len(points) - 1, CURVE_POINTS)}
        points = sorted(kept | {snapshot.step for snapshot in taken})
    return Recording(taken, points, [curve[step] for step in points])
