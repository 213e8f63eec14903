"""Time trainers or functions of several libraries against each other and compare what came out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from benchmarks.measuring import Case, Line, interleave
from benchmarks.peers import Trainer
from benchmarks.settings import say


def compare_trainers(
    case: Case, made: dict[str, Trainer], epochs: int, units: int, rounds: int, tolerance: float
) -> Case:
    """Let every trainer train the same number of epochs in turn, and compare the losses at the end.

    Parameters
    ----------
    case : Case
        Filled in and returned; its `missing` grows by the peers that fail.
    made : dict of str to Trainer
    epochs : int
        Epochs in a block.
    units : int
        Units of work in a block: epochs, steps.
    rounds : int
    tolerance : float
        Largest relative difference of the final losses.
    """
    blocks = {name: partial(trainer.train, epochs) for name, trainer in made.items()}
    case = compare_blocks(case, blocks, units, rounds)
    for name, line in case.lines.items():
        line.loss = made[name].loss if math.isfinite(made[name].loss) else None
    case.disagreement = disagreement({name: line.loss for name, line in case.lines.items()}, tolerance)
    return case


def compare_blocks(case: Case, blocks: Mapping[str, Callable[[], object]], units: float, rounds: int) -> Case:
    """Time blocks in turn, after one run of each in which libraries compile and a failure is noted."""
    say(f"  {case.title}")
    working = {}
    for name, block in blocks.items():
        try:
            block()
        except Exception as error:  # a peer may fail in any way of its own: the report says how
            case.missing[name] = f"FAILED: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        else:
            working[name] = block
    for name, seconds in interleave(working, rounds).items():
        case.lines[name] = Line(name, [value / units for value in seconds])
    return case


def disagreement(losses: Mapping[str, float | None], tolerance: float) -> str:
    """Say which losses differ from the first one by more than the tolerance; empty where none does."""
    known: dict[str, Any] = {name: loss for name, loss in losses.items() if loss is not None}
    if not known:
        return ""
    first = next(iter(known))
    far = [
        f"{name} {loss:.8g}" for name, loss in known.items() if not math.isclose(loss, known[first], rel_tol=tolerance)
    ]
    return f"final losses differ from {first} {known[first]:.8g}: {', '.join(far)}" if far else ""
