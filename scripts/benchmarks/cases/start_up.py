"""Import time, in fresh processes: of NumPy alone, of bpx, and of the others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measuring import Case, Line
from benchmarks.settings import Settings, say

NAME = "import"
ROOT = Path(__file__).resolve().parents[3]
NUMPY = "import numpy"
BPX = "import bpx"
NETWORK = "from bpx import mlp"
STATEMENTS = (NUMPY, BPX, NETWORK, "import torch", "import jax", "from sklearn.neural_network import MLPClassifier")
"""``import bpx`` loads names when they are first used, so that the import of one of them tells more."""

CODE = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"


def run(settings: Settings) -> Iterator[Case]:
    """Time the import statement itself, without the start of Python, from a warm disk cache."""
    case = Case(NAME, "import, in a fresh process", "ms", 1e3)
    say(f"  {case.title}")
    for statement in STATEMENTS:
        module = statement.split()[1].partition(".")[0]
        if find_spec(module) is None:
            case.missing[statement] = f"No module named {module!r}"
        else:
            seconds_of(statement)
            case.lines[statement] = Line(statement)
    for turn in range(2 * settings.rounds):
        for statement, line in case.lines.items():
            if turn < (3 if settings.everyone else 1) or statement in (NUMPY, BPX, NETWORK):
                line.seconds.append(seconds_of(statement))
    yield case


def seconds_of(statement: str) -> float:
    """Return the seconds that an import statement takes in a process of its own, which may cache its bytecode.

    pip compiles what it installs, so NumPy's bytecode is there already; that of this checkout is after the first run.
    """
    run_python = partial(subprocess.run, capture_output=True, text=True, check=True, cwd=ROOT)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
    return float(run_python([sys.executable, "-c", CODE.format(statement)], env=environment).stdout)
