"""Five random networks, one kind of layer or another in each, and batches for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from backend_cases import BackendCase

import bpx

NAMES = ("sigmoids", "classes", "blocks", "statistics", "images")
ROWS = 3


def network(name: str, case: BackendCase) -> bpx.Network:
    """Return the network of a name with random weights, biases and running statistics."""
    layers, loss = _parts(name)
    net = bpx.Network(layers, loss=loss, dtype=case.dtype, seed=NAMES.index(name), backend=case.backend)
    draw = np.random.default_rng(NAMES.index(name))
    net.params = [{n: draw.normal(size=tuple(a.shape)) for n, a in part.items()} for part in net.params]
    net.state = [{n: draw.uniform(0.5, 2.0, size=tuple(a.shape)) for n, a in part.items()} for part in net.state]
    return net


def _parts(name: str) -> tuple[list[bpx.Layer], str | bpx.Loss]:
    if name == "sigmoids":
        return [bpx.Linear(3, 4), bpx.Sigmoid(), bpx.Linear(4, 3), bpx.Tanh()], bpx.SquaredError(reduction="sum")
    if name == "classes":
        hidden = [bpx.Linear(3, 4), bpx.GELU(), bpx.Linear(4, 3), bpx.Softmax(), bpx.Linear(3, 3)]
        return hidden, bpx.CrossEntropy(label_smoothing=0.1)
    if name == "blocks":
        block = bpx.Residual([bpx.LayerNorm(4), bpx.Linear(4, 4), bpx.Softplus()])
        return [bpx.Linear(3, 4, bias=False), block, bpx.LeakyReLU(0.1), bpx.Linear(4, 3)], "binary_cross_entropy"
    if name == "statistics":
        hidden = [bpx.Linear(3, 4, frozen=("bias",)), bpx.BatchNorm(4), bpx.SiLU(), bpx.Dropout(0.4)]
        return [*hidden, bpx.Linear(4, 3)], "huber"
    return [bpx.Flatten(), bpx.Linear(4, 3), bpx.ReLU(), bpx.Linear(3, 3), bpx.Identity()], "absolute_error"


def batch(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return samples and targets of a network, in float64."""
    draw = np.random.default_rng(100 + NAMES.index(name))
    x = draw.normal(size=(ROWS, 2, 2) if name == "images" else (ROWS, 3))
    y: Any = draw.normal(size=(ROWS, 3))
    if name == "classes":
        y = np.arange(ROWS) % 3
    elif name == "blocks":
        y = draw.integers(0, 2, size=(ROWS, 3)).astype(np.float64)
    return x, y
