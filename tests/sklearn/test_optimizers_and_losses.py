"""Every optimizer, schedule, normalization and loss of bpx, from the estimators."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import weights
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import bpx
from bpx.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def fit_plainly(e, x, y, optimizer, epochs):
    """Train the network that an estimator starts from by ``Network.fit``, on the whole set; return its weights."""
    start = clone(e).set_params(max_iter=1, solver=bpx.SGD(1e-30), learning_rate="constant").fit(x, y)
    layers = [bpx.Linear(x.shape[1], 5), bpx.ReLU(), bpx.Linear(5, 1)]
    net = bpx.Network(layers, loss="squared_error", dtype="float64")
    net.params = [
        {"weight": start.coefs_[0], "bias": start.intercepts_[0]},
        {},
        {"weight": start.coefs_[1], "bias": start.intercepts_[1]},
    ]
    net.fit(x, y[:, None], epochs=epochs, batch_size=None, optimizer=optimizer)
    return net.params[0]["weight"], net.params[2]["weight"]


OPTIMIZERS = [
    bpx.SGD(0.1, momentum=0.5),
    bpx.AdamW(0.01, weight_decay=0.1),
    bpx.RMSprop(bpx.StepDecay(0.01, every=2, factor=0.5)),
    bpx.Averaged(bpx.Adam(bpx.CosineDecay(0.02, length=6)), decay=0.8),
    bpx.Adam(0.01, groups=[bpx.ParameterGroup("0.*", 0.0)]),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: type(one).__name__)
def test_an_optimizer_makes_the_steps_that_fit_makes(diabetes, optimizer):
    x, y = diabetes
    e = MLPRegressor(hidden_layer_sizes=5, solver=optimizer, alpha=0.0, batch_size=442, max_iter=6, random_state=0)
    expected = fit_plainly(e, x, y, optimizer, epochs=6)
    e.fit(x, y)
    for mine, theirs in zip(e.coefs_, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)
    assert not weights.same_bits(e, clone(e).set_params(solver="adam").fit(x, y))


def test_a_group_with_a_factor_of_0_stays_and_the_rest_moves(iris):
    groups = [bpx.ParameterGroup("0.*", 0.0)]
    once, more = (
        MLPClassifier((6,), solver=bpx.Adam(0.01, groups=groups), random_state=0, max_iter=n).fit(*iris) for n in (1, 5)
    )
    np.testing.assert_array_equal(once.coefs_[0], more.coefs_[0])
    assert np.abs(once.coefs_[1] - more.coefs_[1]).max() > 1e-4


@pytest.mark.parametrize("solver", ["adamw", "rmsprop"])
def test_solvers_by_name_take_the_rate_of_the_parameters(iris, solver):
    kind = {"adamw": bpx.AdamW, "rmsprop": bpx.RMSprop}[solver]
    named = MLPClassifier(solver=solver, learning_rate_init=0.02, random_state=0, max_iter=5).fit(*iris)
    given = MLPClassifier(solver=kind(0.02), random_state=0, max_iter=5).fit(*iris)
    assert weights.same_bits(named, given)
    assert named.t_ == 5 * 150


def test_a_schedule_is_the_rate_of_any_solver(iris):
    seen = []
    schedule = bpx.ExponentialDecay(0.04, decay=0.5)
    MLPClassifier(
        solver="sgd", learning_rate=schedule, random_state=0, max_iter=3, batch_size=150,
        callbacks=lambda run: seen.append(run.learning_rate),
    ).fit(*iris)  # fmt: skip
    assert seen == [0.04, 0.02, 0.01]
    with pytest.raises(ValueError, match="has a learning rate of its own: give the schedule to it"):
        MLPClassifier(solver=bpx.SGD(0.1), learning_rate=schedule).fit(*iris)


def test_a_callback_may_lower_the_rate(iris):
    seen = []
    MLPClassifier(
        (4,), solver="adam", random_state=0, max_iter=6, tol=0.0, learning_rate_init=0.01,
        callbacks=[bpx.ReduceOnPlateau(factor=0.1, patience=1, monitor="loss", min_delta=100.0),
                   lambda run: seen.append(run.training.rate_scale)],
    ).fit(*iris)  # fmt: skip
    np.testing.assert_allclose(seen[:4], [1.0, 0.1, 0.01, 0.001])


def test_lbfgs_with_settings(diabetes):
    x, y = diabetes
    e = MLPRegressor(solver=bpx.LBFGS(max_evaluations=5), random_state=0).fit(x, y)
    assert e.n_iter_ <= 5
    assert not hasattr(MLPRegressor(solver=bpx.LBFGS()), "partial_fit")


@pytest.mark.parametrize(
    "loss, reached",
    [("absolute_error", "median"), ("quantile", "median"), (bpx.Quantile(0.9), "quantile"),
     (bpx.Huber(delta=0.1), "median"), ("squared_error", "mean")],
    ids=str,
)  # fmt: skip
def test_losses_lead_to_what_they_are_least_at(loss, reached):
    y = np.random.default_rng(0).exponential(size=400)  # its mean is 1, its median 0.69, its 90 % quantile 2.3
    e = MLPRegressor(
        loss, hidden_layer_sizes=(), alpha=0.0, solver=bpx.SGD(bpx.CosineDecay(0.5, length=400)), batch_size=400,
        max_iter=400, n_iter_no_change=np.inf, random_state=0,
    )  # fmt: skip
    found = float(e.fit(np.zeros((400, 1)), y).predict([[0.0]])[0])
    goal = {"mean": y.mean(), "median": np.median(y), "quantile": np.quantile(y, 0.9)}[reached]
    assert found == pytest.approx(goal, abs=0.08)


def test_a_loss_is_searched_for_cloned_and_pickled(diabetes):
    x, y = diabetes
    choices = {"loss": ["huber", bpx.Quantile(0.5)], "solver": ["adam", bpx.SGD(0.1)]}
    search = GridSearchCV(MLPRegressor(max_iter=3, random_state=0), choices, cv=2).fit(x, y)
    assert len(search.cv_results_["params"]) == 4
    e = MLPRegressor(bpx.Huber(delta=0.5), solver=bpx.AdamW(0.02), normalization="batch", max_iter=3).fit(x, y)
    again = pickle.loads(pickle.dumps(e))
    np.testing.assert_array_equal(again.predict(x), e.predict(x))
    assert clone(e).loss == bpx.Huber(delta=0.5)


def test_losses_that_do_not_fit_are_refused(diabetes):
    x, y = diabetes
    with pytest.raises(ValueError, match="a regressor takes a loss of values"):
        MLPRegressor(bpx.CrossEntropy()).fit(x, y)
    with pytest.raises(ValueError, match="several outputs for one target; bpx.sklearn.NetworkRegressor"):
        MLPRegressor(bpx.Quantile((0.1, 0.9))).fit(x, np.stack([y, y], axis=1))
    with pytest.raises(ValueError, match="it takes y >= 0"):
        MLPRegressor(bpx.Poisson()).fit(x, y)
    fitted = MLPRegressor("huber", warm_start=True, max_iter=1).fit(x, y)
    with pytest.raises(ValueError, match="loss is 'quantile', and the fitted network was made with 'huber'"):
        fitted.set_params(loss="quantile").fit(x, y)


# -- normalizations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("normalization", ["batch", "layer", [None, "batch"]], ids=str)
def test_normalizations_stand_before_the_activations(iris, normalization):
    settings = {"learning_rate_init": 0.05, "random_state": 0, "max_iter": 30}
    e = MLPClassifier((6, 5), normalization=normalization, **settings).fit(*iris)
    kinds = {"batch": bpx.BatchNorm, "layer": bpx.LayerNorm}
    each = [normalization] * 2 if isinstance(normalization, str) else normalization
    expected = []
    for one in each:
        expected += [bpx.Linear, *([kinds[one]] if one else []), bpx.ReLU]
    assert [type(layer) for layer in e._session.net.layers] == [*expected, bpx.Linear]
    assert len(e.normalizations_) == sum(one is not None for one in each)
    assert e.score(*iris) > 0.8
    plain = MLPClassifier((6, 5), **settings).fit(*iris)
    assert np.abs(plain.predict_proba(iris[0]) - e.predict_proba(iris[0])).max() > 1e-3


def test_running_statistics_are_those_of_the_samples():
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(400, 4))
    settings = {"solver": bpx.SGD(1e-30), "max_iter": 200, "n_iter_no_change": np.inf, "batch_size": 400}
    e = MLPRegressor(hidden_layer_sizes=3, normalization="batch", random_state=0, **settings).fit(x, x[:, 0])
    inputs = x @ e.coefs_[0] + e.intercepts_[0]
    np.testing.assert_allclose(e.normalizations_[0]["running_mean"], inputs.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(e.normalizations_[0]["running_var"], inputs.var(axis=0, ddof=1), rtol=1e-6)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_training_goes_on_with_normalizations_to_the_bit(iris, early_stopping):
    settings = {"normalization": "batch", "random_state": 0, "early_stopping": early_stopping, "n_iter_no_change": 50,
                "solver": bpx.Averaged(bpx.Adam(0.01), decay=0.9)}  # fmt: skip
    whole = MLPClassifier(max_iter=8, **settings).fit(*iris)
    parts = MLPClassifier(max_iter=4, warm_start=True, **settings).fit(*iris)
    parts = pickle.loads(pickle.dumps(parts)).fit(*iris)
    assert weights.same_bits(whole, parts)
    for mine, theirs in zip(whole.normalizations_, parts.normalizations_, strict=True):
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name])


def test_early_stopping_keeps_the_statistics_of_the_best_epoch(iris):
    x, y = iris
    kept = []

    def look(run):
        if run.net.state[1]:
            kept.append(run.net.state[1]["running_mean"].copy())

    e = MLPClassifier((5,), normalization="batch", early_stopping=True, random_state=0, max_iter=12,
                      learning_rate_init=0.05, callbacks=look).fit(x, y)  # fmt: skip
    best = int(np.argmax(e.validation_scores_))
    assert best < len(kept) - 1
    np.testing.assert_array_equal(e.normalizations_[0]["running_mean"], kept[best])


def test_weights_that_are_replaced_are_those_that_an_average_goes_on_from(iris):
    e = MLPClassifier((4,), solver=bpx.Averaged(bpx.SGD(1e-30), decay=0.5), warm_start=True, max_iter=2, random_state=0)
    e.fit(*iris)
    e.coefs_ = [np.zeros_like(coef) for coef in e.coefs_]
    e.fit(*iris)
    assert all(np.abs(coef).max() < 1e-20 for coef in e.coefs_)


def test_normalizations_that_do_not_fit_are_refused(iris):
    with pytest.raises(ValueError, match="normalization must be one value, or one for each of the 2 hidden layers"):
        MLPClassifier((5, 5), normalization=["batch"]).fit(*iris)
    with pytest.raises(ValueError, match="normalization must be None, 'batch' or 'layer', got 'group'"):
        MLPClassifier((5,), normalization=["group"]).fit(*iris)
    with pytest.raises(ValueError, match="needs the same loss at each evaluation, which BatchNorm"):
        MLPClassifier(normalization="batch", solver="lbfgs").fit(*iris)
    fitted = MLPClassifier((5,), normalization="batch", warm_start=True, max_iter=1).fit(*iris)
    with pytest.raises(ValueError, match="normalization is"):
        fitted.set_params(normalization="layer").fit(*iris)


# -- tables ----------------------------------------------------------------------------------------------------


def test_tables_take_losses_and_optimizers():
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    from bpx.sklearn import TableClassifier, TableRegressor

    generator = np.random.default_rng(3)
    x, noise = generator.normal(size=(600, 2)), generator.exponential(size=600)
    y = 5.0 * x[:, 0] + 10.0 * noise
    optimizer = bpx.Averaged(bpx.AdamW(bpx.CosineDecay(0.01, length=20)), decay=0.9)
    settings = {"max_iter": 20, "random_state": 0, "optimizer": optimizer}
    shares = {}
    for loss in ("squared_error", "quantile", bpx.Quantile(0.9)):
        e = TableRegressor("fast", loss=loss, **settings).fit(x, y)
        assert e.network_.training.optimizer == optimizer
        shares[loss] = float((y < e.predict(x)).mean())
    assert shares["quantile"] == pytest.approx(0.5, abs=0.07)
    assert shares[bpx.Quantile(0.9)] == pytest.approx(0.9, abs=0.05)
    assert shares["squared_error"] > 0.55  # the mean is above the median
    ensemble = TableRegressor(members=2, loss=bpx.Huber(delta=0.5), max_iter=2, random_state=0).fit(x, y)
    assert ensemble.network_.loss.loss == bpx.Huber(delta=0.5)
    plain = TableClassifier("fast", max_iter=2, random_state=0).fit(x, y > 0)
    other = TableClassifier("fast", max_iter=2, random_state=0, optimizer="sgd").fit(x, y > 0)
    assert np.abs(plain.predict_proba(x) - other.predict_proba(x)).max() > 1e-3
    with pytest.raises(ValueError, match="the loss of a table's target is one of values with one output"):
        TableRegressor(loss=bpx.Quantile((0.1, 0.9))).fit(x, y)
    with pytest.raises(ValueError, match="optimizer 'lbfgs' does not take"):
        TableClassifier(optimizer=bpx.LBFGS()).fit(x, y > 0)
