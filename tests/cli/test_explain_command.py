"""``bpx explain``: a step told in four parts, as JSON, or as a page."""

import os
import subprocess
import sys

import numpy as np
import pytest

import bpx
from bpx.notebook import notebook_network

PARTS = ("1. Forward propagation", "2. Error", "3. Backward propagation", "The chain rule for one weight", "4. Update")


@pytest.fixture
def model(command, tmp_path):
    path = tmp_path / "moons.safetensors"
    trained = command("train", "moons", "--epochs", 3, "--hidden", "5", "--output", path)
    assert trained.exit_code == 0, trained.output
    return path


def test_xor_is_told_in_four_parts(command):
    result = command("explain", "xor")
    assert result.exit_code == 0
    text = result.stdout
    positions = [text.index(part) for part in PARTS]
    assert positions == sorted(positions)
    assert "XOR: the notebook's network, on all 4 rows" in text
    assert "learning rate 0.5" in text
    for number in ("0.437587", "0.842801", "loss 0.752904 over 4 samples", "loss 0.752904 before the update"):
        assert number in text
    assert "[Enter goes on]" not in text
    assert max(map(len, text.splitlines())) <= 120


def test_json_is_the_trace(as_json):
    data = as_json("explain", "xor", "--weight", "0.weight[1,0]")
    net = notebook_network()
    x, y = bpx.datasets.xor()
    trace = bpx.explain(net, x, y, optimizer=bpx.SGD(0.5))
    assert data["trace"] == trace.to_dict()
    assert data["chain"] == trace.chain("0.weight[1,0]").to_dict()
    assert data["chain"]["sum"] == pytest.approx(net.gradients(x, y)[1][0]["weight"][1, 0], rel=1e-12)
    assert (data["sample"], data["epochs"], data["learning_rate"]) == (None, 0, 0.5)


def test_as_published_the_biases_stay(as_json):
    data = as_json("explain", "xor", "--as-published", "--epochs", 3, "--sample", 2)
    layer = data["trace"]["steps"][0]["layers"][0]["quantities"]
    assert layer["b"]["values"] == layer["new b"]["values"] == notebook_network().params[0]["bias"].tolist()
    assert layer["update b"]["formula"] == "Δb⁽¹⁾ = 0 (frozen)"
    assert layer["dL/db"]["values"] != [0.0, 0.0]
    assert data["sample"] == 2
    assert layer["inputs"]["values"] == [[1.0, 0.0]]
    assert data["title"] == "XOR: the notebook's network as published, its biases frozen"
    trained = notebook_network(as_published=True)
    trained.fit(*bpx.datasets.xor(), epochs=3, optimizer=bpx.SGD(0.5))
    assert layer["w"]["values"] == trained.params[0]["weight"].tolist()


def test_digits_are_explained_row_by_row(as_json, command):
    data = as_json("explain", "digits", "--sample", 3, "--learning-rate", 0.2)
    inputs = data["trace"]["steps"][0]["layers"][0]["quantities"]["inputs"]["values"]
    np.testing.assert_allclose(inputs, [bpx.datasets.digits().x[3] / 16])
    assert data["chain"]["n_paths"] == 10
    assert data["chain"]["difference"] < 1e-4
    assert "−0.2 · ∂L/∂W⁽¹⁾" in data["trace"]["steps"][0]["layers"][0]["quantities"]["update w"]["formula"]
    assert "on row 0" in command("explain", "digits").stdout


def test_a_model_is_explained_on_data(as_json, model):
    data = as_json("explain", model, "moons", "--sample", 7, "--weight", "0.weight[1,0]")
    steps = data["trace"]["steps"][0]
    assert len(steps["layers"]) == 3
    net = bpx.load(model)
    inputs = np.array(steps["layers"][0]["quantities"]["inputs"]["values"])
    assert inputs.shape == (1, 2)
    gradient = net.gradients(inputs, np.array([bpx.datasets.moons().y[7]]))[1][0]["weight"]
    got = steps["layers"][0]["quantities"]["dL/dw"]["values"]
    np.testing.assert_allclose(got, gradient, rtol=1e-5, atol=1e-9)
    assert data["chain"]["sum"] == pytest.approx(float(gradient[1, 0]), rel=1e-4, abs=1e-9)


def test_a_page_is_written(as_json, command, model, tmp_path):
    page = tmp_path / "xor.html"
    data = as_json("explain", "xor", "--html", page, "--epochs", 30)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert data["bytes"] == page.stat().st_size < 1_000_000
    assert data["epochs"] == 30
    result = command("explain", model, "moons", "--html", tmp_path / "moons.html", "--sample", 40)
    assert result.exit_code == 0, result.output
    assert "open it in a browser" in " ".join(result.stdout.split())


def test_on_another_backend(as_json):
    data = as_json("explain", "xor", "--backend", "array-api-strict:device1")
    assert data["backend"] == "array-api-strict:device1"
    here = as_json("explain", "xor")
    assert data["trace"]["steps"][0]["loss"] == pytest.approx(here["trace"]["steps"][0]["loss"], rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("xor", "moons"), ("xor brings its own data", "'moons'")),
        (("digit",), ("did you mean 'digits'?",)),
        (("digits", "--as-published"), ("--as-published",)),
        (("nowhere.safetensors",), ("no data given; name", "bpx explain nowhere.safetensors DATA")),
        (("nowhere.safetensors", "moons"), ("there is no file nowhere.safetensors",)),
        (("xor", "--sample", 4), ("--sample must be a row from 0 to 3, got 4",)),
        (("xor", "--sample", -1), ("--sample must be at least 0",)),
        (("xor", "--weight", "0.weight[2,0]"), ("outside 0.weight",)),
        (("xor", "--weight", "w1"), ("LAYER.NAME[INDEX]",)),
        (("xor", "--epochs", -1), ("--epochs must be at least 0",)),
        (("xor", "--learning-rate", 0), ("--learning-rate must be above 0",)),
        (("xor", "--html", "no_such_folder/xor.html"), ("there is no folder no_such_folder",)),
    ],
)
def test_mistakes(mistake, arguments, words):
    line = mistake("explain", *arguments)
    for word in words:
        assert word in line


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("waits", [True, False])
def test_on_a_terminal_it_waits_between_the_parts_if_asked(waits):
    import pty

    keyboard, terminal = pty.openpty()
    command = [sys.executable, "-m", "bpx", "explain", "xor", *(["--step"] if waits else [])]
    environment = {**os.environ, "COLUMNS": "100", "TERM": "dumb"}
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    os.close(terminal)
    seen, pauses = b"", 0
    try:
        while True:
            try:
                piece = os.read(keyboard, 4096)
            except OSError:  # the process has closed its end
                break
            if not piece:
                break
            seen += piece
            if seen.count(b"[Enter goes on]") > pauses:
                pauses += 1
                assert [b"2. Error", b"3. Backward propagation", b"4. Update"][pauses - 1] not in seen
                os.write(keyboard, b"\n")
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)
    assert pauses == (3 if waits else 0)
    assert b"4. Update" in seen
