"""Track a training with MLflow: parameters, every epoch's numbers, the model's file with its card, and its picture.

A function of the run is a bpx callback, and what it needs to be told is one line. Needs mlflow, and matplotlib for the
picture::

    python mlflow_tracking.py --store sqlite:///runs.db
    mlflow ui --backend-store-uri sqlite:///runs.db
"""

from __future__ import annotations

import argparse
import os
import tempfile
from typing import Any

import mlflow

import bpx

CARD = """# Two moons

A perceptron that tells two interleaved half circles apart: a toy, to try the tracking with. Points far from those that
it was trained on get an answer too, and it means nothing.
"""


def log_epoch(run: Any) -> None:
    """Log what an epoch recorded, and its learning rate."""
    mlflow.log_metrics({**run.logs, "learning_rate": run.learning_rate}, step=run.epoch)


def train(store: str, epochs: int = 40) -> str:
    """Train, and return the number of MLflow's run.

    Parameters
    ----------
    store : str
        Where MLflow keeps its runs: the address of a data base or a server.
    epochs : int
    """
    mlflow.set_tracking_uri(store)
    mlflow.set_experiment("two moons")
    x, y = bpx.datasets.moons(600, seed=0)
    settings = {"hidden": [16, 16], "activation": "tanh", "learning_rate": 0.02, "epochs": epochs, "batch_size": 32}
    net = bpx.mlp([2, *settings["hidden"], 1], settings["activation"], loss="binary_cross_entropy", seed=0)
    with mlflow.start_run() as run, tempfile.TemporaryDirectory() as folder:
        mlflow.log_params({**settings, "bpx": bpx.__version__, "parameters": net.n_params})
        history = net.fit(
            x[:450], y[:450], epochs=epochs, batch_size=settings["batch_size"],
            optimizer=bpx.Adam(bpx.CosineDecay(settings["learning_rate"], length=epochs)),
            validation_data=(x[450:], y[450:]), metrics=["accuracy", "brier_score"], callbacks=[log_epoch],
        )  # fmt: skip
        net.save(os.path.join(folder, "moons.safetensors"), card=CARD)
        bpx.plot.save(bpx.plot.training_report(net, history, x[450:], y[450:]), os.path.join(folder, "training.png"))
        mlflow.log_artifacts(folder)
        return run.info.run_id


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", default="sqlite:///mlflow.db")
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    print(f"run {train(options.store, options.epochs)} in {options.store}")
