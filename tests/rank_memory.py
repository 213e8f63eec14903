"""What a rank reads and holds of files larger than memory: ``rank_memory.py FOLDER LIMIT``, by a launcher.

FOLDER has the files ``x0.npy``, ``x1.npy`` ... and as many ``y0.npy`` ...; it gets ``memory.RANK.json``. For each call
that says by how many bytes the peak of the resident memory was above what was resident before ("peak": Linux keeps
account of it, and begins anew where it is told to), the most that was seen of what is no file's ("anonymous"), and how
many rows of samples were taken of the files ("rows").
"""

import json
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
from rank_work import count_rows

import bpx

STATUS = Path("/proc/self/status")


def look(name: str) -> int:
    """Return a number of bytes that Linux tells of this process."""
    lines = STATUS.read_text("utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def watch(done: threading.Event, seen: list[int]) -> None:
    while not done.wait(0.002):
        seen.append(look("RssAnon"))


def main() -> None:
    warnings.filterwarnings("ignore", message=".*ranks share the|.*is bound to one")
    folder, limit = Path(sys.argv[1]), int(sys.argv[2])
    n = len(list(folder.glob("x*.npy")))
    x, y = ([np.load(folder / f"{name}{i}.npy", mmap_mode="r") for i in range(n)] for name in "xy")
    width = x[0].shape[1]
    net = bpx.mlp([width, 4, 3], seed=0)
    options = {"batch_size": 64, "class_weight": "balanced", "distributed": True, "progress": False}
    few = np.ones((640, width), np.float32), np.arange(640) % 3
    net.fit(*few, epochs=1, **options)  # what is loaded and kept counts for nothing
    net.evaluate(*few, distributed=True)
    calls = {
        "fit": lambda: net.fit(x, y, epochs=2, memory_limit=limit, **options),
        "validate": lambda: net.fit(x, y, epochs=1, memory_limit=limit, validation_data=(x, y), **options),
        "evaluate": lambda: net.evaluate(x, y, memory_limit=limit, metrics=["accuracy"], distributed=True),
        "predict": lambda: net.predict(x, memory_limit=limit, distributed=True),
    }
    count, found = count_rows(), {}
    for name, call in calls.items():
        seen, done, count[0] = [look("RssAnon")], threading.Event(), 0
        watcher = threading.Thread(target=watch, args=(done, seen))
        Path("/proc/self/clear_refs").write_text("5")
        before, anonymous = look("VmRSS"), seen[0]
        watcher.start()
        call()
        done.set()
        watcher.join()
        found[name] = {"peak": look("VmHWM") - before, "anonymous": max(seen) - anonymous, "rows": count[0]}
    (folder / f"memory.{bpx.distributed.rank()}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main()
