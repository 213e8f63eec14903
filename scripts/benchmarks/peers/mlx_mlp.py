"""MLX in its own way: modules, ``nn.value_and_grad``, an optimizer of ``mlx.optimizers``, and ``mx.eval`` each step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn, optimizers

from benchmarks.tasks import Array, Layers, Task


def network(layers: Layers) -> Any:
    """Return the network as a user of MLX writes it, with the given starting weights."""
    modules: list[Any] = []
    for weight, bias in layers:
        linear = nn.Linear(*weight.shape)
        linear.update({"weight": mx.array(weight.T.copy()), "bias": mx.array(bias)})
        modules += [linear, nn.ReLU()]
    made = nn.Sequential(*modules[:-1])
    mx.eval(made.parameters())
    return made


class MlxTrainer:
    """The loop of MLX's documentation: loss and gradients, an update, and an evaluation of both, each step."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.loss = float("nan")
        x, y = task.data()
        self.x, self.y = mx.array(x), mx.array(y.astype(np.int32))
        self.network = network(task.start())
        maker: Any = optimizers.SGD if task.optimizer == "sgd" else optimizers.Adam
        options = {} if task.optimizer == "sgd" else {"bias_correction": True}
        self.optimizer = maker(learning_rate=task.learning_rate, **options)
        self.rng = np.random.default_rng(task.seed)
        self.loss_and_grads = nn.value_and_grad(self.network, self._batch_loss)

    def _batch_loss(self, x: Any, y: Any) -> Any:
        return nn.losses.cross_entropy(self.network(x), y, reduction="mean")

    def train(self, epochs: int) -> None:
        """Train and record the mean loss of each epoch."""
        for _ in range(epochs):
            total = mx.zeros(())
            for x, y in self._batches():
                loss, grads = self.loss_and_grads(x, y)
                self.optimizer.update(self.network, grads)
                total = total + loss * len(x)
                mx.eval(self.network.parameters(), self.optimizer.state, total)
            self.loss = float(total) / self.task.rows

    def _batches(self) -> Any:
        order = mx.array(self.rng.permutation(self.task.rows).astype(np.int32)) if self.task.shuffle else None
        for start in range(0, self.task.rows, self.task.batch):
            pick = slice(start, start + self.task.batch)
            yield (self.x[pick], self.y[pick]) if order is None else (self.x[order[pick]], self.y[order[pick]])

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer, weights as (n_in, n_out)."""
        linear = [part for part in self.network.layers if isinstance(part, nn.Linear)]
        return [np.asarray(array) for part in linear for array in (part.weight.T, part.bias)]


def predictor(task: Task) -> Callable[[Array], Array]:
    """Return a function from rows to class probabilities, NumPy in and out."""
    net = network(task.start())

    def predict(x: Array) -> Array:
        return np.asarray(mx.softmax(net(mx.array(x)), axis=1))

    return predict
