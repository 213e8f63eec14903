"""What a terminal would obey is shown: no output holds control characters."""

import csv
import itertools

import numpy as np
import pytest

import bpx

EVIL = "\x1b]0=owned\x07\x1b[2J\r\x9b31m\n\u202e!"
SHOWN = "\\x1b]0=owned\\x07\\x1b[2J\\r\\x9b31m\\n\\u202e!"


@pytest.fixture
def table(tmp_path, monkeypatch):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    monkeypatch.chdir(tmp_path)
    with open(f"data{EVIL.replace('/', '')}.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([f"size{EVIL}", f"same{EVIL}", f"kind{EVIL}", f"art{EVIL}"])
        rows.writerows([i % 7, "one", f"{'uvw'[i % 3]}{EVIL}", f"{'ab'[i % 2]}{EVIL}"] for i in range(60))
    return file.name


def check(text, lines=True):
    allowed = "\n" if lines else ""
    assert all(c in allowed or c.isprintable() for c in text), ascii(text)


def test_train_evaluate_predict_and_explain(command, table, tmp_path):
    model, target = f"net{EVIL}.safetensors", f"art{EVIL}"
    trained = command("train", table, "--target", target, "--epochs", 2, "-o", model, "--checkpoint", f"run{EVIL}")
    assert trained.exit_code == 0, trained.stderr
    shown = {
        "train": trained,
        "evaluate": command("evaluate", model, table),
        "predict": command("predict", model, table),
        "explain": command("explain", model, table),
    }
    for name, result in shown.items():
        assert result.exit_code == 0, (name, result.stderr)
        check(result.stdout)
        check(result.stderr)
        if name != "explain":
            assert "owned\\x07" in result.stdout
    assert "note: 1 column left out: " in trained.stdout


def test_messages(command, table):
    target = f"art{EVIL}"
    for arguments in (
        ("train", table, "--target", f"none{EVIL}"),
        ("train", f"none{EVIL}.csv", "--target", "y"),
        ("train", EVIL),
        ("train", table, "--target", target, "--drop", f"none{EVIL}"),
        ("train", table, "--target", target, "--activation", EVIL),
        ("train", "--resume", f"run{EVIL}"),
        ("predict", f"none{EVIL}.safetensors", table),
        ("predict", table, table),
        ("explain", EVIL),
        (f"xor{EVIL}",),
        ("xor", f"--{EVIL}"),
        ("xor", "--epochs", EVIL),
        ("xor", EVIL),
        ("xor", "--backend", EVIL),
    ):
        result = command(*arguments)
        assert result.exit_code == 2, arguments
        assert result.stderr.count("\n") == 1
        check(result.stderr[:-1], lines=False)
        assert r"\x1b]0" in result.stderr or "--epochs" in arguments


def test_the_line_that_resumes_and_warnings(command, table, monkeypatch):
    from bpx.training.checkpoints import folder as folders

    def full(path, content):
        raise bpx.InputError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(folders, "write_whole", full)
    result = command("train", "moons", "--epochs", 1, "--checkpoint", f"run{EVIL}")
    assert result.exit_code == 0
    assert result.stderr.startswith("bpx: warning: cannot write ")
    check(result.stderr)


def test_summaries_and_progress_lines(capsys):
    x, y = bpx.datasets.xor()
    net = bpx.mlp([2, 2, 1], loss="squared_error")

    def stop(run):
        run.stop(f"enough{EVIL}")

    metric = (f"metric{EVIL}", lambda targets, outputs: 1.0)
    net.fit(x, y, epochs=2, metrics=[metric], callbacks=[stop, bpx.ProgressPrinter()])
    err = capsys.readouterr().err
    check(err)
    assert err.count("owned") == 2
    check(str(net.summary()))


def test_escaping():
    from bpx.markup import escape_controls

    assert escape_controls(EVIL) == SHOWN
    assert escape_controls("a\nb", keep="\n") == "a\nb"
    assert escape_controls("größe, 日本, 👩\u200d🔬, a\xa0b, ∂L/∂W⁽¹⁾") == "größe, 日本, 👩\u200d🔬, a\xa0b, ∂L/∂W⁽¹⁾"
    every = "".join(
        map(chr, itertools.chain(range(0x20), range(0x7F, 0xA0), range(0x202A, 0x202F), range(0x2066, 0x206A)))
    )
    assert np.all([c.isprintable() for c in escape_controls(every)])
