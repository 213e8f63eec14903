"""Long use: everything again and again, while memory, threads and open files are counted."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import threading
from pathlib import Path

import bpx
from fault_trials.tally import Tally, summarize
from fault_trials.training import make_network, make_samples

GROWTH = 16 * 2**20
"""Bytes by which a process may grow between the first third of a soak and its end."""


def use_for_long(folder: Path, rounds: int) -> Tally:
    """Train, predict, explain, save, load, pickle and resume, each round."""
    tally = Tally("long use", f"no error, and no more than {GROWTH // 2**20} MB, threads or open files than at first")
    x, y = make_samples()
    before: tuple[int, int, int] | None = None
    for i in range(rounds):
        try:
            _use_once(folder, x, y)
        except Exception as error:
            tally.count(f"round {i}: {summarize(error)}")
        else:
            tally.count()
        if i == rounds // 3:
            before = _measure()
    gc.collect()
    after = _measure()
    if before is not None:
        memory, threads, files = (now - then for now, then in zip(after, before, strict=True))
        if memory > GROWTH or threads > 0 or files > 0:
            tally.count(f"after {rounds} rounds: {memory / 2**20:.1f} MB, {threads} threads, {files} open files more")
    return tally


def _use_once(folder: Path, x: object, y: object) -> None:
    net = make_network()
    net.fit(x, y, epochs=2, batch_size=16, progress=False, checkpoint=folder / "soak", keep=1, resume=folder / "soak")
    for path in (folder / "soak").iterdir():
        path.unlink()
    net.fit([(x, y)] * 3, epochs=1, progress=False)
    net.save(folder / "soak.safetensors")
    loaded = pickle.loads(pickle.dumps(copy.deepcopy(bpx.load(folder / "soak.safetensors"))))
    loaded.predict(x)
    loaded.evaluate(x, y)
    small = bpx.mlp([2, 2, 1], loss="squared_error", seed=0)
    str(bpx.explain(small, *bpx.datasets.xor()))
    with bpx.use_backend("numpy"):
        bpx.mlp([2, 2, 1], loss="squared_error").fit(*bpx.datasets.xor(), epochs=20, optimizer="lbfgs", progress=False)


def _measure() -> tuple[int, int, int]:
    """Return bytes in memory, threads and open files of this process; 0 for what this system does not tell."""
    status = Path("/proc/self/statm")
    memory = int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if status.exists() else 0
    files = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    return memory, threading.active_count(), files
