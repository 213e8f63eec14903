"""The table for people, the data for programs, and the verdict on the numbers."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import bpx
from backend_comparison.measuring import Row

LARGEST = {"float64": {"losses": 1e-10, "parameters": 1e-10}, "float32": {"losses": 1e-4, "parameters": 1e-2}}
"""Differences from NumPy's float64, relative, that a backend may have in each precision.

The parameters' limit in float32 is wide because samples cross the kinks of ReLU, where a gradient jumps.
"""

HEADER = ("size", "backend", "device", "version", "us/step", "speed", "final loss", "loss diff", "params diff")
LEFT = 4
"""So many columns are flush left."""


def disagreements(rows: Sequence[Row], dtype: str) -> list[str]:
    """Return a sentence for each row whose numbers are too far from NumPy's float64."""
    found = []
    for row in rows:
        differences = {"losses": row.loss_difference, "parameters": row.parameter_difference}
        for what, limit in LARGEST[dtype].items():
            value = differences[what]
            if value is not None and not value <= limit:
                place = f"{row.backend} on {row.device}"
                found.append(f"{place}: the {what} of {row.size} differ by {value:.1e}, more than {limit:g}")
    return found


def table(rows: Sequence[Row], dtype: str) -> str:
    """Return the table as text, with what its columns are."""
    cells = [_cells(row) for row in rows]
    full = [HEADER, *(line for line in cells if len(line) == len(HEADER))]
    widths = [max(len(line[k]) for line in [*full, *(c for c in cells if k < LEFT)]) for k in range(len(HEADER))]
    lines = [_line(HEADER, widths), "-" * len(_line(HEADER, widths))]
    for previous, row, line in zip([None, *rows], rows, cells, strict=False):
        if previous is not None and previous.size != row.size:
            lines.append("")
        lines.append(_line(line, widths))
    lines += [
        "",
        f"{dtype}; us/step: microseconds of a training step, median; speed: times NumPy's; loss diff, params diff: how",
        "far from NumPy's float64 training, relative to the largest loss and to the largest parameter",
    ]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    names = (row.size, row.backend, row.device, row.version)
    if row.reason or row.median is None:
        return (*names, " ".join(row.reason.split()))
    return (
        *names,
        f"{row.median:,.1f}" if row.median < 1000 else f"{row.median:,.0f}",
        "" if row.speed is None else f"{row.speed:.2f}",
        f"{row.final_loss:.6g}",
        f"{row.loss_difference:.1e}",
        f"{row.parameter_difference:.1e}",
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return a line of the table; a reason, in place of the numbers, is as long as it is."""
    if len(cells) < len(widths):
        return "  ".join([*(c.ljust(w) for c, w in zip(cells[:LEFT], widths, strict=False)), cells[LEFT]]).rstrip()
    both = zip(cells, widths, strict=True)
    return "  ".join(c.ljust(w) if k < LEFT else c.rjust(w) for k, (c, w) in enumerate(both)).rstrip()


def data(rows: Sequence[Row], dtype: str) -> dict[str, Any]:
    """Return everything as plain data for JSON."""
    return {
        "schema": 1,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "bpx": bpx.__version__,
        "dtype": dtype,
        "largest_differences_allowed": LARGEST[dtype],
        "disagreements": disagreements(rows, dtype),
        "rows": [row.to_dict() for row in rows],
    }
