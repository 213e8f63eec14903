"""bpx through its public interface: ``mlp``, ``fit``, ``predict``."""

from __future__ import annotations

from typing import Any

import bpx
from benchmarks.tasks import Array, Layers, Task


def set_layers(network: Any, layers: Layers) -> None:
    """Give a network's linear layers the starting weights that every peer has."""
    linear = iter(layers)
    network.params = [dict(zip(part, next(linear), strict=True)) if part else part for part in network.params]


def linear_parameters(network: Any) -> list[Array]:
    """Return weight and bias of each linear layer as NumPy arrays."""
    return [bpx.to_numpy(part[name]) for part in network.params for name in ("weight", "bias") if part]


def available(backend: str) -> str:
    """Return the backend's name; ImportError, with bpx's reason, where it cannot be used here."""
    try:
        bpx.get_backend(backend)
    except bpx.BackendError as error:
        raise ImportError(str(error)) from error
    return backend


class BpxTrainer:
    """``Network.fit``, all epochs of a call in one fit.

    Parameters
    ----------
    task : Task
    backend : str
    on_device : bool
        Whether the data is moved to the device once, here, and not by each fit.
    """

    def __init__(self, task: Task, backend: str = "numpy", on_device: bool = False) -> None:
        self.task = task
        self.loss = float("nan")
        self.x, self.y = task.data()
        self.network = bpx.mlp(task.sizes, dtype=task.dtype, seed=task.seed, backend=available(backend))
        if on_device:
            self.x, self.y = (self.network.backend.asarray(array) for array in (self.x, self.y))
        set_layers(self.network, task.start())
        maker: Any = bpx.SGD if task.optimizer == "sgd" else bpx.Adam
        self.optimizer = maker(learning_rate=task.learning_rate)

    def train(self, epochs: int) -> None:
        """Train; bpx records the mean loss of each epoch."""
        history = self.network.fit(
            self.x,
            self.y,
            epochs=epochs,
            batch_size=self.task.batch,
            optimizer=self.optimizer,
            shuffle=self.task.shuffle,
            progress=False,
        )
        self.loss = history.loss[-1]

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer."""
        return linear_parameters(self.network)


def predictor(task: Task, backend: str = "numpy") -> Any:
    """Return ``Network.predict``: NumPy rows in, class probabilities out."""
    network = bpx.mlp(task.sizes, dtype=task.dtype, backend=available(backend))
    set_layers(network, task.start())
    return network.predict
