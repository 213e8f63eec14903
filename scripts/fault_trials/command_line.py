"""The command line of ``scripts/faults.py``."""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

import bpx
from fault_trials.damage import flip_bits, read_hostile
from fault_trials.disks import fill_disks
from fault_trials.guided import guide_fuzzer
from fault_trials.kills import kill_trainings, signal_trainings, start_two_trainings
from fault_trials.readers import READERS
from fault_trials.soak import use_for_long
from fault_trials.tally import Tally
from fault_trials.writers import write_at_once

HOSTILE = {
    "model": 8000,
    "checkpoint": 5000,
    "csv": 5000,
    "csv and training": 300,
    "npz": 4000,
    "arrow": 1000,
    "json lines": 3000,
    "gzip": 3000,
    "zstd": 3000,
    "excel": 1000,
    "parquet": 4000,
    "command": 700,
}
"""Files of each kind in full; the sum is above 20,000."""


def list_trials(folder: Path, *, quick: bool, seed: int) -> dict[str, list[Callable[[], Tally]]]:
    """Return what is tried, by the name that ``--only`` takes."""

    def choose(few: int, many: int) -> int:
        return few if quick else many

    return {
        "kills": [partial(kill_trainings, folder, choose(4, 120), seed)],
        "signals": [partial(signal_trainings, folder, choose(3, 30), seed)],
        "owners": [partial(start_two_trainings, folder, choose(1, 10))],
        "disks": [partial(fill_disks, folder, choose(4, 64))],
        "writers": [partial(write_at_once, folder, choose(40, 1000))],
        "flips": [partial(flip_bits, folder, kind, choose(200, 10**6), seed) for kind in ("model", "checkpoint")],
        "hostile": [
            partial(read_hostile, folder, kind, choose(max(8, many // 100), many), seed)
            for kind, many in HOSTILE.items()
        ],
        "guided": [partial(guide_fuzzer, folder, kind, choose(200, 20_000)) for kind in ("model", "csv", "npz")],
        "soak": [partial(use_for_long, folder, choose(20, 400))],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the faults, print tries and failures, and return 1 if something failed."""
    parser = argparse.ArgumentParser(
        prog="faults.py",
        description="Do to bpx what the world does to programs, and count what it cannot bear: kills, signals, full "
        "disks, several writers, damaged and hostile files, long use.",
    )
    names = list(list_trials(Path(), quick=True, seed=0))
    parser.add_argument("--quick", action="store_true", help="a few of each, in about a minute")
    parser.add_argument("--only", action="append", choices=names, metavar="KIND", help=f"of {', '.join(names)}")
    parser.add_argument("--seed", type=int, default=0, help="another seed makes other damage (default: 0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tallies there, too")
    options = parser.parse_args(arguments)

    print(f"bpx {bpx.__version__}, Python {platform.python_version()}, NumPy {np.__version__}, {platform.system()}")
    tallies = []
    with tempfile.TemporaryDirectory() as folder:
        for name, trials in list_trials(Path(folder), quick=options.quick, seed=options.seed).items():
            if options.only and name not in options.only:
                continue
            for trial in trials:
                start = time.perf_counter()
                tally = trial()
                tally.seconds = time.perf_counter() - start
                tallies.append(tally)
                _show(tally)
    if options.json is not None:
        options.json.write_text(json.dumps([tally.describe() for tally in tallies], indent=1) + "\n")
    failed = sum(len(tally.failures) for tally in tallies)
    print(f"\n{sum(tally.tries for tally in tallies):,} tries, {failed:,} failures")
    return int(failed > 0)


def _show(tally: Tally) -> None:
    outcome = f"not tried: {tally.skipped}" if tally.skipped else f"{len(tally.failures):,} failures"
    print(f"{tally.name:36}{tally.tries:8,} tries {tally.seconds:8.1f} s  {outcome}", flush=True)
    for failure in tally.failures[:10]:
        print(f"    {failure}", flush=True)
    if len(tally.failures) > 10:
        print(f"    and {len(tally.failures) - 10:,} more", flush=True)


assert set(HOSTILE) == set(READERS)
