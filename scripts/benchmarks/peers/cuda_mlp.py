"""What a step, a prediction and an evaluation on a GPU are measured against, in three precisions.

Each can be rehearsed on the processor (``device="cpu"``), where a graph is the same step called again: that shows that
it does the right work, and nothing about its time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import numpy as np

import bpx
from benchmarks.peers.bpx_mlp import BpxTrainer, available, set_layers
from benchmarks.tasks import Array, Task

PRECISIONS = ("float32", "tf32", "bfloat16")

Predict = Callable[[Any], Any]


def _torch(device: str) -> Any:
    """Return PyTorch; ImportError where it has no such device."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ImportError("no CUDA device")
    return torch


@contextmanager
def _products(torch: Any, precision: str) -> Iterator[None]:
    """Have PyTorch multiply float32 in TF32, in the block alone."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


class BpxDevice(BpxTrainer):
    """``Network.fit`` on a device, in a precision, its data there already."""

    def __init__(self, task: Task, precision: str = "float32", backend: str = "cupy") -> None:
        super().__init__(task, backend, on_device=True)
        self.network.to(precision=precision)


class TorchEager:
    """The usual loop: zero_grad, forward, backward, step; in a lower precision as PyTorch's users ask for it."""

    fused = False

    def __init__(self, task: Task, precision: str = "float32", device: str = "cuda", compiled: str = "") -> None:
        self.torch = torch = _torch(device)
        from benchmarks.peers.torch_mlp import network

        self.task, self.precision, self.device, self.loss = task, precision, device, float("nan")
        x, y = task.data()
        self.x, self.y = torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)
        self.network = network(task.start()).to(device)
        options: dict[str, Any] = {"fused": True} if self.fused else {}
        maker: Any = torch.optim.SGD
        if task.optimizer == "adam":
            maker = torch.optim.Adam
            options |= {"capturable": True} if self.fused and device == "cuda" else {}
        self.optimizer = maker(self.network.parameters(), lr=task.learning_rate, **options)
        self.total = torch.zeros((), device=device)
        self.batch_loss: Callable[..., Any] = (
            torch.compile(self._batch_loss, mode=compiled) if compiled else self._batch_loss
        )

    def _autocast(self) -> AbstractContextManager[Any]:
        torch = self.torch
        return torch.autocast(self.device, dtype=torch.bfloat16) if self.precision == "bfloat16" else nullcontext()

    def _batch_loss(self, x: Any, y: Any) -> Any:
        with self._autocast():
            return self.torch.nn.functional.cross_entropy(self.network(x), y)

    def step(self, x: Any, y: Any) -> None:
        """Make one step, and add its loss to those of the epoch."""
        self.optimizer.zero_grad()
        loss = self.batch_loss(x, y)
        loss.backward()
        self.optimizer.step()
        self.total += loss.detach() * len(x)

    def train(self, epochs: int) -> None:
        """Train and record the mean loss of each epoch."""
        with _products(self.torch, self.precision):
            for _ in range(epochs):
                self.total.zero_()
                for start in range(0, self.task.rows, self.task.batch):
                    pick = slice(start, start + self.task.batch)
                    self.step(self.x[pick], self.y[pick])
                self.loss = float(self.total) / self.task.rows

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer in turn."""
        return [p.detach().cpu().numpy().T for p in self.network.parameters()]


class TorchGraph(TorchEager):
    """The same step, recorded once in a CUDA graph, with the fused optimizer: what PyTorch's manual shows."""

    fused = True

    def __init__(self, task: Task, precision: str = "float32", device: str = "cuda") -> None:
        super().__init__(task, precision, device)
        if task.rows % task.batch:
            raise ValueError(f"expected whole batches, got {task}")
        self.inputs = tuple(array[: task.batch].clone() for array in (self.x, self.y))
        self.replay = partial(TorchEager.step, self, *self.inputs)
        if device == "cuda":
            self._record()

    def _record(self) -> None:
        """Record a step after some that warm up, and put everything back to where it was."""
        torch = self.torch
        before = [p.detach().clone() for p in self.network.parameters()]
        work = partial(TorchEager.step, self, *self.inputs)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with _products(torch, self.precision), torch.cuda.stream(stream):
            for _ in range(3):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with _products(torch, self.precision), torch.cuda.graph(self.graph):
            work()
        with torch.no_grad():
            for p, start in zip(self.network.parameters(), before, strict=True):
                p.copy_(start)
            for state in self.optimizer.state.values():
                for value in state.values():
                    if isinstance(value, torch.Tensor):
                        value.zero_()
        self.replay = self.graph.replay

    def step(self, x: Any, y: Any) -> None:
        """Make one step from the graph."""
        for mine, theirs in zip(self.inputs, (x, y), strict=True):
            mine.copy_(theirs)
        self.replay()


class JaxScan:
    """The batches of an epoch in one compiled loop on the device, products in a precision."""

    def __init__(self, task: Task, precision: str = "float32", device: str = "gpu") -> None:
        import jax

        if jax.default_backend() != device:
            raise ImportError(f"JAX computes on {jax.default_backend()} here")
        from benchmarks.peers.jax_mlp import ScanTrainer

        self.precision = partial(jax.default_matmul_precision, "tensorfloat32" if precision == "tf32" else precision)
        with self.precision():
            self.trainer = ScanTrainer(task)

    @property
    def loss(self) -> float:
        """Mean loss of the last epoch."""
        return self.trainer.loss

    def train(self, epochs: int) -> None:
        """Train and record the mean loss of each epoch."""
        with self.precision():
            self.trainer.train(epochs)

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer in turn."""
        return self.trainer.parameters()


class TorchProducts:
    """The matrix products of a step alone: in bfloat16 of operands that are bfloat16 already."""

    def __init__(self, task: Task, precision: str = "float32", device: str = "cuda") -> None:
        from benchmarks.peers.products import ProductsAlone

        self.torch = torch = _torch(device)
        self.precision, self.device, self.loss = precision, device, float("nan")
        dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32

        class Library:
            """As much of an array library as the products need."""

            matmul, empty_like = torch.matmul, torch.empty_like

            @staticmethod
            def asarray(x: Array) -> Any:
                return torch.from_numpy(x).to(device=device, dtype=dtype)

        self.alone = ProductsAlone(task, Library)

    def train(self, epochs: int) -> None:
        """Do the products of every step of so many epochs, and wait for the last."""
        with _products(self.torch, self.precision):
            self.alone.train(epochs)
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def parameters(self) -> list[Array]:
        """Return nothing: nothing is learned."""
        return []


def bpx_inference(task: Task, backend: str) -> tuple[Callable[[Array], Any], Predict, Callable[[Any, Any], Any]]:
    """Return what places rows on the device, predicts, and evaluates, all of it done on return."""
    network = bpx.mlp(task.sizes, dtype=task.dtype, backend=available(backend))
    set_layers(network, task.start())
    place = network.backend

    def predict(x: Any) -> Any:
        y = network.predict(x)
        place.synchronize()
        return y

    return place.asarray, predict, lambda x, y: network.evaluate(x, y)


def torch_inference(
    task: Task, device: str = "cuda"
) -> tuple[Callable[[Array], Any], Predict, Callable[[Any, Any], Any]]:
    """Return the same of PyTorch, eager, in inference mode."""
    torch = _torch(device)
    from benchmarks.peers.torch_mlp import network

    net = network(task.start()).to(device).eval()
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    def place(x: Array) -> Any:
        return torch.from_numpy(np.ascontiguousarray(x)).to(device)

    def predict(x: Any) -> Any:
        with torch.inference_mode():
            y = torch.softmax(net(x), dim=1)
        wait()
        return y

    def evaluate(x: Any, y: Any) -> dict[str, float]:
        with torch.inference_mode():
            z = net(x)
            loss = torch.nn.functional.cross_entropy(z, y)
            return {"loss": loss.item(), "accuracy": (z.argmax(dim=1) == y).float().mean().item()}

    return place, predict, evaluate
