"""Estimators with ``distributed=True``: the numbers of one process, whatever the number of ranks."""

import json

import pytest
import started_ranks as ranks

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from rank_estimators import list_cases

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return the numbers of one process for each case."""
    out = tmp_path_factory.mktemp("alone")
    ranks.run(1, "estimators", out, "numpy")
    return {name: ranks.load(out / f"{name}.0.npz") for name in list_cases()}


SOME = ["small batches", "two classes stopping", "adaptive", "sparse whole", "any draws", "network goes on"]


@pytest.mark.parametrize(("n", "names"), [(2, list(list_cases())), (3, SOME)])
def test_the_numbers_are_those_of_one_process(alone, tmp_path, n, names):
    ranks.run(n, "estimators", tmp_path, "numpy", json.dumps(names))
    for name in names:
        ranks.compare(alone[name], [ranks.load(tmp_path / f"{name}.{rank}.npz") for rank in range(n)])


def test_the_numbers_are_the_same_by_torchrun(alone, tmp_path):
    names = ["classes", "two classes stopping", "any draws", "network"]
    ranks.run(2, "estimators", tmp_path, "torch", json.dumps(names), launcher="torchrun")
    for name in names:
        ranks.compare(alone[name], [ranks.load(tmp_path / f"{name}.{rank}.npz") for rank in range(2)])


def test_what_is_refused_and_said_is_so_on_all_ranks():
    said = ranks.run(2, "estimator_checks")
    assert sorted(line for line in said.splitlines() if line.endswith("is done")) == [
        "rank 0 of 2 is done",
        "rank 1 of 2 is done",
    ]
    assert said.count("Iteration 1, loss = ") == 3, said  # of three fits
