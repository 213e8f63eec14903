"""XOR in JAX: one jitted step at a time, and the whole training in one compiled ``lax.scan``."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.tasks import XOR_LEARNING_RATE, XOR_X, XOR_Y, Array, xor_start


def xor_loss(layers: Any, x: Any, y: Any) -> Any:
    """Return ½Σ(p-y)² of the two-layer sigmoid network."""
    for w, b in layers:
        x = jax.nn.sigmoid(x @ w + b)
    return 0.5 * jnp.sum((x - y) ** 2)


def step(x: Any, y: Any, layers: Any) -> Any:
    """Return the layers after one step of gradient descent, and the loss before it."""
    loss, grads = jax.value_and_grad(xor_loss)(layers, x, y)
    return jax.tree.map(lambda p, g: p - XOR_LEARNING_RATE * g, layers, grads), loss


class JaxXor:
    """One jitted call an epoch; the losses stay on the device until the end."""

    def __init__(self) -> None:
        self.loss = float("nan")
        with jax.enable_x64(True):
            self.layers = jax.tree.map(jnp.asarray, xor_start())
            self.data = (jnp.asarray(XOR_X), jnp.asarray(XOR_Y))
        self.step = jax.jit(step, donate_argnums=2)
        self.loop = jax.jit(self._loop, static_argnums=1, donate_argnums=0)

    def train(self, epochs: int) -> None:
        """Train on the four rows at once."""
        losses = []
        with jax.enable_x64(True):
            for _ in range(epochs):
                self.layers, loss = self.step(*self.data, self.layers)
                losses.append(loss)
            self.loss = float(losses[-1])

    def _loop(self, layers: Any, epochs: int) -> Any:
        one = partial(step, *self.data)
        return jax.lax.scan(lambda carry, _: one(carry), layers, length=epochs)

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer."""
        return [np.asarray(p) for p in jax.tree.leaves(self.layers)]


class ScanXor(JaxXor):
    """All epochs and their losses in one compiled loop."""

    def train(self, epochs: int) -> None:
        """Train on the four rows at once."""
        with jax.enable_x64(True):
            self.layers, losses = self.loop(self.layers, epochs)
            self.loss = float(np.asarray(losses)[-1])
