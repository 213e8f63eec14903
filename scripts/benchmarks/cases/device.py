"""On a CUDA device: steps in three precisions, what a fit costs before its first step, predictions and evaluations.

`rehearse` puts the processor in the device's place, so that all of it runs where there is none.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from benchmarks import peers
from benchmarks.cases.comparison import compare_blocks, compare_trainers
from benchmarks.measuring import Case, seconds_of
from benchmarks.settings import Settings, say
from benchmarks.tasks import SIZES, SMALL, Task

WIDE = {"4096-4096-4096-10": 4096, "8192-8192-8192-10": 8192}
"""Wide layers with batches of as many rows."""

BLOCK_SECONDS = 0.05
ROWS = (1, 32, 8192)
ROUNDS = 3
STEPS = 64
"""Steps of the shorter of two fits whose difference is that of the steps alone."""

TOLERANCE = {"float32": 0.02, "tf32": 0.05, "bfloat16": 0.15}
"""How far final losses may be from each other."""

TIME_OF_FIT = "second fit, ms beside its steps"
TIME_OF_PARTS = "1,000 fits of one batch / one fit of 1,000 steps"


def rehearse() -> None:
    """Let the processor stand for the device, from now on: for tests of these cases, which then time nothing."""
    stand_ins = {"backend": {"cupy": "numpy", "torch:cuda": "torch"}, "device": {"cuda": "cpu", "gpu": "cpu"}}
    for table in (peers.DEVICE, peers.DEVICE_INFERENCE):
        for name, (module, maker, options) in list(table.items()):
            changed = {key: stand_ins.get(key, {}).get(value, value) for key, value in options.items()}
            table[name] = (module, maker, changed)


def list_tasks(settings: Settings, optimizer: str) -> dict[str, Task]:
    """Return the sizes of a run, small ones first."""
    tasks = {size: Task.of_size(size, optimizer) for size in list(SIZES)[: settings.sizes]}
    if settings.sizes == len(SIZES):
        rate = 0.01 if optimizer == "sgd" else 1e-4
        tasks |= {name: Task((n, n, n, 10), n, 2 * n, optimizer, rate) for name, n in WIDE.items()}
    return tasks


def run_steps(settings: Settings) -> Iterator[Case]:
    """Time steps of SGD and Adam at each size, in each precision."""
    for optimizer in ("sgd", "adam"):
        for size, task in list_tasks(settings, optimizer).items():
            for precision in ("float32", "tf32", "bfloat16"):
                yield _compare_steps(settings, size, task, precision)
    for size in SMALL if settings.everyone else ():  # last: it lets go of memory that others' graphs work in
        task = Task.of_size(size, "sgd")
        names = (peers.BPX_CUPY, peers.REDUCED_CUDA)
        made, missing = peers.make(peers.DEVICE, names, task, "float32")
        case = Case(f"cuda/compiled/sgd/{size}", f"CUDA, {size}, batch {task.batch}, compiled", "ms a step", 1e3)
        case.missing = missing
        yield compare_trainers(case, made, 32, 32 * task.batches, min(settings.rounds, ROUNDS), 0.02) if made else case


def _compare_steps(settings: Settings, size: str, task: Task, precision: str) -> Case:
    optimizer = task.optimizer
    names = [peers.BPX_CUPY, peers.BPX_TORCH_CUDA, peers.GRAPH_CUDA, peers.FLOOR_CUDA]
    if (precision, optimizer) == ("float32", "sgd") and size in SIZES:  # eager PyTorch takes up to 20 times as long
        names += [peers.TORCH_CUDA, peers.SCAN_CUDA]
    title = f"CUDA, {size}, batch {task.batch}, {optimizer}, {precision}"
    case = Case(f"cuda/{precision}/{optimizer}/{size}", title, "ms a step", 1e3)
    made, case.missing = peers.make(peers.DEVICE, names, task, precision)
    if not made:
        return case
    first = next(iter(made.values()))
    first.train(max(1, -(-STEPS // task.batches)) if size in SIZES else 1)  # compiles, and records
    epochs = max(1, round(BLOCK_SECONDS / seconds_of(partial(first.train, 1), 1)))
    made, case.missing = peers.make(peers.DEVICE, names, task, precision)  # all from the same weights
    return compare_trainers(
        case, made, epochs, epochs * task.batches, min(settings.rounds, ROUNDS), TOLERANCE[precision]
    )


def run_fits(settings: Settings) -> Iterator[Case]:
    """Time what a second fit costs beside its steps, and fits of one batch against one fit of as many steps."""
    for optimizer in ("sgd", "adam"):
        for size in list(SIZES)[: settings.sizes : 2]:
            for peer in (peers.BPX_CUPY, peers.BPX_TORCH_CUDA):
                task = Task.of_size(size, optimizer)
                case = Case(f"cuda/fit/{peer}/{optimizer}/{size}", f"fits on {peer}, {size}, {optimizer}", "")
                made, case.missing = peers.make(peers.DEVICE, (peer,), task, "float32")
                if made:
                    say(f"  {case.title}")
                    trainer = made[peer]
                    case.facts[TIME_OF_FIT] = 1e3 * find_fixed_cost(trainer, -(-STEPS // task.batches))
                    case.facts[TIME_OF_PARTS] = compare_parts(trainer, 1000 if settings.rounds > 2 else 20)
                yield case


def find_fixed_cost(trainer: Any, epochs: int) -> float:
    """Return the seconds of a fit beside its steps: twice one fit, less one of twice as many epochs."""
    trainer.train(epochs)  # compiles, and may record

    def timed(n: int) -> float:
        start = time.perf_counter()
        trainer.train(n)
        return time.perf_counter() - start

    return statistics.median(2.0 * timed(epochs) - timed(2 * epochs) for _ in range(5))


def compare_parts(trainer: Any, steps: int) -> float:
    """Return the time of so many fits of one batch over that of one fit of as many steps."""
    batch = trainer.task.batch
    x, y = trainer.x[:batch], trainer.y[:batch]
    fit = partial(trainer.network.fit, x, y, batch_size=None, optimizer=trainer.optimizer, progress=False)
    fit(epochs=32)

    def apart() -> None:
        for _ in range(steps):
            fit(epochs=1)

    return seconds_of(apart, 2) / seconds_of(partial(fit, epochs=steps), 2)


def run_predictions(settings: Settings) -> Iterator[Case]:
    """Time ``predict`` and ``evaluate`` of rows that lie on the device, each call to its end."""
    sizes = (784, 512, 512, 10)
    for rows in ROWS:
        task = Task(sizes, rows, rows)
        x, y = task.data()
        makers, missing = peers.make(peers.DEVICE_INFERENCE, peers.DEVICE_INFERENCE, task)
        for what in ("predict", "evaluate"):
            case = Case(f"cuda/{what}/{rows}", f"{what} on CUDA, 784-512-512-10, {rows:,} rows", "us a call", 1e6)
            case.missing = dict(missing)
            blocks: dict[str, Callable[[], object]] = {}
            outputs: dict[str, Any] = {}
            for peer, (place, predict, evaluate) in makers.items():
                xs, ys = place(x), place(y)
                work = partial(predict, xs) if what == "predict" else partial(evaluate, xs, ys)
                outputs[peer] = _as_numbers(work())
                blocks[peer] = work
            calls = 1
            if blocks:
                calls = max(1, round(BLOCK_SECONDS / max(seconds_of(work) for work in blocks.values())))
                first = next(iter(outputs.values()))
                far = [name for name, out in outputs.items() if not np.allclose(out, first, rtol=1e-3, atol=1e-4)]
                case.disagreement = f"{what} differs from {next(iter(outputs))}: {', '.join(far)}" if far else ""
            repeated = {peer: partial(_repeat, work, calls) for peer, work in blocks.items()}
            rounds = min(settings.rounds, 5)
            yield compare_blocks(case, repeated, calls, rounds) if repeated else case


def _as_numbers(result: Any) -> np.ndarray:
    """Return predictions, or loss and accuracy, as an array on the host."""
    if isinstance(result, dict):
        return np.asarray([result["loss"], result["accuracy"]])
    return np.asarray(result.cpu() if hasattr(result, "cpu") else result.get() if hasattr(result, "get") else result)


def _repeat(work: Callable[[], object], calls: int) -> None:
    for _ in range(calls):
        work()
