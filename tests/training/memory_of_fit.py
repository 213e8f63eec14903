"""Train on a file larger than the memory limit, and print how much memory that took, in bytes.

Called with the file, its rows and the limit. What is resident is looked at all the time, where the system tells it.
"""

from __future__ import annotations

import json
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np

import bpx

path, rows, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
STATUS = Path("/proc/self/status")
done = threading.Event()
seen: list[int] = []


def resident() -> int:
    """Return the bytes of this process that are in memory, pages of mapped files included."""
    if not STATUS.exists():
        return 0
    return 1024 * next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith("VmRSS"))


def watch() -> None:
    while not done.wait(0.001):
        seen.append(resident())


net = bpx.mlp([256, 4, 3], seed=0)
x = np.load(path, mmap_mode="r")
y = np.arange(rows) % 3
net.fit(np.zeros((64, 256), np.float32), y[:64], epochs=1)  # what is imported and cached counts for nothing
before = resident()
watcher = threading.Thread(target=watch)
watcher.start()
net.fit(x, y, epochs=2, batch_size=64, memory_limit=limit)
done.set()
watcher.join()
tracemalloc.start()
net.fit(x, y, epochs=2, batch_size=64, memory_limit=limit)
allocated = tracemalloc.get_traced_memory()[1]
print(json.dumps({"resident": max(seen) - before, "allocated": allocated, "looks": len(seen)}))
