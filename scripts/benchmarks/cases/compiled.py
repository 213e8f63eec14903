"""bpx on jax: XOR against a hand-written compiled loop, and the number of compilations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks import peers
from benchmarks.cases.comparison import compare_trainers
from benchmarks.measuring import Case
from benchmarks.peers import XOR, make, make_trainers
from benchmarks.settings import Settings
from benchmarks.tasks import Task

NAME = "compiled/xor"
AGAIN = "compilations in a second fit"


def run(settings: Settings) -> Iterator[Case]:
    """Time fits of the notebook's 10,000 epochs, losses recorded, compiled before; count what XLA compiles."""
    case = Case(NAME, "XOR on jax, biases trained, loss recorded each epoch", "µs an epoch", 1e6)
    made, case.missing = make(XOR, (peers.BPX_JAX, peers.SCAN))
    case = compare_trainers(case, made, settings.xor_epochs, settings.xor_epochs, settings.rounds, 1e-6)
    if peers.BPX_JAX in case.lines:
        batches = Task((64, 32, 10), 32, 1000, shuffle=True)
        trainers = {
            "XOR": (make(XOR, (peers.BPX_JAX,))[0][peers.BPX_JAX], settings.xor_epochs),
            "64-32-10, shuffled batches": (make_trainers((peers.BPX_JAX,), batches)[0][peers.BPX_JAX], 3),
        }
        for name, (trainer, epochs) in trainers.items():
            with compilations() as first:
                trainer.train(epochs)
            with compilations() as second:
                trainer.train(epochs)
            case.facts[f"{name}: compilations in a first fit"] = float(len(first))
            case.facts[f"{name}: {AGAIN}"] = float(len(second))
        with compilations() as other:
            trainers["64-32-10, shuffled batches"][0].train(7)
        case.facts["64-32-10, shuffled batches: compilations in a fit of more epochs"] = float(len(other))
    yield case


@contextmanager
def compilations() -> Iterator[list[str]]:
    """Collect the programs that XLA compiles inside the block."""
    from jax import monitoring

    events: list[str] = []

    def listen(event: str, duration: float, **_: Any) -> None:
        if active and event == "/jax/core/compile/backend_compile_duration":
            events.append(f"{event} {duration:.3f} s")

    active = True
    monitoring.register_event_duration_secs_listener(listen)
    try:
        yield events
    finally:
        active = False
