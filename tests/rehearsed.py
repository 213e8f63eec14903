"""What rehearsals of recordings train: a network with statistics and masks, optimizers, and a comparison to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np

import bpx


def make_network(backend: Any, dtype: str = "float64", dropout: float = 0.0) -> bpx.Network:
    """Return a network that is hard to repeat to the bit, on a backend."""
    layers = [bpx.Linear(5, 8), bpx.BatchNorm(8), bpx.ReLU(), bpx.Dropout(dropout), bpx.Linear(8, 3)]
    return bpx.Network(layers, loss="cross_entropy", dtype=dtype, seed=3, backend=backend)


def assert_agree(one: bpx.Network, other: bpx.Network) -> None:
    """Assert that two networks have the same weights and statistics, to the bit."""
    for mine, theirs in zip(one.params + one.state, other.params + other.state, strict=True):
        for name in theirs:
            np.testing.assert_array_equal(mine[name], theirs[name])


OPTIMIZERS = {
    "sgd": bpx.SGD(0.1),
    "momentum": bpx.SGD(0.1, momentum=0.9),
    "adam": bpx.Adam(0.01),
    "schedule": bpx.Adam(bpx.StepDecay(0.01, every=20, factor=0.5)),
    "averaged": bpx.Averaged(bpx.Adam(0.01), decay=0.9),
}
