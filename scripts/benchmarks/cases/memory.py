"""Peak memory of a fit and of the hand-written loop, each in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import peers
from benchmarks.measuring import Case, Line
from benchmarks.settings import Settings, chosen, say

NAME = "memory"
SCRIPTS = Path(__file__).resolve().parents[2]
EXTRA = (peers.TORCH, peers.SKLEARN)
PEERS = (peers.BPX, peers.HAND, peers.TORCH, peers.SKLEARN)


def run(settings: Settings) -> Iterator[Case]:
    """Measure one epoch of the large data set, shuffled, in float32.

    The figure is the peak resident memory of the whole process (`VmHWM` on Linux; `ru_maxrss` elsewhere, which on
    Linux would also count the parent): interpreter, libraries, data, training. The facts add what training
    alone adds at its peak to what was resident before it.
    """
    title = f"peak memory of a process that trains one epoch of {settings.rows:,} x 784, 784-128-10, batch 128"
    case = Case(NAME, title, "MB")
    say(f"  {title}")
    timed, case.missing = chosen(PEERS, EXTRA, settings)
    for name in timed:
        for _ in range(3 if settings.everyone else 1):
            command = [sys.executable, "-m", "benchmarks.peak_memory", name, str(settings.rows)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=SCRIPTS)
            if done.returncode:
                case.missing[name] = (done.stderr.strip().splitlines() or ["failed"])[-1]
                break
            measured = json.loads(done.stdout)
            case.lines.setdefault(name, Line(name)).seconds.append(measured["peak"])
            case.facts[f"{name}: MB added by training"] = measured["added"]
    yield case
