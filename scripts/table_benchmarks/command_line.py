"""Parse the arguments, make the files of the tables, run what has no result yet, write the report."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from benchmarks.machine import cpu_model
from benchmarks.settings import say

from table_benchmarks import report, results
from table_benchmarks.choice import LISTS, find
from table_benchmarks.data import folder_of_split, is_written, write_split
from table_benchmarks.models import MODELS


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    models = "\n".join(f"  {model.name} ({model.distribution})" for model in MODELS.values())
    counts = ", ".join(f"{name} ({len(tables)})" for name, tables in LISTS.items())
    made = argparse.ArgumentParser(
        prog="table_benchmark.py",
        description="Score bpx on real tables beside the libraries its users would pick instead: the same rows, one "
        "thread, all defaults. The tables are chosen by the rule in scripts/table_benchmarks/choice.py.",
        epilog=f"models:\n{models}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--tables", default="report", metavar="LIST", help=f"{counts}, all, or names with commas")
    made.add_argument("--models", metavar="A,B,...", help="by default all that are installed")
    made.add_argument(
        "--results", type=Path, default=Path("table_results.jsonl"), metavar="FILE", help="results are added to it"
    )
    made.add_argument(
        "--folder", type=Path, default=Path("tables"), metavar="FOLDER", help="where the rows of the tables are kept"
    )
    made.add_argument(
        "--splits", default="0", metavar="N,...", help="numbers of splits; of several, means of the losses are reported"
    )
    made.add_argument("--again", action="store_true", help="run what has a result already, or an error, too")
    made.add_argument("--no-runs", action="store_true", help="make the rows and the report of the results there are")
    made.add_argument(
        "--timeout", type=float, default=results.TIMEOUT, metavar="SECONDS", help="for one model on one table"
    )
    made.add_argument("--markdown", type=Path, metavar="FILE", help="write the report to it")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 where all that was asked ran, 1 where a model failed, 2 for a name that is not known."""
    options = parser().parse_args(arguments)
    try:
        tables, models, numbers = find(options.tables), _choose(options.models), _read_numbers(options.splits)
    except ValueError as error:
        parser().error(str(error))
    splits = []
    for number in numbers:
        folder = folder_of_split(options.folder, number)
        for table in tables:
            if not is_written(table, folder):
                write_split(table, folder, number)
        done = results.read(options.results, number)
        to_run = [] if options.no_runs else results.still_to_run(tables, models, done, options.again)
        for i, (table, model) in enumerate(to_run, 1):
            found = results.run(table, model, folder.resolve(), options.timeout, number)
            results.append(options.results, found)
            done[table.source, model] = found
            say(f"split {number}, {i} of {len(to_run)}: {table.name}, {model}: {_describe(found)}")
        splits.append(done)
    joined = results.join_splits(splits)
    written = report.markdown(joined, tables, models, _machine(), len(numbers))
    print(written, end="")
    if options.markdown:
        options.markdown.write_text(written)
    return 1 if any("error" in joined.get((table.source, model), {}) for table in tables for model in models) else 0


def _read_numbers(text: str) -> list[int]:
    """Return the numbers of the splits, each once."""
    numbers = list(dict.fromkeys(text.split(",")))
    if not all(number.strip().isdecimal() for number in numbers):
        raise ValueError(f"expected numbers of splits with commas, such as 0,1,2, got {text}")
    return [int(number) for number in numbers]


def _choose(names: str | None) -> list[str]:
    """Return the models that were asked for, or all whose library is installed, and say which are not."""
    if names is not None:
        chosen = [name.strip() for name in names.split(",")]
        unknown = [name for name in chosen if name not in MODELS]
        if unknown:
            raise ValueError(f"no model called {', '.join(unknown)}: expected some of {', '.join(MODELS)}")
        return chosen
    found = []
    for model in MODELS.values():
        try:
            model.version()
        except PackageNotFoundError:
            say(f"{model.name} is left out: {model.distribution} is not installed")
        else:
            found.append(model.name)
    return found


def _machine() -> dict[str, str]:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {"date": now, "machine": f"{platform.system()} {platform.machine()}, {cpu_model()}"}


def _describe(found: results.Result) -> str:
    if "error" in found:
        return str(found["error"])
    scores = ", ".join(f"{name} {found[name]:.4g}" for name in ("log_loss", "accuracy", "rmse") if name in found)
    return f"{scores}, {found['seconds']:.1f} s, {found['memory']:.0f} MB"
