"""A training step at each of the five sizes, through fits of whole epochs over rows as they lie."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import peers
from benchmarks.cases.comparison import compare_trainers
from benchmarks.measuring import Case, seconds_of
from benchmarks.peers import make_trainers
from benchmarks.settings import Settings, chosen
from benchmarks.tasks import SIZES, Task

SGD = (
    peers.BPX,
    peers.HAND,
    peers.FLOOR,
    peers.TORCH,
    peers.JAX,
    peers.SCAN,
    peers.SKLEARN,
    peers.BPX_TORCH,
    peers.BPX_JAX,
    peers.COMPILED,
)
EXTRA = (peers.SCAN, peers.BPX_JAX, peers.COMPILED, peers.FOREACH)
ADAM = (peers.BPX, peers.HAND, peers.TORCH, peers.FUSED, peers.FOREACH, peers.JAX, peers.SCAN)


def run_sgd(settings: Settings) -> Iterator[Case]:
    """Time plain SGD; each peer records the loss of every epoch."""
    yield from _run("sgd", SGD, settings, settings.sgd_block)


def run_adam(settings: Settings) -> Iterator[Case]:
    """Time Adam against PyTorch's three kernels of it, and JAX."""
    yield from _run("adam", ADAM, settings, settings.block)


def _run(optimizer: str, names: tuple[str, ...], settings: Settings, block: float) -> Iterator[Case]:
    for size in list(SIZES)[: settings.sizes]:
        task = Task.of_size(size, optimizer)
        title = f"{size}, batch {task.batch}, {optimizer.upper() if optimizer == 'sgd' else 'Adam'}"
        case = Case(f"{optimizer}/{size}", title, "ms a step", 1e3)
        timed, case.missing = chosen(names, EXTRA, settings)
        made, missing = make_trainers(timed, task)
        case.missing |= missing
        epochs = epochs_in_block(task, block)
        yield compare_trainers(case, made, epochs, epochs * task.batches, settings.rounds, 0.02)


def epochs_in_block(task: Task, block: float) -> int:
    """Return the number of epochs that hand-written NumPy does in the seconds of a block, at least one."""
    hand = make_trainers((peers.HAND,), task)[0][peers.HAND]
    return max(1, round(block / seconds_of(lambda: hand.train(1))))
