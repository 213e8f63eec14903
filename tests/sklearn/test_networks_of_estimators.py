"""A fitted estimator's network: looked at, explained, diagnosed, kept in a file, exported to ONNX."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("polars", reason="tables need polars: the extra table")

import polars as pl
from sklearn.exceptions import NotFittedError

import bpx
from bpx.errors import InputError
from bpx.sklearn import MLPClassifier, MLPRegressor, TableClassifier, TableRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def make_frame(x):
    return pl.DataFrame({f"column {i}": x[:, i] for i in range(x.shape[1])})


@pytest.fixture(scope="module")
def fitted(iris, cancer, diabetes, flags):
    """Return estimators of every kind with what they were fitted to."""
    settings = {"max_iter": 8, "random_state": 0}
    cases = {
        "classes": (MLPClassifier((6,), normalization="batch", **settings), *iris),
        "two classes": (MLPClassifier((6,), dropout=0.2, **settings), cancer[0], np.where(cancer[1], "good", "bad")),
        "labels": (MLPClassifier((6,), **settings), *flags),
        "values": (MLPRegressor(hidden_layer_sizes=6, **settings), *diabetes),
        "counts": (MLPRegressor("poisson", hidden_layer_sizes=6, **settings), diabetes[0], np.arange(442.0)),
        "several values": (MLPRegressor(hidden_layer_sizes=6, **settings), diabetes[0], diabetes[0][:, :2]),
        "lbfgs": (MLPClassifier((6,), solver="lbfgs", **settings), *iris),
        "table of classes": (
            TableClassifier("fast", **settings),
            make_frame(iris[0]),
            np.array(["a", "b", "c"])[iris[1]],
        ),
        "ensemble": (TableClassifier(members=2, **settings), make_frame(cancer[0][:, :4]), cancer[1]),
        "table of values": (TableRegressor("fast", **settings), make_frame(diabetes[0]), diabetes[1] * 50.0 + 100.0),
    }
    return {name: (e.fit(x, y), x, y) for name, (e, x, y) in cases.items()}


CASES = (
    "classes", "two classes", "labels", "values", "counts", "several values", "lbfgs", "table of classes", "ensemble",
    "table of values",
)  # fmt: skip


def predict(e, x):
    """Return what an estimator says of samples, with two axes: probabilities, or values."""
    said = e.predict_proba(x) if hasattr(e, "predict_proba") else e.predict(x)
    return said.reshape(len(said), -1)


@pytest.mark.parametrize("case", CASES)
def test_the_network_predicts_what_the_estimator_does(fitted, case):
    e, x, y = fitted[case]
    inputs, targets = e.encode(x, y)
    found = np.asarray(e.network_.predict(inputs))
    expected = predict(e, x)
    if case == "two classes":
        expected = expected[:, 1:]
    if case == "table of values":
        expected = (expected - e.preprocessor_.target.mean) / e.preprocessor_.target.std
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert isinstance(e.network_, bpx.Network)
    assert type(e.network_.loss).__module__.startswith("bpx.losses")
    assert e.network_.evaluate(inputs, targets)["loss"] > 0.0


@pytest.mark.parametrize("case", CASES)
def test_estimators_are_explained_and_diagnosed(fitted, case):
    e, x, y = fitted[case]
    network, inputs, targets = e.network_, *e.encode(x, y)
    assert bpx.explain(e, x, y).steps[0].loss == bpx.explain(network, inputs, targets).steps[0].loss
    assert bpx.diagnose(e, x, y).to_dict() == bpx.diagnose(network, inputs, targets).to_dict()


def test_steps_are_judged_by_the_optimizer_of_the_fit(iris):
    wild = MLPClassifier((6,), solver="sgd", learning_rate_init=30.0, alpha=0.0, max_iter=2, random_state=0).fit(*iris)
    report = bpx.diagnose(wild, *iris)
    assert "learning_rate_too_high" in report.names
    assert not report.skipped
    assert "SGD(learning_rate=Constant(learning_rate=30.0)" in bpx.explain(wild, *iris).optimizer


def test_the_network_of_a_perceptron_is_a_copy(iris):
    e = MLPClassifier((6,), max_iter=3, random_state=0).fit(*iris)
    before = e.predict_proba(iris[0])
    net = e.network_
    net.fit(*e.encode(*iris), epochs=3)
    np.testing.assert_array_equal(e.predict_proba(iris[0]), before)
    assert not np.array_equal(net.predict(iris[0]), before)
    net.reset()
    assert net.params[0]["weight"].any()
    again = pickle.loads(pickle.dumps(e))
    np.testing.assert_array_equal(again.network_.predict(iris[0]), before)


def test_what_is_no_network_or_was_not_fitted_is_refused(iris):
    with pytest.raises(InputError, match="a fitted estimator of bpx.sklearn, got the class MLPClassifier"):
        bpx.explain(MLPClassifier, *iris)
    with pytest.raises(InputError, match="got an object of the class dict"):
        bpx.diagnose({}, *iris)
    with pytest.raises(NotFittedError):
        bpx.explain(MLPClassifier(), *iris)
    assert not hasattr(MLPClassifier(), "network_")
    e = MLPClassifier(max_iter=1).fit(*iris)
    with pytest.raises(InputError, match="give a network to make steps in place"):
        bpx.explain(e, *iris, in_place=True)
    with pytest.raises(ValueError, match="classes that are not among those to be learned"):
        e.encode(iris[0], iris[1] + 5)
    table = TableClassifier("fast", max_iter=1).fit(*iris)
    with pytest.raises(ValueError, match=r"y holds classes that are not among the fitted ones: \[7\]"):
        table.encode(iris[0], np.where(iris[1] == 2, 7, iris[1]))


def test_sparse_samples_are_encoded(iris):
    sparse = pytest.importorskip("scipy.sparse").csr_matrix(iris[0])
    e = MLPClassifier((6,), max_iter=3, random_state=0).fit(sparse, iris[1])
    assert bpx.explain(e, sparse, iris[1]).steps[0].loss == bpx.explain(e, *iris).steps[0].loss


# -- files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_a_file_holds_the_network(fitted, case, tmp_path):
    e, x, y = fitted[case]
    e.save(tmp_path / "model.safetensors", card="what it is for")
    net = bpx.load(tmp_path / "model.safetensors")
    inputs, _ = e.encode(x, y)
    np.testing.assert_array_equal(net.predict(inputs), e.network_.predict(inputs))


@pytest.mark.parametrize("case", ["classes", "two classes", "values", "counts", "table of classes", "table of values"])
def test_bpx_predict_takes_the_file(fitted, case, tmp_path):
    e, x, _ = fitted[case]
    e.save(tmp_path / "model.safetensors")
    frame = x if isinstance(x, pl.DataFrame) else pl.DataFrame({f"x{i}": x[:, i] for i in range(x.shape[1])})
    frame.head(20).write_csv(tmp_path / "rows.csv")
    command = [sys.executable, "-m", "bpx", "predict", "model.safetensors", "rows.csv", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)["predictions"]
    expected = e.predict(frame.head(20) if frame is x else x[:20]).tolist()
    assert found == (pytest.approx(expected, rel=1e-5) if isinstance(expected[0], float) else expected)


def test_names_of_features_are_columns_of_the_file(iris, tmp_path):
    pandas = pytest.importorskip("pandas")
    names = ["a", "b", "c", "d"]
    e = MLPClassifier((4,), max_iter=2, random_state=0).fit(pandas.DataFrame(iris[0], columns=names), iris[1])
    e.save(tmp_path / "model.safetensors")
    from bpx.recipes.model_file import load_model

    assert load_model(tmp_path / "model.safetensors", bpx.get_backend("numpy")).preprocessor.column_names == tuple(
        names
    )


def test_classes_that_a_file_does_not_keep_are_refused(iris, tmp_path):
    e = MLPClassifier((4,), max_iter=2, random_state=0).fit(*iris)
    e.classes_ = np.array([b"z", 2.5, "a"], dtype=object)
    with pytest.raises(InputError, match="a file keeps classes that are text, numbers or booleans, sorted"):
        e.save(tmp_path / "model.safetensors")


@pytest.mark.parametrize("case", CASES)
def test_onnx_files_say_what_the_estimator_says(fitted, case, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="ONNX files need the extra onnx")
    e, x, _ = fitted[case]
    described = e.export_onnx(tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    if isinstance(x, pl.DataFrame):
        feed = {name: x[name].to_numpy()[:, None] for name in x.columns}
    else:
        feed = {"x": x.astype(np.float64)}
    said = dict(zip([end.name for end in session.get_outputs()], session.run(None, feed), strict=True))
    if case in ("labels", "several values"):
        np.testing.assert_allclose(said["y"], predict(e, x), rtol=1e-6)
        assert described == {}
    elif "label" in said:
        np.testing.assert_allclose(said["probabilities"], predict(e, x), rtol=1e-4, atol=1e-6)
        assert said["label"].tolist() == e.predict(x).tolist()
    else:
        np.testing.assert_allclose(said["prediction"], e.predict(x), rtol=1e-4)


def test_what_is_not_fitted_is_neither_kept_nor_exported(tmp_path):
    for e in (MLPClassifier(), MLPRegressor(), TableClassifier(), TableRegressor()):
        with pytest.raises(NotFittedError):
            e.save(tmp_path / "model.safetensors")
        with pytest.raises(NotFittedError):
            e.export_onnx(tmp_path / "model.onnx")


# -- scikit-learn's callbacks, told of an ensemble ---------------------------------------------------------------


def test_callbacks_are_told_of_each_network_of_an_ensemble(iris):
    callback = pytest.importorskip("sklearn.callback", reason="this scikit-learn has no callbacks (SLEP023)")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    e = TableClassifier(members=2, max_iter=3, random_state=0).set_callbacks(monitor).fit(*iris)
    rows = monitor.get_logs().data
    assert [row["task_name"] for row in rows].count("network") == 2
    assert [row["task_name"] for row in rows].count("epoch") == 6
    assert [row["accuracy"] for row in rows if row["task_name"] == "fit"] == [e.score(*iris)]
    plain = TableClassifier(members=2, max_iter=3, random_state=0).fit(*iris)
    np.testing.assert_array_equal(plain.predict_proba(iris[0]), e.predict_proba(iris[0]))
