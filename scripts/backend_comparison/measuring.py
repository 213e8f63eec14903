"""One training on one backend: what it computed, and how long a step took."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

import bpx
from backend_comparison.candidates import Candidate
from backend_comparison.sizes import Size

PATIENCE = 30.0
"""Seconds after which a training is timed no further time; a library without a fast product takes minutes for one."""


@dataclass(frozen=True)
class Curve:
    """What a training computed, in float64 on the host.

    Attributes
    ----------
    loss : numpy.ndarray (epochs,)
    params : dict of numpy.ndarray
        After the last step, by the names of `Network.state_dict`.
    """

    loss: np.ndarray
    params: dict[str, np.ndarray]

    def differences(self, expected: Curve) -> tuple[float, float]:
        """Return how far losses and parameters are from the expected ones, relative to the largest loss or parameter.

        In float32 a sample may end up on the other side of a ReLU's kink, and that can be much of a small bias.
        """
        loss = largest_difference(self.loss, expected.loss) / _largest([expected.loss])
        parameters = max(largest_difference(self.params[name], array) for name, array in expected.params.items())
        return loss, parameters / _largest(expected.params.values())


@dataclass
class Row:
    """One line of the table.

    Attributes
    ----------
    size, backend, device, version : str
    steps : int
        Steps whose numbers were compared, and steps of each time taken.
    microseconds : list of float
        Of a step, in each of the repetitions.
    speed : float or None
        NumPy's median time, in the same dtype, over this one.
    final_loss : float or None
    loss_difference, parameter_difference : float or None
        Largest difference from NumPy's float64 training, relative to the largest loss, and to the largest parameter.
    reason : str
        Why there are no numbers; empty where there are.
    failed : bool
        Whether a backend that should work did not.
    """

    size: str
    backend: str
    device: str
    version: str
    steps: int = 0
    microseconds: list[float] = field(default_factory=list)
    speed: float | None = None
    final_loss: float | None = None
    loss_difference: float | None = None
    parameter_difference: float | None = None
    reason: str = ""
    failed: bool = False

    @property
    def median(self) -> float | None:
        """The median time of a step in microseconds."""
        return statistics.median(self.microseconds) if self.microseconds else None

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return asdict(self) | {"median_microseconds": self.median}


class Trainer:
    """A network on a backend, with its data moved there."""

    def __init__(self, size: Size, spec: str, dtype: str, steps: int | None) -> None:
        backend = bpx.get_backend(spec)
        x, y = size.data()
        self.size, self.optimizer, self.epochs = size, size.optimizer(), size.epochs(steps)
        self.net = size.network(dtype, backend)
        self.x = backend.asarray(x.astype(dtype))
        self.y = backend.asarray(y.astype(dtype) if y.dtype.kind == "f" else y)

    def train(self) -> bpx.History:
        """Train; all of the device's work is done when this returns."""
        history = self.net.fit(
            self.x, self.y, epochs=self.epochs, batch_size=self.size.batch, optimizer=self.optimizer, progress=False
        )
        self.net.backend.synchronize()
        return history

    def curve(self) -> Curve:
        """Train from the start and return what was computed."""
        loss = np.array(self.train().loss)
        return Curve(loss, {name: array.astype(np.float64) for name, array in self.net.state_dict().items()})

    def times(self, repetitions: int) -> list[float]:
        """Go on training, once to warm up and then so many times; return the microseconds of a step in each.

        It ends early, with one time at least, where `PATIENCE` does.
        """
        steps, result = self.epochs * self.size.batches, []
        gc.collect()
        began = time.perf_counter()
        for i in range(repetitions + 1):
            start = time.perf_counter()
            self.train()
            end = time.perf_counter()
            if i or end - began > PATIENCE:
                result.append((end - start) / steps * 1e6)
            if end - began > PATIENCE:
                break
        return result


def reference(size: Size, steps: int | None) -> Curve:
    """Return NumPy's training in float64."""
    return Trainer(size, "numpy", "float64", steps).curve()


def measure(size: Size, candidate: Candidate, dtype: str, steps: int | None, repetitions: int, expected: Curve) -> Row:
    """Train on one backend; a failure is a row with its reason."""
    row = Row(size.name, candidate.name, candidate.device, candidate.version, reason=candidate.reason)
    if row.reason:
        return row
    try:
        trainer = Trainer(size, candidate.spec, dtype, steps)
        curve = trainer.curve()
        row.microseconds = trainer.times(repetitions)
    except Exception as error:  # whatever a library on a device may raise, the other rows are wanted
        row.reason, row.failed = f"failed: {type(error).__name__}: {error}", True
        return row
    row.steps = trainer.epochs * size.batches
    row.final_loss = float(curve.loss[-1])
    row.loss_difference, row.parameter_difference = curve.differences(expected)
    return row


def largest_difference(got: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference of two arrays' elements.

    Raises
    ------
    ValueError
        If the arrays are not of one shape.
    """
    if got.shape != expected.shape:
        raise ValueError(f"an array of shape {got.shape} is compared with one of shape {expected.shape}")
    return float(np.abs(got - expected).max())


def _largest(arrays: Iterable[np.ndarray]) -> float:
    """Return the largest absolute value, or 1 where all are 0."""
    return max(float(np.abs(array).max()) for array in arrays) or 1.0
