"""How often a kind of fault was tried, and what went wrong."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent


@dataclass
class Tally:
    """Tries of one kind of fault.

    Attributes
    ----------
    name : str
        What was done.
    promise : str
        What is right.
    tries : int
    failures : list of str
        What happened instead, a line each.
    skipped : str
        Why it could not be tried here.
    seconds : float
    """

    name: str
    promise: str
    tries: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: str = ""
    seconds: float = 0.0

    def count(self, failure: str | None = None) -> None:
        """Count a try, and what was wrong with it."""
        self.tries += 1
        if failure is not None:
            self.failures.append(failure)

    def add(self, other: Tally) -> None:
        """Count the tries of another tally, too."""
        self.tries += other.tries
        self.failures += other.failures

    def describe(self) -> dict[str, object]:
        """Return the tally as plain data."""
        return dataclasses.asdict(self)


def start_python(module: str, *arguments: object, **variables: str) -> subprocess.Popen[str]:
    """Start a module of these scripts, or of bpx, in a process of its own, on one thread."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **variables}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(SCRIPTS), str(SCRIPTS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    command: Sequence[str] = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=environment
    )


def summarize(error: BaseException) -> str:
    """Return an exception in one line."""
    return f"{type(error).__name__}: {str(error)[:200]!r}"
