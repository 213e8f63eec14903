"""XOR by the epoch, all four rows in a batch, through fits of the notebook's 10,000 epochs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import peers
from benchmarks.cases.comparison import compare_trainers
from benchmarks.measuring import Case
from benchmarks.peers import XOR, make
from benchmarks.settings import Settings, chosen

TRAINED = "xor/trained"
PUBLISHED = "xor/published"
PEERS = (
    peers.BPX,
    peers.HAND,
    peers.TUNED,
    peers.TORCH,
    peers.BPX_TORCH,
    peers.JAX,
    peers.SCAN,
    peers.BPX_JAX,
    peers.SKLEARN,
)

EXTRA = (peers.BPX_TORCH, peers.SCAN, peers.BPX_JAX)


def run(settings: Settings) -> Iterator[Case]:
    """Time both trainings of the 2-2-1 sigmoid network, in float64."""
    case = Case(TRAINED, "XOR, biases trained, loss recorded each epoch", "µs an epoch", 1e6)
    timed, case.missing = chosen(PEERS, EXTRA, settings)
    made, missing = make(XOR, timed)
    case.missing |= missing
    yield _compare(case, made, settings)
    case = Case(PUBLISHED, "XOR as published, biases frozen", "µs an epoch", 1e6)
    published, case.missing = make(XOR, (peers.BPX,), True)
    yield _compare(case, published | make(XOR, (peers.NOTEBOOK,))[0], settings)


def _compare(case: Case, made: dict[str, Any], settings: Settings) -> Case:
    case = compare_trainers(case, made, settings.xor_epochs, settings.xor_epochs, settings.rounds, 1e-6)
    if peers.SKLEARN in case.lines:
        case.lines[peers.SKLEARN].note = "log loss: it has no sigmoid output with squared error"
    return case
