"""Parse the arguments, set the threads, run the cases, write the report."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cases import CASES, find
from benchmarks.measuring import Case
from benchmarks.settings import Settings, say
from benchmarks.steadiness import WATCH
from benchmarks.threads import limit_loaded_libraries, set_threads


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    cases = "\n".join(f"  {name:10s} {text}" for name, text in CASES.items())
    made = argparse.ArgumentParser(
        prog="benchmark.py",
        description="Time bpx beside the libraries its users would pick instead, interleaved, with equal threads.",
        epilog=f"cases:\n{cases}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--only", metavar="CASE", action="append", choices=tuple(CASES), help="run this case; repeatable")
    made.add_argument("--quick", action="store_true", help="fewer and shorter rounds: under two minutes on two cores")
    made.add_argument("--runs", type=_positive, default=1, metavar="N", help="runs in a row, and whether they agree")
    made.add_argument("--threads", type=_positive, default=2, metavar="N", help="threads of each library (default 2)")
    made.add_argument(
        "--seconds", type=_positive, metavar="N", help="begin no further comparison after so long; what is left is said"
    )
    made.add_argument(
        "--rehearse", action="store_true", help="let the processor stand for the device of the cases cuda-...: no times"
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    made.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables as Markdown")
    made.add_argument("--plot", type=Path, metavar="FILE", help="draw the ratios beside their targets (matplotlib)")
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 where everything that was asked ran, 1 where a peer failed or losses disagree."""
    options = parser().parse_args(arguments)
    set_threads(options.threads)
    limit_loaded_libraries(options.threads)
    settings = Settings.tiny() if options.rehearse else Settings.quick() if options.quick else Settings()
    if options.rehearse:
        from benchmarks.cases.device import rehearse

        rehearse()
    if options.threads > 1:
        WATCH.begin(settings.patience, settings.look)
    names = options.only or list(CASES)
    runs = [run_cases(names, settings, number, options.seconds) for number in range(1, options.runs + 1)]
    return write(runs, options)


def run_cases(
    names: Sequence[str], settings: Settings, number: int = 1, seconds: float | None = None
) -> dict[str, Case]:
    """Run the cases once and return every comparison by its name; after so many seconds begin no further one.

    What was done is returned on Ctrl-C too, which is how `timeout` ends a run.
    """
    done: dict[str, Case] = {}
    began = time.perf_counter()
    for name in names:
        say(f"run {number}, {name}: {CASES[name]}")
        start = time.perf_counter()
        comparisons = find(name)(settings)
        try:
            while seconds is None or time.perf_counter() - began < seconds:
                case = next(comparisons, None)
                if case is None:
                    break
                done[case.name] = case
            else:
                say(f"  left out after {seconds} s: what of {name} comes after {next(reversed(done), 'the start')}")
        except KeyboardInterrupt:
            say(f"  interrupted: what of {name} comes after {next(reversed(done), 'the start')} is left out")
            return done
        say(f"  {time.perf_counter() - start:.0f} s")
    return done


def write(runs: Sequence[dict[str, Case]], options: argparse.Namespace) -> int:
    """Print the report, write the files that were asked for, and return the exit code."""
    from benchmarks import report
    from benchmarks.machine import describe

    machine = describe()
    print(report.text(runs, machine), end="")
    if getattr(options, "rehearse", False):
        print("\nA rehearsal: the processor stood for the device, and no figure above says anything about either.")
    if options.json:
        options.json.write_text(json.dumps(report.as_json(runs, machine, options.quick), indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(report.markdown(runs, machine))
    if options.plot:
        from benchmarks.chart import draw

        draw(runs, options.plot, f"{machine['cpu']}, {machine['threads']} threads, {machine['date']}")
    cases = [case for run in runs for case in run.values()]
    failed = any(case.disagreement or "FAILED" in " ".join(case.missing.values()) for case in cases)
    return 1 if failed else 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text}")
    return number
