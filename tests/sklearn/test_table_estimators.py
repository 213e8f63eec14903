import contextlib
import pickle
from datetime import time

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
from bpx.recipes.intervals import Residuals
from bpx.recipes.model_file import load_model
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


def test_types_of_columns_are_declared_as_the_notes_say(tmp_path):
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {"shop": [f"shop {i}" for i in range(60)], "code": np.arange(60) % 5, "x": rng.normal(size=60)}
    )
    y = rng.normal(size=60)
    plain = TableRegressor("fast", max_iter=2, random_state=0).fit(frame, y)
    assert any("declare it (types={'shop': 'category'}" in note for note in plain.notes_)
    found = clone(plain).set_params(types={"shop": "category", "code": "text"}).fit(frame, y)
    assert found.preprocessor_.types == {"shop": "category", "code": "text"}
    assert {"shop=shop 7", "code=3"} < set(found.preprocessor_.feature_names)
    assert found.notes_ == ()
    found.save(tmp_path / "model")
    again = load_model(tmp_path / "model", bpx.get_backend("numpy"))
    assert again.preprocessor.types == found.types
    predicted = again.preprocessor.decode_target(again.network.predict(again.preprocessor.transform(frame)))
    np.testing.assert_array_equal(predicted, found.predict(frame))
    np.testing.assert_array_equal(clone(found).fit(frame, y).predict(frame), found.predict(frame))


@pytest.mark.parametrize("kind", [TableRegressor, TableClassifier])
def test_columns_of_arrays_are_declared_by_their_place(kind):
    x = np.column_stack([np.arange(60) % 4, np.linspace(0.0, 1.0, 60)])
    found = kind("fast", max_iter=2, types={"x0": "category"}, random_state=0).fit(x, np.arange(60) % 2)
    assert len(found.preprocessor_.feature_names) == 5
    assert found.predict(x).shape == (60,)
    with pytest.raises(InputError, match="category column 'target' is not in the table; its columns: 'x0', 'x1'"):
        kind("fast", types={"target": "category"}).fit(x, np.arange(60) % 2)


@pytest.mark.parametrize("kind", [TableRegressor, TableClassifier])
@pytest.mark.parametrize("seed", range(4))
def test_few_samples_with_a_weight_are_enough(kind, seed):
    rng = np.random.default_rng(seed)
    x, weight = rng.normal(size=(60, 2)), np.zeros(60)
    weight[rng.choice(60, 30 if seed else 12, replace=False)] = 1.0
    y = x[:, 0] if kind is TableRegressor else (x[:, 0] > 0).astype(int)
    found = kind(members=5, max_iter=2, random_state=0).fit(x, y, weight)
    there = weight > 0.0
    alone = kind(members=5, max_iter=2, random_state=0).fit(x[there], y[there], weight[there])
    predict = "predict" if kind is TableRegressor else "predict_proba"
    np.testing.assert_array_equal(getattr(found, predict)(x), getattr(alone, predict)(x))
    if kind is TableRegressor:
        assert found.residuals_ == alone.residuals_
        assert found.residuals_ is None or len(found.residuals_.errors) == 30


def test_errors_of_samples_without_a_weight_are_in_no_interval():
    frame, y = make_table(120)
    weight = np.arange(120) % 3 > 0
    wild = np.where(weight, y, 1e6)
    for held_out in (0.0, 0.25):
        found = TableRegressor(members=5, max_iter=2, held_out=held_out, random_state=0).fit(frame, wild, weight)
        assert len(found.residuals_.errors) == (20 if held_out else 80)
        assert found.residuals_.errors[-1] < 100.0
    with pytest.raises(ValueError, match="at least one non-zero number"):
        TableRegressor("fast").fit(frame, y, np.zeros(120))


DAYS = np.datetime64("2020-01-01") + np.arange(40)


@pytest.mark.parametrize(
    "y",
    [
        *(np.arange(40).astype(f"m8[{unit}]") for unit in ("D", "s", "ms", "ns")),
        *(DAYS.astype(f"M8[{unit}]") for unit in ("D", "s", "ns")),
        DAYS.tolist(),
        (DAYS - DAYS[0]).tolist(),
        pl.Series(DAYS),
        pl.Series((DAYS - DAYS[0]).astype("m8[us]")),
        pl.Series([time(i % 24) for i in range(40)]),
    ],
    ids=lambda y: str(getattr(y, "dtype", type(y[0]))),
)
def test_dates_and_durations_are_no_numbers(y):
    frame, numbers = make_table(40)
    with pytest.raises(
        InputError, match=r"expected y to be numbers, got (dates|durations).* such as .*; count .*as .* d"
    ):
        TableRegressor("fast", max_iter=1).fit(frame, y)
    with pytest.raises(InputError, match="expected y to be numbers"):
        TableRegressor("fast", max_iter=1).fit(frame, numbers).encode(frame, y)


def test_dates_of_pandas_and_pyarrow_are_no_numbers():
    pandas, arrow = pytest.importorskip("pandas"), pytest.importorskip("pyarrow")
    frame, _ = make_table(40)
    days = pandas.Series(DAYS)
    for y in (days, days.dt.tz_localize("UTC"), days - days[0], arrow.array(DAYS), arrow.chunked_array([DAYS])):
        with pytest.raises(InputError, match="expected y to be numbers"):
            TableRegressor("fast", max_iter=1).fit(frame, y)
    labels = ["no", "yes"] * 20
    assert TableClassifier("fast", max_iter=1).fit(frame, arrow.array(labels)).classes_.tolist() == ["no", "yes"]


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), "pandas.NA", "pandas.NaT"])
def test_missing_labels_are_refused(missing):
    if isinstance(missing, str):
        missing = getattr(pytest.importorskip("pandas"), missing.partition(".")[2])
    frame, y = make_table(40)
    said = r"y is missing in 2 samples, the first of which is sample 7 \(counted from 0\); leave these samples out"
    for kind, labels in ((TableClassifier, ["no", "yes"] * 20), (TableRegressor, y.tolist())):
        whole = np.array(labels, dtype=object)
        lacking = whole.copy()
        lacking[[7, 9]] = missing
        with pytest.raises(ValueError, match=said):
            kind("fast", max_iter=1).fit(frame, lacking)
        with pytest.raises(ValueError, match=said):
            kind("fast", max_iter=1).fit(frame, whole).encode(frame, lacking)
    with pytest.raises(ValueError, match="y is missing in 20 samples"):
        TableClassifier("fast").fit(frame, pl.Series(["no", None] * 20))


def test_tables_whose_columns_are_not_named_once_or_none_are_refused():
    pandas = pytest.importorskip("pandas")
    numbers = np.random.default_rng(0).normal(size=(40, 3))
    table = pandas.DataFrame(numbers, columns=["a", "b", "a"])
    with pytest.raises(InputError, match="expected columns that are each named once, got several that are called 'a';"):
        TableRegressor("fast").fit(table, numbers[:, 0])
    arrow = pytest.importorskip("pyarrow")
    table = arrow.table([numbers[:, i] for i in range(3)], names=["a", "b", "a"])
    with pytest.raises(InputError, match="got several that are called 'a'; rename them"):
        TableRegressor("fast").fit(table, numbers[:, 0])
    with pytest.raises(InputError, match="got several that are called '1'"):
        TableRegressor("fast").fit(pandas.DataFrame(numbers, columns=[1, "1", 2]), numbers[:, 0])
    for empty in (pandas.DataFrame(index=range(40)), pl.DataFrame()):
        with pytest.raises(InputError, match="expected a table with one column or more, got one without columns"):
            TableRegressor("fast").fit(empty, numbers[:, 0])


@pytest.mark.parametrize("held_out", [0.0, 0.3])
def test_its_file_has_the_errors_that_intervals_are_made_of(held_out, tmp_path):
    frame, y = make_table(60)
    found = TableRegressor("fast", max_iter=2, held_out=held_out, random_state=0).fit(frame, y)
    found.save(tmp_path / "model")
    training = load_model(tmp_path / "model", bpx.get_backend("numpy")).training
    kept = Residuals.from_dict(training["residuals"])
    assert (kept, kept.held_out) == (found.residuals_, held_out > 0)
    few = TableRegressor("fast", max_iter=1, random_state=0).fit(frame[:15], y[:15])
    few.save(tmp_path / "few")
    assert "residuals" not in load_model(tmp_path / "few", bpx.get_backend("numpy")).training


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


@pytest.mark.parametrize("kind", [TableClassifier, TableRegressor])
def test_what_is_masked_is_refused(kind, generator):
    x, y = generator.normal(size=(40, 3)), np.arange(40) % 2
    bad = np.arange(40) % 5 == 0
    masked_x, masked_y = np.ma.array(x, mask=np.tile(bad[:, None], 3)), np.ma.array(y, mask=bad)
    fitted = kind(preset="fast", max_iter=1).fit(x, y)
    for call in (
        lambda: kind().fit(masked_x, y),
        lambda: kind().fit(x, masked_y),
        lambda: kind().fit(x, y, np.ma.array(np.ones(40), mask=bad)),
        lambda: fitted.predict(masked_x),
    ):
        with pytest.raises(ValueError, match="has masked values, which are no numbers"):
            call()
