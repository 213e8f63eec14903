"""``bpx export``: files that give in onnxruntime what ``bpx predict`` writes, from any table as people have it."""

import csv
import datetime
import importlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import bpx

pl = pytest.importorskip("polars", reason="tables need polars: the extra table")

from bpx.recipes.model_file import load_model  # noqa: E402
from bpx.tables import parse_columns, read_table  # noqa: E402

ROOT = Path(__file__).parent.parent.parent
CLOSE = 1e-5
"""How far probabilities, and predictions relative to their size, may be from those of ``bpx predict``."""


@pytest.fixture(autouse=True)
def onnx():
    return _module("onnx")


@pytest.fixture
def runtime(onnx):
    """Return onnxruntime, silent."""
    module = _module("onnxruntime")
    module.set_default_logger_severity(4)
    return module


def _module(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")


@pytest.fixture
def run(runtime):
    """Return ``run(path, inputs)``, which gives the outputs of a file by name."""

    def ran(path, inputs):
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1  # graphs of a few rows gain nothing from more
        session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        outputs = session.run(None, inputs)
        return {end.name: values for end, values in zip(session.get_outputs(), outputs, strict=True)}

    return ran


# -- every kind of table ------------------------------------------------------------------------------------


def make_penguins(rows=90):
    """Return columns of text, numbers and whole numbers from which the species can be told."""
    generator = np.random.default_rng(5)
    species = generator.integers(0, 3, rows)
    return {
        "species": [("Adelie", "Chinstrap", "Gentoo")[i] for i in species],
        "island": [("Biscoe", "Dream", "Torgersen")[i] for i in generator.integers(0, 3, rows)],
        "bill": (38.0 + 5.0 * species + generator.normal(size=rows)).round(1).tolist(),
        "mass": (3500 + 700 * species + 50 * generator.integers(-4, 5, rows)).tolist(),
        "sex": [("female", "male")[i] for i in generator.integers(0, 2, rows)],
        "year": (2007 + generator.integers(0, 3, rows)).tolist(),
    }


def render(columns, separator=",", header=True, decimal="."):
    """Return columns as the text of a CSV file, a number with ``decimal`` and a gap as nothing."""

    def write(value):
        text = "" if value is None else str(value)
        return text.replace(".", decimal) if isinstance(value, float) else f'"{text}"' if separator in text else text

    lines = [separator.join(map(write, row)) for row in zip(*columns.values(), strict=True)]
    return "\n".join([*([separator.join(columns)] if header else []), *lines]) + "\n"


def every(n, values, other):
    """Return values with every n-th replaced."""
    return [other if i % n == n - 1 else value for i, value in enumerate(values)]


PENGUINS = make_penguins()
COUNT = len(PENGUINS["mass"])
ACCENTED = {**PENGUINS, "island": [name.replace("i", "ï") for name in PENGUINS["island"]]}
DAYS = [str(datetime.date(2007, 1, 1) + datetime.timedelta(days=11 * i)) for i in range(COUNT)]
SHOPS = {
    "shop": [f"s{i % 130}" for i in range(400)],
    "q": np.random.default_rng(1).normal(size=400).round(3).tolist(),
    "y": np.random.default_rng(2).normal(size=400).round(3).tolist(),
}
RARE = {name: np.random.default_rng(3 + i).normal(size=200).round(3).tolist() for i, name in enumerate("abc")}

TABLES = {
    # kind: content of the file; target; further options of the training
    "an index": (render({"": list(range(40, 40 + COUNT)), **PENGUINS}), "species", ()),
    "latin-1": (render(ACCENTED).encode("latin-1"), "species", ()),
    "UTF-16": (render(ACCENTED).encode("utf-16"), "species", ()),
    "thousands": (render({**PENGUINS, "mass": [f"{m:,}" for m in PENGUINS["mass"]]}), "species", ()),
    "units": (
        render({**PENGUINS, "cost": [f"${m / 7:.1f}" for m in PENGUINS["mass"]],
                "pct": [f"{m % 89}%" for m in PENGUINS["mass"]]}), "species", (),
    ),
    "a target in units": (render({**PENGUINS, "mass": [f"${m:,}.50" for m in PENGUINS["mass"]]}), "mass", ()),
    "words for gaps": (
        render({**PENGUINS, "bill": every(9, PENGUINS["bill"], "n/a"), "sex": every(8, PENGUINS["sex"], "?")}),
        "species", (),
    ),
    "an id": (render({"id": list(range(1000, 1000 + COUNT)), **PENGUINS}), "species", ()),
    "-999": (render({**PENGUINS, "mass": every(9, PENGUINS["mass"], -999)}), "species", ()),
    "-999, a gap": (
        render({**PENGUINS, "mass": every(9, PENGUINS["mass"], -999)}), "species", ("--missing-values", "-999"),
    ),
    "spaces": (render({**PENGUINS, "sex": [f" {sex}" if i % 3 else f"{sex} " for i, sex in
                                           enumerate(PENGUINS["sex"])]}), "species", ()),
    "dates": (render({**PENGUINS, "when": every(9, DAYS, None)}), "species", ()),
    "rows without a target": (render({**PENGUINS, "species": every(9, PENGUINS["species"], None)}), "species", ()),
    "decimal commas": (render(PENGUINS, ";", decimal=","), "species", ()),
    "sep=": ("sep=;\n" + render(PENGUINS, ";"), "species", ()),
    "no header": (render(PENGUINS, header=False), "1", ()),
    "a constant": (render({**PENGUINS, "planet": ["Earth"] * COUNT}), "species", ()),
    "a rare class": (
        render({**RARE, "y": [int(i % 50 == 7) for i in range(200)]}), "y", ("--class-weight", "balanced"),
    ),
    "whole numbers": (render(PENGUINS), "year", ()),
    "numbers": (render(PENGUINS), "mass", ()),
    "booleans": (render({**PENGUINS, "sex": [str(sex == "male") for sex in PENGUINS["sex"]]}), "species", ()),
    "a target of booleans": (render({**PENGUINS, "sex": [str(sex == "male") for sex in PENGUINS["sex"]]}), "sex", ()),
    "one output": (render(PENGUINS), "sex", ("--loss", "binary_cross_entropy")),
    "float64": (render(PENGUINS), "species", ("--dtype", "float64")),
    "many categories": (render(SHOPS), "y", ()),
    "declared": (render(PENGUINS), "species", ("--category", "year", "--text", "island")),
    "strict": (render(PENGUINS), "species", ("--strict",)),
}  # fmt: skip


def read(data, preprocessor):
    """Return all rows of a file as the model reads it, those without a target too."""
    reading = preprocessor.reading
    return read_table(
        data, text=preprocessor.text_columns, types=preprocessor.types, missing_values=reading.missing_values,
        known_texts=preprocessor.known_texts, decimal=reading.decimal, header=reading.header,
    )  # fmt: skip


@pytest.mark.parametrize("kind", TABLES)
def test_any_table(kind, as_json, run, tmp_path):
    content, target, options = TABLES[kind]
    data, model, file = tmp_path / "data.csv", tmp_path / "model", tmp_path / "model.onnx"
    data.write_bytes(content if isinstance(content, bytes) else content.encode())
    as_json("train", data, "--target", target, "--epochs", 3, "--output", model, *options)
    said = as_json("export", model, file)
    predicted = as_json("predict", model, data)
    preprocessor = load_model(str(model), bpx.get_backend("numpy")).preprocessor
    parsed = parse_columns(read(data, preprocessor), preprocessor)
    got = run(file, {column["input"]: parsed[column["name"]] for column in said["columns"]})
    if predicted["task"] == "classification":
        np.testing.assert_allclose(got["probabilities"], predicted["probabilities"], rtol=0, atol=CLOSE)
        assert got["label"].tolist() == predicted["predictions"]
        assert said["classes"] == predicted["classes"]
    else:
        spread = np.std(predicted["predictions"])
        assert spread > 0
        np.testing.assert_allclose(got["prediction"], predicted["predictions"], rtol=CLOSE, atol=CLOSE * spread)


# -- from the file to the answer, without bpx between ---------------------------------------------------------


@pytest.fixture
def mixed(as_json, tmp_path):
    """Return the model of a table with numbers, gaps, texts, money and dates."""
    generator = np.random.default_rng(11)
    n = 150
    size = generator.normal(size=n)
    columns = {
        "size": [None if i % 10 == 3 else round(v, 3) for i, v in enumerate(size)],
        "kind": [None if i % 9 == 4 else "uvw"[i % 3] for i in range(n)],
        "cost": [f"${1000 + 300 * v:,.2f}" for v in size],
        "since": [str(np.datetime64("2019-11-20") + d) for d in generator.integers(0, 1500, n)],
        "ok": [str(v > 0.3).lower() for v in generator.normal(size=n)],
        "big": ["yes" if v > 0.2 else "no" for v in size],
    }
    (tmp_path / "people.csv").write_text(render(columns))
    as_json("train", tmp_path / "people.csv", "--target", "big", "--epochs", 30, "--output", tmp_path / "model")
    return tmp_path / "model"


def test_new_rows_with_gaps_and_unseen_categories(as_json, run, mixed, tmp_path):
    """The caller's part is done by hand here, as the documentation says it."""
    new = tmp_path / "new.csv"
    new.write_text(
        "since,kind,size,ok,cost,more\n"
        '2020-02-29,v,0.5,true,"$1,100.50",1\n'
        "2024-12-31,never seen,-1.25,false,$900,2\n"
        ",,,,,3\n"
        '1969-12-31,w,,true,"$12,000",4\n'
        "2020-03-01,u,3,,,5\n"
    )
    said = as_json("export", mixed, tmp_path / "model.onnx")
    assert [(column["name"], column["kind"]) for column in said["columns"]] == [
        ("size", "number"), ("kind", "category"), ("cost", "number"), ("since", "date"), ("ok", "boolean"),
    ]  # fmt: skip
    as_json("predict", mixed, new, "-o", tmp_path / "out.csv")
    with open(new, newline="") as file:
        rows = list(csv.DictReader(file))
    nan = float("nan")
    epoch = datetime.date(1970, 1, 1)

    def column(name, parse):
        return np.array([[parse(row[name]) if row[name] else nan] for row in rows])

    given = {
        "size": column("size", float),
        "kind": np.array([[row["kind"]] for row in rows]),
        "cost": column("cost", lambda text: float(text.strip("$").replace(",", ""))),
        "since": column("since", lambda text: (datetime.date.fromisoformat(text) - epoch).days * 86400.0),
        "ok": column("ok", lambda text: float(text == "true")),
    }
    got = run(tmp_path / "model.onnx", given)
    with open(tmp_path / "out.csv", newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == 5
    assert got["label"].tolist() == [row["prediction"] for row in written]
    expected = [[float(row[f"probability_{label}"]) for label in said["classes"]] for row in written]
    np.testing.assert_allclose(got["probabilities"], expected, rtol=0, atol=CLOSE)
    assert np.ptp(got["probabilities"][:, 0]) > 0.1
    one = run(tmp_path / "model.onnx", {name: values[1:2] for name, values in given.items()})
    np.testing.assert_allclose(one["probabilities"], expected[1:2], rtol=0, atol=CLOSE)


def test_what_is_printed_for_people_and_for_programs(command, as_json, mixed, tmp_path):
    file = tmp_path / "model.onnx"
    result = command("export", mixed, file)
    assert (result.exit_code, result.stderr) == (0, "")
    text = " ".join(result.stdout.split())
    assert "size float64 (batch, 1) numbers; NaN where missing" in text
    assert "cost float64 (batch, 1) numbers in $; NaN where missing" in text
    assert "kind string (batch, 1) text without spaces around it; an empty text where missing" in text
    assert "since float64 (batch, 1) seconds since 1970-01-01; NaN where missing" in text
    assert "probabilities float32 (batch, 2)" in text
    assert f"written to {file}: {file.stat().st_size:,} bytes, ONNX opset 21" in text
    assert "note:" not in text
    before = file.read_bytes()
    data = as_json("export", mixed, file)
    assert file.read_bytes() == before
    assert (data["model"], data["output"], data["bytes"]) == (str(mixed), str(file), len(before))
    assert (data["target"], data["task"], data["classes"]) == ("big", "classification", ["no", "yes"])
    assert data["notes"] == []
    assert [end["name"] for end in data["inputs"]] == ["size", "kind", "cost", "since", "ok"]
    assert data["outputs"] == [
        {"name": "label", "dtype": "string", "shape": ["batch"]},
        {"name": "probabilities", "dtype": "float32", "shape": ["batch", 2]},
    ]


def test_of_many_inputs_the_first_are_shown(command, as_json, tmp_path):
    generator = np.random.default_rng(0)
    columns = {f"c{i}": generator.normal(size=60).round(3).tolist() for i in range(25)}
    (tmp_path / "t.csv").write_text(render(columns | {"y": ["a", "b", "b"] * 20}))
    as_json("train", tmp_path / "t.csv", "--target", "y", "--epochs", 1, "--output", tmp_path / "m")
    text = command("export", tmp_path / "m", tmp_path / "m.onnx").stdout
    assert "inputs, the first 20 of 25" in text
    assert " c19 " in text.replace("\n", " ")
    assert "c20" not in text
    assert len(as_json("export", tmp_path / "m", tmp_path / "m.onnx")["inputs"]) == 25


def test_notes_say_what_differs(as_json, tmp_path):
    (tmp_path / "t.csv").write_text(
        render({"label": [1.5, 2.0, 7.5] * 20, "t": ["u", "v"] * 30, "y": ["a", "b", "b"] * 20})
    )
    as_json("train", tmp_path / "t.csv", "--target", "y", "--strict", "--epochs", 1, "--output", tmp_path / "m")
    data = as_json("export", tmp_path / "m", tmp_path / "m.onnx")
    assert data["notes"] == [
        "bpx predict refuses missing values (they are filled here) and categories that training never saw (they are "
        "none of the known ones here); an ONNX file refuses nothing",
        "the input of column 'label' is called 'label_'",
    ]
    as_json(
        "train", tmp_path / "t.csv", "--target", "y", "--missing", "refuse", "--epochs", 1, "--output", tmp_path / "m"
    )
    refusing = as_json("export", tmp_path / "m", tmp_path / "m.onnx")["notes"][0]
    assert refusing == "bpx predict refuses missing values (they are filled here); an ONNX file refuses nothing"


# -- what is no table -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits", "moons"])
def test_a_data_set_of_bpx_has_one_input_for_its_array(name, as_json, run, tmp_path):
    as_json("train", name, "--epochs", 2, "--output", tmp_path / "m")
    data = as_json("export", tmp_path / "m", tmp_path / "m.onnx")
    dataset = bpx.datasets.load(name)
    assert data["inputs"] == [{"name": "x", "dtype": "float64", "shape": ["batch", dataset.x.shape[1]]}]
    assert data["notes"] == []
    got = run(tmp_path / "m.onnx", {"x": dataset.x.astype(np.float64)})
    predicted = as_json("predict", tmp_path / "m", name)
    np.testing.assert_allclose(got["probabilities"], predicted["probabilities"], rtol=0, atol=CLOSE)
    assert got["label"].tolist() == predicted["predictions"]


def test_an_array_of_numpy_has_one_input_with_all_of_its_columns(as_json, run, tmp_path):
    x = np.random.default_rng(0).normal(size=(80, 12))
    x[:, 3] = 1.0
    np.savez(tmp_path / "a.npz", x=x, y=x[:, 11] + x[:, 0])
    as_json("train", tmp_path / "a.npz", "--epochs", 2, "--output", tmp_path / "m")
    data = as_json("export", tmp_path / "m", tmp_path / "m.onnx")
    assert data["inputs"] == [{"name": "x", "dtype": "float64", "shape": ["batch", 12]}]
    assert [column["index"] for column in data["columns"]] == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    predicted = as_json("predict", tmp_path / "m", tmp_path / "a.npz")["predictions"]
    got = run(tmp_path / "m.onnx", {"x": x})["prediction"]
    np.testing.assert_allclose(got, predicted, rtol=0, atol=CLOSE)
    np.savez(tmp_path / "named.npz", x0=x[:, 0], width=x[:, 1], y=x[:, 11])
    as_json("train", tmp_path / "named.npz", "--target", "y", "--epochs", 1, "--output", tmp_path / "m")
    names = [end["name"] for end in as_json("export", tmp_path / "m", tmp_path / "m.onnx")["inputs"]]
    assert names == ["x0", "width"]


def test_a_table_whose_columns_are_called_as_those_of_an_array_keeps_its_inputs(as_json, tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 2)).round(3)
    (tmp_path / "t.csv").write_text(render({"x0": x[:, 0].tolist(), "x1": x[:, 1].tolist(), "y": ["a", "b", "b"] * 20}))
    as_json("train", tmp_path / "t.csv", "--target", "y", "--epochs", 1, "--output", tmp_path / "m")
    assert len(as_json("export", tmp_path / "m", tmp_path / "m.onnx")["inputs"]) == 2


def test_a_network_without_preprocessing_is_written_as_it_is(as_json, command, run, tmp_path):
    net = bpx.mlp([3, 4, 2])
    net.save(tmp_path / "net")
    data = as_json("export", tmp_path / "net", tmp_path / "net.onnx")
    assert data["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["batch", 3]}]
    assert data["outputs"] == [{"name": "y", "dtype": "float32", "shape": ["batch", 2]}]
    assert data["notes"] == ["the file holds no preprocessing: the network is exported alone"]
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(run(tmp_path / "net.onnx", {"x": x})["y"], net.predict(x), atol=CLOSE)
    assert "note: the file holds no preprocessing" in command("export", tmp_path / "net", tmp_path / "net.onnx").stdout


# -- mistakes ---------------------------------------------------------------------------------------------


def test_mistakes_are_told_before_anything_is_written(mistake, mixed, monkeypatch, tmp_path):
    file = tmp_path / "model.onnx"
    assert "expected the name of a file that ends in .onnx, got 'model.txt'" in mistake(
        "export", mixed, tmp_path / "model.txt"
    )
    assert "there is no folder" in mistake("export", mixed, tmp_path / "nowhere" / "m.onnx")
    (tmp_path / "folder.onnx").mkdir()
    assert "is a folder; name a file in it" in mistake("export", mixed, tmp_path / "folder.onnx")
    assert "there is no file" in mistake("export", tmp_path / "none", file)
    assert "is no whole safetensors file" in mistake("export", tmp_path / "people.csv", file)
    model = tmp_path / "m.onnx"
    model.write_bytes(mixed.read_bytes())
    assert "which this command reads; name another file" in mistake("export", model, model)
    assert model.read_bytes() == mixed.read_bytes()
    bpx.Network([bpx.Flatten(), bpx.Linear(12, 3)]).save(tmp_path / "flat")
    line = mistake("export", tmp_path / "flat", file)
    assert "an ONNX file says which: export it from Python, with sample_shape=(8, 8)" in line
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert 'ONNX files need onnx, which is not installed: pip install "bpx-backprop[onnx]"' in mistake(
        "export", mixed, file
    )
    assert not file.exists()


def test_an_older_file_is_replaced_whole_or_not_at_all(as_json, mistake, mixed, monkeypatch, tmp_path):
    file = tmp_path / "model.onnx"
    file.write_bytes(b"older")
    monkeypatch.setattr("bpx.files.onnx.LARGEST", 1)
    assert "an ONNX file holds less than 2 GiB" in mistake("export", mixed, file)
    assert file.read_bytes() == b"older"
    monkeypatch.undo()
    assert as_json("export", mixed, file)["bytes"] == file.stat().st_size > 5


def test_on_every_backend(as_json, backend, tmp_path):
    bpx.mlp([3, 4, 2]).save(tmp_path / "net")
    as_json("export", tmp_path / "net", tmp_path / "numpy.onnx")
    as_json("export", tmp_path / "net", tmp_path / "other.onnx", "--backend", backend.spec)
    assert (tmp_path / "other.onnx").read_bytes() == (tmp_path / "numpy.onnx").read_bytes()


# -- the documentation ------------------------------------------------------------------------------------


@pytest.mark.skipif(not (ROOT / "docs" / "onnx.md").is_file(), reason="needs the checkout, for its documentation")
def test_the_example_of_the_documentation_runs(command, runtime, monkeypatch, capsys, tmp_path):
    spec = importlib.util.spec_from_file_location("readme_blocks", ROOT / "scripts" / "readme_blocks.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    section = [
        b
        for b in script.blocks((ROOT / "docs" / "onnx.md").read_text("utf-8"))
        if b.section.startswith("The model of a table")
    ]
    shell, python = ([b.text for b in section if b.language == language] for language in ("sh", "python"))
    monkeypatch.chdir(tmp_path)
    commands = script.blocks((ROOT / "docs" / "command-line.md").read_text("utf-8"))
    exec(next(b.text for b in commands if b.language == "python"), {"__name__": "__main__"})
    assert (tmp_path / "penguins.csv").is_file()
    for line in shell[0].splitlines():
        program, *arguments = line.split()
        assert program == "bpx"
        assert command(*arguments).exit_code == 0
    names = {}
    for source in python:
        exec(compile(source, "docs/onnx.md", "exec"), names)
    predicted = json.loads(command("predict", "model.bpx", "penguins.csv", "--json").stdout)
    assert names["label"].shape == (2,)
    assert names["label"].tolist()[0] in predicted["classes"]
    np.testing.assert_allclose(names["all_probabilities"], predicted["probabilities"], rtol=0, atol=CLOSE)
    assert capsys.readouterr().out
