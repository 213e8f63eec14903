"""bpx on mlx against MLX's own way, NumPy beside them: training steps and predictions at the small sizes.

The larger sizes would say nothing more: where MLX is built for the CPU of another machine than Apple's, it multiplies
by the reference BLAS, and a step is the time of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks import peers
from benchmarks.cases.comparison import compare_blocks, compare_trainers
from benchmarks.cases.predict import repeat
from benchmarks.measuring import Case, seconds_of
from benchmarks.peers import PREDICT, make, make_trainers
from benchmarks.settings import Settings
from benchmarks.tasks import SMALL, Task

PEERS = (peers.BPX_MLX, peers.MLX, peers.BPX)


def run(settings: Settings) -> Iterator[Case]:
    """Time steps of SGD, and predictions of a batch, in blocks as long as MLX's own way takes."""
    for size in SMALL[: settings.sizes]:
        task = Task.of_size(size)
        case = Case(f"mlx/sgd/{size}", f"MLX, {size}, batch {task.batch}, SGD", "ms a step", 1e3)
        made, case.missing = make_trainers(PEERS, task)
        if peers.MLX in made:
            seconds = seconds_of(partial(make_trainers((peers.MLX,), task)[0][peers.MLX].train, 1))
            epochs = max(1, round(settings.sgd_block / seconds))
            case = compare_trainers(case, made, epochs, epochs * task.batches, settings.rounds, 0.02)
        yield case
    for size in SMALL[: settings.sizes]:
        task = Task.of_size(size)
        case = Case(f"mlx/predict/{size}", f"MLX, predict, {size}, {task.batch} rows", "ms a call", 1e3)
        found, case.missing = make(PREDICT, PEERS, task)
        if peers.MLX in found:
            x = task.data()[0][: task.batch]
            outputs = {peer: predict(x) for peer, predict in found.items()}
            far = [p for p in outputs if not np.allclose(outputs[p], outputs[peers.BPX], rtol=1e-3, atol=1e-5)]
            calls = max(1, round(settings.block / 3 / seconds_of(partial(found[peers.MLX], x))))
            blocks = {peer: partial(repeat, predict, x, calls) for peer, predict in found.items()}
            case = compare_blocks(case, blocks, calls, settings.rounds)
            case.disagreement = f"probabilities differ from {peers.BPX}: {', '.join(far)}" if far else ""
        yield case
