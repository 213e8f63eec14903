"""What several ranks refuse, take over and say at the start: ``python rank_checks.py``, by a launcher."""

import contextlib
import functools
import io
import os
import re
import warnings

import numpy as np
import pytest

import bpx
from bpx.distributed.communicator import connect
from bpx.training.sharing import SharedLoop


def refuses(text: str, net, *data, **options) -> None:
    """Assert that ``fit`` raises an InputError with a text, on every rank, and that the ranks can go on."""
    with pytest.raises(bpx.InputError, match=re.escape(text)):
        net.fit(*data, **{"epochs": 1, **options}, distributed=True)


def main() -> None:
    rank, size = bpx.distributed.rank(), bpx.distributed.size()
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(40, 3)), draw.integers(0, 2, size=40)

    net = bpx.mlp([3, 4, 2], loss="cross_entropy", seed=None, dtype="float64")
    communicator = connect(net.backend)
    assert (communicator.rank, communicator.size) == (rank, size)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.fit(x, y, epochs=2, batch_size=1, distributed=True)
    said = [str(warning.message) for warning in caught if "batches of 1 rows are shared out" in str(warning.message)]
    assert len(said) == (rank == 0), said
    assert len(set(communicator.gather(net.seed))) == 1  # the operating system chose one for each
    assert len(set(communicator.gather(net.params[0]["weight"].tobytes()))) == 1

    refuses("optimizer 'lbfgs' cannot be used by several processes", net, x, y, optimizer="lbfgs")
    refuses("a generator cannot be used by several processes", net, ((x, y) for _ in range(1)))
    refuses("x must have shape", net, x[:, :2] if rank == 1 else x, y)
    refuses("x holds 1 value that is NaN", net, np.where(np.arange(40)[:, None] == 7, [np.nan, 0, 0], x), y)
    few = slice(0, 30 + rank)
    with pytest.raises(bpx.InputError, match="rank 1 was given something else than rank 0; x: float64 of shape"):
        net.evaluate(x[few], y[few], distributed=True)
    with pytest.raises(bpx.InputError, match="rank 1 was given something else than rank 0; x: float64 of shape"):
        net.predict(x[few], distributed=True)

    # Of files each reads its part in pieces: what is found there by one rank is raised by all, and they go on.
    bad = np.where(np.arange(40)[:, None] == 31, [np.nan, 0, 0], x)  # of rank 1 alone
    files = [bad[:11], bad[11:]]
    for ask in (lambda: net.evaluate(files, y, memory_limit=300, distributed=True),
                lambda: net.predict(files, memory_limit=300, distributed=True)):  # fmt: skip
        with pytest.raises(bpx.InputError, match=r"rows \d+ to \d+: x holds 1 value that is NaN"):
            ask()
    refuses("some of rows", net, files, y, batch_size=2, memory_limit=900, shuffle=False)
    refuses("part 1 of y has 28 rows, and part 1 of x has 29", net, files, [y[:11], y[12:]])
    refuses("class ids must be from 0 to 1", net, files, y + 1, memory_limit=900, batch_size=2, class_weight="balanced")

    with pytest.raises(bpx.InputError, match=r"else than rank 0; metrics: \['macro_f1'\], and \["):
        net.evaluate(x, y, metrics=["macro_f1"] if rank == 1 else [], distributed=True)
    other = bpx.mlp([3, 4, 2], loss="cross_entropy", seed=rank, dtype="float64")
    for call in (lambda: other.predict(x, distributed=True), lambda: other.evaluate(x, y, distributed=True)):
        with pytest.raises(bpx.InputError, match="rank 1 was given something else than rank 0; the parameters' hash: "):
            call()

    # Ranks that come to different calls, or one of which is in the middle of what it does alone.
    call = net.predict if rank == 1 else functools.partial(net.evaluate, y=y)
    with pytest.raises(bpx.InputError, match="rank 1 has come to predict while rank 0 has come to evaluate"):
        call(x, distributed=True)

    def evaluate_in_a_callback(run):
        run.net.evaluate(x, y, distributed=True)

    refuses("a distributed evaluate is for all ranks, and this is inside of fit", net, x, y,
            callbacks=[evaluate_in_a_callback])  # fmt: skip

    # What one rank changes in the middle of a training is found at its end.
    save = SharedLoop._save

    def spoil(loop):
        save(loop)
        if rank == 1:
            loop.net.params[0]["weight"][...] += 1e-9

    SharedLoop._save = spoil
    with pytest.raises(RuntimeError, match="rank 1 has ended with other parameters than rank 0"):
        net.fit(x, y, epochs=1, distributed=True)
    SharedLoop._save = save

    with contextlib.redirect_stderr(io.StringIO()) as shown:
        net.fit(x, y, epochs=1, progress=True, callbacks=[bpx.ProgressPrinter()], distributed=True)
    for part in ("100%", "epoch 1/1: loss "):
        assert (part in shown.getvalue()) == (rank == 0), shown.getvalue()
    # A process that a rank starts is no rank, though it has all of its connections.
    child = os.fork()
    if child == 0:
        try:
            net.predict(x, distributed=True)
        except bpx.InputError as error:
            os._exit(7 if "a process that a rank has started" in str(error) else 1)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

    print(f"rank {rank} of {size} is done")


if __name__ == "__main__":
    main()
