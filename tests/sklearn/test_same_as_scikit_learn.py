"""From one seed, the estimators follow scikit-learn's step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import sklearn.neural_network as theirs
import weights
from sklearn.datasets import load_breast_cancer

import bpx.sklearn as ours

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def both(kind: str, x: Any, y: Any, sample_weight: Any = None, **parameters: Any) -> tuple[Any, Any]:
    """Return scikit-learn's estimator and ours, fitted alike."""
    parameters = {"random_state": 7, "max_iter": 25, **parameters}
    return tuple(
        getattr(home, f"MLP{kind}")(**parameters).fit(x, y, sample_weight=sample_weight) for home in (theirs, ours)
    )  # type: ignore[return-value]


def assert_same_course(a: Any, b: Any, tolerance: float = 1e-9) -> None:
    """Assert that curves, counts and weights are equal."""
    assert (a.n_iter_, a.t_, a.n_layers_, a.n_outputs_) == (b.n_iter_, b.t_, b.n_layers_, b.n_outputs_)
    assert a.out_activation_ == b.out_activation_
    assert np.abs(np.subtract(a.loss_curve_, b.loss_curve_)).max() <= tolerance
    assert abs(a.loss_ - b.loss_) <= tolerance
    assert weights.furthest(a, b) <= tolerance
    assert a._no_improvement_count == b._no_improvement_count
    for name in ("best_loss_", "best_validation_score_"):
        assert getattr(b, name) == pytest.approx(getattr(a, name), abs=tolerance)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("data, kind", [("digits", "Classifier"), ("cancer", "Classifier"), ("diabetes", "Regressor")])
def test_loss_curves_are_equal_on_three_data_sets(request, data, kind, solver):
    a, b = both(kind, *request.getfixturevalue(data), solver=solver)
    assert len(a.loss_curve_) == 25
    assert np.abs(np.subtract(a.loss_curve_, b.loss_curve_)).max() < 1e-6
    assert_same_course(a, b)


@pytest.mark.parametrize(
    "changes",
    [
        {"activation": "logistic"},
        {"activation": "tanh", "hidden_layer_sizes": (9, 7)},
        {"activation": "identity", "alpha": 0.0},
        {"hidden_layer_sizes": ()},
        {"hidden_layer_sizes": (), "activation": "logistic"},
        {"batch_size": 40, "alpha": 3.0},
        {"batch_size": 10_000},
        {"shuffle": False, "batch_size": 64},
        {"learning_rate": "invscaling", "learning_rate_init": 0.05, "power_t": 0.2},
        {"learning_rate": "adaptive", "learning_rate_init": 0.05, "n_iter_no_change": 2, "tol": 0.01},
        {"momentum": 0.0},
        {"momentum": 1.0, "max_iter": 6},
        {"nesterovs_momentum": False},
        {"solver": "adam", "beta_1": 0.5, "beta_2": 0.0, "epsilon": 1e-3},
        {"solver": "adam", "n_iter_no_change": 2, "tol": 0.02},
        {"early_stopping": True, "validation_fraction": 0.3},
        {"early_stopping": True, "solver": "adam", "learning_rate_init": 0.01, "n_iter_no_change": 3},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Got `batch_size`")
def test_every_parameter_means_the_same(cancer, diabetes, changes):
    parameters = {"solver": "sgd", **changes}
    a, b = both("Classifier", *cancer, **parameters)
    assert_same_course(a, b)
    assert a.validation_scores_ == b.validation_scores_
    assert_same_course(*both("Regressor", *diabetes, **parameters))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_three_classes_and_weights_of_samples(iris, early_stopping):
    weight = 0.5 + np.arange(150) % 4
    for batch_size in (32, 135):
        a, b = both("Classifier", *iris, sample_weight=weight, batch_size=batch_size, early_stopping=early_stopping)
        assert_same_course(a, b)
        if early_stopping:
            np.testing.assert_allclose(b.validation_scores_, a.validation_scores_, rtol=1e-12)


def test_several_labels_a_sample(flags):
    a, b = both("Classifier", *flags, solver="adam", learning_rate_init=0.01, early_stopping=True)
    assert_same_course(a, b)
    assert a.validation_scores_ == b.validation_scores_
    np.testing.assert_array_equal(b.predict(flags[0]), a.predict(flags[0]))
    np.testing.assert_allclose(b.predict_proba(flags[0]), a.predict_proba(flags[0]), atol=1e-12)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_several_outputs_and_counts(diabetes, loss):
    x, y = diabetes
    counts = np.round(np.exp(np.stack([y, 0.5 * y - 1.0], axis=1)))
    a, b = both("Regressor", x, counts, loss=loss)
    assert_same_course(a, b)
    np.testing.assert_allclose(b.predict(x), a.predict(x), rtol=1e-9)


def test_saturated_probabilities_are_cut_off_alike():
    x, y = load_breast_cancer(return_X_y=True)  # as it is: outputs of hundreds
    for solver in ("sgd", "adam"):
        a, b = both("Classifier", x, y, solver=solver)
        assert max(a.loss_curve_) > 1.0
        assert_same_course(a, b, 1e-6)
    x, y = x * 30.0, y + (x[:, 0] > 15.0)  # and the same for three classes
    a, b = both("Classifier", x, y, solver="sgd", max_iter=4)
    assert a.loss_curve_[0] > 5.0
    assert_same_course(a, b, 1e-6)


@pytest.mark.parametrize("data, kind", [("digits", "Classifier"), ("cancer", "Classifier"), ("diabetes", "Regressor")])
def test_lbfgs_ends_at_the_same_weights(request, data, kind):
    x, y = request.getfixturevalue(data)
    a, b = both(kind, x, y, solver="lbfgs", max_iter=15)
    assert a.n_iter_ == b.n_iter_
    assert b.loss_ == pytest.approx(a.loss_, rel=1e-9)
    assert weights.furthest(a, b) < 1e-7
    assert not hasattr(b, "loss_curve_")
    y = np.stack([y, y % 2], axis=1) if kind == "Regressor" else y
    a, b = both(kind, x, y, solver="lbfgs", max_iter=15, sample_weight=1.0 + np.arange(len(y)) % 2)
    assert weights.furthest(a, b) < 1e-7


@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_random_state_is_left_where_scikit_learn_leaves_it(iris, early_stopping):
    ends = []
    for home in (theirs, ours):
        for batch_size in (50, 135):
            state = np.random.RandomState(3)
            estimator = home.MLPClassifier(
                batch_size=batch_size, max_iter=4, random_state=state, early_stopping=early_stopping
            ).fit(*iris)
            ends.append((weights.of(estimator)[0].sum(), state.randint(10**9)))
    assert ends[0] == pytest.approx(ends[2])
    assert ends[1] == pytest.approx(ends[3])


def test_float32_stays_float32(digits):
    x, y = digits
    a, b = both("Classifier", x.astype(np.float32), y, max_iter=10)
    assert {array.dtype for array in weights.of(b)} == {np.dtype("float32")}
    assert b.predict_proba(x.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(b.loss_curve_, a.loss_curve_, rtol=1e-5)
    assert {array.dtype for array in weights.of(both("Classifier", (16 * x).astype(int), y, max_iter=2)[1])} == {
        np.dtype("float64")
    }


@pytest.mark.parametrize("labels", [["b", "a", "c"], [True, False], [5, -1, 3], ["only"], [2.0, 7.0]], ids=str)
def test_labels_of_any_kind(iris, labels):
    x, y = iris
    named = np.array(labels)[y % len(labels)]
    a, b = both("Classifier", x, named, max_iter=5)
    np.testing.assert_array_equal(b.classes_, a.classes_)
    np.testing.assert_array_equal(b.predict(x), a.predict(x))
    assert b.predict(x).dtype == a.predict(x).dtype
    np.testing.assert_allclose(b.predict_proba(x), a.predict_proba(x), atol=1e-12)
    np.testing.assert_allclose(b.predict_log_proba(x), a.predict_log_proba(x), atol=1e-9)
    assert b.score(x, named) == a.score(x, named)
