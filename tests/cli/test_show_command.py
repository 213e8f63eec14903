"""``bpx show``: what a file holds, and the card that was written about it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("typer", reason="the command line needs typer: the extra cli")
pytest.importorskip("polars", reason="tables need polars: the extra table")

import safetensors.numpy
from typer.testing import CliRunner

import bpx
from bpx.cli.app import app
from bpx.files import read_card

CARD = "# Flowers\n\nTells two kinds of flowers apart; not for weeds. \x1b[31mred\x1b[0m [bold]plain[/bold]"


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def trained(tmp_path):
    """Train a model of a small table with a card, and return its file."""
    rows = ["length,color,note,price"]
    rows += [f"{i % 7}.5,{'red' if i % 3 else 'blue'},n{i},{(i % 7) * 2 + (i % 3)}.5" for i in range(80)]
    (tmp_path / "flowers.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "card.md").write_text(CARD)
    run("train", tmp_path / "flowers.csv", "--target", "price", "--preset", "fast", "--epochs", 3, "--output",
        tmp_path / "m.safetensors", "--card", tmp_path / "card.md")  # fmt: skip
    return tmp_path / "m.safetensors"


def test_everything_there_is_to_know_is_told(trained):
    text = re.sub(r"\s+", " ", run("show", trained).output)
    assert "predicts the number price" in text
    assert "2 columns: length (number), color (category); left out: note" in text
    assert re.search(r"trained \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, by bpx [\d.]+, on flowers.csv, 64 rows", text)
    assert "adamw with averaged weights, 3 epochs" in text
    assert re.search(r"on held-out rows 16: R2 [-\d.]+ \(baseline [-\d.]+\)", text)
    assert f"{bpx.load(trained).n_params:,} parameters, float32, loss squared_error" in text
    assert "Linear(" in text
    assert "# Flowers Tells two kinds of flowers apart; not for weeds." in text
    assert "\x1b[31m" not in text
    assert "[bold]plain[/bold]" in text


def test_programs_get_it_as_json(trained):
    data = json.loads(run("show", trained, "--json").output)
    assert data["card"] == CARD
    assert (data["task"], data["target"]) == ("regression", "price")
    assert data["columns"] == [{"name": "length", "kind": "number"}, {"name": "color", "kind": "category"}]
    assert data["left_out"] == ["note"]
    assert data["parameters"] == sum(layer["parameters"] for layer in data["layers"]) == bpx.load(trained).n_params
    assert data["training"]["rows"] == {"training": 64, "held_out": 16}


def test_a_network_alone_is_shown(tmp_path):
    net = bpx.mlp([2, 3, 1], loss="squared_error")
    net.save(tmp_path / "net.safetensors", card="a toy")
    text = run("show", tmp_path / "net.safetensors").output
    assert "the file holds a network alone" in text
    assert text.rstrip().endswith("a toy")
    assert "13 parameters" in text
    net.save(tmp_path / "net.safetensors")
    data = json.loads(run("show", tmp_path / "net.safetensors", "--json").output)
    assert (data["card"], data["target"], data["columns"]) == (None, None, [])


def test_an_estimators_file_is_shown(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from bpx.sklearn import MLPClassifier

    x = np.random.default_rng(0).normal(size=(40, 2))
    e = MLPClassifier((3,), solver="lbfgs", random_state=0).fit(x, np.where(x[:, 0] > 0, "yes", "no"))
    e.save(tmp_path / "e.safetensors", card="on which side")
    text = re.sub(r"\s+", " ", run("show", tmp_path / "e.safetensors").output)
    assert "one of 2 classes of 'target': 'no', 'yes'" in text
    assert "as MLPClassifier" in text
    assert "2 columns: x0 (number), x1 (number)" in text
    assert "on which side" in text


def test_a_training_told_in_other_words_is_left_out(trained):
    metadata = _read_metadata(trained)
    extra = json.loads(metadata["extra"])
    extra["training"] |= {"scores": 7, "rows": [], "epochs": "many", "when": {}, "seconds": True}
    from bpx.files import save

    save(bpx.load(trained), trained, extra=extra)
    text = run("show", trained).output
    assert "held-out" not in text
    assert "many" not in text
    assert "by bpx" in text


def _read_metadata(path):
    with safetensors.safe_open(path, "numpy") as file:
        return file.metadata()


# -- cards -----------------------------------------------------------------------------------------------------


def test_cards_are_kept_in_the_metadata(tmp_path):
    net = bpx.mlp([2, 1], loss="squared_error")
    net.save(tmp_path / "net.safetensors", card=CARD)
    assert read_card(tmp_path / "net.safetensors") == CARD == _read_metadata(tmp_path / "net.safetensors")["card"]
    np.testing.assert_array_equal(bpx.load(tmp_path / "net.safetensors").params[0]["weight"], net.params[0]["weight"])


@pytest.mark.parametrize(
    "card, said",
    [(b"bytes", "card must be text, got bytes"), ("x" * 1_000_001, "card has 1,000,001 characters"),
     ("\ud800", "card holds what is no text")],
    ids=["bytes", "long", "surrogate"],
)  # fmt: skip
def test_cards_that_a_file_does_not_hold_are_refused(tmp_path, card, said):
    with pytest.raises(bpx.InputError, match=said):
        bpx.mlp([2, 1], loss="squared_error").save(tmp_path / "net.safetensors", card=card)
    assert not (tmp_path / "net.safetensors").exists()


def test_card_files_that_cannot_be_are_refused_before_any_work(tmp_path):
    (tmp_path / "latin.md").write_bytes(b"caf\xe9")
    (tmp_path / "long.md").write_text("x" * 1_000_001)
    for name, said in (("none.md", "cannot be read"), ("latin.md", "no text in UTF-8"), ("long.md", "too large")):
        result = run("train", "xor", "--output", tmp_path / "m", "--card", tmp_path / name, code=2)
        assert said in result.output
        assert "final loss" not in result.output
    (tmp_path / "card.md").write_text("fine")
    result = run("train", "xor", "--card", tmp_path / "card.md", code=2)
    assert "--card is kept in the model's file; name one by --output" in result.output


def test_a_training_that_is_resumed_keeps_its_card(tmp_path):
    (tmp_path / "card.md").write_text("kept")
    written = ["--checkpoint", tmp_path / "run", "--output", tmp_path / "m.safetensors", "--card", tmp_path / "card.md"]
    run("train", "xor", "--epochs", 2, *written)
    (tmp_path / "card.md").unlink()
    (tmp_path / "m.safetensors").unlink()
    run("train", "--resume", tmp_path / "run", "--epochs", 3)
    assert read_card(tmp_path / "m.safetensors") == "kept"
    (tmp_path / "new.md").write_text("new")
    run("train", "--resume", tmp_path / "run", "--epochs", 4, "--card", tmp_path / "new.md")
    assert read_card(tmp_path / "m.safetensors") == "new"


# -- completion ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_how_to_complete(shell):
    command = [sys.executable, "-m", "bpx", "--show-completion", shell]
    told = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # or it looks at what started the test
    done = subprocess.run(command, env=os.environ | told, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"_BPX_COMPLETE=complete_{shell}" in done.stdout


def test_commands_and_options_are_completed():
    for words, expected in (("bpx sh", ["show"]), ("bpx train --car", ["--card"])):
        told = {"_BPX_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        command = [sys.executable, "-c", "from bpx.cli import main; main()"]
        done = subprocess.run(command, env=os.environ | told, capture_output=True, text=True, check=False)
        assert done.stdout.split() == expected, (done.stdout, done.stderr)
