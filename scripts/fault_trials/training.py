"""The training that is killed, and run beside others: small, with everything that a checkpoint has to hold."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import bpx

ROWS, EPOCHS = 120, 60


def make_network(seed: int = 5) -> bpx.Network:
    """Return a network with running statistics and random masks."""
    layers = [bpx.Linear(4, 8), bpx.BatchNorm(8), bpx.ReLU(), bpx.Dropout(0.3), bpx.Linear(8, 3)]
    return bpx.Network(layers, loss="cross_entropy", dtype="float64", seed=seed)


def make_samples() -> tuple[np.ndarray, np.ndarray]:
    """Return points of three classes."""
    draw = np.random.default_rng(0)
    y = np.arange(ROWS) % 3
    return draw.normal(size=(3, 4))[y] * 2 + draw.normal(size=(ROWS, 4)), y


def train(folder: Path | None, pause: float = 0.0) -> str:
    """Train, from the newest checkpoint where there is one, and return a digest of all that it leaves."""
    net, (x, y) = make_network(), make_samples()
    stop = bpx.EarlyStopping(patience=EPOCHS)

    def wait(run: Any) -> None:
        time.sleep(pause)

    options: dict[str, Any] = {}
    if folder is not None:
        options = {"checkpoint": folder, "resume": folder, "checkpoint_every": "3 steps", "keep": 2}
    history = net.fit(
        x, y, epochs=EPOCHS, batch_size=11, optimizer=bpx.Adam(bpx.CosineDecay(0.05, length=EPOCHS)),
        validation_data=(x[:30], y[:30]), metrics=["accuracy"], callbacks=[wait, stop], clip=bpx.ClipNorm(5.0),
        progress=False, **options,
    )  # fmt: skip
    assert net.training is not None
    digest = hashlib.sha256()
    for part in [*net.params, *net.state]:
        for _, array in sorted(part.items()):
            digest.update(array.tobytes())
    for slots in net.training.slots:
        for array in slots:
            digest.update(array.tobytes())
    recorded = history.to_dict()
    del recorded["seconds"]
    digest.update(json.dumps([recorded, stop.best, stop.best_epoch]).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    print(train(Path(sys.argv[1]), float(sys.argv[2])), flush=True)
