"""Estimators around a network of one's own."""

from __future__ import annotations

import pickle
from functools import partial

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators need scikit-learn: the extra sklearn")

from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import bpx
from bpx.errors import InputError
from bpx.sklearn import NetworkClassifier, NetworkRegressor


@parametrize_with_checks(
    [kind(optimizer=bpx.Adam(0.02), max_iter=100, random_state=0) for kind in (NetworkClassifier, NetworkRegressor)]
)
def test_scikit_learns_checks(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # else one check is skipped
    check(estimator)


def build(n_features, n_outputs, *, width=8, activation="tanh", seed=0):
    return bpx.mlp([n_features, width, n_outputs], activation, loss="cross_entropy", dtype="float64", seed=seed)


def build_deep(n_features, n_outputs, **settings):
    layers = [
        bpx.Linear(n_features, 8),
        bpx.BatchNorm(8),
        bpx.Residual([bpx.SiLU(), bpx.Linear(8, 8)]),
        bpx.Dropout(0.1),
    ]
    return bpx.Network([*layers, bpx.Linear(8, n_outputs)], loss=bpx.CrossEntropy(label_smoothing=0.1), **settings)


def build_values(n_features, n_outputs, loss="squared_error", outputs=None, seed=0):
    return bpx.mlp([n_features, 8, outputs or n_outputs], "tanh", loss=loss, dtype="float64", seed=seed)


FAST = {"optimizer": bpx.Adam(0.02), "max_iter": 20, "random_state": 0}


def test_a_network_is_built_and_trained_as_by_hand(iris):
    x, y = iris
    labels = np.array(["a", "b", "c"])[y]
    e = NetworkClassifier(build, build_args={"width": 5}, batch_size=16, **FAST).fit(x, labels)
    net = build(4, 3, width=5, seed=e.network_.seed)
    history = net.fit(x, y, epochs=20, batch_size=16, optimizer=bpx.Adam(0.02))
    np.testing.assert_array_equal(e.predict_proba(x), net.predict(x))
    assert e.history_.loss == history.loss
    assert e.predict(x).tolist() == e.classes_[net.predict(x).argmax(axis=1)].tolist()
    assert (e.n_iter_, e.n_outputs_, e.n_features_in_) == (20, 3, 4)
    assert e.score(x, labels) > 0.9


def test_any_layers_losses_and_optimizers_are_taken(iris):
    slow_start = [bpx.ParameterGroup("0.*", 0.5)]
    optimizer = bpx.Averaged(bpx.AdamW(bpx.OneCycle(0.05, length=40), groups=slow_start), decay=0.9)
    e = NetworkClassifier(
        build_deep, optimizer=optimizer, max_iter=40, batch_size=32, penalties=bpx.L2(1e-4), clip=bpx.ClipNorm(1.0),
        metrics=["macro_f1"], random_state=0,
    ).fit(*iris)  # fmt: skip
    assert e.score(*iris) > 0.9
    assert len(e.history_.metrics["macro_f1"]) == 40
    assert e.network_.training.optimizer == optimizer


@pytest.mark.parametrize(
    "make",
    [
        lambda n, k, seed=0: bpx.mlp([n, 6, 1], loss="binary_cross_entropy", seed=seed),
        lambda n, k, seed=0: bpx.mlp([n, 6, 1], output="sigmoid", loss="squared_error", seed=seed),
        lambda n, k, seed=0: bpx.mlp([n, 6, k], output="softmax", loss="squared_error", seed=seed),
        lambda n, k, seed=0: bpx.mlp([n, 6, k], loss="cross_entropy", seed=seed),
    ],
    ids=["one logit", "one sigmoid", "softmax", "two logits"],
)
def test_two_classes_have_one_output_or_two(cancer, make):
    x, y = cancer

    def build(n_features, n_outputs, seed=0):
        return make(n_features, n_outputs, seed)

    e = NetworkClassifier(build, **FAST).fit(x, np.where(y, "yes", "no"))
    p = e.predict_proba(x)
    assert p.shape == (569, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-6)
    assert e.score(x, np.where(y, "yes", "no")) > 0.9


def test_classes_and_samples_weigh(cancer):
    x, y = cancer
    labels, weight = np.where(y, "yes", "no"), 1.0 + np.arange(569) % 3
    by_class = NetworkClassifier(build, class_weight={"no": 3.0}, **FAST).fit(x, labels, weight)
    by_sample = NetworkClassifier(build, **FAST).fit(x, labels, weight * np.where(y, 1.0, 3.0))
    np.testing.assert_array_equal(by_class.predict_proba(x), by_sample.predict_proba(x))
    plain = NetworkClassifier(build, **FAST).fit(x, labels, weight)
    assert np.abs(plain.predict_proba(x) - by_sample.predict_proba(x)).max() > 1e-3


# -- parameters ------------------------------------------------------------------------------------------------


def test_arguments_of_build_and_of_the_optimizer_are_parameters():
    e = NetworkClassifier(build, build_args={"width": 5}, optimizer="adam")
    params = e.get_params()
    assert params["build__width"] == 5
    assert params["build__activation"] == "tanh"
    assert not {"build__seed", "build__n_features", "build__n_outputs"} & set(params)
    assert params["optimizer__learning_rate"] == 1e-3
    e.set_params(build__activation="relu", optimizer=bpx.SGD(0.1), optimizer__momentum=0.9)
    assert e.build_args == {"width": 5, "activation": "relu"}
    assert e.optimizer == bpx.SGD(0.1, momentum=0.9)
    with pytest.raises(ValueError, match="Invalid parameter 'widht' for the function that builds the network"):
        e.set_params(build__widht=3)
    with pytest.raises(ValueError, match="Invalid parameter 'b1' for the optimizer SGD"):
        e.set_params(optimizer__b1=0.5)
    with pytest.raises(ValueError, match="Invalid parameter 'epochs'"):
        e.set_params(epochs=3)
    assert NetworkClassifier(build_deep).set_params(build__dtype="float64").build_args == {"dtype": "float64"}
    assert NetworkClassifier(partial(build, width=3)).get_params()["build__width"] == 3


def test_a_clone_has_arguments_of_its_own():
    e = NetworkClassifier(build, build_args={"width": 5})
    copy = clone(e).set_params(build__width=7)
    assert (e.build_args, copy.build_args) == ({"width": 5}, {"width": 7})
    assert copy.build is build


def test_searches_in_pipelines(iris):
    pipeline = make_pipeline(StandardScaler(), NetworkClassifier(build, **FAST))
    grid = {
        "networkclassifier__build__width": [1, 6],
        "networkclassifier__optimizer__learning_rate": [1e-5, 0.02],
        "networkclassifier__batch_size": [32],
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(*iris)
    assert search.best_params_["networkclassifier__optimizer__learning_rate"] == 0.02
    best = search.best_estimator_[-1]
    assert best.network_.params[0]["weight"].shape == (4, search.best_params_["networkclassifier__build__width"])
    assert search.best_score_ > 0.8


def test_random_states_are_seeds_of_the_network(iris):
    one, same, other = (NetworkClassifier(build, max_iter=2, random_state=s).fit(*iris) for s in (0, 0, 1))
    np.testing.assert_array_equal(one.predict_proba(iris[0]), same.predict_proba(iris[0]))
    assert one.network_.seed != other.network_.seed
    bag = BaggingClassifier(NetworkClassifier(build, max_iter=2), n_estimators=2, random_state=0).fit(*iris)
    assert len({member.network_.seed for member in bag.estimators_}) == 2

    def without_seed(n_features, n_outputs):
        return bpx.mlp([n_features, n_outputs], seed=7)

    assert NetworkClassifier(without_seed, max_iter=1).fit(*iris).network_.seed == 7
    with pytest.raises(InputError, match="random_state is given, and build takes no seed"):
        NetworkClassifier(without_seed, random_state=0).fit(*iris)


# -- training --------------------------------------------------------------------------------------------------


def test_early_stopping_keeps_the_best_epoch(iris):
    settings = {"optimizer": bpx.Adam(0.1), "max_iter": 300, "random_state": 0, "n_iter_no_change": 5}
    e = NetworkClassifier(build, early_stopping=True, validation_fraction=0.3, **settings).fit(*iris)
    best = int(np.argmin(e.history_.validation_loss))
    assert e.n_iter_ == best + 1 + 5
    held = iris[0][::4], iris[1][::4]
    given = NetworkClassifier(build, early_stopping=True, **settings).fit(*iris, validation_data=held)
    found = given.network_.evaluate(*given.encode(*held))["loss"]
    assert found == pytest.approx(min(given.history_.validation_loss))


def test_training_goes_on(iris):
    whole = NetworkClassifier(build, max_iter=6, batch_size=16, random_state=0).fit(*iris)
    parts = NetworkClassifier(build, max_iter=3, batch_size=16, random_state=0, warm_start=True).fit(*iris)
    parts = pickle.loads(pickle.dumps(parts)).fit(*iris)
    np.testing.assert_array_equal(parts.predict_proba(iris[0]), whole.predict_proba(iris[0]))
    step = NetworkClassifier(build, batch_size=16, random_state=0)
    for _ in range(6):
        step.partial_fit(*iris, classes=[0, 1, 2])
    np.testing.assert_array_equal(step.predict_proba(iris[0]), whole.predict_proba(iris[0]))
    with pytest.raises(ValueError, match=r"y holds classes that are not among the fitted ones: \[9\]"):
        step.partial_fit(iris[0], np.where(iris[1] == 2, 9, iris[1]))
    with pytest.raises(ValueError, match="classes must be passed on the first call to partial_fit"):
        NetworkClassifier(build).partial_fit(*iris)
    with pytest.raises(ValueError, match="class_weight 'balanced' is not supported for partial_fit"):
        NetworkClassifier(build, class_weight="balanced").partial_fit(*iris, classes=[0, 1, 2])


def test_scikit_learns_callbacks_are_told(iris):
    callback = pytest.importorskip("sklearn.callback", reason="this scikit-learn has no callbacks (SLEP023)")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    e = NetworkClassifier(build, **FAST).set_callbacks(monitor).fit(*iris)
    scores = [row["accuracy"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(scores) == 20
    assert scores[-1] == e.score(*iris)
    assert scores[0] < scores[-1]


# -- values ----------------------------------------------------------------------------------------------------


def test_values_are_predicted_in_their_units(diabetes):
    x, y = diabetes[0], diabetes[1] * 40.0 + 150.0
    model = TransformedTargetRegressor(NetworkRegressor(build_values, **FAST), transformer=StandardScaler())
    assert cross_val_score(model, x, y, cv=2).min() > 0.3
    both = NetworkRegressor(build_values, **FAST).fit(x, np.stack([diabetes[1], -diabetes[1]], axis=1))
    assert both.predict(x).shape == (442, 2)
    assert both.score(x, np.stack([diabetes[1], -diabetes[1]], axis=1)) > 0.3


def test_quantiles_are_outputs_of_one_target(diabetes):
    args = {"loss": bpx.Quantile((0.1, 0.5, 0.9)), "outputs": 3}
    e = NetworkRegressor(build_values, build_args=args, optimizer=bpx.Adam(0.02), max_iter=150, random_state=0)
    found = e.fit(*diabetes).predict(diabetes[0])
    shares = (diabetes[1][:, None] < found).mean(axis=0)
    np.testing.assert_allclose(shares, [0.1, 0.5, 0.9], atol=0.06)


# -- mistakes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make, said",
    [
        (
            lambda n_features, n_outputs: [bpx.Linear(n_features, n_outputs)],
            "build must return a bpx.Network, got list",
        ),
        (lambda n_features, n_outputs: bpx.mlp([n_features + 1, n_outputs]), "the samples have 4 features"),
        (
            lambda n_features, n_outputs: bpx.mlp([n_features, 2]),
            "there are 3 classes, and build's network has 2 outputs",
        ),
        (lambda n_features, n_outputs: bpx.mlp([n_features, 3], loss="huber"), "a classifier's network has the loss"),
    ],
)
def test_networks_that_do_not_fit_are_refused(iris, make, said):
    with pytest.raises(InputError, match=said):
        NetworkClassifier(make).fit(*iris)


def test_what_cannot_be_is_refused(iris, diabetes):
    with pytest.raises(InputError, match="a sample has 1 targets, and build's network has 2 outputs"):
        NetworkRegressor(build_values, build_args={"outputs": 2}).fit(*diabetes)
    with pytest.raises(InputError, match="a regressor's network has a loss of values"):
        NetworkRegressor(lambda n_features, n_outputs: bpx.mlp([n_features, 1], loss="binary_cross_entropy")).fit(
            *diabetes
        )
    with pytest.raises(InputError, match="validation_data must be"):
        NetworkClassifier(build).fit(*iris, validation_data=iris[0])
    with pytest.raises(NotFittedError):
        NetworkClassifier(build).predict(iris[0])
    with pytest.raises(ValueError, match="y has 2 targets a sample, and the network was built for 1"):
        NetworkRegressor(warm_start=True, max_iter=1).fit(*diabetes).fit(diabetes[0], diabetes[0][:, :2])
    with pytest.raises(TypeError, match="unexpected keyword argument 'depth'"):
        NetworkClassifier(build, build_args={"depth": 3}).fit(*iris)


# -- the network -----------------------------------------------------------------------------------------------


def test_the_network_is_explained_diagnosed_and_kept(iris, diabetes, tmp_path):
    e = NetworkClassifier(build, **FAST).fit(*iris)
    assert bpx.explain(e, *iris).steps[0].loss == pytest.approx(e.network_.evaluate(*iris)["loss"])
    assert bpx.diagnose(e, *iris).to_dict() == bpx.diagnose(e.network_, *iris).to_dict()
    e.save(tmp_path / "classes.safetensors")
    np.testing.assert_array_equal(bpx.load(tmp_path / "classes.safetensors").predict(iris[0]), e.predict_proba(iris[0]))
    values = NetworkRegressor(build_values, **FAST).fit(*diabetes)
    values.save(tmp_path / "values.safetensors")
    from bpx.recipes.model_file import load_model

    assert load_model(tmp_path / "values.safetensors", bpx.get_backend("numpy")).preprocessor.task == "regression"
    pytest.importorskip("onnx", reason="ONNX files need the extra onnx")
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    values.export_onnx(tmp_path / "values.onnx")
    (found,) = runtime.InferenceSession(tmp_path / "values.onnx").run(None, {"x": diabetes[0]})
    np.testing.assert_allclose(found, values.predict(diabetes[0]), rtol=1e-6)


@pytest.mark.parametrize("kind", [NetworkClassifier, NetworkRegressor])
def test_what_is_masked_is_refused(kind, iris):
    x, y = iris
    of_fit = {} if kind is NetworkRegressor else {"classes": [0, 1, 2]}
    bad = np.arange(len(y)) % 5 == 0
    masked_x, masked_y = np.ma.array(x, mask=np.tile(bad[:, None], x.shape[1])), np.ma.array(y, mask=bad)
    weight = np.ma.array(np.ones(len(y)), mask=bad)
    fitted = kind(max_iter=1).fit(x, y)
    for call in (
        lambda: kind().fit(masked_x, y),
        lambda: kind().fit(x, masked_y),
        lambda: kind().fit(x, y, weight),
        lambda: kind().partial_fit(masked_x, y, **of_fit),
        lambda: kind().fit(x, y, validation_data=(masked_x, y)),
        lambda: kind().fit(x, y, validation_data=(x, y, weight)),
        lambda: fitted.predict(masked_x),
        lambda: fitted.score(masked_x, y),
    ):
        with pytest.raises(ValueError, match="has masked values, which are no numbers"):
            call()


@pytest.mark.parametrize("dispatch", [False, True])
def test_tensors_are_taken_whatever_scikit_learn_is_told(dispatch, iris, torch, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    x, y = torch.tensor(iris[0]), torch.tensor(iris[1])
    expected = NetworkClassifier(build, max_iter=2, random_state=0).fit(*iris).predict(iris[0])
    with config_context(array_api_dispatch=dispatch):
        fitted = NetworkClassifier(build, max_iter=2, random_state=0).fit(x, y)
        np.testing.assert_array_equal(fitted.predict(x), expected)
