"""From Python to the page: `Trace.to_html`, and `lab`, which opens the page of a network."""

import json
import re

import numpy as np
import pytest

import bpx
from bpx.explanation import page_data
from bpx.notebook import notebook_network

X, Y = bpx.datasets.xor()


def read_data(path):
    (text,) = re.findall(r'id="bpx-data">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    return json.loads(text)


@pytest.fixture
def opened(monkeypatch):
    """Return the addresses that a browser was asked to open."""
    addresses = []
    monkeypatch.setattr("webbrowser.open", addresses.append)
    return addresses


def test_a_trace_becomes_a_page(tmp_path):
    net = notebook_network()
    trace = bpx.explain(net, X, Y, 3, optimizer=bpx.SGD(0.5))
    trace.to_html(tmp_path / "steps.html", title="Three steps", feature_names=["a", "b"], weight="0.weight[1,0]")
    data = read_data(tmp_path / "steps.html")
    assert (data["title"], data["feature_names"], data["start"]) == (
        "Three steps", ["a", "b"], {"weight": "0.weight[1,0]"},
    )  # fmt: skip
    assert data["samples"] == {"x": X.tolist(), "y": Y.tolist()}
    assert (data["learning_rate"], data["loss"]) == (0.5, net.loss.config())
    assert [s["step"] for s in data["snapshots"]] == [0, 1, 2]
    for told, step in zip(data["snapshots"], trace.steps, strict=True):
        assert told["loss"] == step.loss
        assert told["params"][0]["weight"] == step.layers[0]["w"].values.tolist()
    assert data["losses"]["loss"] == [step.loss for step in trace.steps]


def test_a_trace_of_classes_and_images_becomes_a_page(tmp_path, backend):
    x, y = backend.array(np.arange(12.0).reshape(3, 2, 2)), backend.array(np.array([2, 0, 1], dtype=np.int32))
    layers = [bpx.Flatten(), bpx.Linear(4, 3)]
    net = bpx.Network(layers, loss="cross_entropy", dtype=backend.dtype, backend=backend.backend)
    bpx.explain(net, x, y).to_html(tmp_path / "page.html")
    data = read_data(tmp_path / "page.html")
    assert data["samples"]["y"] == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert data["samples"]["x"][1] == [4, 5, 6, 7]
    assert data["input_shape"] == [2, 2]


def test_a_trace_that_is_a_summary_has_one_moment(tmp_path):
    bpx.explain(notebook_network(), X, Y, 3, detail="summary").to_html(tmp_path / "page.html")
    data = read_data(tmp_path / "page.html")
    assert [s["step"] for s in data["snapshots"]] == [0]
    assert len(data["losses"]["step"]) == 3
    assert any("summarized" in note for note in data["notes"])


def test_a_trace_that_the_page_cannot_show_says_why(tmp_path):
    net = bpx.Network([bpx.Linear(2, 2), bpx.Mish(), bpx.Linear(2, 1)], loss="squared_error")
    trace = bpx.explain(net, X, Y)
    with pytest.raises(bpx.InputError, match="the page cannot show layer 1, Mish"):
        trace.to_html(tmp_path / "page.html")
    assert "<iframe" not in trace._repr_html_()
    assert "<details>" in trace._repr_html_()
    assert not (tmp_path / "page.html").exists()


def test_the_lab_opens_its_page(opened):
    net = notebook_network()
    path = bpx.lab(net, X, Y, optimizer=bpx.SGD(0.5))
    assert opened == [path.as_uri()]
    data = read_data(path)
    assert data["start"] == {"view": "lab"}
    assert "held_out" not in data
    assert data["optimizer"] == {"kind": "sgd"}
    assert data["snapshots"][0]["params"][0]["weight"] == net.params[0]["weight"].tolist()


def test_the_lab_holds_every_fifth_row_out(opened, tmp_path):
    moons = bpx.datasets.moons(100)
    net = bpx.mlp([2, 4, 1], "tanh", loss="binary_cross_entropy", dtype="float64")
    path = tmp_path / "moons.html"
    assert bpx.lab(net, moons.x, moons.y, path, browser=False, samples=5, batch_size=10) == path
    assert opened == []
    data = page_data(net, moons.x[:80], moons.y[:80], validation_data=(moons.x[80:], moons.y[80:]), samples=5)
    assert np.shape(data["training"]["x"]) == (80, 2)
    np.testing.assert_array_equal(data["held_out"]["x"], moons.x[80:])
    written = read_data(path)
    assert written["training"]["x"]["shape"] == [80, 2]
    assert np.shape(written["held_out"]["x"]) == (20, 2)
    assert written["batch_size"] == 10


def test_the_lab_keeps_what_it_was_told_to_measure_on(tmp_path):
    moons = bpx.datasets.moons(100)
    net = bpx.mlp([2, 4, 1], loss="binary_cross_entropy")
    path = bpx.lab(net, moons.x, moons.y, tmp_path / "a.html", browser=False, validation_data=(X, Y))
    assert read_data(path)["held_out"]["y"] == Y.tolist()


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (bpx.SGD(0.1, momentum=0.9), {"kind": "momentum", "momentum": 0.9}),
        (bpx.SGD(0.1, momentum=0.9, nesterov=True), {"kind": "nesterov", "momentum": 0.9}),
        (bpx.RMSprop(0.1), {"kind": "rmsprop", "decay": 0.9, "eps": 1e-8}),
        (bpx.Adam(0.1), {"kind": "adam", "b1": 0.9, "b2": 0.999, "eps": 1e-8}),
        (bpx.AdamW(0.1), None),
        (bpx.Adam(0.1, scaled_eps=True), None),
        (bpx.SGD(bpx.StepDecay(0.1, every=1)), None),
    ],
    ids=repr,
)
def test_the_page_knows_the_optimizer_or_none(optimizer, expected):
    assert page_data(notebook_network(), X, Y, optimizer=optimizer).get("optimizer") == expected


def test_the_page_takes_as_many_rows_as_it_has_room_for():
    x, y = np.zeros((4000, 100)), np.zeros(4000, dtype=np.int64)
    data = page_data(bpx.mlp([100, 2]), x, y)
    assert 50 < len(data["training"]["x"]) < 200


def test_mistakes(tmp_path):
    with pytest.raises(bpx.InputError, match="view"):
        page_data(notebook_network(), X, Y, view="play")
    with pytest.raises(bpx.InputError, match="image_shape must be rows and columns of 2 pixels together"):
        page_data(notebook_network(), X, Y, image_shape=(3, 2))
