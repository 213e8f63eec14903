"""Several threads and processes that save one name while others read it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np

import bpx
from fault_trials.tally import Tally, start_python, summarize


def make_marked(mark: float) -> bpx.Network:
    """Return a network all of whose parameters are one number."""
    net = bpx.mlp([32, 32, 4], seed=0)
    net.params = [{name: np.full(array.shape, mark) for name, array in part.items()} for part in net.params]
    return net


def save_often(path: Path, mark: float, times: int, tally: Tally) -> None:
    """Save a network of one mark under one name."""
    net = make_marked(mark)
    for _ in range(times):
        try:
            net.save(path)
        except Exception as error:
            tally.count(f"a save: {summarize(error)}")
        else:
            tally.count()


def read_often(path: Path, times: int, tally: Tally) -> None:
    """Load what lies under the name, and look whether it is of one mark."""
    for _ in range(times):
        try:
            marks = {
                float(value) for part in bpx.load(path).params for a in part.values() for value in (a.min(), a.max())
            }
        except Exception as error:
            tally.count(f"a read: {summarize(error)}")
        else:
            tally.count(None if len(marks) == 1 else f"a torn file: {sorted(marks)}")


def write_at_once(folder: Path, times: int) -> Tally:
    """Save one name from three threads and from three processes while two of them read it."""
    tally = Tally("several writers of one file", "every save succeeds, and every reader finds a whole file")
    path = folder / "shared.safetensors"
    make_marked(0.0).save(path)
    parts = [Tally("", "") for _ in range(5)]
    threads = [threading.Thread(target=save_often, args=(path, i, times, parts[i])) for i in range(3)]
    threads += [threading.Thread(target=read_often, args=(path, times, parts[i])) for i in (3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for part in parts:
        tally.add(part)
    children = [start_python("fault_trials.writers", path, i, times) for i in range(3)]
    reader = Tally("", "")
    read_often(path, times, reader)
    tally.add(reader)
    for child in children:
        out, said = child.communicate()
        saves, *failures = out.splitlines() or ["0"]
        tally.add(Tally("", "", int(saves), failures))
        if child.returncode or int(saves) != times:
            tally.count(f"a writing process ended with code {child.returncode}: {said[-200:]!r}")
    left = sorted(entry.name for entry in folder.iterdir() if entry.is_file() and entry != path)
    tally.count(f"left over: {left}" if left else None)
    return tally


if __name__ == "__main__":
    written = Tally("", "")
    save_often(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), written)
    print(written.tries, *written.failures, sep="\n")
