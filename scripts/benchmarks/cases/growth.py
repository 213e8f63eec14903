"""How the time of a step, or of an epoch, grows with width, depth, batch and rows."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import replace

from benchmarks import peers
from benchmarks.cases.comparison import compare_trainers
from benchmarks.cases.steps import epochs_in_block
from benchmarks.measuring import Case, slope
from benchmarks.peers import make_trainers
from benchmarks.settings import Settings
from benchmarks.tasks import Task

BASE = Task((256, 256, 256, 10), 128, 1024)
AXES: dict[str, dict[int, Task]] = {
    "width": {n: replace(BASE, sizes=(256, n, n, 10)) for n in (64, 128, 256, 512, 1024, 2048)},
    "depth": {n: replace(BASE, sizes=(256, *(256,) * n, 10)) for n in (1, 2, 4, 8, 16)},
    "batch": {n: replace(BASE, batch=n, rows=8 * n) for n in (16, 64, 256, 1024)},
    "rows": {n: replace(BASE, sizes=(256, 128, 10), rows=n, shuffle=True) for n in (2_000, 8_000, 32_000, 128_000)},
}


def run(settings: Settings) -> Iterator[Case]:
    """Time bpx and hand-written NumPy along each axis and fit slopes on log axes."""
    for axis, tasks in AXES.items():
        chosen = dict(list(tasks.items())[: settings.points])
        unit = "s an epoch" if axis == "rows" else "ms a step"
        whole = Case(f"growth/{axis}", f"growth with {axis}: {', '.join(f'{n:,}' for n in chosen)}", unit)
        curves: dict[str, dict[int, float]] = {}
        for n, task in chosen.items():
            made, missing = make_trainers((peers.BPX, peers.HAND), task)
            whole.missing |= missing
            epochs = epochs_in_block(task, settings.block)
            units = epochs if axis == "rows" else epochs * task.batches
            case = Case(f"{whole.name}/{n}", f"{axis} {n:,}", unit)
            case = compare_trainers(case, made, epochs, units, max(2, settings.rounds // 2), 0.1)
            for name, line in case.lines.items():
                median = statistics.median(line.seconds)
                curves.setdefault(name, {})[n] = median
                whole.facts[f"{n:,}: {name}, {unit}"] = median * (1 if axis == "rows" else 1e3)
            whole.missing |= case.missing
            whole.disagreement = whole.disagreement or case.disagreement
        for name, curve in curves.items():
            whole.facts[f"slope on log axes, {name}"] = slope(list(curve), list(curve.values()))
        yield whole
