"""The commands under mpirun and torchrun: one report, one set of files, and mistakes told once."""

import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
import started_ranks as ranks

import bpx

pytestmark = pytest.mark.slow


@pytest.fixture
def table(tmp_path):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 4))
    path = tmp_path / "table.csv"
    data = np.c_[x, x[:, 0] + x[:, 1] > 0]
    np.savetxt(path, data, delimiter=",", header="a,b,c,d,label", comments="", fmt="%g")
    return path


@pytest.fixture
def mixed(tmp_path):
    """Return a table of numbers with gaps, a few and many texts, and dates."""
    draw = np.random.default_rng(1)
    path, lines = tmp_path / "mixed.csv", ["size,kind,code,day,label"]
    for size, kind, code, day, gap in zip(
        draw.normal(size=240), draw.integers(0, 3, size=240), draw.integers(0, 40, size=240),
        draw.integers(1, 29, size=240), draw.uniform(size=240), strict=True,
    ):  # fmt: skip
        label = "yes" if size + kind > 1.2 else "no"
        lines.append(f"{'' if gap < 0.1 else f'{size:.4f}'},k{kind},code {code},2024-03-{day:02},{label}")
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def _start(n, *arguments, launcher="mpirun"):
    line = [*ranks.list_launcher(n, launcher), "-m", "bpx", *map(str, arguments)]
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ranks.make_environment(),
        start_new_session=True,
    )  # fmt: skip


def _own(stderr):
    """Return the lines of bpx's own among what the launcher says."""
    return [line for line in stderr.splitlines() if line.startswith("bpx: ")]


@pytest.mark.parametrize("preset", ["fast", "default"])
def test_a_table_is_learned_as_by_one_process(table, tmp_path, preset):
    found = {}
    for n in (1, 2):
        model, folder = tmp_path / f"{n}.safetensors", tmp_path / f"checkpoints-{n}"
        arguments = ("--target", "label", "--preset", preset, "--epochs", "2", "--dtype", "float64", "--json")
        running = _start(n, "train", table, *arguments, "-o", model, "--checkpoint", folder)
        code, stdout, stderr = ranks.finish(running, 240.0)
        assert code == 0, stderr
        found[n] = json.loads(stdout), bpx.load(model)
    (alone, one), (together, two) = found[1], found[2]
    assert together["loss"] == pytest.approx(alone["loss"], rel=1e-9)
    _compare(one, two)


def _compare(one, two):
    """Assert that two networks in float64 have the same parameters, but for the rounding of sums in another order."""
    for first, second in zip(one.params, two.params, strict=True):
        for name, array in first.items():
            np.testing.assert_allclose(second[name], array, atol=1e-9)


def _run(n, *arguments, launcher="mpirun"):
    """Run a command, which has to end well; return what it printed."""
    code, stdout, stderr = ranks.finish(_start(n, *arguments, launcher=launcher), 240.0)
    assert code == 0, stderr
    return stdout


def test_columns_of_all_kinds_and_options_give_what_one_process_gives(mixed, tmp_path):
    arguments = ("--target", "label", "--preset", "fast", "--epochs", "3", "--dtype", "float64", "--json",
                 "--categories-max", "10", "--class-weight", "balanced", "--early-stopping", "--accumulate", "2",
                 "--average", "--dropout", "0.2", "--batch-size", "7")  # fmt: skip
    found = []
    for n, launcher, backend in ((1, "mpirun", "numpy"), (2, "mpirun", "numpy"), (2, "torchrun", "torch")):
        model = tmp_path / f"{n}-{launcher}.safetensors"
        said = _run(n, "train", mixed, *arguments, "--backend", backend, "-o", model, launcher=launcher)
        found.append((json.loads(said), bpx.load(model)))
    (alone, one), *others = found
    for together, net in others:
        assert together["loss"] == pytest.approx(alone["loss"], rel=1e-9)
        _compare(one, net)


def test_an_ensemble_is_resumed_on_any_number_of_ranks(table, tmp_path):
    folder, model, picture = tmp_path / "run", tmp_path / "model.safetensors", tmp_path / "picture.png"
    arguments = ("--target", "label", "--epochs", "2", "--dtype", "float64", "--plot", picture, "-o", model)
    _run(2, "train", table, *arguments, "--checkpoint", folder)
    whole = bpx.load(model)
    assert picture.read_bytes().startswith(b"\x89PNG")
    for n in (1, 2):
        model.unlink()
        (folder / "network-7" / "trained.safetensors").unlink()
        sorted((folder / "network-7").glob("checkpoint-*"))[-1].unlink()
        for path in (folder / "network-8").iterdir():
            path.unlink()
        _run(n, "train", "--resume", folder)
        _compare(whole, bpx.load(model))


def test_rank_0_alone_does_what_is_not_shared(table, tmp_path):
    pytest.importorskip("onnx", reason="onnx is not installed")
    model = tmp_path / "model.safetensors"
    _run(1, "train", table, "--target", "label", "--preset", "fast", "--epochs", "1", "-o", model)
    for name, *arguments in (
        ("predictions.csv", "predict", model, table, "-o"),
        ("picture.png", "evaluate", model, table, "--plot"),
        ("model.onnx", "export", model),
    ):
        made = []
        for n in (1, 2):
            folder = tmp_path / f"{n}"
            folder.mkdir(exist_ok=True)
            command = [*arguments, folder / name, "--json"]
            code, stdout, stderr = ranks.finish(_start(n, *command), 60.0)
            assert code == 0, stderr
            made.append((folder / name).read_bytes())
            assert len(stdout.splitlines()) == 1, stdout
            json.loads(stdout)
            notes = ["bpx: note: started as 2 processes, of which rank 0 does this alone; bpx train is shared by all"]
            assert _own(stderr) == notes * (n == 2)
            assert [path.name for path in folder.iterdir() if path.name.startswith(name)] == [name]
        assert made[0] == made[1]


def test_people_are_told_in_one_line(table, tmp_path):
    running = _start(2, "train", table, "--target", "label", "--preset", "fast", "--epochs", "1")
    code, stdout, _ = ranks.finish(running, 240.0)
    assert code == 0
    assert stdout.count("2 processes train together, over MPI") == 1
    assert stdout.count("final loss") == 1


def test_a_mistake_is_told_once(table):
    running = _start(2, "train", table, "--target", "none", "--epochs", "1")
    code, stdout, stderr = ranks.finish(running, 240.0)
    assert code != 0
    assert stdout == ""
    assert len(_own(stderr)) == 1, stderr
    assert "none" in _own(stderr)[0]
    assert "Traceback" not in stderr


def test_a_mistake_of_one_rank_is_told_once_with_its_number(table, tmp_path):
    code = (
        "import os, sys\n"
        "from bpx.cli import main\n"
        f"path = {str(table)!r} + '.none' * int(os.environ['OMPI_COMM_WORLD_RANK'])\n"
        "sys.argv = ['bpx', 'train', path, '--target', 'label', '--preset', 'fast', '--epochs', '1']\n"
        "main()\n"
    )
    path = tmp_path / "one.py"
    path.write_text(code, "utf-8")
    exit_code, _, stderr = ranks.finish(ranks.start(2, path), 240.0)
    assert exit_code != 0
    (line,) = _own(stderr)
    assert "no such file" in line
    assert line.endswith("; on rank 1 of 2, and so on all others")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "--resume", "no-such-folder"), "no-such-folder is no folder"),
        (("train", "digits", "--bogus"), "No such option: --bogus"),
        (("predict", "no-such-model", "digits"), "there is no file no-such-model"),
    ],
)
def test_a_mistake_that_is_seen_before_the_ranks_meet_is_told_once(arguments, said):
    code, stdout, stderr = ranks.finish(_start(2, *arguments), 60.0)
    assert code != 0
    assert stdout == ""
    told = [line for line in _own(stderr) if "note: " not in line]
    assert len(told) == 1, stderr
    assert said in told[0]


def test_a_signal_to_one_rank_ends_all_with_the_line_that_resumes(table, tmp_path):
    folder = tmp_path / "run"
    running = _start(
        2, "train", table, "--target", "label", "--preset", "fast", "--epochs", "100000", "--checkpoint", folder
    )
    end = time.monotonic() + 120.0
    while not list(folder.glob("checkpoint-*")):
        assert time.monotonic() < end
        time.sleep(0.1)
    words = [str(folder), str(table)]
    each = [pid for pid in ranks.find_left(words) if pid != running.pid]
    told = time.monotonic()
    os.kill(each[0], signal.SIGTERM)
    code, _, stderr = ranks.finish(running, 60.0)
    assert time.monotonic() - told < 10.0
    assert code != 0
    assert len(_own(stderr)) == 1, stderr
    assert "go on with: bpx train --resume" in _own(stderr)[0]
    assert all(bpx.load(path).n_params > 0 for path in folder.glob("checkpoint-*"))
