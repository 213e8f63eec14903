"""A training while other processes keep the processors busy, against the same training on a quiet machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import SETTLE, Case, Line
from benchmarks.settings import Settings, say

QUIET, ONE, TWO = "quiet", "one busy process", "two busy processes"
NEIGHBORS = {QUIET: 0, ONE: 1, TWO: 2}
LIMITS = {ONE: 1.2, TWO: 2.2}
"""Of one process on two processors, two neighbors leave two thirds of one: at best 1.5 times the quiet time."""

COMMAND, FIT, WIDE = "bpx train digits", "fit of 784-128-10", "fit of 2000-64-32-2"
ROOT = Path(__file__).resolve().parents[3]

CODE = """
import time
import numpy as np
import bpx
rng = np.random.default_rng(0)
x, y = rng.standard_normal(({rows}, {sizes}[0]), dtype="float32"), rng.integers({sizes}[-1], size={rows})
net = bpx.mlp({sizes})
net.fit(x, y, epochs=1, batch_size=32)
start = time.perf_counter()
net.fit(x, y, epochs={epochs}, batch_size=32)
print(time.perf_counter() - start)
"""


def run(settings: Settings) -> Iterator[Case]:
    """Time each training in a process of its own, quiet and beside one and two processes that never wait, in turn."""
    rows = min(settings.rows, 6400)
    for name, arguments in (
        (COMMAND, ["-m", "bpx", "train", "digits", *([] if settings.rows > 640 else ["--epochs", "1"])]),
        (FIT, ["-c", CODE.format(sizes=[784, 128, 10], rows=rows, epochs=4)]),
        (WIDE, ["-c", CODE.format(sizes=[2000, 64, 32, 2], rows=480, epochs=60 if settings.rows > 640 else 1)]),
    ):
        case = Case(f"busy/{name}", f"{name}, batches of 32, Adam, two processors", "s")
        say(f"  {case.title}")
        processors = count_processors()
        if processors == 2:
            case.lines = {state: Line(state) for state in NEIGHBORS}
            for _ in range(max(1, settings.rounds // 2)):
                for state, line in case.lines.items():
                    with neighbors(NEIGHBORS[state]):
                        line.seconds.append(seconds_of(arguments))
        else:
            reason = f"this machine has {processors} processors; `taskset -c 0,1` gives the benchmark two"
            case.missing = dict.fromkeys(NEIGHBORS, reason)
        yield case


def count_processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def neighbors(count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Keep some processes busy that have nothing to do with the one that is timed."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        time.sleep(SETTLE)
        yield busy
    finally:
        for process in busy:
            process.kill()
            process.wait()


def seconds_of(arguments: list[str]) -> float:
    """Return the seconds that Python prints, or of a command those that it takes, its start included."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    return float(done.stdout) if arguments[0] == "-c" else time.perf_counter() - start
