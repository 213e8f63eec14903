"""Several processes by mpirun: the numbers of one, whatever their number, and an end for all of them."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
import started_ranks as ranks
from rank_work import list_cases

import bpx

pytestmark = pytest.mark.slow

LIMIT = 10.0
"""Seconds in which all ranks end, from what happens to one of them."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return the numbers of one process for each case."""
    out = tmp_path_factory.mktemp("alone")
    ranks.run(1, "work", out, "numpy")
    return {name: ranks.load(out / f"{name}.0.npz") for name in list_cases()}


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_numbers_are_those_of_one_process(alone, tmp_path, n):
    ranks.run(n, "work", tmp_path, "numpy")
    assert len(alone) > 20
    for name, wanted in alone.items():
        ranks.compare(wanted, [ranks.load(tmp_path / f"{name}.{rank}.npz") for rank in range(n)])


def test_what_is_refused_and_said_is_so_on_all_ranks():
    said = ranks.run(2, "checks")
    assert sorted(line for line in said.splitlines() if line.endswith("is done")) == [
        "rank 0 of 2 is done",
        "rank 1 of 2 is done",
    ]


def test_torch_is_summed_up_by_mpi_too(alone, tmp_path):
    ranks.run(2, "work", tmp_path, "torch", json.dumps(["adam", "whole"]))
    for name in ("adam", "whole"):
        ranks.compare(alone[name], [ranks.load(tmp_path / f"{name}.{rank}.npz") for rank in range(2)])


def test_an_estimator_for_tables_takes_the_seed_of_rank_0(tmp_path):
    found = {}
    for n in (1, 2):
        ranks.run(n, "work", tmp_path, "numpy", json.dumps(["estimator"]))
        found[n] = [ranks.load(tmp_path / f"estimator.{rank}.npz") for rank in range(n)]
    ranks.compare(found[1][0], found[2], tolerance=1e-4)  # in float32


ROWS, WIDTH, MEMORY = 131_072, 256, 32 * 2**20
"""Samples of 128 MiB, and the memory that all ranks together may take of them."""

OVERHEAD = 6 * 2**20
"""What a rank may take beside its part of that: pages of files, which are copied by 1 MiB and let go of, but of which
Linux maps up to 4 where its cache holds large ones; the copy, 1 MiB; the order of a block, 12 bytes a row; and what the
allocator keeps. Up to 2 MiB above the part were seen; a rank that took all rows of a block would have 26, not 22."""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux keeps account of a peak")
def test_a_rank_reads_its_rows_alone_and_takes_its_part_of_the_memory(tmp_path):
    ranks.save_parts(tmp_path, ROWS, WIDTH)
    ranks.run(2, "memory", tmp_path, MEMORY)
    for rank in range(2):
        found = json.loads((tmp_path / f"memory.{rank}.json").read_text("utf-8"))
        assert found["fit"]["peak"] > MEMORY // 8
        for name, passes in (("fit", 2), ("validate", 2), ("evaluate", 1), ("predict", 1)):
            assert found[name]["peak"] < MEMORY // 2 + OVERHEAD, (name, found)
            assert abs(found[name]["rows"] - passes * ROWS // 2) < 1000, "beside 256 rows that are hashed"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the numbers of a training that was not interrupted, on one process, and its log."""
    folder = tmp_path_factory.mktemp("whole")
    ranks.run(1, "resume", folder / "c", folder, 4, "numpy")
    return ranks.load(folder / "resumed.0.npz"), (folder / "log.jsonl").read_text("utf-8")


@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2), (2, 3)])
def test_a_training_is_resumed_on_another_number_of_ranks_in_the_middle_of_an_epoch(whole, tmp_path, first, then):
    folder = tmp_path / "c"
    ranks.run(first, "resume", folder, tmp_path, 3, "numpy")
    left = sorted(folder.glob("checkpoint-*"))
    for path in left[3:]:
        path.unlink()
    assert [path.name[-14:-12] for path in left[:3]] == ["05", "10", "15"]  # of steps; 7 are an epoch
    ranks.run(then, "resume", folder, tmp_path, 4, "numpy")
    numbers, log = whole
    ranks.compare(numbers, [ranks.load(tmp_path / f"resumed.{rank}.npz") for rank in range(then)])
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
    assert [line["epoch"] for line in lines] == [json.loads(line)["epoch"] for line in log.splitlines()]


def _watch(tmp_path, kind, n=3):
    """Run a training in which something happens; return errors, with what must be true of every end."""
    before, folder = ranks.list_shared_memory(), tmp_path / "checkpoints"
    running = ranks.start(n, "trouble", kind, folder, "numpy")
    code, stdout, stderr = ranks.finish(running, 60.0)
    ended = time.time()
    happened = [float(line.split()[1]) for line in stdout.splitlines() if line.startswith("HAPPENS")]
    assert happened, stderr
    assert ended - max(happened) < LIMIT
    assert code != 0
    assert "WENT ON" not in stdout
    assert ranks.wait_until_none_is_left([kind, str(folder)]) == []
    assert ranks.list_shared_memory() <= before
    return stderr, folder


def _check_checkpoint(folder, least=1):
    found = sorted(folder.glob("checkpoint-*"))
    assert len(found) >= least
    for path in found:
        assert bpx.load(path).n_params > 0


TROUBLE = {
    "exception": ("rank 1 of 3 failed, and all ranks end: KeyError: 'a fault of rank one'", True),
    "after": ("rank 1 of 3 failed, and all ranks end: KeyError: 'a fault of rank one'", True),
    "callback": ("ValueError: a fault of a callback\non rank 0 of 3, and so on all others", True),
    "SIGKILL": ("process rank 1 with PID", True),
    "SIGTERM": ("go on with fit(..., resume=", True),
    "SIGHUP": ("go on with fit(..., resume=", True),
    "SIGINT": ("go on with fit(..., resume=", True),
    "full disk": ("File too large; the last whole one is", True),
    "divergence": ("DivergenceError: the loss became ", True),
    "other data": ("rank 1 of 3 was started with something else than rank 0: data.x holds other numbers", False),
    "other seed": ("rank 0: network.seed is 7 on rank 1 and 0 on rank 0", False),
    "other settings": ("rank 0: batch_size is 32 on rank 1 and 16 on rank 0", False),
    "other version": ("rank 0: bpx is '0.0.1' on rank 1 and ", False),
    "other batches": ("rank 1 was given other batches than rank 0 in epoch 1", False),
    "leaves": ("rank 1 has ended without calling fit, for which rank 0 waits", True),
    "leaves first": ("rank 1 has ended without calling fit, for which rank 0 waits", False),
    "another call": ("rank 1 has come to evaluate while rank 0 has come to fit", True),
    "bad argument": ("epochs must be at least 1, got -1\non rank 1 of 3, and so on all others", False),
}
"""What is said, and whether a checkpoint is there."""


@pytest.mark.parametrize("kind", TROUBLE)
def test_what_happens_to_one_rank_ends_all_with_one_message(tmp_path, kind):
    said, saved = TROUBLE[kind]
    stderr, folder = _watch(tmp_path, kind)
    assert stderr.count(said) == 1, stderr
    assert stderr.count("Traceback") - stderr.count("direct cause") <= 1, stderr
    if kind in ("SIGTERM", "SIGINT", "SIGHUP"):
        assert stderr.count("rank 1 of 3 caught a signal to end") == 1
    if saved:
        _check_checkpoint(folder)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_to_the_launcher_ends_all(tmp_path, name):
    folder = tmp_path / "checkpoints"
    running = ranks.start(2, "trouble", "launcher", folder, "numpy")
    while not (line := running.stdout.readline()).startswith("HAPPENS"):
        assert line, running.communicate()
    told = time.time()
    os.kill(running.pid, getattr(signal, name))
    ranks.finish(running, 30.0)
    assert time.time() - told < LIMIT
    assert ranks.wait_until_none_is_left(["launcher", str(folder)]) == []
    _check_checkpoint(folder)
