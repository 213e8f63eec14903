"""Parse the arguments, train, and write the report."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import bpx
from backend_comparison import candidates, report
from backend_comparison.measuring import Row, measure, reference
from backend_comparison.sizes import SIZES

REPETITIONS = 5


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="compare_backends.py",
        description="Train the same networks, from one seed and in one order of batches, on every usable backend; "
        "print what a step costs and how far the numbers are from NumPy's in float64. Exit code 1: a required backend "
        "cannot run, one failed, or numbers are too far off.",
    )
    made.add_argument("--backend", metavar="NAME", action="append", default=[],
                      help="only NumPy and this one, as in torch:cuda:0; repeatable")  # fmt: skip
    made.add_argument("--require", metavar="NAME", action="append", default=[],
                      help="end with exit code 1 if this one cannot run; repeatable")  # fmt: skip
    made.add_argument("--sizes", metavar="SIZE", nargs="+", choices=tuple(SIZES), default=list(SIZES),
                      help=f"of {', '.join(SIZES)}; all by default")  # fmt: skip
    made.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="float32 by default")
    made.add_argument("--steps", type=_positive, metavar="N", help="training steps, rounded up to whole epochs; by "
                      "default fewer for larger networks")  # fmt: skip
    made.add_argument("--json", type=Path, metavar="FILE", help="write the data there")
    made.add_argument("--plot", type=Path, metavar="FILE", help="draw time against size there (needs matplotlib)")
    return made


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    made = parser()
    options = made.parse_args(arguments)
    for path in filter(None, (options.json, options.plot)):
        if not path.absolute().parent.is_dir():
            made.error(f"there is no folder {path.parent} for {path.name}")
    if options.plot is not None:
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            made.error('--plot needs matplotlib, which is not installed: pip install "bpx-backprop[plot]"')
    try:
        found = candidates.find(options.backend, options.dtype)
        required = candidates.find(options.require, options.dtype)[1:] if options.require else []
    except bpx.InputError as error:
        made.error(str(error))
    found += [candidate for candidate in required if candidate not in found]
    for candidate in required:
        if candidate.reason:
            print(f"compare_backends: {candidate.spec} is required: {candidate.reason}", file=sys.stderr)
            return 1
    rows = compare(found, options.sizes, options.dtype, options.steps)
    print(report.table(rows, options.dtype))
    data = report.data(rows, options.dtype)
    print("\n".join(["", *(data["disagreements"] or ["All numbers agree."])]))
    if options.json is not None:
        options.json.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if options.plot is not None:
        from backend_comparison.chart import draw

        draw(rows, options.dtype).savefig(options.plot, dpi=150)
    return int(bool(data["disagreements"]) or any(row.failed for row in rows))


def compare(
    found: Sequence[candidates.Candidate],
    sizes: Sequence[str],
    dtype: str,
    steps: int | None,
    repetitions: int = REPETITIONS,
) -> list[Row]:
    """Return a row for each size and backend that works, and one for each backend that does not."""
    rows = []
    for name in sizes:
        size = SIZES[name]
        expected = reference(size, steps)
        base: float | None = None
        for candidate in found:
            if candidate.reason:
                continue
            print(f"{name} on {candidate.spec} ...", file=sys.stderr, flush=True)
            row = measure(size, candidate, dtype, steps, repetitions, expected)
            base = row.median if candidate.name == "numpy" else base
            row.speed = base / row.median if base and row.median else None
            rows.append(row)
    unusable = [candidate for candidate in found if candidate.reason]
    return rows + [Row("all", c.name, c.device, c.version, reason=c.reason) for c in unusable]
