"""PyTorch: eager, compiled, with each of its Adam kernels, with indexing and with a DataLoader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.tasks import Array, Layers, Task, precision
from benchmarks.threads import thread_count

torch.set_num_threads(thread_count())


def network(layers: Layers) -> nn.Sequential:
    """Return the network as a PyTorch user writes it, with the given starting weights."""
    modules: list[nn.Module] = []
    for weight, bias in layers:
        linear = nn.Linear(*weight.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weight.T.copy()))
            linear.bias.copy_(torch.from_numpy(bias))
        modules += [linear, nn.ReLU()]
    return nn.Sequential(*modules[:-1])


class TorchTrainer:
    """The usual loop over tensors: zero_grad, forward, backward, step."""

    def __init__(self, task: Task, kind: str = "default", compiled: str = "", device: str = "cpu") -> None:
        if device == "cuda" and not torch.cuda.is_available():
            raise ImportError("no CUDA device")
        if device == "cuda":
            torch.backends.cuda.matmul.allow_tf32 = precision() == "TF32"
        self.task = task
        self.loss = float("nan")
        x, y = task.data()
        self.x, self.y = torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
        self.network = network(task.start()).to(device)
        self.generator = torch.Generator().manual_seed(task.seed)
        options: dict[str, Any] = {} if kind == "default" else {kind: True}
        maker: Any = torch.optim.SGD if task.optimizer == "sgd" else torch.optim.Adam
        self.optimizer = maker(self.network.parameters(), lr=task.learning_rate, **options)
        self.batch_loss: Callable[..., torch.Tensor] = (
            torch.compile(self._batch_loss, mode=compiled) if compiled else self._batch_loss
        )

    def _batch_loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(self.network(x), y)

    def train(self, epochs: int) -> None:
        """Train and record the mean loss of each epoch."""
        for _ in range(epochs):
            total = torch.zeros((), device=self.x.device)
            for x, y in self._batches():
                self.optimizer.zero_grad()
                loss = self.batch_loss(x, y)
                loss.backward()
                self.optimizer.step()
                total += loss.detach() * len(x)
            self.loss = float(total) / self.task.rows

    def _batches(self) -> Any:
        order = None
        if self.task.shuffle:
            order = torch.randperm(self.task.rows, generator=self.generator).to(self.x.device)
        for start in range(0, self.task.rows, self.task.batch):
            pick = slice(start, start + self.task.batch) if order is None else order[start : start + self.task.batch]
            yield self.x[pick], self.y[pick]

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer, weights as (n_in, n_out)."""
        return [p.detach().cpu().numpy().T for p in self.network.parameters()]


class LoaderTrainer(TorchTrainer):
    """The same loop over a DataLoader, as PyTorch's own tutorials have it."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.loader = DataLoader(
            TensorDataset(self.x, self.y), batch_size=task.batch, shuffle=task.shuffle, generator=self.generator
        )

    def _batches(self) -> Any:
        return iter(self.loader)


def predictor(task: Task) -> Callable[[Array], Array]:
    """Return a function from rows to class probabilities: eager, in inference mode, NumPy in and out."""
    net = network(task.start()).eval()

    def predict(x: Array) -> Array:
        with torch.inference_mode():
            probabilities: Array = torch.softmax(net(torch.from_numpy(x)), dim=1).numpy()
        return probabilities

    return predict
