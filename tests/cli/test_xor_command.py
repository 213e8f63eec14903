"""``bpx xor``: facts 1 and 2 of the command line, and what a person reads."""

import inspect
import json
import os

import numpy as np
import pytest
from notebook_loop import notebook_loop

from bpx.notebook import notebook_xor


@pytest.mark.slow
def test_as_published_is_the_notebooks_own_loop_to_the_bit(process):
    ran = process("xor", "--as-published", "--json", "--backend", "numpy")
    assert (ran.returncode, ran.stderr) == (0, "")
    data = json.loads(ran.stdout)
    assert [p.hex() for p in data["predictions"]] == [p.hex() for p in notebook_loop().tolist()]
    np.testing.assert_allclose(data["predictions"], [0.4249319, 0.52282867, 0.47875044, 0.28315585], rtol=0, atol=1e-8)
    assert data["solved"] is False
    assert (data["epochs"], data["seed"], data["backend"]) == (10_000, 0, "numpy")
    assert data["loss"] == pytest.approx(0.380069, abs=1e-6)
    assert data["seconds"] > 0
    assert "never updates its biases" in data["explanation"]


@pytest.mark.slow
def test_with_the_biases_trained_it_is_solved(as_json):
    data = as_json("xor")
    np.testing.assert_allclose(data["predictions"], [0.01927422, 0.98335907, 0.98335520, 0.01724087], rtol=0, atol=1e-7)
    assert data["solved"] is True
    assert "explanation" not in data


def test_the_defaults_are_the_notebooks():
    pytest.importorskip("typer", reason="the command line needs typer and rich: the extra cli")
    from bpx.cli.xor_command import xor

    ours, notebooks = inspect.signature(xor).parameters, inspect.signature(notebook_xor).parameters
    for name in ("as_published", "epochs", "seed", "learning_rate"):
        assert ours[name].default == notebooks[name].default


def test_options_reach_the_recipe(as_json):
    data = as_json("xor", "--epochs", 40, "--seed", 6, "--learning-rate", 0.3, "--as-published")
    assert data["predictions"] == notebook_loop(40, 6, 0.3).tolist()
    assert (data["epochs"], data["seed"], data["learning_rate"], data["as_published"]) == (40, 6, 0.3, True)


def test_a_person_sees_the_truth_table_beside_the_predictions(command):
    result = command("xor", "--epochs", 50)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines() if line.split()[:1] in (["0"], ["1"])]
    expected = notebook_loop(50, biases=True)
    assert [row[:3] for row in rows] == [["0", "0", "0"], ["0", "1", "1"], ["1", "0", "1"], ["1", "1", "0"]]
    np.testing.assert_allclose([float(row[3]) for row in rows], expected, atol=1e-8)
    assert "after 50 epochs" in result.stdout
    assert "XOR is not solved" in result.stdout
    assert "get stuck" in result.stdout
    assert "25 of the seeds 0 to 29" in result.stdout


def test_a_person_reads_why_the_published_recipe_fails(command):
    text = " ".join(command("xor", "--as-published", "--epochs", 50).stdout.split())
    assert "biases as they were drawn" in text
    assert "cannot learn XOR from here because it never updates its biases" in text
    assert "'bpx xor' trains the biases too" in text
    assert "get stuck" not in text


def test_on_every_backend(as_json, mistake, backend):
    if not backend.has_float64:
        assert "float64" in mistake("xor", "--backend", backend.spec)
        return
    data = as_json("xor", "--epochs", 30, "--backend", backend.spec)
    assert data["backend"] == backend.spec
    np.testing.assert_allclose(data["predictions"], notebook_loop(30, biases=True), rtol=1e-12)


def test_the_environment_names_the_backend(as_json):
    data = as_json("xor", "--epochs", 2, env={"BPX_BACKEND": "array-api-strict:device1"})
    assert data["backend"] == "array-api-strict:device1"


def test_jax_has_float64_in_the_process_of_the_command(process, jax):
    # None takes the variable away that the tests set.
    ran = process("xor", "--epochs", 5, "--json", env={"JAX_ENABLE_X64": None, "BPX_BACKEND": "jax"})
    assert ran.returncode == 0, ran.stderr
    data = json.loads(ran.stdout)
    assert data["backend"].startswith("jax")
    np.testing.assert_allclose(data["predictions"], notebook_loop(5, biases=True), rtol=1e-14)


@pytest.mark.parametrize(
    ("spec", "variable", "wanted"),
    [("jax", None, "1"), (" jax:cpu:0", None, "1"), (None, "jax", "1"), ("numpy", "jax", None), (None, None, None)],
)
def test_float64_is_asked_for_where_jax_is(monkeypatch, jax, spec, variable, wanted):
    pytest.importorskip("typer", reason="the command line needs typer and rich: the extra cli")
    from bpx.cli.group import choose_backend

    monkeypatch.delenv("JAX_ENABLE_X64")
    if variable:
        monkeypatch.setenv("BPX_BACKEND", variable)
    assert choose_backend(spec).name == ("jax" if wanted else "numpy")
    assert os.environ.get("JAX_ENABLE_X64") == wanted


def test_who_forbids_jax_float64_gets_an_error(process, jax):
    ran = process("xor", "--backend", "jax", "--json", env={"JAX_ENABLE_X64": "0"})
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "float64" in ran.stderr
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--epochs", 0), "--epochs must be at least 1, got 0"),
        (("--epochs", -3), "--epochs must be at least 1, got -3"),
        (("--seed", -1), "--seed must be at least 0, got -1"),
        (("--seed", 2**32), "below 2**32"),
        (("--learning-rate", 0), "--learning-rate must be above 0"),
        (("--learning-rate", -0.5), "--learning-rate must be above 0"),
        (("--learning-rate", "nan"), "--learning-rate must be finite"),
        (("--backend", "numpi"), "did you mean 'numpy'?"),
        (("--backend", "numpy:1"), "numpy has the device 'cpu' only"),
        (("--backend", "array-api-strict:device9"), "no device 'device9'"),
    ],
)
def test_bad_options(mistake, arguments, words):
    assert words in mistake("xor", *arguments)
