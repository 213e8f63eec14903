"""Class probabilities from NumPy rows to NumPy rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks import peers
from benchmarks.cases.comparison import compare_blocks
from benchmarks.measuring import Case, seconds_of
from benchmarks.peers import PREDICT, make
from benchmarks.settings import Settings, chosen
from benchmarks.tasks import SIZES, Array, Task

MANY = "10,000 rows"
EXTRA = (peers.KERAS, peers.BPX_TORCH)
ELSEWHERE = (peers.BPX_MLX, peers.MLX)
"""Peers that a case of their own compares."""


def run(settings: Settings) -> Iterator[Case]:
    """Time ``predict`` on a batch at each size, and on 10,000 rows."""
    tasks = [(name, Task.of_size(name)) for name in list(SIZES)[: settings.sizes]]
    tasks.append((MANY, Task((784, 128, 10), min(10_000, settings.rows), min(10_000, settings.rows))))
    for name, task in tasks:
        case = Case(
            f"predict/{name}", f"predict, {'-'.join(map(str, task.sizes))}, {task.batch:,} rows", "ms a call", 1e3
        )
        x = task.data()[0][: task.batch]
        timed, case.missing = chosen([peer for peer in PREDICT if peer not in ELSEWHERE], EXTRA, settings)
        made, missing = make(PREDICT, timed, task)
        case.missing |= missing
        outputs = {peer: predict(x) for peer, predict in made.items()}
        expected = outputs[peers.HAND]
        far = [peer for peer, output in outputs.items() if not np.allclose(output, expected, rtol=1e-3, atol=1e-5)]
        case.disagreement = f"probabilities differ from {peers.HAND}: {', '.join(far)}" if far else ""
        calls = max(1, round(settings.block / 3 / seconds_of(partial(made[peers.HAND], x))))
        blocks = {peer: partial(repeat, predict, x, calls) for peer, predict in made.items()}
        yield compare_blocks(case, blocks, calls, settings.rounds)


def repeat(predict: peers.Predictor, x: Array, calls: int) -> None:
    """Call a predictor so many times."""
    for _ in range(calls):
        predict(x)
