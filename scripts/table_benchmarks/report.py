"""The report of the results: what each model has on each table, and what all tables say together, as Markdown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from table_benchmarks.choice import CLASSES, REGRESSION, Table
from table_benchmarks.models import BOOSTING, REALMLP
from table_benchmarks.results import Results
from table_benchmarks.scores import geometric_mean, mean_ranks, mean_ratio

REFERENCES = (REALMLP, BOOSTING)
LOSS = {CLASSES: "log_loss", REGRESSION: "rmse"}
TITLES = {CLASSES: "Log loss", REGRESSION: "RMSE"}

Losses = dict[str, dict[str, float]]
"""By model, then by table; infinite where the model failed."""


def gather(results: Results, tables: Sequence[Table], models: Sequence[str], task: str, score: str = "") -> Losses:
    """Return the losses of the models on the tables of a task, or another score of theirs."""
    chosen = [table for table in tables if table.task == task]
    return {
        model: {
            table.name: results[table.source, model].get(score or LOSS[task], math.inf)
            for table in chosen
            if (table.source, model) in results
        }
        for model in models
    }


def markdown(
    results: Results, tables: Sequence[Table], models: Sequence[str], about: Mapping[str, Any], splits: int = 1
) -> str:
    """Return the report of these tables and models, with a note of what did not run or failed.

    Results of several splits are those that `table_benchmarks.results.join_splits` gives.
    """
    shown = [model for model in models if any((table.source, model) in results for table in tables)]
    parts = [_heading(results, tables, shown, about, splits), summary(results, tables, shown)]
    parts += [losses_by_table(results, tables, shown, task) for task in (CLASSES, REGRESSION)]
    parts.append(seconds_by_table(results, tables, shown))
    notes = _notes(results, tables, shown)
    return "\n\n".join(part for part in (*parts, notes) if part) + "\n"


def summary(results: Results, tables: Sequence[Table], models: Sequence[str]) -> str:
    """Return the table of all tables together: mean ratios, mean ranks, accuracy, seconds, memory."""
    losses = {task: gather(results, tables, models, task) for task in (CLASSES, REGRESSION)}
    ranks = {task: mean_ranks(losses[task]) for task in losses}
    accuracies = gather(results, tables, models, CLASSES, "accuracy")
    heads = ["model"]
    for task in (CLASSES, REGRESSION):
        heads += [f"{TITLES[task]} / {reference}" for reference in REFERENCES] + [f"rank by {TITLES[task]}"]
    heads += ["mean accuracy", "seconds", f"seconds / {REALMLP}", "MB, median", "MB, most"]
    rows = []
    for model in models:
        cells = [model]
        for task in (CLASSES, REGRESSION):
            cells += [_ratio(losses[task], model, reference) for reference in REFERENCES]
            cells.append(_number(ranks[task][model], ".2f"))
        right = [value for value in accuracies[model].values() if math.isfinite(value)]
        cells.append(_number(statistics.fmean(right) if right else math.nan, ".4f"))
        cells += _costs(results, tables, model)
        rows.append(cells)
    return _table(heads, rows)


def losses_by_table(results: Results, tables: Sequence[Table], models: Sequence[str], task: str) -> str:
    """Return the table of the losses, a row for each table of the task; empty where there is none."""
    losses = gather(results, tables, models, task)
    rows = [
        [table.name, *(_loss(losses[model].get(table.name)) for model in models)]
        for table in tables
        if table.task == task
    ]
    return _table([TITLES[task], *models], rows) if rows else ""


def seconds_by_table(results: Results, tables: Sequence[Table], models: Sequence[str]) -> str:
    """Return the table of processor seconds, a row for each table."""
    rows = [
        [table.name, *(_number(_measured(results, table, model, "seconds"), ".3g") for model in models)]
        for table in tables
    ]
    return _table(["Seconds", *models], rows)


def _heading(
    results: Results, tables: Sequence[Table], models: Sequence[str], about: Mapping[str, Any], splits: int
) -> str:
    versions: dict[str, set[str]] = {model: set() for model in models}
    for (_, model), found in results.items():
        if model in versions and "version" in found:
            versions[model].add(found["version"])
    said = ", ".join(f"{model} ({' and '.join(sorted(found))})" for model, found in versions.items())
    kinds = [sum(table.task == task for table in tables) for task in (CLASSES, REGRESSION)]
    rows = "one split" if splits == 1 else f"geometric means over {splits} splits (of accuracies, means)"
    return (
        f"{kinds[0]} tables of classes and {kinds[1]} of numbers; {rows}, one thread, the defaults of: {said}. "
        "Ratios are geometric means over tables, each within [0.5, 2]; a failure counts as 2 and ranks last. Seconds "
        "are those of the processor, for training and prediction without imports; MB are what these add to resident "
        "memory. " + "; ".join(f"{key}: {value}" for key, value in about.items()) + "."
    )


def _notes(results: Results, tables: Sequence[Table], models: Sequence[str]) -> str:
    failed = [
        f"- {model} failed on {table.name}: {results[table.source, model]['error']}"
        for table in tables
        for model in models
        if "error" in results.get((table.source, model), {})
    ]
    missing = [
        f"- {model} was not run on {', '.join(absent)}"
        for model in models
        if (absent := [table.name for table in tables if (table.source, model) not in results])
    ]
    return "\n".join(failed + missing)


def _costs(results: Results, tables: Sequence[Table], model: str) -> list[str]:
    spent = {table.name: _measured(results, table, model, "seconds") for table in tables}
    other = {table.name: _measured(results, table, REALMLP, "seconds") for table in tables}
    ratios = [spent[name] / other[name] for name in spent if spent[name] > 0 and other[name] > 0]
    memory = [value for table in tables if not math.isnan(value := _measured(results, table, model, "memory"))]
    known = [value for value in spent.values() if not math.isnan(value)]
    return [
        _number(sum(known) if known else math.nan, ".0f"),
        _number(geometric_mean(ratios), ".3f"),
        _number(statistics.median(memory) if memory else math.nan, ".0f"),
        _number(max(memory, default=math.nan), ".0f"),
    ]


def _measured(results: Results, table: Table, model: str, what: str) -> float:
    return float(results.get((table.source, model), {}).get(what, math.nan))


def _ratio(losses: Losses, model: str, reference: str) -> str:
    return _number(mean_ratio(losses[model], losses.get(reference, {})), ".3f")


def _loss(value: float | None) -> str:
    return "-" if value is None else "failed" if math.isinf(value) else f"{value:.4g}"


def _number(value: float, pattern: str) -> str:
    return "-" if math.isnan(value) else format(value, pattern)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
