"""The floor on CUDA: the matrix products of a training step and nothing else, by CuPy."""

from __future__ import annotations

import bpx
from benchmarks.peers.bpx_mlp import available
from benchmarks.peers.products import ProductsAlone
from benchmarks.tasks import Task


class CupyProducts(ProductsAlone):
    """The same products, on the device."""

    def __init__(self, task: Task) -> None:
        self.synchronize = bpx.get_backend(available("cupy")).synchronize
        import cupy

        super().__init__(task, cupy)

    def train(self, epochs: int) -> None:
        """Do the products of every step of so many epochs, and wait for the last."""
        super().train(epochs)
        self.synchronize()
