"""The networks that are trained, and their data: equal on every backend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import bpx
from bpx.backend import Backend

SEED = 0


@dataclass(frozen=True)
class Size:
    """A network, its batches, and how long it is trained unless the command says otherwise.

    Attributes
    ----------
    name : str
    layers : tuple of int
        Features, hidden units, outputs.
    batch : int
        Samples of a step.
    batches : int
        Steps of an epoch.
    steps : int
        Steps of a training, whole epochs.
    """

    name: str
    layers: tuple[int, ...]
    batch: int
    batches: int
    steps: int

    @property
    def n_params(self) -> int:
        """How many numbers the parameters hold."""
        return sum((n_in + 1) * n_out for n_in, n_out in zip(self.layers[:-1], self.layers[1:], strict=True))

    @property
    def work(self) -> int:
        """Parameters times samples: a third of the multiplications of a step, about."""
        return self.n_params * self.batch

    def epochs(self, steps: int | None) -> int:
        """Return the epochs that have at least so many steps; None stands for the size's own number."""
        return -(-(self.steps if steps is None else steps) // self.batches)

    def network(self, dtype: str, backend: Backend) -> bpx.Network:
        """Return the network with its first weights."""
        if self.name == "xor":
            loss = bpx.SquaredError(reduction="sum")
            return bpx.mlp(
                self.layers, activation="sigmoid", output="sigmoid", loss=loss, dtype=dtype, seed=SEED, backend=backend
            )
        return bpx.mlp(self.layers, dtype=dtype, seed=SEED, backend=backend)

    def optimizer(self) -> bpx.SGD:
        """Return the optimizer: the notebook's for XOR, with momentum for the others."""
        return bpx.SGD(0.5) if self.name == "xor" else bpx.SGD(0.02, momentum=0.9)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x in float64 and targets: XOR's truth table, or a cloud of points for each class."""
        if self.name == "xor":
            x, y = bpx.datasets.xor()
            return x, y
        generator = np.random.default_rng(SEED)
        centers = generator.normal(size=(self.layers[-1], self.layers[0]))
        y = generator.integers(self.layers[-1], size=self.batch * self.batches)
        return generator.normal(size=(y.size, self.layers[0])) + 0.3 * centers[y], y


SIZES = {
    size.name: size
    for size in (
        Size("xor", (2, 2, 1), 4, 1, 2000),
        Size("64-32-10", (64, 32, 10), 32, 32, 320),
        Size("784-128-10", (784, 128, 10), 64, 16, 160),
        Size("784-512-512-10", (784, 512, 512, 10), 128, 8, 64),
        Size("784-1024-1024-10", (784, 1024, 1024, 10), 256, 4, 24),
        Size("1024-2048-2048-10", (1024, 2048, 2048, 10), 512, 4, 16),
    )
}
"""The sizes by name, from the smallest to the largest."""
