"""Train in child processes that are killed at random moments, and once in one that is left alone.

    python killed_runs.py FOLDER KIND KILLS SEED

KIND is "arrays" or "mapped". Prints one JSON object: how many children were killed while they trained, from how many
different checkpoints they went on, and what the last of them and the undisturbed one left.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import bpx
from bpx.training.checkpoints.folder import list_checkpoints

ROWS, EPOCHS = 300, 64


def samples() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    y = np.arange(ROWS) % 3
    return generator.normal(size=(3, 4))[y] * 2 + generator.normal(size=(ROWS, 4)), y


class Leash(bpx.Callback):
    """Take some time for each epoch, and come no further than some epochs: the rest is for the next child."""

    def __init__(self, epochs: int | None) -> None:
        self.epochs = epochs

    def on_train_begin(self, run: Any) -> None:
        self.first = run.epoch

    def on_epoch_end(self, run: Any) -> None:
        time.sleep(0.005)
        while self.epochs and run.epoch - self.first >= self.epochs:
            time.sleep(1.0)


def train(
    kind: str, folder: Path, result: Path, epochs: int = EPOCHS, leash: int | None = None, **options: Any
) -> None:
    """Train, and write what is left: a digest of all arrays, the history, and what the callbacks know."""
    layers = [bpx.Linear(4, 8), bpx.BatchNorm(8), bpx.ReLU(), bpx.Dropout(0.3), bpx.Linear(8, 3)]
    net = bpx.Network(layers, loss="cross_entropy", dtype="float64", seed=5)
    x, y = samples()
    if kind == "mapped":
        x = np.load(folder.parent / "x.npy", mmap_mode="r")
        options["memory_limit"] = 9000  # x takes 9600 bytes, a block 22 rows, a chunk 11
    stop = bpx.EarlyStopping(patience=60)
    plateau = bpx.ReduceOnPlateau(0.5, patience=4, monitor="loss")
    rates = bpx.LearningRateRecorder("step")
    logs = [bpx.CSVLog(result.with_suffix(".csv")), bpx.JSONLinesLog(result.with_suffix(".jsonl"))]
    history = net.fit(
        x, y, epochs=epochs, batch_size=11, optimizer=bpx.Adam(bpx.CosineDecay(0.05, length=EPOCHS, warmup=3)),
        validation_data=(x[:30], y[:30]), metrics=["accuracy"], sample_weight=np.linspace(0.5, 1.5, ROWS),
        callbacks=[Leash(leash), stop, plateau, rates, *logs], penalties=bpx.L2(1e-3), clip=bpx.ClipNorm(5.0),
        **options,
    )  # fmt: skip
    digest = hashlib.sha256()
    arrays = [array for part in [*net.params, *net.state] for _, array in sorted(part.items())]
    for array in [*arrays, *(slot for slots in net.training.slots for slot in slots)]:
        digest.update(array.tobytes())
    recorded = history.to_dict()
    del recorded["seconds"]
    left = {
        "arrays": digest.hexdigest(),
        "history": recorded,
        "best": [stop.best, stop.best_epoch],
        "plateau": [plateau.reductions, net.training.rate_scale],
        "rates": rates.rates,
        "csv": result.with_suffix(".csv").read_text(),
        "jsonl": result.with_suffix(".jsonl").read_text(),
    }
    result.write_text(json.dumps(left))


def child(*arguments: Any, **options: Any) -> int:
    """Start a process that trains; return its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        train(*arguments, **options)
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def main(folder: Path, kind: str, kills: int, seed: int) -> dict[str, Any]:
    """Kill as often as asked, then let the training end; compare with one that was let alone."""
    np.save(folder / "x.npy", samples()[0])
    train("arrays", folder, folder / "warm.json", 1, checkpoint=folder / "warm")  # imports what children need
    run, draw = folder / "run", random.Random(seed)
    options = {"checkpoint": run, "resume": run, "checkpoint_every": "5 steps", "keep": 2}
    killed, starts = 0, set()
    for i in range(kills):
        before = list_checkpoints(run)
        starts.add(before[-1].name if before else "none")
        pid = child(kind, run, folder / "killed.json", leash=2, **options)
        while i % 2 and list_checkpoints(run)[-1:] == before[-1:]:  # every other child gets somewhere
            time.sleep(0.002)
        time.sleep(draw.uniform(0.0, 0.08))
        os.kill(pid, signal.SIGKILL)
        killed += os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    last = {**options, "checkpoint_every": "100 steps"}
    codes = [os.waitpid(child(kind, run, folder / "killed.json", **last), 0)[1]]
    codes.append(os.waitpid(child(kind, run, folder / "alone.json"), 0)[1])
    left = [json.loads((folder / name).read_text()) for name in ("killed.json", "alone.json")]
    return {"killed": killed, "starts": len(starts), "codes": codes, "left": left, "files": len(list(run.iterdir()))}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
