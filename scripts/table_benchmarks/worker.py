"""One model on one table in a process of its own: ``python -m table_benchmarks.worker TABLE MODEL FOLDER RESULT``.

Its file of JSON holds the scores, the processor time and the time on the clock of the work, in seconds, and how far
the resident memory rose above what the imports had taken, in megabytes.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks.peak_memory import forget_peak, peak

from table_benchmarks import scores
from table_benchmarks.choice import CLASSES, find
from table_benchmarks.data import Split, read_split
from table_benchmarks.models import MODELS, Prediction


def measure(table: str, model: str, folder: Path) -> dict[str, Any]:
    """Return the scores, the seconds and the memory of one model on one table, whose files are in the folder."""
    (chosen,) = find(table)
    work = MODELS[model].make(chosen.task)
    split = read_split(chosen, folder)
    forget_peak()
    before, clock, processor = peak(), time.perf_counter(), time.process_time()
    prediction = work(split)
    spent = {"seconds": time.process_time() - processor, "clock": time.perf_counter() - clock}
    return {**score(split, prediction), **spent, "memory": peak() - before, "version": MODELS[model].version()}


def score(split: Split, prediction: Prediction) -> dict[str, float]:
    """Return the log loss and the accuracy for classes, else the RMSE."""
    if split.task != CLASSES:
        return {"rmse": scores.rmse(split.test_target, prediction.values)}
    asked = (split.test_target, prediction.values, prediction.classes)
    return {"log_loss": scores.log_loss(*asked), "accuracy": scores.accuracy(*asked)}


def main() -> None:
    """Measure, and write the JSON; an error of the model is what is written of it."""
    table, model, folder, result = sys.argv[1], sys.argv[2], Path(sys.argv[3]).resolve(), Path(sys.argv[4]).resolve()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)  # some libraries leave files where they run
        try:
            found = measure(table, model, folder)
        except Exception as error:  # whatever a library raises is a result of the benchmark
            found = {"error": f"{type(error).__name__}: {error}"[:500]}
        os.chdir(folder)
    result.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
