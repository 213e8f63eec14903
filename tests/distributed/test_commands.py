"""``bpx train`` under mpirun: one report, one set of files, and mistakes told once."""

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


def _start(n, *arguments):
    line = [*ranks.list_launcher(n, "mpirun"), "-m", "bpx", *map(str, arguments)]
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
    for first, second in zip(one.params, two.params, strict=True):
        for name, array in first.items():
            np.testing.assert_allclose(second[name], array, atol=1e-9)


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
