"""A training in which something happens to one rank: ``python rank_trouble.py KIND FOLDER BACKEND``, by a launcher.

Prints "HAPPENS" and the time when it does. FOLDER gets checkpoints; a second training would follow, and must not.
"""

import os
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import bpx
import bpx.training.sharing as sharing

KIND = sys.argv[1] if len(sys.argv) > 1 else ""
RANK = int(os.environ["JAX_TEST_RANK"]) if "JAX_TEST_RANK" in os.environ else bpx.distributed.rank()
WHEN = 3
"""The epoch, from 0, in which it happens."""


def happen() -> None:
    sys.stdout.write(f"HAPPENS {time.time()}\n")
    sys.stdout.flush()


def act() -> None:
    """Do what the kind says, on the rank to which it happens."""
    if KIND == "exception" and RANK == 1:
        happen()
        raise KeyError("a fault of rank one")
    if KIND in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP") and RANK == 1:
        happen()
        os.kill(os.getpid(), getattr(signal, KIND))


def order(epoch: int) -> np.ndarray:
    """Return the order of an epoch; the place where something happens on one rank."""
    if epoch == WHEN:
        act()
    if KIND == "launcher" and epoch == WHEN and RANK == 0:
        happen()
    if KIND in ("launcher", "SIGTERM", "SIGINT", "SIGHUP"):
        time.sleep(0.01)
    return np.random.default_rng(epoch).permutation(64)


def fail_in_a_callback(run) -> None:
    if KIND == "callback" and run.done == WHEN:
        happen()
        raise ValueError("a fault of a callback")
    if KIND == "divergence" and run.done == WHEN:
        run.training.rate_scale = 1e200
        happen()
    if KIND == "full disk" and run.done == WHEN:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        happen()


def main() -> None:
    warnings.filterwarnings("ignore", message=".*ranks share the|.*is bound to one")
    folder, backend = Path(sys.argv[2]), sys.argv[3]
    if len(sys.argv) > 4:
        import jax

        jax.distributed.initialize(sys.argv[4], process_id=int(sys.argv[5]), num_processes=int(sys.argv[6]))
    draw = np.random.default_rng(1 if KIND == "other data" and RANK == 1 else 0)
    x, y = draw.normal(size=(64, 5)), draw.integers(0, 3, size=64)
    seed = 7 if KIND == "other seed" and RANK == 1 else 0
    net = bpx.mlp([5, 16, 3], loss="cross_entropy", dtype="float64", seed=seed, backend=backend)
    if KIND == "other version" and RANK == 1:
        sharing.__version__ = "0.0.1"
    options = {"batch_size": 16, "epochs": 100_000, "optimizer": "adam", "shuffle": order, "checkpoint": folder}
    options["on_checkpoint_error"] = "raise"
    options["callbacks"] = [fail_in_a_callback]
    if KIND == "other settings" and RANK == 1:
        options["batch_size"] = 32
    if KIND == "bad argument" and RANK == 1:
        options["epochs"] = -1
    if KIND in ("other data", "other seed", "other version", "other settings", "bad argument"):
        happen()
    if KIND in ("leaves", "leaves first", "another call", "killed between"):
        if KIND != "leaves first":
            net.fit(x, y, **{**options, "epochs": 3}, distributed=True)
        if RANK == 1:
            happen()
            if KIND == "killed between":
                os.kill(os.getpid(), signal.SIGKILL)
            if KIND != "another call":
                return
            net.evaluate(x, y, distributed=True)
        net.fit(x, y, **{**options, "checkpoint": None}, distributed=True)
    if KIND == "after":
        net.fit(x, y, **{**options, "epochs": 3}, distributed=True)
        if RANK == 1:
            happen()
            raise KeyError("a fault of rank one")
        net.fit(x, y, **{**options, "epochs": 3, "checkpoint": None}, distributed=True)
        net.fit(x, y, **{**options, "epochs": 3, "checkpoint": None}, distributed=True)
    if KIND == "batches that fail":

        def read_batches():
            for i in range(0, 64, 16):
                if RANK == 1 and i == 32:
                    happen()
                    raise OSError("a fault of a file")
                yield x[i : i + 16], y[i : i + 16]

        del options["shuffle"], options["batch_size"]
        net.fit(read_batches, **options, distributed=True)
    if KIND == "other batches":
        own = np.random.default_rng(RANK).permutation(64)
        batches = [(x[own[i : i + 16]], y[own[i : i + 16]]) for i in range(0, 64, 16)]
        del options["shuffle"], options["batch_size"]
        happen()
        net.fit(batches, **options, distributed=True)
    net.fit(x, y, **options, distributed=True)
    sys.stdout.write("WENT ON\n")


if __name__ == "__main__":
    main()
