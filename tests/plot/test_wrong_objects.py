"""A plot function that is given the wrong object says what it takes, whatever the object is."""

import inspect

import numpy as np
import pytest

import bpx

X, Y = bpx.datasets.xor()
NET = bpx.mlp([2, 4, 1], loss="binary_cross_entropy")
HISTORY = bpx.History(loss=[2.0, 1.0], epoch=[1, 2])

RIGHT = {
    "confusion_matrix": {"y_true": [0, 1], "y_pred": [0, 1]},
    "decision_boundary": {"net": NET, "x": X, "y": Y, "resolution": 10},
    "gradient_histograms": {"net": NET, "x": X, "y": Y},
    "learning_curves": {"history": HISTORY},
    "learning_rates": {"found": bpx.find_learning_rate(NET, X, Y, steps=10)},
    "predictions": {"y_true": [1.0, 2.0], "y_pred": [1.0, 3.0]},
    "save": {"figure": None, "path": "picture.png"},
    "training_report": {"net": NET, "history": HISTORY, "x": X, "y": Y},
    "weight_histograms": {"net": NET},
}
WRONG = {
    "network": NET, "history": HISTORY, "params": NET.params, "class": bpx.Network, "none": None, "text": "abc",
    "number": 3, "nan": float("nan"), "dict": {"a": 1}, "list": [1, 2], "ragged": [[1], [2, 3]], "set": {1, 2},
    "texts": ["a", "b"], "array": np.zeros((2, 3)), "objects": np.array([None, object()]), "object": object(),
}  # fmt: skip


def test_every_function_is_here():
    assert sorted(RIGHT) == sorted(bpx.plot.__all__)


@pytest.mark.parametrize("function", sorted(RIGHT))
def test_any_object_in_any_place_is_drawn_or_refused_in_our_words(function, tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.chdir(tmp_path)
    draw, refused = getattr(bpx.plot, function), set()
    for place in inspect.signature(draw).parameters:
        for name, thing in WRONG.items():
            right = {"figure": pyplot.figure()} if function == "save" else {}
            given = {**RIGHT[function], **right, place: thing}
            if place == "matrix":
                given = {"matrix": thing}
            try:
                draw(**given)
            except bpx.InputError:
                refused.add((place, name))
            pyplot.close("all")
    first = next(iter(inspect.signature(draw).parameters))
    assert {name for place, name in refused if place == first} >= {"object", "none", "class", "dict", "ragged"}


@pytest.mark.parametrize(
    "function", ["decision_boundary", "gradient_histograms", "training_report", "weight_histograms"]
)
@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (HISTORY, "net must be a bpx.Network, got an object of the class History"),
        (NET.params, "net must be a bpx.Network, got an object of the class list"),
        (bpx.Network, "net must be a bpx.Network, got the class Network"),
    ],
)
def test_what_is_no_network(function, thing, words):
    pytest.importorskip("matplotlib")
    with pytest.raises(bpx.InputError) as caught:
        getattr(bpx.plot, function)(**{**RIGHT[function], "net": thing})
    assert str(caught.value) == words


@pytest.mark.parametrize("thing", [NET, HISTORY, 3, {"a": 1}, {1, 2}, object()])
def test_names_are_a_sequence(thing):
    pytest.importorskip("matplotlib")
    for function, place in [
        ("confusion_matrix", "class_names"), ("decision_boundary", "class_names"),
        ("decision_boundary", "feature_names"), ("learning_curves", "names"), ("predictions", "names"),
        ("training_report", "feature_names"),
    ]:  # fmt: skip
        with pytest.raises(bpx.InputError, match=f"{place} must be a sequence of names such as"):
            getattr(bpx.plot, function)(**{**RIGHT[function], place: thing})
