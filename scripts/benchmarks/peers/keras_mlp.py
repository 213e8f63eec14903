"""Keras, on the backend that KERAS_BACKEND names (JAX by default here)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from benchmarks.tasks import Array, Task

keras: Any = import_module("keras")


def network(task: Task, output: str) -> Any:
    """Return the network with the task's starting weights."""
    hidden = [keras.layers.Dense(n_out, activation="relu") for n_out in task.sizes[1:-1]]
    net = keras.Sequential([keras.Input((task.sizes[0],)), *hidden, keras.layers.Dense(task.sizes[-1], output)])
    net.set_weights([p for layer in task.start() for p in layer])
    return net


class KerasTrainer:
    """``Model.fit`` with a sparse cross-entropy on logits."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.loss = float("nan")
        self.x, self.y = task.data()
        keras.utils.set_random_seed(task.seed)
        maker = keras.optimizers.SGD if task.optimizer == "sgd" else partial(keras.optimizers.Adam, epsilon=1e-8)
        self.network = network(task, "linear")
        self.network.compile(
            optimizer=maker(learning_rate=task.learning_rate),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

    def train(self, epochs: int) -> None:
        """Train and record the mean loss of each epoch."""
        history = self.network.fit(
            self.x, self.y, batch_size=self.task.batch, epochs=epochs, shuffle=self.task.shuffle, verbose=0
        )
        self.loss = float(history.history["loss"][-1])

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer."""
        return [keras.ops.convert_to_numpy(p.value) for p in self.network.weights]


def predictor(task: Task) -> Callable[[Array], Array]:
    """Return a function from rows to class probabilities."""
    net = network(task, "softmax")
    return partial(net.predict, batch_size=max(task.batch, 1024), verbose=0)
