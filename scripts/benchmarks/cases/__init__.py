"""The cases by name; each yields one `benchmarks.measuring.Case` for every comparison that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from benchmarks.measuring import Case
from benchmarks.settings import Settings

CASES = {
    "xor": "XOR by the epoch: as published, and with biases trained and losses recorded",
    "sgd": "a step of stochastic gradient descent at each of the five sizes",
    "adam": "a step of Adam at each of the five sizes",
    "epoch": "an epoch of 60,000 x 784, shuffled, data handling included",
    "estimator": "bpx.sklearn against scikit-learn, by the fit",
    "predict": "class probabilities of a batch at each of the five sizes, and of 10,000 rows",
    "import": "import bpx against import numpy, in fresh processes",
    "busy": "a training beside processes that keep the processors busy, against the same one on a quiet machine",
    "memory": "peak memory of a fit against the hand-written loop, in fresh processes",
    "tables": "a table from its file to the matrix that training takes, beside polars' own reading",
    "growth": "how time grows with width, depth, batch and rows",
    "cuda": "a training step on a CUDA device, data there already",
    "cuda-steps": "a training step on a CUDA device in float32, TF32 and bfloat16, beside PyTorch's graphs and JAX",
    "cuda-fits": "what a fit on a CUDA device costs beside its steps",
    "cuda-predict": "predict and evaluate on a CUDA device, at 1, 32 and 8,192 rows",
    "compiled": "bpx on jax against a hand-written compiled loop, and how often it compiles",
    "mlx": "bpx on mlx against MLX's own training step, and predictions, at the two small sizes",
}


def find(name: str) -> Callable[[Settings], Iterator[Case]]:
    """Return the function that runs the case of a name."""
    device = {"cuda-steps": "run_steps", "cuda-fits": "run_fits", "cuda-predict": "run_predictions"}
    functions = {"sgd": "run_sgd", "adam": "run_adam", **device}
    module = {"import": "start_up", "sgd": "steps", "adam": "steps", **dict.fromkeys(device, "device")}.get(name, name)
    found: Callable[[Settings], Iterator[Case]] = getattr(
        import_module(f"benchmarks.cases.{module}"), functions.get(name, "run")
    )
    return found
