#!/usr/bin/env python3
"""Check the whole checkout: the one command before a commit.

    python scripts/check.py           lint, format, types, tests and doctests
    python scripts/check.py --fast    the same without the tests marked slow

Every step runs even when an earlier one failed. The exit code is 0 only if all of them passed. Nothing is fetched:
``pip install -e ".[dev]"`` brings all the tools.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def steps(*, fast: bool) -> dict[str, list[str]]:
    """Return what to run, by name, as arguments of ``python -m``."""
    return {
        "lint": ["ruff", "check", "."],
        "format": ["ruff", "format", "--check", "."],
        "types": ["mypy"],
        "tests": ["pytest", "-q", "-n", "auto", *(["-m", "not slow"] if fast else [])],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the steps, print how each ended, and return the exit code."""
    every = steps(fast=False)
    parser = argparse.ArgumentParser(description="Check the whole checkout: the one command before a commit.")
    parser.add_argument("--fast", action="store_true", help="leave out the tests marked slow")
    parser.add_argument("--only", choices=list(every), action="append", metavar="STEP", help=f"of {', '.join(every)}")
    options = parser.parse_args(arguments)

    chosen = {name: command for name, command in steps(fast=options.fast).items() if name in (options.only or every)}
    report = []
    for name, command in chosen.items():
        print(f"== {name}: {' '.join(command)}", flush=True)
        start = time.perf_counter()
        code = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode
        seconds = time.perf_counter() - start
        report.append((name, "passed" if code == 0 else f"FAILED (exit code {code})", seconds))

    print("\n== outcome")
    for name, outcome, seconds in report:
        print(f"{name:8}{seconds:8.1f} s  {outcome}")
    return int(any(outcome != "passed" for _, outcome, _ in report))


if __name__ == "__main__":
    sys.exit(main())
