"""Several devices of JAX in one process: the numbers of one, and a program that shares the rows out."""

import json

import pytest
import started_ranks as ranks

pytestmark = pytest.mark.slow

CASES = ["sgd", "rmsprop", "whole", "penalties weighed", "clip norm", "accumulate", "averaged", "validation"]
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
