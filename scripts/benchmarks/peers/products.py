"""The floor: the matrix products of a training step and nothing else."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from benchmarks.tasks import Array, Task


class ProductsAlone:
    """Forward, weight-gradient and input-gradient products of each layer, written into arrays kept between steps."""

    def __init__(self, task: Task, library: Any = np) -> None:
        self.loss = float("nan")
        self.batches = task.batches
        self.products: list[Any] = []
        rng = np.random.default_rng(task.seed)

        def normal(*shape: int) -> Any:
            return library.asarray(rng.standard_normal(shape, dtype=np.float32))

        for depth, (n_in, n_out) in enumerate(zip(task.sizes[:-1], task.sizes[1:], strict=True)):
            x, w, dy = normal(task.batch, n_in), normal(n_in, n_out), normal(task.batch, n_out)
            self.products.append(partial(library.matmul, x, w, out=library.empty_like(dy)))
            self.products.append(partial(library.matmul, x.T, dy, out=library.empty_like(w)))
            if depth:
                self.products.append(partial(library.matmul, dy, w.T, out=library.empty_like(x)))

    def train(self, epochs: int) -> None:
        """Do the products of every step of so many epochs."""
        for _ in range(epochs * self.batches):
            for product in self.products:
                product()

    def parameters(self) -> list[Array]:
        """Return nothing: nothing is learned."""
        return []
