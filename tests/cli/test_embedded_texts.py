"""Columns of many texts, which are embedded: trained, resumed, predicted, evaluated, explained and exported."""

import csv

import numpy as np
import pytest

import bpx

pl = pytest.importorskip("polars", reason="tables need polars: the extra table")

SHOPS = 150
"""More than categories of a column are told apart one by one."""


def make(rows, seed=0, gaps=True):
    """Return a table whose target depends on the shop, which many rows have, and on a number."""
    rng = np.random.default_rng(seed)
    shop, x, kind = rng.integers(0, SHOPS, rows), rng.normal(size=rows), rng.integers(0, 3, rows)
    effect = np.random.default_rng(99).normal(size=SHOPS)
    y = 3.0 * effect[shop] + x + 0.1 * rng.normal(size=rows)
    names = [f"shop {i:03d}" for i in shop]
    if gaps:
        names = [None if i % 17 == 0 else name for i, name in enumerate(names)]
    return pl.DataFrame({
        "shop": names, "x": x.round(4), "kind": [f"k{i}" for i in kind], "y": y.round(4),
        "class": np.where(y > 0.0, "high", "low"),
    })  # fmt: skip


@pytest.fixture
def files(tmp_path):
    """Return the paths of a table, and of new rows with a gap and shops that training never saw."""
    make(900).write_csv(tmp_path / "table.csv")
    new = make(40, seed=1)
    names = ["never seen", "SHOP 007", "  ", None, *new["shop"].to_list()[4:]]
    new.with_columns(shop=pl.Series(names)).write_csv(tmp_path / "new.csv")
    return tmp_path / "table.csv", tmp_path / "new.csv"


def read(path, column):
    with open(path, newline="") as file:
        return [row[column] for row in csv.DictReader(file)]


def find(kind, net):
    """Return the layers of a kind, those in `bpx.Columns` too."""
    return [part for layer in net.layers for part in (getattr(layer, "layers", (layer,))) if type(part) is kind]


OPTIONS = {
    "fast": ("--preset", "fast", "--epochs", "40"),
    "default": ("--epochs", "12"),
    "best": ("--preset", "best", "--epochs", "3"),
    "plain": ("--preset", "fast", "--hidden", "16", "--optimizer", "sgd", "--epochs", "5"),
    "linear": ("--preset", "fast", "--hidden", "none", "--epochs", "5"),
}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["y", "class"])
@pytest.mark.parametrize("how", OPTIONS)
def test_every_command_knows_them(how, target, as_json, files, tmp_path):
    table, new = files
    model, out = tmp_path / "model.safetensors", tmp_path / "out.csv"
    drop = ("--drop", "class" if target == "y" else "y")
    data = as_json("train", table, "--target", target, *drop, *OPTIONS[how], "--output", model)
    assert any("becomes a vector that is learned: 'shop' (1" in note for note in data["notes"])
    assert data["features"] == 1 + 1 + 3
    (embedding,) = find(bpx.Embedding, bpx.load(model))
    assert 100 < embedding.n_categories <= SHOPS + 2
    if how == "default":
        assert data["better_than_baseline"]
        assert data.get("r2", data.get("accuracy")) > 0.7
    scores = as_json("evaluate", model, new)
    as_json("predict", model, new, "-o", out)
    predicted = read(out, "prediction")
    if target == "y":
        wrong = np.array(read(new, "y"), dtype=float) - np.array(predicted, dtype=float)
        assert scores["rmse"] == pytest.approx(np.sqrt((wrong**2).mean()), rel=1e-4)
    else:
        assert scores["accuracy"] == np.mean([a == b for a, b in zip(predicted, read(new, "class"), strict=True)])
    explained = as_json("explain", model, new, "--sample", 5)
    assert explained["trace"]["steps"][0]["loss"] > 0.0


@pytest.mark.slow
@pytest.mark.parametrize("target", ["y", "class"])
@pytest.mark.parametrize("members", ["fast", "default", "best"])
def test_the_onnx_file_equals_predict(members, target, as_json, files, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    from bpx.recipes.model_file import load_model
    from bpx.tables import parse_columns, read_table

    table, new = files
    model, exported = tmp_path / "model.safetensors", tmp_path / "model.onnx"
    drop = ("--drop", "class" if target == "y" else "y")
    as_json("train", table, "--target", target, *drop, "--preset", members, "--epochs", 4, "--output", model)
    as_json("export", model, exported)
    loaded = load_model(model, bpx.get_backend("numpy"))
    frame = read_table(new, types=dict.fromkeys(loaded.preprocessor.text_columns, "category"))
    parsed = parse_columns(frame, loaded.preprocessor)
    session = runtime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    given = {end.name: parsed[end.name] for end in session.get_inputs()}
    got = session.run(None, given)[-1]
    x = loaded.preprocessor.transform(frame)
    assert {-1.0, float(max(loaded.preprocessor.n_codes) - 1)} & set(x[:4, 0])
    outputs = loaded.network.predict(x)
    expected = outputs if target == "class" else loaded.preprocessor.decode_target(outputs)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * (1.0 if target == "class" else expected.std()))


@pytest.mark.slow
def test_a_training_that_was_broken_off_ends_with_the_same_bits(as_json, command, files, tmp_path, monkeypatch):
    options = ("train", files[0], "--target", "y", "--drop", "class", "--epochs", 3)
    whole, model, folder = tmp_path / "whole.safetensors", tmp_path / "model.safetensors", tmp_path / "run"
    as_json(*options, "--output", whole)
    look, seen = bpx.EarlyStopping.on_epoch_end, []

    def stop(self, run):
        look(self, run)
        seen.append(run.epoch)
        if len(seen) == 8:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bpx.EarlyStopping, "on_epoch_end", stop)
        assert command(*options, "--checkpoint", folder).exit_code == 130
    as_json("train", "--resume", folder, "--output", model)
    first, second = bpx.load(whole), bpx.load(model)
    assert first.layers == second.layers
    for a, b in zip(first.params, second.params, strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_it_is_told_before_the_training(command, files, tmp_path):
    trained = command("train", files[0], "--target", "y", "--drop", "class", "--preset", "fast", "--epochs", 1)
    said = " ".join((trained.stdout + trained.stderr).split())
    assert "1 column with many different texts, each of which becomes a vector that is learned: 'shop' (1" in said
    assert "numbers in 24 bins, many texts as vectors" in said


def test_more_categories_one_by_one_if_asked_for(as_json, files):
    options = ("train", files[0], "--target", "y", "--drop", "class", "--preset", "fast", "--epochs", 1)
    found = as_json(*options, "--categories-max", 400)
    assert found["features"] > 100
    assert not any("becomes a vector" in note for note in found["notes"])
    assert as_json(*options, "--categories-max", 2)["features"] == 3  # the three kinds too
