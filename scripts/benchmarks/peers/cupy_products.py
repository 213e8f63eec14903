"""The floor on CUDA: the matrix products of a training step and nothing else, by CuPy."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import bpx
from benchmarks.peers.bpx_mlp import available
from benchmarks.tasks import Array, Task


class CupyProducts:
    """Forward, weight-gradient and input-gradient products of each layer, written into arrays kept between steps."""

    def __init__(self, task: Task) -> None:
        place = bpx.get_backend(available("cupy"))
        import cupy

        self.loss = float("nan")
        self.batches = task.batches
        self.synchronize = place.synchronize
        self.products: list[Any] = []
        rng = np.random.default_rng(task.seed)

        def normal(*shape: int) -> Any:
            return place.asarray(rng.standard_normal(shape, dtype=np.float32))

        for depth, (n_in, n_out) in enumerate(zip(task.sizes[:-1], task.sizes[1:], strict=True)):
            x, w, dy = normal(task.batch, n_in), normal(n_in, n_out), normal(task.batch, n_out)
            self.products.append(partial(cupy.matmul, x, w, out=cupy.empty_like(dy)))
            self.products.append(partial(cupy.matmul, x.T, dy, out=cupy.empty_like(w)))
            if depth:
                self.products.append(partial(cupy.matmul, dy, w.T, out=cupy.empty_like(x)))

    def train(self, epochs: int) -> None:
        """Do the products of every step of so many epochs."""
        for _ in range(epochs * self.batches):
            for product in self.products:
                product()
        self.synchronize()

    def parameters(self) -> list[Array]:
        """Return nothing: nothing is learned."""
        return []
