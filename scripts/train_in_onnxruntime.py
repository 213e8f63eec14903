"""Train handwritten digits in ONNX Runtime alone, from a file that bpx wrote: nothing here imports bpx.

    python -c "import bpx; bpx.mlp([64, 32, 10], dropout=0.1).export_training_onnx('step.onnx', batch_size=32)"
    python scripts/train_in_onnxruntime.py step.onnx bpx/datasets/data/digits.npz

The loop is `train`. All that it knows of the training it reads from the file: which arrays there are, their shapes and
dtypes, the first weights, the optimizer with its learning rates, and the keys of the dropout masks. It is the same in
C++, C#, Java and JavaScript, by the same names.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int32)": "int32", "tensor(bool)": "bool"}
"""What NumPy calls the dtypes of a session's inputs."""

Batch = tuple[np.ndarray, np.ndarray]
"""Samples and their classes."""


def train(session: Any, batches: Iterator[Batch]) -> tuple[list[float], dict[str, np.ndarray]]:
    """Make a step of each batch; return the losses and the state at the end, parameters among it.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        Of a file that ``net.export_training_onnx`` wrote.
    batches : iterator of (x, y)
        As many samples in each as the file takes.
    """
    inputs = {each.name: each for each in session.get_inputs()}
    state = {name: np.zeros(each.shape, DTYPES[each.type]) for name, each in inputs.items() if name not in ("x", "y")}
    losses = []
    for x, y in batches:
        loss, *after = session.run(None, {"x": x, "y": y, **state})
        losses.append(float(loss))
        state = dict(zip(state, after, strict=True))  # the outputs after the loss are in the order of the inputs
    return losses, state


def deal(x: np.ndarray, y: np.ndarray, rows: int, epochs: int) -> Iterator[Batch]:
    """Yield batches of ``rows`` samples, shuffled anew in each epoch; what is left over of one is left out."""
    generator = np.random.default_rng(0)
    for _ in range(epochs):
        order = generator.permutation(len(x))
        for start in range(0, len(x) - rows + 1, rows):
            chosen = order[start : start + rows]
            yield x[chosen], y[chosen]


def classify(state: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Return the classes that a network of linear layers with ReLU between them predicts."""
    layers = [name.removesuffix(".weight") for name in state if name.endswith(".weight")]
    for layer in layers[:-1]:
        x = np.maximum(x @ state[f"{layer}.weight"] + state[f"{layer}.bias"], 0.0)
    logits: np.ndarray = x @ state[f"{layers[-1]}.weight"] + state[f"{layers[-1]}.bias"]
    classes: np.ndarray = logits.argmax(axis=1)
    return classes


def main() -> None:
    """Train, and print the loss of some epochs and the accuracy on what was held out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("step", type=Path, help="the file that export_training_onnx wrote")
    parser.add_argument("digits", type=Path, help="an NPZ file with images, 0 to 16, and labels")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    session = onnxruntime.InferenceSession(options.step, providers=["CPUExecutionProvider"])
    said = session.get_modelmeta().custom_metadata_map
    rows = int(said["batch_size"])
    print(f"{said['loss']}, {said['optimizer']}, batches of {rows}")

    arrays = np.load(options.digits, allow_pickle=False)
    x, y = arrays["images"].astype(np.float32) / 16.0, arrays["labels"].astype(np.int32)
    order = np.random.default_rng(1).permutation(len(x))
    learned, held_out = order[len(x) // 5 :], order[: len(x) // 5]
    losses, state = train(session, deal(x[learned], y[learned], rows, options.epochs))
    per_epoch = len(learned) // rows
    for epoch in sorted({1, options.epochs // 2, options.epochs} - {0}):
        mean = np.mean(losses[(epoch - 1) * per_epoch : epoch * per_epoch])
        print(f"epoch {epoch:3}: loss {mean:.4f}")
    accuracy = np.mean(classify(state, x[held_out]) == y[held_out])
    print(f"{state['step']} steps; {accuracy:.3f} of {len(held_out)} digits held out are recognized")


if __name__ == "__main__":
    main()
