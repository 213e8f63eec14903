"""Several processes by torchrun, over gloo: the numbers of one, and an end for all of them."""

import time

import pytest
import started_ranks as ranks
from rank_work import list_cases

import bpx

pytestmark = pytest.mark.slow

LIMIT = 10.0
"""Seconds in which all ranks end, from what happens to one of them."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return the numbers of one process on NumPy for each case."""
    out = tmp_path_factory.mktemp("alone")
    ranks.run(1, "work", out, "numpy")
    return {name: ranks.load(out / f"{name}.0.npz") for name in list_cases()}


@pytest.mark.parametrize("n", [2, 3])
def test_the_numbers_are_those_of_one_process(alone, tmp_path, n):
    ranks.run(n, "work", tmp_path, "torch", launcher="torchrun")
    for name, wanted in alone.items():
        ranks.compare(wanted, [ranks.load(tmp_path / f"{name}.{rank}.npz") for rank in range(n)])


TROUBLE = {
    "exception": ("rank 1 of 3 failed, and all ranks end: KeyError: 'a fault of rank one'", True),
    "SIGKILL": ("Signal 9 (SIGKILL) received by PID", True),
    "SIGTERM": ("rank 1 of 3 caught a signal to end", True),
    "leaves": ("rank 1 has ended without calling fit, for which rank 0 waits", True),
    "leaves first": ("rank 1 has ended without calling fit, for which rank 0 waits", False),
    "divergence": ("DivergenceError: the loss became ", True),
    "other settings": ("rank 0: batch_size is 32 on rank 1 and 16 on rank 0", False),
}
"""What is said, and whether a checkpoint is there."""


@pytest.mark.parametrize("kind", TROUBLE)
def test_what_happens_to_one_rank_ends_all(tmp_path, kind):
    folder, (said, saved) = tmp_path / "checkpoints", TROUBLE[kind]
    code, stdout, stderr = ranks.finish(ranks.start(3, "trouble", kind, folder, "torch", launcher="torchrun"), 90.0)
    ended = time.time()
    happened = [float(line.split()[1]) for line in stdout.splitlines() if line.startswith("HAPPENS")]
    assert happened, stderr
    assert ended - max(happened) < LIMIT
    assert code != 0
    assert "WENT ON" not in stdout
    assert stderr.count(said) == 1, stderr
    assert ranks.wait_until_none_is_left([kind, str(folder)]) == []
    found = sorted(folder.glob("checkpoint-*"))
    assert bool(found) == saved
    for path in found:
        assert bpx.load(path).n_params > 0


def test_a_network_of_another_backend_is_refused(tmp_path):
    folder = tmp_path / "checkpoints"
    code, _, stderr = ranks.finish(ranks.start(2, "trouble", "none", folder, "numpy", launcher="torchrun"), 90.0)
    assert code != 0
    assert "torchrun connects networks on the backend 'torch', and this one is on 'numpy'" in stderr
