"""XOR through bpx's public ``fit``, with biases trained or frozen as the notebook has them."""

from __future__ import annotations

import contextlib
from typing import Any

import bpx
from benchmarks.peers.bpx_mlp import available, linear_parameters, set_layers
from benchmarks.tasks import XOR_LEARNING_RATE, XOR_X, XOR_Y, Array, xor_start


class BpxXor:
    """2-2-1 with sigmoids, ½Σ(p-y)², SGD, float64, the four rows in one batch."""

    def __init__(self, published: bool = False, backend: str = "numpy") -> None:
        self.loss = float("nan")
        self.backend = available(backend)
        frozen = ("bias",) if published else ()
        with _precision(self.backend):
            self.network = bpx.Network(
                [bpx.Linear(2, 2, frozen=frozen), bpx.Sigmoid(), bpx.Linear(2, 1, frozen=frozen), bpx.Sigmoid()],
                loss=bpx.SquaredError(reduction="sum"),
                dtype="float64",
                backend=backend,
            )
            set_layers(self.network, xor_start())

    def train(self, epochs: int) -> None:
        """Train; bpx records the loss of each epoch."""
        optimizer = bpx.SGD(learning_rate=XOR_LEARNING_RATE)
        with _precision(self.backend):
            history = self.network.fit(XOR_X, XOR_Y, epochs=epochs, optimizer=optimizer, shuffle=False, progress=False)
        self.loss = history.loss[-1]

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer."""
        return linear_parameters(self.network)


def _precision(backend: str) -> Any:
    """Return a context in which the backend has float64: JAX has it only where it is asked for."""
    if backend != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.enable_x64(True)
