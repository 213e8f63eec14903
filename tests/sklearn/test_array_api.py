"""With scikit-learn's array API dispatch, arrays go in and come out on their own device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import weights
from sklearn import config_context

import bpx
from bpx.backend.transfer import backend_of
from bpx.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

_CUDA = [
    f"torch:{name}" for status in bpx.backends() for name in status.devices if status.name == "torch" and ":" in name
]
SPECS = ["array-api-strict:device1", "torch:cpu", *_CUDA, "cupy:0"]


@pytest.fixture(params=[pytest.param(s, marks=[pytest.mark.gpu] if "cu" in s[4:] else []) for s in SPECS])
def place(request, monkeypatch) -> Any:
    """Return a backend, with dispatch on."""
    try:
        backend = bpx.get_backend(request.param)
    except bpx.BackendError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with config_context(array_api_dispatch=True):
        yield backend


@pytest.fixture
def counted(monkeypatch, place) -> list[int]:
    """Return the sizes of all arrays that leave the device."""
    sizes: list[int] = []
    to_numpy = type(place).to_numpy
    monkeypatch.setattr(
        type(place), "to_numpy", lambda self, array: (sizes.append(int(np.prod(array.shape))), to_numpy(self, array))[1]
    )
    return sizes


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("data", ["iris", "cancer", "flags"])
def test_a_classifier_stays_on_the_device(request, place, counted, data, early_stopping):
    x, y = request.getfixturevalue(data)
    rows = len(x)
    on_device = place.asarray(x), place.asarray(y)
    parameters = {"random_state": 0, "max_iter": 4, "early_stopping": early_stopping, "batch_size": 40, "dropout": 0.1}
    if data != "flags":
        parameters["class_weight"] = "balanced"
    e = MLPClassifier(**parameters).fit(*on_device, sample_weight=place.asarray(1.0 + np.arange(rows) % 2))
    results = [e.predict(on_device[0]), e.predict_proba(on_device[0]), e.predict_log_proba(on_device[0])]
    if data != "flags":
        results.append(e.classes_)
    for array in [*results, *e.coefs_, *e.intercepts_]:
        assert backend_of(array) == place
    assert isinstance(e.score(*on_device), float)
    assert isinstance(e.loss_, float)
    assert [size for size in counted if size >= rows] == []
    with config_context(array_api_dispatch=False):
        host = MLPClassifier(**parameters).fit(x, y, sample_weight=1.0 + np.arange(rows) % 2)
        labels = host.predict(x)
    assert weights.furthest(host, e) < 1e-9
    np.testing.assert_array_equal(bpx.to_numpy(results[0]), labels)
    assert host.validation_scores_ == e.validation_scores_


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_regressor_stays_on_the_device(place, counted, diabetes, solver):
    x, y = diabetes
    on_device = place.asarray(x), place.asarray(y)
    e = MLPRegressor(random_state=0, max_iter=4, solver=solver, hidden_layer_sizes=5).fit(*on_device)
    assert all(backend_of(array) == place for array in (e.predict(on_device[0]), *e.coefs_, *e.intercepts_))
    assert not any(size >= len(x) for size in counted)
    before = [np.array(a) for a in weights.of(e)]
    e.set_params(warm_start=True).fit(*on_device)
    with config_context(array_api_dispatch=False):
        host = MLPRegressor(random_state=0, max_iter=4, solver=solver, hidden_layer_sizes=5, warm_start=True).fit(x, y)
        assert max(np.abs(a - b).max() for a, b in zip(before, weights.of(host), strict=True)) < 1e-9
        host.fit(x, y)
    assert weights.furthest(host, e) < 1e-6


def test_targets_follow_the_samples(place, iris):
    x, y = iris
    on_device = place.asarray(x)
    e = MLPClassifier(random_state=0, max_iter=2).fit(on_device, y, sample_weight=np.ones(150))
    assert backend_of(e.predict(on_device)) == place
    e.partial_fit(on_device, y)
    names = np.array(["a", "b", "c"])[y]
    named = MLPClassifier(random_state=0, max_iter=2).fit(on_device, names)
    assert isinstance(named.predict(on_device), np.ndarray)
    assert set(named.predict(on_device)) <= {"a", "b", "c"}


def test_partial_fits_and_pickles(place, iris):
    import pickle

    x, y = (place.asarray(array) for array in iris)
    e = MLPClassifier(random_state=0).partial_fit(x, y, classes=place.asarray(np.arange(3)))
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        e.partial_fit(x, y, classes=place.asarray(np.arange(4)))
    if place.name != "array-api-strict":  # whose own arrays do not pickle their device
        kept = pickle.loads(pickle.dumps(e))
        assert weights.same_bits(kept.partial_fit(x, y), e.partial_fit(x, y))


def test_host_data_computes_on_a_device_without_dispatch(place, iris):
    x, y = iris
    e = MLPClassifier(random_state=0, max_iter=2).fit(place.asarray(x), place.asarray(y))
    with pytest.raises(ValueError, match="must use the same namespace and the same device"):
        e.predict(x)
    with config_context(array_api_dispatch=False):
        assert isinstance(e.predict(x), np.ndarray)
        np.testing.assert_array_equal(e.predict(x), MLPClassifier(random_state=0, max_iter=2).fit(x, y).predict(x))
