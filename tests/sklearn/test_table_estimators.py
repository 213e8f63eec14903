import contextlib
import pickle

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the estimators need scikit-learn: the extra sklearn")
pytest.importorskip("polars", reason="tables need polars: the extra table")

import polars as pl
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import bpx
from bpx.errors import InputError
from bpx.sklearn import TableClassifier, TableRegressor

UNLIKE = {
    "check_sample_weight_equivalence_on_dense_data": "rows are shuffled by their numbers, so that a row given twice "
    "and one of weight 2 are not trained on alike",
    "check_methods_subset_invariance": "float32: the last bits of products depend on the number of rows",
}
"""Checks that these estimators may fail, with the reason."""


@parametrize_with_checks(
    [kind(preset="fast", max_iter=30, random_state=0) for kind in (TableClassifier, TableRegressor)]
)
def test_scikit_learns_checks(estimator, check, monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")  # else one check is skipped
    with contextlib.suppress(AssertionError) if check.func.__name__ in UNLIKE else contextlib.nullcontext():
        check(estimator)


def make_table(n=240, seed=0):
    rng = np.random.default_rng(seed)
    size, kind = rng.normal(size=n), rng.choice(["a", "b", "c"], n)
    frame = pl.DataFrame({
        "id": np.arange(n) * 7 + 3,
        "size": [None if i % 9 == 0 else f"{value:.3f} kg" for i, value in enumerate(size)],
        "kind": [None if i % 11 == 0 else one for i, one in enumerate(kind)],
        "when": pl.Series([f"2020-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(n)]),
    })  # fmt: skip
    y = 2.0 * size + np.where(kind == "a", 3.0, 0.0) + 0.1 * rng.normal(size=n)
    return frame, y


@pytest.fixture(scope="module")
def fitted():
    frame, y = make_table()
    return TableRegressor(random_state=0).fit(frame, y)


def test_a_frame_of_mixed_columns_is_learned(fitted):
    frame, y = make_table(seed=1)
    assert fitted.score(frame, y) > 0.8
    assert fitted.feature_names_in_.tolist() == ["id", "size", "kind", "when"]
    assert any("id" in note for note in fitted.notes_)
    assert "id" in fitted.preprocessor_.left_out
    assert fitted.network_.output_shape == (8, 1)


@pytest.mark.parametrize("kind", [TableRegressor, TableClassifier])
def test_a_column_of_many_texts_is_learned(kind, tmp_path):
    """Each of 120 towns shifts the target; the 100 most frequent alone would leave a sixth of the rows in the dark."""
    rng = np.random.default_rng(0)
    town, x = np.arange(1500) % 120, rng.normal(size=1500)
    y = rng.normal(size=120)[town] + 0.1 * x
    y = np.where(y > 0.0, "up", "down") if kind is TableClassifier else y
    frame = pl.DataFrame({"town": [None if i % 13 == 0 else f"town {i}" for i in town], "x": x})
    found = kind(members=3, max_iter=15, random_state=0).fit(frame[:1200], y[:1200])
    assert found.preprocessor_.n_codes == (120 - 10 + 1, 0)
    assert found.score(frame[1200:], y[1200:]) > 0.9
    new = pl.DataFrame({"town": ["nowhere", None], "x": [0.0, 0.0]})
    unseen, missing = pickle.loads(pickle.dumps(found))._predict(new)
    assert not np.allclose(unseen, missing)
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    found.export_onnx(tmp_path / "model.onnx")
    session = runtime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    given = {"town": np.array([["nowhere"], [""]], dtype=object), "x": np.zeros((2, 1))}
    expected = found.predict_proba(new) if kind is TableClassifier else found.predict(new)
    np.testing.assert_allclose(session.run(None, given)[-1], expected, atol=1e-5)


def test_frames_of_all_libraries_give_the_same(fitted):
    frame, _ = make_table(20, seed=2)
    wanted = fitted.predict(frame)
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    assert isinstance(frame.to_pandas(), pandas.DataFrame)
    np.testing.assert_array_equal(fitted.predict(frame.to_pandas()), wanted)
    assert isinstance(frame.to_arrow(), arrow.Table)
    np.testing.assert_array_equal(fitted.predict(frame.to_arrow()), wanted)


def test_intervals_hold_their_share():
    frame, y = make_table(600)
    found = TableRegressor("fast", held_out=0.25, random_state=0).fit(frame, y)
    assert found.residuals_.held_out
    assert len(found.residuals_.errors) == 150
    new, truth = make_table(2000, seed=3)
    low, high = found.predict_interval(new, coverage=0.8).T
    share = ((low <= truth) & (truth <= high)).mean()
    assert 0.7 < share < 0.9  # 0.8 over all draws of the held-out rows, which are 150 here
    np.testing.assert_allclose((low + high) / 2.0, found.predict(new))
    with pytest.raises(InputError, match="coverage of 0.999 needs 999 rows"):
        found.predict_interval(new, coverage=0.999)


def test_rows_that_are_held_out_teach_nothing():
    frame, y = make_table(200)
    found = TableRegressor("fast", held_out=0.3, max_iter=3, random_state=0).fit(frame, y)
    from sklearn.utils import check_random_state

    from bpx.tables.splitting import split

    held = split(200, 0.3, int(check_random_state(0).randint(2**31 - 1)))[1]
    changed = y.copy()
    changed[held] += 1000.0
    again = TableRegressor("fast", held_out=0.3, max_iter=3, random_state=0).fit(frame, changed)
    np.testing.assert_array_equal(again.predict(frame), found.predict(frame))
    assert again.residuals_.errors[0] > 900.0 > found.residuals_.errors[-1]


def test_an_ensemble_has_intervals_without_holding_out(fitted):
    assert not fitted.residuals_.held_out
    assert len(fitted.residuals_.errors) == 240
    frame, y = make_table(2000, seed=4)
    low, high = fitted.predict_interval(frame).T
    assert 0.85 < ((low <= y) & (y <= high)).mean() < 0.97


def test_what_held_nothing_out_has_no_intervals():
    x, y = np.random.default_rng(0).normal(size=(15, 2)), np.arange(15.0)
    found = TableRegressor("fast", max_iter=2, random_state=0).fit(x, y)
    with pytest.raises(InputError, match="set no samples aside"):
        found.predict_interval(x)


@pytest.mark.parametrize("labels", [["no", "yes", "maybe"], [3, 10, 2], [True, False], [1.0, 2.0]])
def test_labels_come_back_as_they_were(labels):
    frame, y = make_table()
    classes = np.array(labels)[np.digitize(y, np.quantile(y, [1 / 3, 2 / 3] if len(labels) == 3 else [0.5]))]
    found = TableClassifier("fast", random_state=0).fit(frame, classes)
    np.testing.assert_array_equal(found.classes_, np.unique(classes))
    assert found.predict(frame).dtype == classes.dtype
    assert (found.predict(frame) == classes).mean() > 0.8
    np.testing.assert_allclose(found.predict_proba(frame).sum(axis=1), 1.0, rtol=1e-6)


def test_weights_of_classes_and_of_samples():
    frame, y = make_table(400)
    rare = np.where(y > np.quantile(y, 0.9), "rare", "usual")
    plain, balanced, named = (
        TableClassifier("fast", class_weight=weight, random_state=0).fit(frame, rare)
        for weight in (None, "balanced", {"rare": 20.0})
    )
    counts = [(found.predict_proba(frame)[:, 0]).mean() for found in (plain, balanced, named)]
    assert counts[1] > counts[0]
    assert counts[2] > counts[0]
    weighted = TableClassifier("fast", random_state=0).fit(frame, rare, np.where(rare == "rare", 20.0, 1.0))
    assert weighted.predict_proba(frame)[:, 0].mean() > counts[0]
    with pytest.raises(ValueError, match=r"classes that y does not have: \['rarest'\]"):
        TableClassifier("fast", class_weight={"rarest": 2.0}).fit(frame, rare)


def test_it_lives_in_pipelines_and_searches():
    frame, y = make_table(120)
    pipe = make_pipeline(FunctionTransformer(), TableRegressor("fast", max_iter=5, random_state=0))
    assert len(cross_val_score(pipe, frame, y, cv=2)) == 2
    search = GridSearchCV(TableRegressor("fast", max_iter=3, random_state=0), {"dropout": [0.0, 0.2]}, cv=2)
    assert search.fit(frame, y).best_params_["dropout"] in (0.0, 0.2)
    both = TransformedTargetRegressor(TableRegressor("fast", max_iter=3, random_state=0), transformer=None)
    assert both.fit(frame, y).predict(frame).shape == (120,)


def test_the_parameters_are_the_networks(fitted):
    frame, y = make_table(120)
    found = TableRegressor("default", hidden_layer_sizes=(7,), members=2, max_iter=2, dropout=0.3, random_state=1)
    net = clone(found).fit(frame, y).network_
    assert net.output_shape == (2, 1)
    assert [layer.n_out for layer in net.layers if hasattr(layer, "k") and hasattr(layer, "n_out")] == [7, 1]
    assert any(getattr(layer, "rate", None) == 0.3 for layer in net.layers)
    first, second = (clone(found).fit(frame, y).predict(frame) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(frame), fitted.predict(frame))


def test_arrays_of_numbers_with_gaps():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3))
    y = x[:, 0] - x[:, 1]
    x[rng.random(x.shape) < 0.1] = np.nan
    found = TableRegressor("fast", random_state=0).fit(x, y)
    assert found.score(x, y) > 0.6
    assert found.preprocessor_.column_names == ("x0", "x1", "x2")


def test_its_file_is_that_of_the_command(fitted, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX files are run by onnxruntime")
    from bpx.tables import parse_columns

    frame, _ = make_table(30, seed=5)
    said = fitted.export_onnx(tmp_path / "t.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "t.onnx"), providers=["CPUExecutionProvider"])
    parsed = parse_columns(frame, fitted.preprocessor_)
    got = session.run(None, {column["input"]: parsed[column["name"]] for column in said["columns"]})[0]
    np.testing.assert_allclose(got.reshape(-1), fitted.predict(frame), rtol=1e-5)
    labels = np.array(["x", "y"])[(fitted.predict(frame) > 0).astype(int)]
    found = TableClassifier("fast", max_iter=3, random_state=0).fit(frame, labels)
    said = found.export_onnx(tmp_path / "c.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "c.onnx"), providers=["CPUExecutionProvider"])
    parsed = parse_columns(frame, found.preprocessor_)
    label, p = session.run(["label", "probabilities"], {c["input"]: parsed[c["name"]] for c in said["columns"]})
    assert label.reshape(-1).tolist() == found.predict(frame).tolist()
    np.testing.assert_allclose(p, found.predict_proba(frame), atol=1e-5)


def test_the_fast_preset_has_averaged_weights():
    frame, y = make_table(120, seed=3)
    steps = bpx.AdamW(bpx.CosineDecay(3e-3, length=4), weight_decay=1e-2)
    given = {"preset": "fast", "max_iter": 4, "random_state": 0}
    found, plain, averaged = (
        TableRegressor(**given, optimizer=optimizer).fit(frame, y).predict(frame)
        for optimizer in (None, steps, bpx.Averaged(steps, decay=0.9))  # over 10 steps, the least
    )
    np.testing.assert_array_equal(found, averaged)
    assert np.abs(found - plain).max() > 1e-3 * np.std(y)


@pytest.mark.parametrize("kind", [TableClassifier, TableRegressor])
def test_the_best_preset_is_one_network_and_one_file(kind, monkeypatch, tmp_path):
    """All kinds of networks, without bins or with dropout, are in one network, with intervals, and in one ONNX file."""
    pytest.importorskip("onnx", reason="ONNX files need onnx: the extra onnx")
    onnxruntime = pytest.importorskip("onnxruntime", reason="the file is run by onnxruntime")
    from bpx.recipes import training
    from bpx.tables import parse_columns

    frame, y = make_table(150, seed=3)
    new, _ = make_table(20, seed=4)
    classes = kind is TableClassifier
    y = np.array(["x", "y"])[(y > np.median(y)).astype(int)] if classes else y
    monkeypatch.setattr(training, "select_groups", lambda outputs, *_: tuple(range(len(outputs))))
    found = kind("best", max_iter=4, members=20, random_state=0).fit(frame, y)
    assert found.network_.output_shape[0] == 20
    assert sum(getattr(layer, "shared_input", False) for layer in found.network_.layers) == 1
    said = found.export_onnx(tmp_path / "best.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "best.onnx"), providers=["CPUExecutionProvider"])
    parsed = parse_columns(new, found.preprocessor_)
    got = session.run(None, {c["input"]: parsed[c["name"]] for c in said["columns"]})
    if classes:
        np.testing.assert_allclose(got[1], found.predict_proba(new), atol=1e-5)
        assert found.temperature_ != 1.0
    else:
        predicted = found.predict(new)
        np.testing.assert_allclose(got[0].reshape(-1), predicted, rtol=1e-5)
        low, high = found.predict_interval(new, coverage=0.8).T
        assert (low < predicted).all()
        assert (predicted < high).all()
    monkeypatch.undo()
    chosen = kind("best", max_iter=4, members=20, random_state=0).fit(frame, y)
    assert chosen.network_.output_shape[0] in ((10, 20) if classes else (5, 10, 15, 20))


def test_what_cannot_be_learned_is_refused():
    frame, y = make_table(40)
    with pytest.raises(ValueError, match="got 1 class: all samples are"):
        TableClassifier("fast").fit(frame, ["a"] * 40)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        TableRegressor("fast").fit(frame, y[:-1])
    with pytest.raises(ValueError, match="'preset' parameter"):
        TableRegressor("quick").fit(frame, y)
    found = TableRegressor("fast", max_iter=1).fit(frame, y)
    with pytest.raises(ValueError, match="kind"):
        found.predict(frame.drop("kind"))
