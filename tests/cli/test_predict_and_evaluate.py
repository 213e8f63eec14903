"""``bpx predict`` and ``bpx evaluate`` on models of the data sets that ship with bpx."""

import csv
import json
import os

import numpy as np
import pytest
from hostile_files import flip, read_parts
from safetensors.numpy import save_file

import bpx
from bpx import files
from bpx.backend import threads


@pytest.fixture(scope="module")
def moons(tmp_path_factory):
    """Return a model of the moons that is worth something."""
    testing = pytest.importorskip("typer.testing", reason="the command line needs typer and rich: the extra cli")
    from bpx.cli.app import app

    model = tmp_path_factory.mktemp("models") / "moons.safetensors"
    arguments = ["train", "moons", "--epochs", "40", "--output", str(model)]
    assert testing.CliRunner().invoke(app, arguments).exit_code == 0
    return model


def test_predictions_by_name_are_those_of_the_network_and_its_preprocessing(as_json, moons):
    data = as_json("predict", moons, "moons")
    x, y = bpx.datasets.moons()
    columns = files.load_extra(moons)["preprocessing"]["columns"]
    mean, std = ([column[name] for column in columns] for name in ("mean", "std"))
    probabilities = bpx.load(moons).predict((x - mean) / std)
    np.testing.assert_array_equal(data["probabilities"], probabilities)
    assert data["predictions"] == probabilities.argmax(axis=1).tolist()
    assert (data["rows"], data["classes"], data["target"], data["task"]) == (300, [0, 1], "y", "classification")
    assert (np.array(data["predictions"]) == y).mean() > 0.95


def test_a_file_is_preprocessed_in_the_same_way(as_json, moons, tmp_path):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    by_name = as_json("predict", moons, "moons")["probabilities"]
    x, y = bpx.datasets.moons()
    np.savez(tmp_path / "points.npz", x=x)
    np.savez(tmp_path / "both.npz", x=x, y=y)
    np.savez(tmp_path / "named.npz", x2=x[:, 1], x1=x[:, 0])
    with open(tmp_path / "points.csv", "w", newline="") as file:
        csv.writer(file).writerows([("x2", "x1"), *((repr(b), repr(a)) for a, b in x.tolist())])
    for name in ("points.npz", "both.npz", "named.npz", "points.csv"):
        assert as_json("predict", moons, tmp_path / name)["probabilities"] == by_name, name


def test_on_every_backend(as_json, moons, backend):
    data = as_json("predict", moons, "moons", "--backend", backend.spec)
    assert data["backend"] == backend.spec
    np.testing.assert_allclose(data["probabilities"], as_json("predict", moons, "moons")["probabilities"], atol=1e-5)
    scores = as_json("evaluate", moons, "moons", "--backend", backend.spec)
    assert scores["loss"] == pytest.approx(as_json("evaluate", moons, "moons")["loss"], rel=1e-4)


@pytest.mark.parametrize("name", ["predict", "evaluate", "explain"])
def test_on_a_number_of_threads(name, as_json, moons):
    data = as_json(name, moons, "moons", "--threads", 3)
    assert threads.get_chosen() == 3
    assert data.keys() == as_json(name, moons, "moons").keys()


def test_predictions_go_into_a_file(command, moons, tmp_path):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    out = tmp_path / "out.csv"
    result = command("predict", moons, "moons", "-o", out)
    assert result.exit_code == 0
    assert f"300 rows predicted, the first 20 shown; written to {out}" in " ".join(result.stdout.split())
    with open(out, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["x1", "x2", "y", "prediction", "probability_0", "probability_1"]
    x, y = bpx.datasets.moons()
    np.testing.assert_allclose([[float(row["x1"]), float(row["x2"])] for row in rows], x, rtol=1e-12)
    assert [int(row["y"]) for row in rows] == y.tolist()
    assert all((row["prediction"] == "1") == (float(row["probability_1"]) > 0.5) for row in rows)


def test_evaluate_counts(as_json, tmp_path):
    model = tmp_path / "spirals.safetensors"
    as_json("train", "spirals", "--epochs", 3, "-o", model)
    data = as_json("evaluate", model, "spirals")
    predicted = np.array(as_json("predict", model, "spirals")["predictions"])
    _, y = bpx.datasets.spirals()
    (a, b), (c, d) = [[int(((y == i) & (predicted == j)).sum()) for j in (0, 1)] for i in (0, 1)]
    assert 0 < b != c > 0  # mistakes of both kinds, and not as many
    assert data["confusion_matrix"] == [[a, b], [c, d]]
    assert data["accuracy"] == pytest.approx((predicted == y).mean(), abs=1e-12)
    assert data["per_class"]["0"]["precision"] == pytest.approx(a / (a + c))
    assert data["per_class"]["0"]["recall"] == pytest.approx(a / (a + b))
    f1 = [2 * a / (2 * a + b + c), 2 * d / (2 * d + b + c)]
    assert [data["per_class"][name]["f1"] for name in ("0", "1")] == pytest.approx(f1)
    assert data["macro_f1"] == pytest.approx(np.mean(f1))
    assert data["rows"] == 300
    assert data["classes"] == [0, 1]


def test_evaluate_on_data_of_the_training_says_so(as_json, command, moons, tmp_path):
    (note,) = as_json("evaluate", moons, "moons")["notes"]
    assert "trained on 240 of these rows, so this is no test of it; on the 60 held-out rows its accuracy was" in note
    assert "note: the network was trained on 240" in " ".join(command("evaluate", moons, "moons").stdout.split())
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    other = bpx.datasets.moons(seed=1)
    np.savez(tmp_path / "new.npz", x=other.x, y=other.y)
    data = as_json("evaluate", moons, tmp_path / "new.npz")
    assert data["notes"] == []
    assert data["accuracy"] > 0.95


def test_a_person_sees_the_confusion_matrix(command, moons):
    result = command("evaluate", moons, "moons")
    assert result.exit_code == 0
    for words in ("loss", "accuracy", "macro F1", "precision", "confusion matrix: a row for each true class"):
        assert words in result.stdout


def test_a_model_of_one_output(as_json, tmp_path):
    model = tmp_path / "xor.safetensors"
    as_json("train", "xor", "-o", model)
    data = as_json("predict", model, "xor")
    assert data["predictions"] == [0, 1, 1, 0]
    np.testing.assert_allclose(np.sum(data["probabilities"], axis=1), 1.0)
    scores = as_json("evaluate", model, "xor")
    assert scores["confusion_matrix"] == [[2, 0], [0, 2]]
    assert scores["accuracy"] == 1.0


# -- what is wrong with a model ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["predict", "evaluate"])
def test_a_model_of_an_earlier_bpx_is_used_with_a_note(name, command, moons, tmp_path):
    metadata, arrays = read_parts(moons)
    save_file(arrays, tmp_path / "old", metadata={**metadata, "version": "1"})
    result = command(name, tmp_path / "old", "moons")
    assert result.exit_code == 0
    assert result.stderr.startswith(
        f"bpx: warning: {tmp_path / 'old'} was written by an earlier bpx, without a checksum"
    )
    assert result.stderr.count("\n") == 1
    assert command(name, moons, "moons").stderr == ""


def _edited(model, path, change):
    extra = files.load_extra(model)
    change(extra)
    files.save(bpx.load(model), path, extra=extra)
    return path


@pytest.mark.parametrize("name", ["predict", "evaluate"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda model, path: path, "there is no file"),
        (lambda model, path: path.mkdir() or path, "is a folder"),
        (lambda model, path: path.write_bytes(model.read_bytes()[:-7]) and path, "no whole safetensors file"),
        (lambda model, path: path.write_bytes(flip(model.read_bytes(), -1)) and path, "is damaged: its content is not"),
        (lambda model, path: os.mkfifo(path) or path, "is a device or a pipe, not a file"),
        (lambda model, path: path.write_bytes(b"x1,x2\n1,2\n") and path, "no whole safetensors file"),
        (lambda model, path: path.write_bytes(b"") or path, "no whole safetensors file"),
        (lambda model, path: bpx.mlp([2, 2]).save(path) or path, "'bpx train --output' did not write it"),
        (lambda model, path: _edited(model, path, lambda e: e.update(version=99)), "version 99"),
        (lambda model, path: _edited(model, path, lambda e: e.pop("preprocessing")), "'format' is missing"),
        (lambda model, path: _edited(model, path, lambda e: e.pop("training")), "how the network was trained"),
        (
            lambda model, path: _edited(model, path, lambda e: e["preprocessing"]["columns"].pop()),
            "makes 1 features and 2 outputs, the network takes (2,)",
        ),
        (
            lambda model, path: _edited(model, path, lambda e: e["preprocessing"]["columns"][0].update(std=0)),
            "expected a positive, finite number in the field 'std', got 0",
        ),
    ],
)
def test_a_broken_model_is_one_line(mistake, moons, tmp_path, name, make, words):
    path = tmp_path / "broken.safetensors"
    assert words in mistake(name, make(moons, path), "moons")


def test_the_line_names_the_file(mistake, moons, tmp_path):
    path = _edited(moons, tmp_path / "edited.safetensors", lambda e: e["preprocessing"].pop("target"))
    assert str(path) in mistake("predict", path, "moons")


# -- what is wrong with the data --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["predict", "evaluate"])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("moon", "did you mean 'moons'?"),
        ("nothing.csv", "no such file"),
        ("digits", "trained on columns 'x1', 'x2' and target 'y', which digits does not have"),
    ],
)
def test_data_that_does_not_fit(mistake, moons, monkeypatch, tmp_path, name, data, words):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    monkeypatch.chdir(tmp_path)
    assert words in mistake(name, moons, data)


def test_a_table_that_does_not_fit(mistake, moons, tmp_path):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    table = tmp_path / "new.csv"
    for content, words in (
        ("x1,z\n1,2\n", "lacks 1 of the 2 columns that training used: 'x2'"),
        ("x1,x2\n1,many\n", "column 'x2'"),
        ("x1,x2\n1,\n", "a value is missing in row 1"),
        ("x1,x2\n1\n", "line 2: expected 2 values, as in the header, got 1"),
        ("x1,x2\n", "no rows"),
    ):
        table.write_text(content)
        assert words in mistake("predict", moons, table)
    table.write_text("x1,x2\n1,2\n")
    assert "target 'y' is not in the table" in mistake("evaluate", moons, table)
    table.write_text("x1,x2,y\n1,2,7\n")
    assert "expected one of the classes 0, 1, got 7" in mistake("evaluate", moons, table)
    np.savez(tmp_path / "three.npz", x=np.zeros((2, 3)))
    line = mistake("predict", moons, tmp_path / "three.npz")
    assert "the array x has 3 columns, and the training had 2: 'x1', 'x2'" in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--output", "out.txt"), "ends in .csv, .tsv, .parquet"),
        (("--output", "no/out.csv"), "there is no folder no"),
        (("--unseen", "ignored"), "did you mean 'ignore'?"),
        (("--backend", "pytorch"), "unknown backend 'pytorch'"),
    ],
)
def test_bad_options(mistake, moons, monkeypatch, tmp_path, arguments, words):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    monkeypatch.chdir(tmp_path)
    assert words in mistake("predict", moons, "moons", *arguments)


def test_without_polars_the_data_sets_still_work(moons):
    """A process of its own, in which polars cannot be imported."""
    import subprocess
    import sys

    code = "import sys; sys.modules['polars'] = None; from bpx.cli import main; main(sys.argv[1:])"

    def run(*arguments):
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
        )

    ran = run("train", "moons", "--epochs", 1, "--json")
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["rows"]["held_out"] == 60
    assert run("evaluate", moons, "moons").returncode == 0
    ran = run("predict", moons, "points.csv")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert 'pip install "bpx-backprop[table]"' in ran.stderr
