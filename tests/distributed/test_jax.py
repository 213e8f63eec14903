"""Several devices of JAX, in one process and in two: the numbers of one device, by a program that shares rows out."""

import json
import socket
import time

import pytest
import started_ranks as ranks

pytestmark = pytest.mark.slow

CASES = [
    "sgd", "rmsprop", "whole", "penalties weighed", "clip norm", "accumulate", "averaged", "validation",
    "mapped accumulate",
]  # fmt: skip
"""Compiling takes a while."""

DEVICES = "--xla_force_host_platform_device_count=4"


@pytest.fixture(scope="module", autouse=True)
def needs_jax():
    pytest.importorskip("jax", reason="jax is not installed")


def test_the_numbers_are_those_of_one_device(tmp_path):
    alone, spread = tmp_path / "1", tmp_path / "4"
    alone.mkdir()
    spread.mkdir()
    dump = tmp_path / "programs"
    flags = f"{DEVICES} --xla_dump_to={dump} --xla_dump_hlo_as_text --xla_dump_hlo_module_re=.*steps.*"
    names = json.dumps(CASES)
    ranks.run(1, "work", alone, "numpy", names)
    ranks.run(1, "work", spread, "jax", names, JAX_ENABLE_X64="1", XLA_FLAGS=flags)
    for name in CASES:
        ranks.compare(ranks.load(alone / f"{name}.0.npz"), [ranks.load(spread / f"{name}.0.npz")])
    programs = [path.read_text("utf-8") for path in dump.glob("*steps*after_optimizations.txt")]
    assert programs
    shared = [text for text in programs if "all-reduce" in text]
    assert any("f64[2,6]" in text for text in shared)  # 2 of a batch's 8 rows on each of 4 devices


def _start_two(*arguments, **more):
    """Start a script in two processes that jax.distributed connects, each with two devices."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    flags = {"JAX_ENABLE_X64": "1", "XLA_FLAGS": "--xla_force_host_platform_device_count=2", **more}
    return [ranks.start(1, *arguments, address, i, 2, JAX_TEST_RANK=str(i), **flags) for i in range(2)]


def test_the_numbers_of_two_processes_are_those_of_one_device(tmp_path):
    alone = tmp_path / "1"
    alone.mkdir()
    names = json.dumps(["sgd", "whole", "callbacks", "validation", "mapped list"])
    ranks.run(1, "work", alone, "numpy", names)
    for running in _start_two("work", tmp_path, "jax", names):
        code, stdout, stderr = ranks.finish(running, 240.0)
        assert code == 0, stdout + stderr
    for name in json.loads(names):
        found = [ranks.load(tmp_path / f"{name}.{rank}.npz") for rank in range(2)]
        ranks.compare(ranks.load(alone / f"{name}.0.npz"), found)
    ranks.check_rows_read(alone, tmp_path, 2)


def test_an_estimator_of_a_network_is_fitted_by_two_processes(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    alone = tmp_path / "1"
    alone.mkdir()
    names = json.dumps(["network"])
    ranks.run(1, "estimators", alone, "numpy", names)
    for running in _start_two("estimators", tmp_path, "jax", names):
        code, stdout, stderr = ranks.finish(running, 240.0)
        assert code == 0, stdout + stderr
    ranks.compare(ranks.load(alone / "network.0.npz"), [ranks.load(tmp_path / f"network.{i}.npz") for i in range(2)])


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("exception", "rank 1 of 2 failed, and all ranks end: KeyError: 'a fault of rank one'"),
        ("SIGKILL", ""),
        ("leaves", "rank 1 has ended without calling fit, for which rank 0 waits"),
        ("killed between", "rank 1 has ended without calling fit, for which rank 0 waits"),
        ("batches that fail", "\non rank 1 of 2, and so on all others"),
        ("other batches", "rank 1 was given other batches than rank 0 in epoch 1"),
        ("other settings", "rank 0: batch_size is 32 on rank 1 and 16 on rank 0"),
    ],
)
def test_what_happens_to_one_process_ends_both(tmp_path, kind, said):
    folder, happened, errors = tmp_path / "checkpoints", [], ""
    for running in _start_two("trouble", kind, folder, "jax"):
        code, stdout, stderr = ranks.finish(running, 120.0)
        happened += [float(line.split()[1]) for line in stdout.splitlines() if line.startswith("HAPPENS")]
        assert code != 0 or kind == "leaves"
        assert "WENT ON" not in stdout
        errors += stderr
    assert time.time() - max(happened) < 10.0
    assert not said or errors.count(said) == 1, errors
    assert ranks.wait_until_none_is_left([kind, str(folder)]) == []
