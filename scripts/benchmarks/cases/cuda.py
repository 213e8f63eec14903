"""A training step on a CUDA device, the data there already; on a machine without one every peer is a named gap."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks import peers
from benchmarks.cases.comparison import compare_trainers
from benchmarks.measuring import Case, seconds_of
from benchmarks.peers import make_trainers
from benchmarks.settings import Settings
from benchmarks.tasks import SIZES, SMALL, Task, precision

WIDE = "8192-8192-8192-10"
SGD = (peers.BPX_CUPY, peers.BPX_TORCH_CUDA, peers.TORCH_CUDA, peers.FLOOR_CUDA)
ADAM = (peers.BPX_CUPY, peers.BPX_TORCH_CUDA, peers.TORCH_CUDA, peers.FUSED_CUDA)
BLOCK_SECONDS = 0.3
"""How long PyTorch works in one block."""

BLOCK_STEPS = 20
"""Fewest steps in one block: recording a graph, which each fit does, counts as in a short training."""


def run(settings: Settings) -> Iterator[Case]:
    """Time SGD and Adam at the sizes of the design, and SGD at 8192-wide layers."""
    for optimizer, names in (("sgd", SGD), ("adam", ADAM)):
        for size in list(SIZES)[: settings.sizes]:
            task = Task.of_size(size, optimizer)
            compiled = (peers.REDUCED_CUDA,) if size in SMALL and optimizer == "sgd" and settings.everyone else ()
            yield _compared(f"cuda/{optimizer}/{size}", size, task, (*names, *compiled), settings)
    if settings.sizes == len(SIZES):
        task = Task((8192, 8192, 8192, 10), 8192, 2 * 8192)
        yield _compared(f"cuda/sgd/{WIDE}", WIDE, task, SGD, settings)


def _compared(name: str, size: str, task: Task, names: tuple[str, ...], settings: Settings) -> Case:
    title = (
        f"CUDA, {size}, batch {task.batch}, {'SGD' if task.optimizer == 'sgd' else 'Adam'}, products in {precision()}"
    )
    case = Case(name, title, "ms a step", 1e3)
    # A PyTorch trainer of its own is asked how much work a block is, so that all start from the same weights.
    pilot, case.missing = make_trainers((peers.TORCH_CUDA,), task)
    if not pilot:
        return case
    seconds = seconds_of(partial(pilot.pop(peers.TORCH_CUDA).train, 1))
    epochs = max(round(BLOCK_SECONDS / seconds), -(-BLOCK_STEPS // task.batches))
    made, case.missing = make_trainers(names, task)
    return compare_trainers(case, made, epochs, epochs * task.batches, min(settings.rounds, 5), 0.02)
