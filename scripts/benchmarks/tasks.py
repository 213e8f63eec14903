"""The work that is timed: sizes, batches, optimizer, data and starting weights, equal for every peer."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Layers = list[tuple[Array, Array]]
"""Weight (n_in, n_out) and bias (n_out,) of each linear layer."""

SIZES: dict[str, tuple[tuple[int, ...], int, int]] = {
    "64-32-10": ((64, 32, 10), 32, 32),
    "784-128-10": ((784, 128, 10), 64, 32),
    "784-512-512-10": ((784, 512, 512, 10), 128, 16),
    "784-1024-1024-10": ((784, 1024, 1024, 10), 256, 8),
    "1024-2048-2048-10": ((1024, 2048, 2048, 10), 512, 4),
}
"""Layer sizes, rows in a batch and batches in an epoch of the five sizes of the design, by name."""

SMALL = ("64-32-10", "784-128-10")


@dataclass(frozen=True)
class Task:
    """A ReLU network with a softmax cross-entropy, and how it is trained.

    Attributes
    ----------
    sizes : tuple of int
        Features, hidden units of each layer, classes.
    batch : int
        Rows in a batch.
    rows : int
        Rows in the data set.
    optimizer : {"sgd", "adam"}
    learning_rate : float
    shuffle : bool
        Draw a new order of the rows each epoch, or take them as they lie.
    dtype : str
    seed : int
        Of the data and the starting weights.
    """

    sizes: tuple[int, ...]
    batch: int
    rows: int
    optimizer: str = "sgd"
    learning_rate: float = 0.01
    shuffle: bool = False
    dtype: str = "float32"
    seed: int = 0

    @classmethod
    def of_size(cls, name: str, optimizer: str = "sgd") -> Task:
        """Return one of the five sizes of the design."""
        sizes, batch, batches = SIZES[name]
        return cls(sizes, batch, batch * batches, optimizer, 0.01 if optimizer == "sgd" else 1e-4)

    @property
    def batches(self) -> int:
        """Training steps in an epoch."""
        return -(-self.rows // self.batch)

    def data(self) -> tuple[Array, Array]:
        """Return x (rows, n_in), in the task's dtype, and integer classes y (rows,); all peers share the arrays."""
        return clouds(self.rows, self.sizes[0], self.sizes[-1], self.dtype, self.seed)

    def start(self) -> Layers:
        """Return fresh starting weights: He's normal draw, biases zero."""
        return [
            (weight.copy(), np.zeros_like(bias)) for weight, bias in draw_layers(self.sizes, self.dtype, self.seed + 1)
        ]


@lru_cache(maxsize=1)  # for the widest networks a draw takes seconds, and each peer asks for it
def draw_layers(sizes: tuple[int, ...], dtype: str, seed: int) -> Layers:
    """Return weights of He's normal draw, and biases of zeros."""
    rng = np.random.default_rng(seed)
    layers: Layers = []
    for n_in, n_out in pairwise(sizes):
        weight = rng.standard_normal((n_in, n_out)) * np.sqrt(2.0 / n_in)
        layers.append((weight.astype(dtype), np.zeros(n_out, dtype)))
    return layers


@lru_cache(maxsize=1)
def clouds(rows: int, n_in: int, classes: int, dtype: str, seed: int) -> tuple[Array, Array]:
    """Return a cloud of points for each class, a fifth of them with a label drawn anew."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((classes, n_in), dtype=np.float32)
    y = rng.integers(classes, size=rows)
    x = rng.standard_normal((rows, n_in), dtype=np.float32)
    for start in range(0, rows, 4096):
        x[start : start + 4096] += 0.3 * centers[y[start : start + 4096]]
    wrong = rng.random(rows) < 0.2
    y[wrong] = rng.integers(classes, size=int(wrong.sum()))
    return x.astype(dtype, copy=False), y


def precision() -> str:
    """Return what products of float32 are computed in, by every peer: CuPy reads the same variable."""
    return "TF32" if os.environ.get("CUPY_TF32") == "1" else "float32"


XOR_X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR_Y = np.array([[0.0], [1.0], [1.0], [0.0]])
XOR_LEARNING_RATE = 0.5
XOR_EPOCHS = 10_000


def xor_start() -> Layers:
    """Return the notebook's starting weights: ``np.random.seed(0)``, then W1, W2, b1, b2 drawn from [0, 1)."""
    draw = np.random.RandomState(0)
    w1, w2, b1, b2 = (draw.uniform(size=shape) for shape in ((2, 2), (2, 1), (1, 2), (1, 1)))
    return [(w1, b1[0]), (w2, b2[0])]
