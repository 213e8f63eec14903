"""Fits that go on from earlier ones: exactly, whatever was kept in between."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import joblib
import weights

import bpx
from bpx.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

EXACT = [
    {},
    {"batch_size": 150},
    {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 2, "tol": 0.02, "learning_rate_init": 0.05},
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    {"dropout": 0.3, "hidden_layer_sizes": (8, 6)},
    {"early_stopping": True, "batch_size": 32},
    {"shuffle": False},
]


def classifier(max_iter: int, **parameters: Any) -> MLPClassifier:
    """Return a classifier that only stops when it is told to."""
    settings = {"random_state": 3, "batch_size": 40, "n_iter_no_change": 1000, "hidden_layer_sizes": 8, **parameters}
    return MLPClassifier(max_iter=max_iter, **settings)


def unpickled(estimator: Any) -> Any:
    return pickle.loads(pickle.dumps(estimator))


def reloaded(estimator: Any) -> Any:
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


def device_arrays(value: Any) -> list[Any]:
    """Return the arrays within a value that are not NumPy's."""
    if isinstance(value, np.ndarray | str | int | float | None):
        return []
    if isinstance(value, dict):
        return device_arrays(list(value.values()))
    if isinstance(value, list | tuple):
        return [array for item in value for array in device_arrays(item)]
    if hasattr(value, "slots"):
        return device_arrays(value.slots)
    return [value] if hasattr(value, "shape") else []


@pytest.mark.parametrize("parameters", EXACT, ids=str)
def test_ten_epochs_and_ten_are_twenty(iris, parameters):
    once = classifier(20, **parameters).fit(*iris)
    first = classifier(10, warm_start=True, **parameters).fit(*iris)
    for kept in (unpickled(first), reloaded(first), copy.deepcopy(first), first):
        twice = kept.fit(*iris)
        assert twice.n_iter_ == 10
        assert twice.t_ == once.t_
        assert twice.loss_curve_ == once.loss_curve_
        assert twice.validation_scores_ == once.validation_scores_
        assert weights.same_bits(once, twice)


@pytest.mark.parametrize("parameters", [p for p in EXACT if "early_stopping" not in p], ids=str)
def test_twenty_partial_fits_are_twenty_epochs(iris, parameters):
    x, y = iris
    once = classifier(20, **parameters).fit(x, y)
    steps = classifier(1, **parameters)
    for i in range(20):
        steps = unpickled(steps) if i % 7 == 3 else steps
        assert steps.partial_fit(x, y, classes=[0, 1, 2] if i == 0 else None) is steps
    mixed = classifier(10, **parameters).fit(x, y)
    for _ in range(10):
        mixed.partial_fit(x, y)
    assert weights.same_bits(once, steps)
    assert weights.same_bits(once, mixed)
    assert steps.loss_curve_ == once.loss_curve_
    assert steps.n_iter_ == 1


@pytest.mark.parametrize(
    "spec, early_stopping",
    [("torch", False), ("torch", True), ("array-api-strict:device1", True), ("jax", True), ("mlx", True)],
)
def test_other_backends_go_on_exactly_too(request, iris, spec, early_stopping):
    request.getfixturevalue({"torch": "torch", "jax": "jax", "mlx": "mlx"}.get(spec, "strict"))
    x, y = iris[0].astype(np.float32), iris[1]
    parameters = {"backend": spec, "early_stopping": early_stopping, "dropout": 0.2}
    once = classifier(6, **parameters).fit(x, y)
    twice = unpickled(classifier(3, warm_start=True, **parameters).fit(x, y)).fit(x, y)
    assert isinstance(twice.coefs_[0], np.ndarray)
    assert weights.same_bits(once, twice)
    assert device_arrays(once._session.__getstate__()) == []
    on_numpy = classifier(6, **{**parameters, "backend": "numpy"}).fit(x, y)
    assert weights.furthest(once, on_numpy) < 1e-4


def test_going_on_after_early_stopping_starts_from_the_last_weights_not_the_best(iris):
    parameters = {"early_stopping": True, "learning_rate_init": 0.1, "batch_size": 20}
    first = classifier(12, warm_start=True, **parameters).fit(*iris)
    best = weights.of(first)
    once = classifier(24, **parameters).fit(*iris)
    assert first.validation_scores_[-1] < first.best_validation_score_
    assert weights.same_bits(first.fit(*iris), once)
    assert any(not np.array_equal(a, b) for a, b in zip(best, weights.of(first), strict=True)) or (
        once.validation_scores_[:12] == first.validation_scores_[:12]
    )


def test_a_later_fit_that_finds_nothing_better_keeps_the_best_weights(iris):
    parameters = {"early_stopping": True, "learning_rate_init": 0.2, "batch_size": 20, "random_state": 0}
    e = classifier(15, warm_start=True, **parameters).fit(*iris)
    best, score = [np.array(a) for a in weights.of(e)], e.best_validation_score_
    e.set_params(max_iter=1).fit(*iris)
    assert e.best_validation_score_ == score
    assert all(np.array_equal(a, b) for a, b in zip(best, weights.of(e), strict=True))


def test_replaced_weights_are_what_is_gone_on_from(iris):
    x, y = iris
    for early_stopping in (False, True):
        e = classifier(3, warm_start=True, early_stopping=early_stopping).fit(x, y)
        e.coefs_ = [np.zeros_like(c) for c in e.coefs_]
        e.intercepts_ = [np.zeros_like(b) for b in e.intercepts_]
        np.testing.assert_allclose(e.predict_proba(x[:2]), 1.0 / 3.0)
        e.set_params(solver="sgd", learning_rate_init=1e-9).fit(x, y)
        assert np.abs(e.coefs_[0]).max() < 1e-6


def test_weights_changed_in_place_are_used(iris):
    x, y = iris
    e = classifier(3).fit(x, y)
    for array in [*e.coefs_, *e.intercepts_]:
        array[...] = 0.0
    np.testing.assert_allclose(e.predict_proba(x[:2]), 1.0 / 3.0)


def test_weights_copied_from_a_device_cannot_be_changed_in_vain(iris, strict):
    e = classifier(2, backend="array-api-strict:device1").fit(*iris)
    with pytest.raises(ValueError, match="read-only"):
        e.coefs_[0][0, 0] = 1.0


def test_other_settings_start_the_optimizer_anew_and_keep_the_weights(iris):
    x, y = iris
    e = classifier(5, warm_start=True).fit(x, y)
    state = e._session.net.training
    e.fit(x, y)
    assert e._session.net.training is state
    e.set_params(learning_rate_init=0.01, dropout=0.5).fit(x, y)
    assert e._session.net.training is not state
    assert e._session.net.training.epoch == 15
    assert any(isinstance(layer, bpx.Dropout) for layer in e._session.net.layers)
    assert len(e.loss_curve_) == 15


def test_the_layers_can_change_while_the_optimizer_goes_on(iris):
    x, y = iris
    e = classifier(5, warm_start=True, dropout=0.5).fit(x, y)
    e.set_params(dropout=0.0, max_iter=1).fit(x, y)
    assert e._session.net.training.optimizer_step == 6 * 4
    assert not any(isinstance(layer, bpx.Dropout) for layer in e._session.net.layers)
    e = classifier(5, warm_start=True, early_stopping=True, batch_size=20).fit(x, y)
    assert len(e.set_params(dropout=0.5).fit(x, y).loss_curve_) == 10


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hidden_layer_sizes": (9,)}, r"hidden_layer_sizes is \(9,\), and the fitted network, .* has \(5,\)"),
        ({"hidden_layer_sizes": (5, 5)}, r"hidden_layer_sizes is \(5, 5\), .* has \(5,\): set it back, or fit a new"),
        ({"hidden_layer_sizes": ()}, r"hidden_layer_sizes is \(\), .* has \(5,\)"),
        ({"activation": "tanh"}, r"activation is \[Tanh\(\)\], and the fitted network was made with \[ReLU\(\)\]"),
        ({"activation": ["identity"]}, r"activation is \[Identity\(\)\], and the fitted"),
    ],
)
def test_another_architecture_is_no_continuation(iris, changes, says):
    x, y = iris
    e = MLPClassifier((5,), max_iter=2, warm_start=True, random_state=0).fit(x, y)
    before, expected = [np.array(a) for a in weights.of(e)], e.predict_proba(x)
    e.set_params(**changes)
    for go_on in (e.fit, e.partial_fit):
        with pytest.raises(ValueError, match=says):
            go_on(x, y)
    for again in (e, pickle.loads(pickle.dumps(e))):
        np.testing.assert_array_equal(again.predict_proba(x), expected)  # that of the fit, whatever was set since
    assert all(np.array_equal(a, b) for a, b in zip(before, weights.of(e), strict=True))
    assert e.set_params(warm_start=False).fit(x, y).n_layers_ == len(e.coefs_) + 1  # starts over as asked


def test_another_loss_is_no_continuation():
    x, y = np.arange(8.0)[:, None], np.arange(8.0)
    e = MLPRegressor(hidden_layer_sizes=(3,), max_iter=1, warm_start=True).fit(x, y)
    with pytest.raises(ValueError, match="loss is 'poisson', and the fitted network was made with 'squared_error'"):
        e.set_params(loss="poisson").fit(x, y)


@pytest.mark.parametrize("balanced", ["balanced", ["balanced", {0: 1.0, 1: 2.0}]])
def test_balanced_weights_of_one_batch_are_not_those_of_the_data(balanced):
    x, y = np.arange(8.0)[:, None], np.array([0, 1] * 4)
    e = MLPClassifier((3,), class_weight=balanced)
    with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit.*compute_class_weight"):
        e.partial_fit(x, y, classes=[0, 1])
    assert not hasattr(e, "classes_")


def test_a_fit_without_warm_start_forgets(iris):
    x, y = iris
    e = classifier(4).fit(x, y)
    before = [np.array(a) for a in weights.of(e)]
    e.partial_fit(x, y)
    e.fit(x, y)
    assert all(np.array_equal(a, b) for a, b in zip(before, weights.of(e), strict=True))
    assert len(e.loss_curve_) == 4
    e.set_params(solver="lbfgs").fit(x, y)
    assert not hasattr(e, "loss_curve_")
    e.set_params(solver="adam", warm_start=True).fit(x, y)
    assert len(e.loss_curve_) == 4


def test_a_fit_moves_to_another_backend_with_its_optimizer(iris, torch):
    x, y = iris
    e = classifier(5, warm_start=True).fit(x, y)
    once = classifier(10).fit(x, y)
    e.set_params(backend="torch").fit(x, y)
    assert e._session.net.backend.name == "torch"
    assert weights.furthest(e, once) < 1e-9
    assert e.set_params(backend=None).score(x, y) == once.score(x, y)


def test_partial_fits_of_other_sizes(diabetes):
    x, y = diabetes
    e = MLPRegressor(random_state=0, batch_size=30)
    for start, stop in ((0, 100), (100, 130), (130, 442)):
        e.partial_fit(x[start:stop], y[start:stop])
    assert e.t_ == 442
    assert len(e.loss_curve_) == 3


def test_read_only_weights_from_a_mapped_file_can_be_trained(tmp_path, iris):
    joblib.dump(classifier(3, warm_start=True).fit(*iris), tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    assert not mapped.coefs_[0].flags.writeable
    once = classifier(6).fit(*iris)
    assert weights.same_bits(mapped.fit(*iris), once)
