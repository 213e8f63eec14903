"""An epoch of 60,000 x 784 with 784-128-10 and batches of 128, shuffled, all data handling included."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import peers
from benchmarks.cases.comparison import compare_trainers
from benchmarks.measuring import Case
from benchmarks.peers import make_trainers
from benchmarks.settings import Settings, chosen
from benchmarks.tasks import Task

NAME = "epoch"
PEERS = (
    peers.BPX,
    peers.HAND,
    peers.TORCH,
    peers.LOADER,
    peers.JAX,
    peers.SKLEARN,
    peers.KERAS,
    peers.BPX_TORCH,
    peers.BPX_JAX,
)

EXTRA = (peers.JAX, peers.BPX_JAX)


def run(settings: Settings) -> Iterator[Case]:
    """Time one public ``fit`` of one epoch; orders differ between libraries, so losses agree only roughly."""
    task = Task((784, 128, 10), 128, settings.rows, "sgd", 0.05, shuffle=True)
    case = Case(NAME, f"one epoch of {task.rows:,} x 784, 784-128-10, batch 128, shuffled, SGD", "s an epoch")
    timed, case.missing = chosen(PEERS, EXTRA, settings)
    made, missing = make_trainers(timed, task)
    case.missing |= missing
    yield compare_trainers(case, made, 1, 1, max(2, settings.rounds // 2), 0.1)
