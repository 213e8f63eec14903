"""Models of tables as ONNX files give in onnxruntime what their network and preprocessing give in bpx."""

from __future__ import annotations

import datetime
import importlib
import json
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import bpx
from bpx.files import onnx as onnx_export

pl = pytest.importorskip("polars", reason="tables need polars (extra table)")

from bpx.files.onnx_graph import Graph  # noqa: E402
from bpx.files.onnx_table import export_table_onnx  # noqa: E402
from bpx.tables import ClassTarget, NumberTarget, Preprocessor, parse_columns  # noqa: E402
from bpx.tables.columns import DateColumn, NumberColumn  # noqa: E402
from bpx.tables.dates import count_years, find_phase  # noqa: E402

CLOSE = 1e-5
"""How far probabilities, and predictions relative to the target's spread, may be from bpx's own."""

ROWS = 90
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=ROWS).round(3)
DAYS = [datetime.date(1999, 12, 30) + datetime.timedelta(days=int(d)) for d in RANDOM.integers(0, 9000, ROWS)]
MOMENTS = [
    datetime.datetime(2023, 2, 27, 22, 50) + datetime.timedelta(minutes=int(m)) for m in RANDOM.integers(0, 9000, ROWS)
]


@pytest.fixture(autouse=True)
def onnx() -> Any:
    return _module("onnx")


@pytest.fixture
def runtime() -> Any:
    """Return onnxruntime, silent."""
    module = _module("onnxruntime")
    module.set_default_logger_severity(4)
    return module


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")


@pytest.fixture
def export(runtime: Any, onnx: Any, tmp_path: Any) -> Any:
    """Return a function that exports networks and returns what is said of the file, and one that runs it."""

    def exported(networks: list[bpx.Network], fitted: Preprocessor, **options: Any) -> Any:
        path = tmp_path / "model.onnx"
        said = export_table_onnx(networks, fitted, path, **options)
        onnx.checker.check_model(str(path), full_check=True)
        single = runtime.SessionOptions()
        single.intra_op_num_threads = 1  # graphs of a few rows gain nothing from more
        session = runtime.InferenceSession(path, single, providers=["CPUExecutionProvider"])
        names = [end.name for end in session.get_outputs()]

        def run(given: dict[str, Any]) -> dict[str, Any]:
            return dict(zip(names, session.run(None, given), strict=True))

        return SimpleNamespace(said=said, run=run, model=onnx.load(path), session=session)

    return exported


def table(y: Any = None, **columns: Any) -> Any:
    """Return a table of 90 rows: a column of floats, those that are given, each repeated, and a target."""
    filled = {name: (list(values) * ROWS)[:ROWS] for name, values in columns.items()}
    return pl.DataFrame({"x": X, **filled, "y": (list(y or ["a", "b", "b"]) * ROWS)[:ROWS]}, strict=False)


def new(**columns: Any) -> Any:
    """Return new rows, with a column x."""
    rows = len(next(iter(columns.values())))
    return pl.DataFrame({"x": np.linspace(-2.0, 2.0, rows), **columns}, strict=False)


def make_network(fitted: Preprocessor, **options: Any) -> bpx.Network:
    """Return a network for a preprocessing, as it was drawn, whose answers differ from row to row."""
    loss = options.pop("loss", "cross_entropy" if fitted.task == "classification" else "squared_error")
    return bpx.mlp([fitted.n_features, 8, fitted.n_outputs], activation="tanh", loss=loss, **options)


def feed(said: dict[str, Any], parsed: dict[str, Any]) -> dict[str, Any]:
    """Return parsed columns by the names of their inputs."""
    return {column["input"]: parsed[column["name"]] for column in said["columns"]}


def assert_agrees(got: dict[str, Any], fitted: Preprocessor, outputs: Any) -> None:
    """Assert that a file's answers are what bpx makes of the outputs of a network."""
    target = fitted.target
    if isinstance(target, ClassTarget):
        assert list(got) == ["label", "probabilities"]
        expected = target.probabilities(outputs)
        assert got["probabilities"].dtype == expected.dtype
        np.testing.assert_allclose(got["probabilities"], expected, rtol=0, atol=CLOSE)
        np.testing.assert_array_equal(got["label"], fitted.decode_target(outputs))
        assert got["label"].dtype == fitted.decode_target(outputs).dtype
    else:
        assert list(got) == ["prediction"]
        assert got["prediction"].dtype == np.float64
        np.testing.assert_allclose(got["prediction"], fitted.decode_target(outputs), rtol=0, atol=CLOSE * target.std)


DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])

LONG_NUMBERS = 20_240_101_000_000 + RANDOM.integers(0, 5000, ROWS)

COLUMNS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # what is tried: the training table's columns, new rows, options of the preprocessing
    "numbers": ({"n": [1.5, 2.0, -9.0], "m": [3, 4, 5, 9]}, {"n": [0.0, 1e6], "m": [3, -8]}, {}),
    "gaps, flagged": ({"n": [1.5, None, -9.0], "m": [3, 4]}, {"n": [None, 2.0, np.inf], "m": [3, 4, 5]}, {}),
    "gaps, new": ({"n": [1.5, 2.0, -9.0]}, {"n": [None, 2.0, np.nan]}, {}),
    "flags between": (
        {"n": [1, None, 7], "t": ["u", "v", None], "b": [True, None, False], "m": [1.0, 2.0, None, 9.0]},
        {"n": [None, 2], "t": ["v", None], "b": [None, False], "m": [5.0, None]},
        {},
    ),
    "large numbers": ({"n": LONG_NUMBERS.astype(float)}, {"n": LONG_NUMBERS[:50].astype(float)}, {}),
    "disguised": (
        {"cost": ["$1,200.50", "$900", "($12)"], "share": ["46%", "5%", "9%"], "odd": ["n/a", "1.5", "2.5", "9"]},
        {"cost": ["$1,000", "7"], "share": ["50 %", None], "odd": ["-", "3"]},
        {},
    ),
    "booleans": ({"b": [True, False, None], "c": [True, True, False]}, {"b": [True, None], "c": [None, False]}, {}),
    "categories": ({"t": ["u", "v", "w"]}, {"t": ["w", "never seen", None, " u "]}, {}),
    "categories, missing": ({"t": ["u", None, "w", "v"]}, {"t": ["w", "never seen", None, "  "]}, {}),
    "categories, other": (
        {"t": ["u", "u", "u", "v", "v", "w", "z"]},
        {"t": ["u", "w", "never seen", None]},
        {"categories_max": 2},
    ),
    "categories, other and missing": (
        {"t": ["u", "u", "u", "v", "v", "w", None]},
        {"t": ["u", "w", "never seen", None]},
        {"categories_max": 2},
    ),
    "codes": ({"t": list("uvwz")}, {"t": ["z", "u", " w ", "never seen", None]}, {"categories_max": 3, "codes": True}),
    "codes, other and missing": (
        {"t": [*(list("uvwz") * 4), "rare", None], "n": [1.0, None, 3.0]},
        {"t": ["z", "u", "V", "never seen", None, "rare"], "n": [0.0, 1.0, None, 2.0, 3.0, 4.0]},
        {"categories_max": 3, "codes": True, "rows": np.arange(20)},
    ),
    "text kept as the most frequent": (
        {"shop": [f"s{i % 29}" for i in range(ROWS)] + ["s1", "s2", "s3"] * 9},
        {"shop": ["s1", "s28", "s999", None]},
        {"categories_max": 9},
    ),
    "declared categories": (
        {"t": ["", " u", "u", "Ünïcode 日本", None], "code": ["01", "1", "001"]},
        {"t": ["", "u", " u", "Ünïcode 日本", None], "code": ["1", "01", "2", None, "001"]},
        {"types": {"t": "category", "code": "text"}},
    ),
    "dates": (
        {"d": DAYS, "iso": [day.isoformat() for day in DAYS], "gap": [None, *DAYS[1:8]]},
        {
            "d": [None, *DAYS[:3], datetime.date(1600, 2, 29)],
            "iso": ["n/a", "2024-02-29", "1899-12-31", "2100-03-01", None],
            "gap": [*DAYS[:4], None],
        },
        {},
    ),
    "moments": ({"m": MOMENTS}, {"m": [None, *MOMENTS, datetime.datetime(1969, 12, 31, 23, 59, 59, 500_000)]}, {}),
    "times of the day": (
        {"at": ["06:30", "23:15", "12:00", None]},
        {"at": ["00:00", "18:00:30", None, "23:59:59"]},
        {},
    ),
    "one year": (
        {"d": [f"2020-{m:02}-15" for m in (1, 5, 8, 11)], "e": [f"{y}-06-15" for y in (2001, 2004, 2010)]},
        {"d": ["2020-02-29", "2031-01-01"], "e": ["2020-02-29", None]},
        {},
    ),
    "durations": ({"t": [datetime.timedelta(hours=h) for h in (1, 2, 5)]}, {"t": [datetime.timedelta(1), None]}, {}),
    "presence": ({"cabin": [f"C{i}" if i % 2 else None for i in range(ROWS)]}, {"cabin": ["D1", None, "  "]}, {}),
    "constant columns": ({"c": [7], "planet": ["Earth"], "n": [1, 2, 5]}, {"n": [1, 2, None]}, {}),
    "strict": ({"n": [1.0, 2.0, 5.0], "t": ["u", "v", "w"], "b": [True, False]},
               {"n": [1.5, 9.0], "t": ["w", "u"], "b": [True, False]}, {"strict": True}),
}  # fmt: skip


@DTYPES
@pytest.mark.parametrize("kind", COLUMNS)
def test_every_kind_of_column(kind, dtype, export):
    train, rows, options = COLUMNS[kind]
    frame = table(**train)
    fitted = Preprocessor.fit(frame, "y", **options)
    assert kind == "constant columns" or set(train) <= set(fitted.column_names)
    net = make_network(fitted, dtype=dtype)
    made = export([net], fitted)
    for given in (frame, new(**rows), new(**rows)[:1]):
        outputs = net.predict(fitted.transform(given))
        assert_agrees(made.run(feed(made.said, parse_columns(given, fitted))), fitted, outputs)
    spread = fitted.target.probabilities(net.predict(fitted.transform(frame))).std(axis=0)
    assert spread.min() > 0.01  # otherwise nothing is compared
    assert {opset.domain: opset.version for opset in made.model.opset_import} in ({"": 17}, {"": 17, "ai.onnx.ml": 2})


def test_all_kinds_in_one_table(export):
    columns, rows = {}, {}
    for kind in ("flags between", "large numbers", "dates", "times of the day", "presence"):
        for name, values in COLUMNS[kind][0].items():
            columns[f"{kind} {name}"] = values
            rows[f"{kind} {name}"] = (COLUMNS[kind][1][name] * 9)[:9] if kind != "large numbers" else LONG_NUMBERS[:9]
    fitted = Preprocessor.fit(table(**columns), "y")
    assert len(fitted.columns) == 11
    net = make_network(fitted)
    made = export([net], fitted)
    for given in (table(**columns), new(**rows)):
        outputs = net.predict(fitted.transform(given))
        assert_agrees(made.run(feed(made.said, parse_columns(given, fitted))), fitted, outputs)


TARGETS: dict[str, tuple[list[Any], dict[str, Any], str | None]] = {
    "two classes of text": (["a", "b", "b"], {}, None),
    "three classes of text": (["a", "b", "Ünïcode 日本"], {}, None),
    "integers": ([3, -5, 7, 7], {}, None),
    "booleans": ([True, False, False], {}, None),
    "floats": ([0.5, 1.5, 2.5, 2.5], {"task": "classification"}, None),
    "rows without": (["a", None, "b", "b"], {}, None),
    "one output for two classes": (["a", "b", "b"], {}, "binary_cross_entropy"),
    "numbers": (X.tolist(), {}, None),
    "numbers with a unit": ([f"${1000 + 300 * v:,.2f}" for v in X], {}, None),
    "large numbers": ((1e9 + X).tolist(), {}, None),
    "whole numbers": (list(range(40)), {"task": "regression"}, None),
}


@DTYPES
@pytest.mark.parametrize("kind", TARGETS)
def test_every_kind_of_target(kind, dtype, export):
    y, options, loss = TARGETS[kind]
    frame = table(y, n=[1.0, 4.0, 2.0, 9.0])
    fitted = Preprocessor.fit(frame, "y", **options)
    if loss is None:
        net = make_network(fitted, dtype=dtype)
    else:
        net = bpx.mlp([fitted.n_features, 8, 1], loss=loss, dtype=dtype)
    made = export([net], fitted)
    outputs = net.predict(fitted.transform(frame))
    got = made.run(feed(made.said, parse_columns(frame, fitted)))
    assert_agrees(got, fitted, outputs)
    assert [len(values) for values in got.values()] == [ROWS] * len(got)
    if "classes" in kind:
        assert len(set(got["label"])) > 1


@pytest.mark.parametrize(("output", "n"), [("softmax", 3), ("sigmoid", 1)])
def test_a_network_whose_last_layer_gives_probabilities(output, n, export):
    frame = table(["a", "b", "c"][: max(n, 2)])
    fitted = Preprocessor.fit(frame, "y")
    net = bpx.mlp([fitted.n_features, 8, n], output=output, loss="squared_error")
    made = export([net], fitted)
    got = made.run(feed(made.said, parse_columns(frame, fitted)))
    assert_agrees(got, fitted, net.predict(fitted.transform(frame)))
    np.testing.assert_allclose(got["probabilities"].sum(axis=1), 1.0, atol=1e-6)


def test_a_tie_is_the_first_class(export):
    fitted = Preprocessor.fit(table(["b", "a", "c"]), "y")
    net = bpx.Network([bpx.Linear(1, 3)], loss="cross_entropy")
    net.params = [{"weight": np.zeros((1, 3)), "bias": np.zeros(3)}]
    assert export([net], fitted).run({"x": np.zeros((2, 1))})["label"].tolist() == ["a", "a"]


def test_infinite_numbers_are_missing(export):
    fitted = Preprocessor.fit(table(n=[1.5, None, -9.0, 4.0]), "y")
    numbers = np.array([[np.nan], [np.inf], [-np.inf], [2.0]])
    got = export([make_network(fitted)], fitted).run({"x": np.zeros((4, 1)), "n": numbers})["probabilities"]
    np.testing.assert_array_equal(got[1:3], got[[0, 0]])
    assert np.abs(got[3] - got[0]).max() > 0.001


def test_years_and_cycles_follow_the_calendar(export):
    """Every day from 1583 on, the first and last of months and leap days among them, at some time of the day."""
    generator = np.random.default_rng(3)
    days = np.arange(np.datetime64("1583-01-01"), np.datetime64("2450-01-01")).astype(np.int64)
    moments = days * 86400.0 + generator.uniform(0.0, 86399.9, len(days)) * (np.arange(len(days)) % 3 > 0)
    column = DateColumn("d", "date", False, 1e9, 1e10, 0.0, 2000.0, 100.0, ("hour", "weekday", "month"))
    n = len(column.features)
    fitted = Preprocessor((column,), ClassTarget("y", "int", tuple(range(n))))
    passing_on = bpx.Network([bpx.Linear(n, n)], loss="squared_error", dtype="float64")
    passing_on.params = [{"weight": np.eye(n), "bias": np.zeros(n)}]
    features = export([passing_on], fitted).run({"d": moments[:, None]})["probabilities"]
    expected = [(moments - 1e9) / 1e10, (count_years(moments) - 2000.0) / 100.0]
    for cycle in column.cycles:
        angle = 2.0 * np.pi * find_phase(moments, cycle)
        expected += [np.sin(angle), np.cos(angle)]
    np.testing.assert_allclose(features, np.stack(expected, axis=1), rtol=0, atol=1e-9)


def test_many_columns_of_a_kind_take_as_many_nodes_as_two(export):
    def count(n: int) -> int:
        fitted = Preprocessor.fit(table(**{f"n{i}": [1.0 + i / 100, None, 9.0] for i in range(n)}), "y")
        return len(export([make_network(fitted)], fitted).model.graph.node)

    assert count(2) == count(50)


def test_constants_of_a_graph_are_kept_once_and_texts_are_not_confused(onnx):
    graph = Graph(onnx, {}, "float32", {})
    arrays = [
        np.array(values, dtype=object) for values in (["one", "two"], ["six", "ten"], ["red", "tea"], ["one", "two"])
    ]
    arrays += [np.array([1.0, 2.0]), np.array([1.0, 3.0]), np.array([1.0, 2.0]), np.array([1.0, 2.0], dtype="float32")]
    names = [graph.tensor(array, "place") for array in arrays]
    assert [names.index(name) for name in names] == [0, 1, 2, 0, 4, 5, 4, 7]
    stored = {array.name: onnx.numpy_helper.to_array(array) for array in graph.initializers}
    for name, array in zip(names, arrays, strict=True):
        np.testing.assert_array_equal(stored[name], array)


# -- inputs ---------------------------------------------------------------------------------------------------


def test_inputs_and_outputs_are_declared(export):
    fitted = Preprocessor.fit(table(t=["u", "v"], b=[True, False], d=DAYS), "y")
    made = export([make_network(fitted)], fitted)
    inputs = [(end.name, end.type, end.shape) for end in made.session.get_inputs()]
    assert inputs == [
        ("x", "tensor(double)", ["batch", 1]),
        ("t", "tensor(string)", ["batch", 1]),
        ("b", "tensor(double)", ["batch", 1]),
        ("d", "tensor(double)", ["batch", 1]),
    ]
    outputs = [(end.name, end.type, end.shape) for end in made.session.get_outputs()]
    assert outputs == [
        ("label", "tensor(string)", ["batch"]),
        ("probabilities", "tensor(float)", ["batch", 2]),
    ]
    assert [value.doc_string for value in made.model.graph.input] == [
        "numbers; NaN where missing",
        "text without spaces around it; an empty text where missing",
        "1 for true, 0 for false; NaN where missing",
        "seconds since 1970-01-01; NaN where missing",
    ]
    assert made.said["inputs"][1] == {"name": "t", "dtype": "string", "shape": ["batch", 1]}
    assert made.said["outputs"][1] == {"name": "probabilities", "dtype": "float32", "shape": ["batch", 2]}
    assert made.said["opset"] == 17


def test_columns_may_be_called_as_anything_in_the_graph(export):
    names = ["label", "label_", "probabilities", "", "unnamed", "network.0.0.weight", "numbers/Sub", "numbers/Sub_2",
             "features/Concat", "batch", "prediction", "a b/c\n'\"日"]  # fmt: skip
    frame = table(**{name: RANDOM.normal(size=ROWS) for name in names})
    fitted = Preprocessor.fit(frame, "y", types={name: "number" for name in names if name})
    assert set(names) <= set(fitted.column_names)
    net = make_network(fitted)
    made = export([net], fitted)
    given = feed(made.said, parse_columns(frame, fitted))
    assert len(given) == len(fitted.columns)
    assert_agrees(made.run(given), fitted, net.predict(fitted.transform(frame)))
    inputs = {column["name"]: column["input"] for column in made.said["columns"]}
    renamed = {name: called for name, called in inputs.items() if name != called}
    assert renamed == {
        "label": "label__",
        "probabilities": "probabilities_",
        "": "unnamed_",
        "network.0.0.weight": "network.0.0.weight_",
    }


def test_a_model_of_an_array_has_one_input(export):
    frame = pl.DataFrame(RANDOM.normal(size=(ROWS, 4)), schema=[f"x{i}" for i in range(4)])
    frame = frame.with_columns(x1=pl.lit(3.0), x3=pl.Series([None, 1.0, 5.0] * 30), y=pl.Series(["a", "b", "b"] * 30))
    fitted = Preprocessor.fit(frame, "y")
    assert fitted.left_out == ("x1",)
    net = make_network(fitted)
    made = export([net], fitted, array=["x0", "x1", "x2", "x3"])
    ((name, kind, shape),) = [(end.name, end.type, end.shape) for end in made.session.get_inputs()]
    assert (name, kind, shape) == ("x", "tensor(double)", ["batch", 4])
    array = frame.drop("y").to_numpy()
    assert np.isnan(array).any()
    assert_agrees(made.run({"x": array}), fitted, net.predict(fitted.transform(frame)))
    assert [(c["name"], c["input"], c["index"]) for c in made.said["columns"]] == [
        ("x0", "x", 0),
        ("x2", "x", 2),
        ("x3", "x", 3),
    ]
    with pytest.raises(bpx.InputError, match="the array lacks columns that the model uses: 'x2', 'x3'"):
        export([net], fitted, array=["x0", "x1"])
    texts = Preprocessor.fit(table(t=["u", "v"]), "y")
    with pytest.raises(bpx.InputError, match="an array holds numbers, and these columns hold text: 't'"):
        export([make_network(texts)], texts, array=["x", "t"])


def test_a_model_of_an_array_of_which_all_is_used_takes_it_as_it_is(export):
    columns = tuple(NumberColumn(f"x{i}", float(i), 2.0, 0.0) for i in range(3))
    fitted = Preprocessor(columns, NumberTarget("y", 5.0, 2.0))
    net = make_network(fitted)
    made = export([net], fitted, array=["x0", "x1", "x2"])
    x = RANDOM.normal(size=(7, 3))
    assert_agrees(made.run({"x": x}), fitted, net.predict((x - np.arange(3.0)) / 2.0))
    assert [node.op_type for node in made.model.graph.node if node.op_type == "Gather"] == []


# -- networks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("y", [["a", "b", "c"], X.tolist()], ids=["classes", "numbers"])
def test_predictions_of_several_networks_are_averaged(y, export):
    frame = table(y, n=[1.0, 4.0, 2.0, 9.0])
    fitted = Preprocessor.fit(frame, "y")
    networks = [make_network(fitted, seed=seed) for seed in range(3)]
    made = export(networks, fitted)
    x = fitted.transform(frame)
    outputs = np.mean([net.predict(x) for net in networks], axis=0)
    assert_agrees(made.run(feed(made.said, parse_columns(frame, fitted))), fitted, outputs)
    assert np.abs(outputs - networks[0].predict(x)).max() > 0.01


def test_networks_of_embeddings_and_of_members(export):
    _module("ndonnx")
    frame = table(["a", "b", "c"], n=[1.0, 4.0, 2.0, 9.0])
    fitted = Preprocessor.fit(frame, "y")
    loss = bpx.MeanOverMembers(loss=bpx.CrossEntropy())
    bins = bpx.PiecewiseLinear(((-1.0, 0.0, 0.5, 2.0), (-1.0, 0.0, 1.0)))
    (width,) = bins.output_shape((2,))
    heads = bpx.MemberLinear(6, 3, k=4, own=("weight", "bias"))
    net = bpx.Network([bins, bpx.Members(width, k=4), bpx.MemberLinear(width, 6, k=4), bpx.ReLU(), heads], loss=loss)
    made = export([net], fitted)
    outputs = net.predict(fitted.transform(frame))
    assert_agrees(made.run(feed(made.said, parse_columns(frame, fitted))), fitted, outputs)


def test_networks_that_do_not_fit_are_refused(tmp_path):
    fitted = Preprocessor.fit(table(["a", "b", "c"], n=[1.0, 4.0, 2.0, 9.0]), "y")
    path = tmp_path / "model.onnx"
    net = make_network(fitted)
    for networks, said in (
        ([], "expected one or more networks, got none"),
        ([net, net.copy(dtype="float64")], "expected networks of one dtype, got 'float32', 'float64'"),
        ([bpx.mlp([3, 3])], r"the preprocessing makes 2 features, and the network takes \(3,\)"),
        ([bpx.mlp([2, 2])], r"the target has 3 outputs, and the network predicts \(2,\)"),
        ([bpx.mlp([2, 1], loss="binary_cross_entropy")], r"the target has 3 outputs, and the network predicts \(1,\)"),
    ):
        with pytest.raises(bpx.InputError, match=said):
            export_table_onnx(networks, fitted, path)
    with pytest.raises(bpx.InputError, match="cannot write .*No such file"):
        export_table_onnx([net], fitted, tmp_path / "nowhere" / "model.onnx")
    with pytest.raises(bpx.InputError, match="the name of a file must be a path"):
        export_table_onnx([net], fitted, "")
    assert not path.exists()


def test_weights_that_do_not_fit_a_file(monkeypatch, tmp_path):
    fitted = Preprocessor.fit(table(), "y")
    monkeypatch.setattr(onnx_export, "LARGEST", 100)
    with pytest.raises(bpx.InputError, match="the weights take .* an ONNX file holds less than 2 GiB"):
        export_table_onnx([make_network(fitted)], fitted, tmp_path / "model.onnx")


def test_a_precision_is_not_in_the_file_and_that_is_said(tmp_path):
    fitted = Preprocessor.fit(table(), "y")
    with pytest.warns(bpx.FileWarning, match="to bfloat16, and an ONNX file does not say so"):
        export_table_onnx([make_network(fitted, precision="bfloat16")], fitted, tmp_path / "model.onnx")


def test_without_onnx_the_error_says_how_to_install_it(monkeypatch, tmp_path):
    fitted = Preprocessor.fit(table(), "y")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(bpx.InputError, match=r'ONNX files need onnx.*: pip install "bpx-backprop\[onnx\]"$'):
        export_table_onnx([make_network(fitted)], fitted, tmp_path / "model.onnx")


def test_a_graph_refuses_nothing(export):
    """What a strict preprocessing refuses is filled, or none of the categories, as in one that is not."""
    frame = table(n=[1.0, 2.0, 9.0], t=["u", "v", "u"])
    strict, usual = (Preprocessor.fit(frame, "y", strict=strict) for strict in (True, False))
    net = make_network(strict)
    made = export([net], strict)
    rows = {"x": np.zeros((2, 1)), "n": np.array([[np.nan], [1.0]]), "t": np.array([["v"], ["w"]], dtype=object)}
    expected = net.predict(usual.transform(pl.DataFrame({"x": [0.0, 0.0], "n": [None, 1.0], "t": ["v", "w"]})))
    assert_agrees(made.run(rows), usual, expected)


# -- what the file says -----------------------------------------------------------------------------------------


def test_the_metadata_say_what_there_is_to_know(export):
    frame = table(
        [1, 0, 0],
        cost=["$1,200.50", None, "$900", "$12"],
        t=["u", "u", "v", "v", "w"],
        since=DAYS,
        at=["06:30", "23:15", "12:00"],
        cabin=[f"C{i}" if i % 2 else None for i in range(ROWS)],
    )
    fitted = Preprocessor.fit(frame, "y", categories_max=2)
    made = export([make_network(fitted)], fitted)
    stored = {p.key: p.value for p in made.model.metadata_props}
    said = {key: made.said[key] for key in stored}
    assert stored == {key: value if isinstance(value, str) else json.dumps(value) for key, value in said.items()}
    assert (made.model.producer_name, made.model.producer_version) == ("bpx", bpx.__version__)
    assert stored["bpx"] == bpx.__version__
    assert (stored["task"], stored["target"], stored["loss"]) == ("classification", "y", "cross_entropy")
    assert json.loads(stored["classes"]) == [0, 1]
    assert "?" in json.loads(stored["missing_values"])
    assert json.loads(stored["columns"]) == [
        {"name": "x", "kind": "number", "missing": "NaN", "gaps": False, "unit": "", "input": "x"},
        {"name": "cost", "kind": "number", "missing": "NaN", "gaps": True, "unit": "$", "input": "cost"},
        {
            "name": "t", "kind": "category", "missing": "", "gaps": False, "categories": ["u", "v"], "other": True,
            "stripped": True, "input": "t",
        },
        {"name": "since", "kind": "date", "missing": "NaN", "gaps": False, "input": "since"},
        {"name": "at", "kind": "time", "missing": "NaN", "gaps": False, "input": "at"},
        {"name": "cabin", "kind": "presence", "missing": "", "gaps": True, "input": "cabin"},
    ]  # fmt: skip


def test_the_metadata_of_numbers_say_their_unit(export):
    fitted = Preprocessor.fit(table([f"${1000 + 300 * v:,.2f}" for v in X]), "y")
    said = export([make_network(fitted)], fitted).said
    assert (said["task"], said["unit"]) == ("regression", "$")
    assert "classes" not in said
