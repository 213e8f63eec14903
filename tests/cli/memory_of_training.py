"""Read a table and train on it, as ``bpx train`` does, and print how much memory that took, in bytes.

Called with the file. ``size`` is the table's, as `docs/tables.md` defines it; ``read`` is what is resident once it has
been read, ``peak`` the most that is resident from then on, which Linux keeps account of.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path

import numpy as np
import polars as pl

import bpx
from bpx.cli import sources
from bpx.cli.app import app

found: dict[str, int] = {}
read_prepared = sources.read_prepared


def look(name: str) -> int:
    """Return a number of bytes that Linux tells of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def read_and_look(*arguments: object, **options: object) -> pl.DataFrame:
    frame = read_prepared(*arguments, **options)
    found["size"] = frame.to_arrow(compat_level=pl.CompatLevel.newest()).nbytes
    found["read"] = look("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    return frame


sources.read_prepared = read_and_look
bpx.mlp([2, 2, 1], loss="squared_error").fit(np.zeros((9, 2)), np.zeros(9), epochs=1)  # imports count for nothing
with contextlib.redirect_stdout(io.StringIO()):
    options = ["--target", "y", "--epochs", "1", "--hidden", "4", "--json"]
    app(["train", sys.argv[1], *options], standalone_mode=False)
print(json.dumps(found | {"peak": look("VmHWM")}))
