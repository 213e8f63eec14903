"""The peers by name, each made only when it is asked for, so that a missing library is a named gap."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from importlib import import_module
from typing import Any, Protocol

from benchmarks.tasks import Array, Task

BPX = "bpx"
HAND = "NumPy by hand"
FLOOR = "matrix products alone"
TORCH = "PyTorch eager"
COMPILED = "PyTorch compiled"
LOADER = "PyTorch DataLoader"
FUSED = "PyTorch fused"
FOREACH = "PyTorch foreach"
JAX = "JAX jitted"
SCAN = "JAX whole loop"
SKLEARN = "scikit-learn"
KERAS = "Keras"
BPX_TORCH = "bpx on torch"
BPX_JAX = "bpx on jax"
BPX_MLX = "bpx on mlx"
MLX = "MLX eager"
BPX_CUPY = "bpx on cupy"
BPX_TORCH_CUDA = "bpx on torch:cuda"
TORCH_CUDA = "PyTorch eager, CUDA"
FUSED_CUDA = "PyTorch fused, CUDA"
REDUCED_CUDA = "PyTorch reduce-overhead, CUDA"
FLOOR_CUDA = "matrix products alone, CUDA"
GRAPH_CUDA = "PyTorch in a CUDA graph, fused"
SCAN_CUDA = "JAX whole loop, CUDA"
NOTEBOOK = "notebook's loop"
TUNED = "NumPy by hand, tuned"


class Trainer(Protocol):
    """A network of one library, with its data, ready to train; every call of `train` goes on where it was."""

    loss: float
    """Mean loss over the last epoch, as it was recorded while training."""

    def train(self, epochs: int) -> None:
        """Train and record one loss an epoch; done, device and all, on return."""

    def parameters(self) -> list[Array]:
        """Return weight (n_in, n_out) and bias of each layer in turn, as NumPy arrays."""


class Predictor(Protocol):
    """A network of one library, ready to predict."""

    def __call__(self, x: Array) -> Array:
        """Return class probabilities (rows, classes) as a NumPy array."""


Table = dict[str, tuple[str, str, dict[str, Any]]]

MLP: Table = {
    BPX: ("bpx_mlp", "BpxTrainer", {}),
    BPX_TORCH: ("bpx_mlp", "BpxTrainer", {"backend": "torch"}),
    BPX_JAX: ("bpx_mlp", "BpxTrainer", {"backend": "jax"}),
    BPX_MLX: ("bpx_mlp", "BpxTrainer", {"backend": "mlx"}),
    HAND: ("numpy_mlp", "NumpyTrainer", {}),
    FLOOR: ("products", "ProductsAlone", {}),
    TORCH: ("torch_mlp", "TorchTrainer", {}),
    FUSED: ("torch_mlp", "TorchTrainer", {"kind": "fused"}),
    FOREACH: ("torch_mlp", "TorchTrainer", {"kind": "foreach"}),
    COMPILED: ("torch_mlp", "TorchTrainer", {"compiled": "default"}),
    LOADER: ("torch_mlp", "LoaderTrainer", {}),
    JAX: ("jax_mlp", "JaxTrainer", {}),
    SCAN: ("jax_mlp", "ScanTrainer", {}),
    SKLEARN: ("sklearn_mlp", "SklearnTrainer", {}),
    KERAS: ("keras_mlp", "KerasTrainer", {}),
    MLX: ("mlx_mlp", "MlxTrainer", {}),
    BPX_CUPY: ("bpx_mlp", "BpxTrainer", {"backend": "cupy", "on_device": True}),
    BPX_TORCH_CUDA: ("bpx_mlp", "BpxTrainer", {"backend": "torch:cuda", "on_device": True}),
    TORCH_CUDA: ("torch_mlp", "TorchTrainer", {"device": "cuda"}),
    FUSED_CUDA: ("torch_mlp", "TorchTrainer", {"device": "cuda", "kind": "fused"}),
    REDUCED_CUDA: ("torch_mlp", "TorchTrainer", {"device": "cuda", "compiled": "reduce-overhead"}),
    FLOOR_CUDA: ("cupy_products", "CupyProducts", {}),
}

DEVICE: Table = {
    BPX_CUPY: ("cuda_mlp", "BpxDevice", {"backend": "cupy"}),
    BPX_TORCH_CUDA: ("cuda_mlp", "BpxDevice", {"backend": "torch:cuda"}),
    TORCH_CUDA: ("cuda_mlp", "TorchEager", {"device": "cuda"}),
    GRAPH_CUDA: ("cuda_mlp", "TorchGraph", {"device": "cuda"}),
    REDUCED_CUDA: ("cuda_mlp", "TorchEager", {"device": "cuda", "compiled": "reduce-overhead"}),
    SCAN_CUDA: ("cuda_mlp", "JaxScan", {"device": "gpu"}),
    FLOOR_CUDA: ("cuda_mlp", "TorchProducts", {"device": "cuda"}),
}
"""Trainers of a task in a precision, on a device."""

DEVICE_INFERENCE: Table = {
    BPX_CUPY: ("cuda_mlp", "bpx_inference", {"backend": "cupy"}),
    BPX_TORCH_CUDA: ("cuda_mlp", "bpx_inference", {"backend": "torch:cuda"}),
    TORCH_CUDA: ("cuda_mlp", "torch_inference", {"device": "cuda"}),
}

XOR: Table = {
    BPX: ("bpx_xor", "BpxXor", {}),
    BPX_TORCH: ("bpx_xor", "BpxXor", {"backend": "torch"}),
    BPX_JAX: ("bpx_xor", "BpxXor", {"backend": "jax"}),
    NOTEBOOK: ("numpy_xor", "NotebookXor", {}),
    HAND: ("numpy_xor", "NumpyXor", {}),
    TUNED: ("numpy_xor", "TunedXor", {}),
    TORCH: ("torch_xor", "TorchXor", {}),
    JAX: ("jax_xor", "JaxXor", {}),
    SCAN: ("jax_xor", "ScanXor", {}),
    SKLEARN: ("sklearn_mlp", "SklearnXor", {}),
}

PREDICT: Table = {
    BPX: ("bpx_mlp", "predictor", {}),
    BPX_TORCH: ("bpx_mlp", "predictor", {"backend": "torch"}),
    HAND: ("numpy_mlp", "predictor", {}),
    TORCH: ("torch_mlp", "predictor", {}),
    JAX: ("jax_mlp", "predictor", {}),
    SKLEARN: ("sklearn_mlp", "predictor", {}),
    KERAS: ("keras_mlp", "predictor", {}),
    BPX_MLX: ("bpx_mlp", "predictor", {"backend": "mlx"}),
    MLX: ("mlx_mlp", "predictor", {}),
}


def load(table: Table, name: str) -> Any:
    """Return the maker of a peer; ImportError where its library is missing."""
    module, maker, options = table[name]
    return partial(getattr(import_module(f"benchmarks.peers.{module}"), maker), **options)


def make(table: Table, names: Iterable[str], *arguments: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Make the peers that can be had here, and say why the others are missing."""
    made: dict[str, Any] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            made[name] = load(table, name)(*arguments)
        except ImportError as error:
            missing[name] = str(error).splitlines()[0]
    return made, missing


def make_trainers(names: Iterable[str], task: Task) -> tuple[dict[str, Trainer], dict[str, str]]:
    """Make a trainer of the task for each name that can be had here."""
    return make(MLP, names, task)
