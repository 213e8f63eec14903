"""scikit-learn's own checks of an estimator: all of them pass."""

from __future__ import annotations

import os
from typing import Any

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.utils.estimator_checks import estimator_checks_generator

import bpx
from bpx.sklearn import MLPClassifier, MLPRegressor

NOT_APPLICABLE = {
    "check_classifiers_multilabel_output_format_decision_function": "there is no decision_function, as in scikit-learn",
}
"""Checks that skip themselves, with the reason."""

NO_SUCH_BACKEND = ("dpnp", "xpu")
"""Array libraries and devices that bpx does not run on."""


def _name(check: Any) -> str:
    return check.func.__name__ if hasattr(check, "func") else check.__name__


def _cases() -> list[Any]:
    """Return every check of the two estimators that can be done with the devices of PyTorch that are here."""
    cases = []
    devices = {name.partition(":")[0] for status in bpx.backends() if status.name == "torch" for name in status.devices}
    absent = {"cuda", "mps"} - devices
    for estimator in (MLPClassifier(max_iter=100), MLPRegressor(max_iter=100)):
        for prepared, check in estimator_checks_generator(estimator):
            said = " ".join(map(str, getattr(check, "keywords", {}).values()))
            if _name(check) in NOT_APPLICABLE or any(name in said for name in NO_SUCH_BACKEND):
                continue
            if "torch" in said and any(device in said for device in absent):
                continue
            cases.append(pytest.param(prepared, check, said, id=f"{type(estimator).__name__}-{_name(check)}-{said}"))
    return cases


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("estimator, check, said", _cases())
def test_check_of_scikit_learn(monkeypatch, estimator, check, said):
    if "array_api" in _name(check):
        monkeypatch.setenv("SCIPY_ARRAY_API", os.environ.get("SCIPY_ARRAY_API", "1"))
    if "cupy" in said and not {status.name: status.available for status in bpx.backends()}["cupy"]:
        pytest.skip("cupy has no GPU here")
    check(estimator)


def test_nothing_is_expected_to_fail_and_few_checks_do_not_apply():
    assert list(NOT_APPLICABLE) == ["check_classifiers_multilabel_output_format_decision_function"]
    assert not hasattr(MLPClassifier(), "decision_function")
    names = {_name(case.values[1]) for case in _cases()}
    assert len(names) > 60
    assert {"check_array_api_input", "check_sample_weight_equivalence_on_sparse_data"} <= names
