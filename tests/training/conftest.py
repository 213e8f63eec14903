"""What the tests of training share."""

from __future__ import annotations

from typing import Any

import networks
import numpy as np
import pytest

import bpx

collect_ignore = ["killed_runs.py", "memory_of_fit.py"]
"""Scripts that tests start in processes of their own."""


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    """Return 60 samples of three classes."""
    return networks.classes(60)


@pytest.fixture
def small() -> bpx.Network:
    """Return a network for the samples, without anything random or running."""
    return bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")


def stateful(backend: Any = None, dtype: str = "float64", seed: int = 3) -> bpx.Network:
    """Return a small network with running statistics and random masks."""
    layers = [bpx.Linear(4, 6), bpx.BatchNorm(6), bpx.ReLU(), bpx.Dropout(0.3), bpx.Linear(6, 3)]
    return bpx.Network(layers, loss="cross_entropy", dtype=dtype, seed=seed, backend=backend)


@pytest.fixture
def stateful_network() -> Any:
    """Return the function that makes a small network with running statistics and random masks."""
    return stateful


class Recorder(bpx.Callback):
    """Remember the calls that a training made, and what was logged."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.logs: list[dict[str, float]] = []

    def on_train_begin(self, run: Any) -> None:
        self.calls.append("begin")

    def on_epoch_end(self, run: Any) -> None:
        self.calls.append(f"epoch {run.epoch}")
        self.logs.append(dict(run.logs))

    def on_train_end(self, run: Any) -> None:
        self.calls.append("end")


@pytest.fixture
def recorder() -> Recorder:
    """Return a callback that remembers."""
    return Recorder()
