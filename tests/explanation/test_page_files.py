"""Tables that come into the page, networks that leave it, and links: run by Node.js, read by bpx."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import bpx
from bpx.explanation import page_data
from bpx.notebook import notebook_network

HERE = Path(__file__).parent
SOURCE = HERE.parents[1] / "scripts" / "explain_page" / "src"
PAGE = json.dumps(page_data(notebook_network(), *bpx.datasets.xor()))


def run_page(*cases):
    node = shutil.which("node")
    if node is None or not SOURCE.exists():
        pytest.skip("node or scripts/explain_page is missing")
    command = [node, str(HERE / "page_files.mjs"), str(SOURCE)]
    done = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def read_network(tmp_path, content):
    path = tmp_path / "network.safetensors"
    path.write_bytes(base64.b64decode(content))
    return bpx.load(path)


def write_table(kind, rows=40):
    """A table whose last column is of two classes, three classes, or numbers."""
    generator = np.random.default_rng(3)
    lines = ['"size, in cm",weight,colour,answer']
    for _ in range(rows):
        size, weight, colour = generator.normal(170, 9), generator.normal(70, 12), generator.choice(["red", "blue"])
        score = (size - 170) / 9 + (colour == "red")
        answer = {
            "two": "yes" if score > 0 else "no",
            "three": ["low", "middle", "high"][int(score > -0.5) + int(score > 0.7)],
            "number": f"{1000 + 250 * score:.3f}",
        }[kind]
        lines.append(f'{size:.3f},{weight:.3f},"{colour}",{answer}')
    return "\n".join(lines)


@pytest.mark.parametrize("kind", ["two", "three", "number"])
def test_a_table_trained_in_the_page_predicts_the_same_in_bpx(kind, tmp_path):
    case = {"job": "table", "text": write_table(kind), "title": "people.csv", "page": PAGE, "steps": 60}
    (told,) = run_page({**case, "plan": {"hidden": [6, 4], "activation": "LeakyReLU"}})
    result, data = told["result"], told["result"]["data"]
    assert data["feature_names"] == ["size, in cm", "weight", "colour=blue", "colour=red"]
    assert data["class_names"] == {"two": ["yes"], "three": ["high", "low", "middle"], "number": None}[kind]
    assert (len(data["training"]["x"]), len(data["held_out"]["x"])) == (32, 8)
    np.testing.assert_allclose(np.mean(data["training"]["x"] + data["held_out"]["x"], axis=0), 0, atol=1e-9)
    net = read_network(tmp_path, result["file"])
    assert net.layers[1] == bpx.LeakyReLU(0.01)
    outputs = np.array(result["outputs"])
    if kind == "two":
        outputs = 1 / (1 + np.exp(-outputs))
    if kind == "three":
        outputs = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(net.predict(np.array(result["raw"])), outputs, rtol=1e-6, atol=1e-9)
    assert np.ptp(outputs) > 0.1, "it has learned something"


def test_a_network_that_came_from_bpx_goes_back_to_it(tmp_path):
    layers = [bpx.Linear(2, 3, bias=False), bpx.SiLU(), bpx.Dropout(0.25), bpx.Linear(3, 2, frozen=("bias",))]
    net = bpx.Network(layers, loss=bpx.CrossEntropy(label_smoothing=0.1), dtype="float64", seed=5)
    page = json.dumps(page_data(net, np.eye(2), np.array([0, 1])))
    (told,) = run_page({"job": "save", "page": page})
    again = read_network(tmp_path, told["result"])
    assert again.loss == net.loss
    assert again.layers[2:] == net.layers[2:]
    for one, other in zip(again.params, net.params, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_a_network_with_blocks_goes_back_to_bpx(tmp_path):
    inner = bpx.Residual([bpx.Linear(3, 3), bpx.SiLU()])
    block = bpx.Residual([bpx.BatchNorm(3, momentum=0.2), inner, bpx.LayerNorm(3, eps=1e-3), bpx.Dropout(0.25)])
    layers = [bpx.Linear(2, 3), block, bpx.BatchNorm(3, frozen=("bias",)), bpx.Residual([bpx.Tanh()]), bpx.Linear(3, 2)]
    net = bpx.Network(layers, loss="cross_entropy", dtype="float64", seed=5)
    x = np.random.default_rng(0).normal(size=(8, 2))
    net.fit(x, np.arange(8) % 2, epochs=3)
    (told,) = run_page({"job": "save", "page": json.dumps(page_data(net, x, np.arange(8) % 2))})
    again = read_network(tmp_path, told["result"])
    assert again.layers == net.layers
    np.testing.assert_allclose(again.predict(x), net.predict(x), rtol=1e-12)  # where arrays lie decides the last bit
    for one, other in zip(again.state, net.state, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


@pytest.mark.parametrize("norm", ["LayerNorm", "BatchNorm"])
def test_a_table_learned_with_blocks_predicts_the_same_in_bpx(norm, tmp_path):
    rows = [f"{a},{b},{a * b}" for a in range(6) for b in range(8)]
    plan = {"hidden": [5, 5, 4], "activation": "ReLU", "norm": norm, "dropout": 0.1, "shortcuts": True}
    text = "\n".join(["a,b,product", *rows])
    (told,) = run_page({"job": "table", "text": text, "title": "t.csv", "page": PAGE, "plan": plan, "steps": 60})
    net = read_network(tmp_path, told["result"]["file"])
    kinds = [norm, "ReLU", "Dropout"]
    assert [layer.kind for layer in net.layers] == ["Linear", *kinds, "Residual", "Linear", *kinds, "Linear"]
    assert [layer.kind for layer in net.layers[4].layers] == ["Linear", *kinds], "where the units are as many"
    expected = np.array(told["result"]["outputs"])
    np.testing.assert_allclose(net.predict(np.array(told["result"]["raw"])), expected, rtol=1e-6, atol=1e-9)
    assert np.ptp(expected) > 1, "it has learned something"


def make_rows(line, count=12):
    return "\n".join(["a,b", *(line for _ in range(count))])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "t.csv is no table: at least two columns"),
        ("only one column\n1\n2", "t.csv is no table: at least two columns"),
        ("\0\1\2", "t.csv is no text"),
        ("a,b\n1,2\n3", "row 2 has 1 cells, the first line 2"),
        ("a,b\n1,2", "t.csv has 1 rows; at least 10"),
        (make_rows("1,2", 20_001), "20,001 rows; the page takes up to 20,000"),
        (make_rows("1,same"), "All rows of t.csv have the same b"),
        (make_rows("?,2"), "too few rows without gaps: 0"),
        ("\n".join(["a,b", *(f"word {k},{k % 2}" for k in range(30))]), "has no numbers to learn b from"),
        ("\n".join(["a,b", *(f"{k},word {k}" for k in range(30))]), "b has 30 different values; at most 20"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(text, problem):
    (told,) = run_page({"job": "table", "text": text, "title": "t.csv", "page": PAGE, "plan": {}, "steps": 0})
    assert problem in told["problem"]


def test_gaps_other_separators_and_tables_without_names():
    rows = [f"{k};{k % 3};{k % 2}" for k in range(20)]
    (told,) = run_page(
        {"job": "table", "text": "\n".join([*rows, "NA;1;0"]), "title": "t", "page": PAGE, "plan": {}, "steps": 0}
    )
    data = told["result"]["data"]
    assert data["feature_names"] == ["column 1", "column 2"]
    assert "1 rows with gaps are left out." in data["notes"]


def test_numbers_near_the_largest_do_not_overflow():
    rows = [f"{(-1) ** k * 10.0**300},{k % 2}" for k in range(20)]
    (told,) = run_page({"job": "table", "text": "\n".join(rows), "title": "t", "page": PAGE, "plan": {}, "steps": 5})
    assert {row[0] for row in told["result"]["data"]["training"]["x"]} == {-1.0, 1.0}
    assert np.isfinite(told["result"]["outputs"]).all()


def test_links():
    state = {
        "plan": {
            "source": "moons", "hidden": [4, 3], "activation": "ReLU", "norm": "LayerNorm", "dropout": 0.2,
            "shortcuts": True, "optimizer": {"kind": "adam"}, "batchSize": None, "seed": 2,
        },
        "learningRate": 0.03,
        "step": 7,
    }  # fmt: skip
    (told,) = run_page({"job": "writeLink", "state": state})
    link = told["result"]
    read, nothing, own = run_page(
        {"job": "readLink", "link": link},
        {"job": "readLink", "link": "#training"},
        {"job": "writeLink", "state": {**state, "plan": {**state["plan"], "source": "table"}}},
    )
    asked = read["result"]
    assert asked["plan"] == state["plan"]
    assert (asked["rate"], asked["step"]) == (0.03, 8)
    assert nothing["result"] is None, "an anchor of the page"
    assert own["result"] == "", "own tables never leave the browser, in no link either"


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("#source=sun", "there is no data set “sun”"),
        ("#source=constructor", "there is no data set “constructor”"),
        ("#hidden=4,x", "whole numbers from 1 to 128"),
        ("#rate=-1", "the learning rate is “-1”"),
        ("#rate=", "the learning rate is “”"),
        ("#batch=0", "the size of a batch is “0”"),
        ("#seed=1.5", "the seed is “1.5”"),
        ("#norm=GroupNorm", "there is no normalization “GroupNorm”"),
        ("#dropout=1", "dropout is “1”"),
        ("#shortcuts=maybe", "there is no choice of shortcuts “maybe”"),
        ("#part=sideways", "there is no part of a step “sideways”"),
        ("#__proto__=1", "which means nothing here"),
        ("#<b>=1", "it says “<b>”"),
    ],
)
def test_a_broken_link_says_what_is_wrong(link, problem):
    (told,) = run_page({"job": "readLink", "link": link})
    assert problem in told["problem"]
