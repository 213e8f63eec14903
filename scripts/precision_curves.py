"""Loss curves of one network in three precisions of its products, on digits and on MNIST-1D.

    python scripts/precision_curves.py docs/which-precision.png

needs the extra ``plot`` and the package ``mnist1d``, which makes its data set itself (S. Greydanus, D. Kobak, "Scaling
down deep learning with MNIST-1D", 2024). Prints what the page says, and draws the curves.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import bpx

PRECISIONS = ("float32", "tf32", "bfloat16")
SEEDS = range(5)

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Samples and classes to train on, and those to test on."""


def load_digits() -> Data:
    """Return the 1,797 digits, a fifth of them held out."""
    x, y = bpx.datasets.digits()
    order = np.random.default_rng(0).permutation(len(x))
    shuffled, classes, cut = x[order].astype(np.float32), y[order], len(x) // 5
    return shuffled[cut:], classes[cut:], shuffled[:cut], classes[:cut]


def make_mnist1d() -> Data:
    """Return the 5,000 samples of MNIST-1D with its own split."""
    from mnist1d.data import get_dataset_args, make_dataset  # type: ignore[import-not-found]

    made = make_dataset(get_dataset_args())
    x, y, x_test, y_test = (made[name] for name in ("x", "y", "x_test", "y_test"))
    return x.astype(np.float32), y, x_test.astype(np.float32), y_test


def train(sizes: Sequence[int], data: Data, epochs: int, precision: str, seed: int) -> tuple[list[float], float]:
    """Return the loss of each epoch, and the accuracy on the test set in the end."""
    x, y, x_test, y_test = data
    net = bpx.mlp(sizes, seed=seed, precision=precision)
    history = net.fit(x, y, epochs=epochs, batch_size=100, optimizer=bpx.Adam(0.005), progress=False)
    return history.loss, net.evaluate(x_test, y_test)["accuracy"]


def main() -> None:
    """Train everything, print the table, draw the curves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("picture", type=Path, help="where to draw the curves, a PNG")
    path = parser.parse_args().picture
    from matplotlib.figure import Figure

    print(f"bpx {bpx.__version__}, Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}")
    print("\n| data, network | precision | loss at the end | test accuracy |\n|---|---|---:|---:|")
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    tasks = [
        ("digits", load_digits(), [64, 64, 10], 60),
        ("MNIST-1D", make_mnist1d(), [40, 100, 100, 10], 60),
    ]
    for (name, data, sizes, epochs), axes in zip(tasks, figure.subplots(1, 2), strict=True):
        shape = "-".join(map(str, sizes))
        for precision, style in zip(PRECISIONS, ("-", "--", ":"), strict=True):
            runs = [train(sizes, data, epochs, precision, seed) for seed in SEEDS]
            curves, accuracy = np.array([run[0] for run in runs]), [run[1] for run in runs]
            last = curves[:, -1]
            print(
                f"| {name}, {shape} | `{precision}` | {last.mean():.5f} ({last.min():.5f} to {last.max():.5f}) "
                f"| {np.mean(accuracy):.3f} ({min(accuracy):.3f} to {max(accuracy):.3f}) |"
            )
            axes.semilogy(range(1, epochs + 1), curves.mean(axis=0), style, label=precision)
        axes.set(title=f"{name}, {shape}", xlabel="epoch", ylabel="training loss (nats)")
        axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
