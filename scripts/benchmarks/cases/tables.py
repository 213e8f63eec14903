"""A table from its file to the matrix that training takes, beside polars' own reading of the file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks import peers
from benchmarks.measuring import Case, Line, interleave
from benchmarks.settings import Settings, say

NAME = "tables"
POLARS = "polars.read_csv alone"
TIMES = 4
"""Rows of the table for each row of the large data set."""


def run(settings: Settings) -> Iterator[Case]:
    """Read a CSV file of 20 columns and prepare it: kinds, gaps, split, preprocessing, encoding in float32.

    Twelve columns are numbers, four of them with gaps, five categories, one dates, one prices such as $1,200.50 and one
    a key; the target has two classes.
    """
    rows = TIMES * settings.rows
    case = Case(NAME, f"a CSV file of {rows:,} rows and 20 columns, read and prepared for training", "s")
    say(f"  {case.title}")
    if find_spec("polars") is None:
        case.missing = dict.fromkeys((peers.BPX, POLARS), "No module named 'polars'")
        yield case
        return
    import polars as pl

    from bpx.tables import prepare, read_table

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_table(path, rows)
        blocks = {
            peers.BPX: lambda: prepare(read_table(path), "y", dtype="float32"),
            POLARS: lambda: pl.read_csv(path, try_parse_dates=True),
        }
        seconds = interleave(blocks, settings.rounds)
    case.lines = {name: Line(name, taken) for name, taken in seconds.items()}
    yield case


def write_table(path: Path, rows: int) -> None:
    """Write the table."""
    import polars as pl

    draw = np.random.default_rng(0)
    columns = {"id": pl.Series(np.arange(100_000, 100_000 + rows))}
    for i in range(12):
        numbers = draw.normal(size=rows).round(4) if i % 3 else draw.integers(0, 50 * (i + 1), rows)
        columns[f"number {i}"] = pl.Series(numbers)
        if i % 3 == 2:
            columns[f"number {i}"] = columns[f"number {i}"].set(pl.Series(draw.random(rows) < 0.05), None)
    for i, count in enumerate((3, 5, 8, 12, 20)):
        columns[f"kind {i}"] = pl.Series(
            np.array([f"kind {j:02d}" for j in range(count)])[draw.integers(count, size=rows)]
        )
    columns["day"] = pl.Series(draw.integers(14_600, 18_250, rows), dtype=pl.Int32).cast(pl.Date)
    columns["price"] = pl.Series([f"${price:,.2f}" for price in draw.lognormal(6, 1, rows).tolist()])
    right = columns["number 1"].to_numpy() + draw.normal(size=rows) > 0
    pl.DataFrame(columns | {"y": pl.Series(np.where(right, "yes", "no"))}).write_csv(path)
