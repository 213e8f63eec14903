"""Results of runs: one JSON object a line in a file, so that a run goes on where the one before it ended."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.threads import ENVIRONMENT

from table_benchmarks.choice import Table
from table_benchmarks.scores import geometric_mean

Result = dict[str, Any]
Results = dict[tuple[str, str], Result]
"""By the table's source and the model's name."""

TIMEOUT = 1800.0
SCRIPTS = Path(__file__).resolve().parents[1]


def read(path: Path, split: int = 0) -> Results:
    """Return the results in a file of one split, of each table and model the last; none where there is no file.

    A result that does not say its split is of split 0. A last line that was cut off in the writing is left out, and its
    run is made again.
    """
    lines = path.read_text().splitlines() if path.exists() else []
    found: Results = {}
    for number, line in enumerate(lines, 1):
        try:
            result = json.loads(line)
        except json.JSONDecodeError:
            if number < len(lines):
                raise ValueError(f"{path}, line {number}: expected a JSON object") from None
            continue
        if result.get("split", 0) == split:
            found[result["table"], result["model"]] = result
    return found


def join_splits(splits: Sequence[Results]) -> Results:
    """Return one result for each table and model that all splits have: what it is over the splits.

    Of losses and seconds that is the geometric mean, so that ratios of two models are means of their ratios; of
    accuracies the mean, of memory the most. A model that failed in a split failed.
    """
    if len(splits) == 1:
        return splits[0]
    known = set.intersection(*(set(split) for split in splits))
    return {key: _join([split[key] for split in splits]) for key in splits[0] if key in known}


def _join(each: Sequence[Result]) -> Result:
    for result in each:
        if "error" in result:
            return result
    joined = dict(each[0])
    for name in ("log_loss", "rmse", "seconds", "clock"):
        if name in joined:
            values = [result[name] for result in each]
            joined[name] = geometric_mean(values) if min(values) > 0.0 else 0.0
    if "accuracy" in joined:
        joined["accuracy"] = statistics.fmean(result["accuracy"] for result in each)
    joined["memory"] = max(result["memory"] for result in each)
    joined["version"] = " and ".join(sorted({result["version"] for result in each}))
    return joined


def append(path: Path, result: Result) -> None:
    """Write one result behind those of a file."""
    begun = path.read_text() if path.exists() else ""
    with path.open("a") as file:
        file.write(("" if not begun or begun.endswith("\n") else "\n") + json.dumps(result) + "\n")


def still_to_run(
    tables: Iterable[Table], models: Sequence[str], done: Results, again: bool = False
) -> list[tuple[Table, str]]:
    """Return the tables and models that have no result yet, table by table; all of them again, where that is asked."""
    return [(table, model) for table in tables for model in models if again or (table.source, model) not in done]


def run(table: Table, model: str, folder: Path, timeout: float = TIMEOUT, split: int = 0) -> Result:
    """Run one model on one table in a process of its own, with one thread, and return its result.

    Parameters
    ----------
    table : Table
        Its files are in the folder.
    model : str
        A name of `table_benchmarks.models.MODELS`.
    folder : Path
        Where `table_benchmarks.data.write_split` wrote.
    timeout : float
        Seconds after which the process is ended; that is an error of the model.
    split : int
        The number of the split whose files these are.

    Returns
    -------
    dict
        What `table_benchmarks.worker` measured, or ``error``; with the table, its task, the split, the model, the date.
    """
    about = {"table": table.source, "model": model, "task": table.task, "split": split}
    about["date"] = datetime.now(UTC).isoformat(timespec="seconds")
    paths = os.pathsep.join((str(SCRIPTS), str(SCRIPTS.parent), os.environ.get("PYTHONPATH", "")))
    one_thread = dict.fromkeys((*ENVIRONMENT, "POLARS_MAX_THREADS"), "1")
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "result.json"
        command = [sys.executable, "-m", "table_benchmarks.worker", table.source, model, str(folder), str(file)]
        try:
            ended = subprocess.run(
                command,
                env={**os.environ, **one_thread, "PYTHONPATH": paths},
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            return {**about, "error": f"ended after {timeout:g} s"}
        if not file.exists():
            last = (ended.stderr.strip().splitlines() or ["nothing on standard error"])[-1]
            return {**about, "error": f"exit code {ended.returncode}: {last}"[:500]}
        return {**about, **json.loads(file.read_text())}
