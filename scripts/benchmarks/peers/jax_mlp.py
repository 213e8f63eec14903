"""JAX: autograd under ``jax.jit``, step by step, and a whole epoch in one compiled ``lax.scan``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.tasks import Array, Task


def logits(layers: Any, x: Any) -> Any:
    """Return the network's outputs."""
    for w, b in layers[:-1]:
        x = jnp.maximum(x @ w + b, 0)
    w, b = layers[-1]
    return x @ w + b


def batch_loss(layers: Any, x: Any, y: Any) -> Any:
    """Return the mean cross-entropy of a batch."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits(layers, x)), y[:, None], axis=1).mean()


def sgd(rate: float, layers: Any, state: Any, grads: Any) -> Any:
    """Return the layers after one step of gradient descent."""
    return jax.tree.map(lambda p, g: p - rate * g, layers, grads), state


def adam(rate: float, layers: Any, state: Any, grads: Any) -> Any:
    """Return the layers and moments after one step of Adam."""
    count, first, second = state
    count = count + 1
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, grads)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, grads)
    c1, c2 = 1 - 0.9**count, 1 - 0.999**count
    layers = jax.tree.map(lambda p, m, v: p - rate * (m / c1) / (jnp.sqrt(v / c2) + 1e-8), layers, first, second)
    return layers, (count, first, second)


def one_step(update: Any, layers: Any, state: Any, x: Any, y: Any) -> Any:
    """Return layers and optimizer state after one step, and the loss before it."""
    loss, grads = jax.value_and_grad(batch_loss)(layers, x, y)
    return *update(layers, state, grads), loss


class JaxTrainer:
    """One jitted call a step; the batch is cut out inside it, from data that lies on the device."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.loss = float("nan")
        x, y = task.data()
        self.x, self.y = jnp.asarray(x), jnp.asarray(y, dtype=jnp.int32)
        self.layers = jax.tree.map(jnp.asarray, task.start())
        self.state: Any = (jnp.zeros((), task.dtype), *(jax.tree.map(jnp.zeros_like, self.layers) for _ in range(2)))
        self.update = partial(sgd if task.optimizer == "sgd" else adam, task.learning_rate)
        self.rng = np.random.default_rng(task.seed)
        self.step = jax.jit(self._step, static_argnames="rows", donate_argnums=(0, 1, 2))

    def _step(self, layers: Any, state: Any, total: Any, x: Any, y: Any, pick: Any, rows: int) -> Any:
        if self.task.shuffle:
            x, y = x[pick], y[pick]
        else:
            x, y = (jax.lax.dynamic_slice_in_dim(array, pick, rows) for array in (x, y))
        layers, state, loss = one_step(self.update, layers, state, x, y)
        return layers, state, total + loss * rows

    def train(self, epochs: int) -> None:
        """Train and record the mean loss of each epoch."""
        for _ in range(epochs):
            total = jnp.zeros((), self.task.dtype)
            order = self.rng.permutation(self.task.rows).astype(np.int32) if self.task.shuffle else None
            for start in range(0, self.task.rows, self.task.batch):
                rows = min(self.task.batch, self.task.rows - start)
                pick = start if order is None else order[start : start + rows]
                self.layers, self.state, total = self.step(
                    self.layers, self.state, total, self.x, self.y, pick, rows=rows
                )
            self.loss = float(total) / self.task.rows

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer."""
        return [np.asarray(p) for p in jax.tree.leaves(self.layers)]


class ScanTrainer(JaxTrainer):
    """The batches of an epoch in one compiled loop; for rows that are a multiple of the batch, unshuffled."""

    def __init__(self, task: Task) -> None:
        if task.shuffle or task.rows % task.batch:
            raise ValueError(f"expected unshuffled whole batches, got {task}")
        super().__init__(task)
        self.x = self.x.reshape(task.batches, task.batch, -1)
        self.y = self.y.reshape(task.batches, task.batch)
        self.epoch = jax.jit(self._epoch, donate_argnums=(0, 1))

    def _epoch(self, layers: Any, state: Any, x: Any, y: Any) -> Any:
        def body(carry: Any, batch: Any) -> Any:
            *carry, loss = one_step(self.update, *carry, *batch)
            return tuple(carry), loss

        carry, losses = jax.lax.scan(body, (layers, state), (x, y))
        return *carry, losses.mean()

    def train(self, epochs: int) -> None:
        """Train and record the mean loss of each epoch."""
        for _ in range(epochs):
            self.layers, self.state, loss = self.epoch(self.layers, self.state, self.x, self.y)
            self.loss = float(loss)


def predictor(task: Task) -> Callable[[Array], Array]:
    """Return a jitted function from rows to class probabilities, NumPy in and out."""
    layers = jax.tree.map(jnp.asarray, task.start())
    probabilities = jax.jit(lambda layers, x: jax.nn.softmax(logits(layers, x)))

    def predict(x: Array) -> Array:
        return np.asarray(probabilities(layers, x))

    return predict
