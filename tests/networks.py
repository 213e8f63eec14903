"""Networks and data that several tests train, and the means to look at what training left."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from backend_cases import BackendCase

import bpx
from bpx.layers import LAYERS, Layer

Kind = TypeVar("Kind", bound=type[Layer])


def unregistered(cls: Kind) -> Kind:
    """Take a layer that a test defines off the list of kinds again, so that it is nobody else's."""
    del LAYERS[cls.__name__]
    return cls


def classes(rows: int = 22, features: int = 4, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return samples of three classes that can be told apart, x in float64 and y in int64."""
    generator = np.random.default_rng(seed)
    y = np.arange(rows) % 3
    centers = generator.normal(size=(3, features)) * 2.0
    return centers[y] + generator.normal(size=(rows, features)), y


def numbers(rows: int = 22, features: int = 4, outputs: int = 2, seed: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Return samples and a smooth function of them, both in float64."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, features))
    return x, np.sin(x @ generator.normal(size=(features, outputs))) + 0.1 * generator.normal(size=(rows, outputs))


def everything(backend: BackendCase | str = "numpy", dtype: str | None = None, seed: int = 3) -> bpx.Network:
    """Return a network with state, random masks, a shortcut and a frozen parameter."""
    layers = [
        bpx.Linear(4, 6, frozen=("bias",), bias_init="uniform"),
        bpx.BatchNorm(6),
        bpx.ReLU(),
        bpx.Residual([bpx.LayerNorm(6), bpx.Dropout(0.2), bpx.Linear(6, 6), bpx.Tanh()]),
        bpx.Dropout(0.3),
        bpx.Linear(6, 3),
    ]
    spec = backend if isinstance(backend, str) else backend.backend
    dtype = dtype or ("float64" if isinstance(backend, str) else backend.dtype)
    return bpx.Network(layers, loss="cross_entropy", dtype=dtype, seed=seed, backend=spec)


def noisy(backend: BackendCase | str = "numpy", dtype: str | None = None, seed: int = 3) -> bpx.Network:
    """Return a small network that is random in training and keeps statistics: what is hard to repeat to the bit."""
    layers = [bpx.Linear(4, 6), bpx.BatchNorm(6), bpx.ReLU(), bpx.Dropout(0.3), bpx.Linear(6, 3)]
    spec = backend if isinstance(backend, str) else backend.backend
    dtype = dtype or ("float64" if isinstance(backend, str) else backend.dtype)
    return bpx.Network(layers, loss="cross_entropy", dtype=dtype, seed=seed, backend=spec)


def on_host(net: bpx.Network, arrays: list[dict[str, Any]]) -> list[dict[str, np.ndarray]]:
    """Return a network's parameters or statistics as copies in NumPy."""
    return [{name: np.array(net.backend.to_numpy(array)) for name, array in part.items()} for part in arrays]


def left_by_training(net: bpx.Network) -> list[dict[str, np.ndarray]]:
    """Return all that training changed: parameters and running statistics."""
    return on_host(net, [*net.params, *net.state])
