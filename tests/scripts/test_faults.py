"""scripts/faults.py counts what goes wrong: planted faults are found, and what is right is no failure."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture(autouse=True)
def _scripts_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "fault_trials"]:
        del sys.modules[name]


def test_a_flipped_bit_that_is_not_seen_is_a_failure(tmp_path, monkeypatch):
    from fault_trials import damage

    assert damage.flip_bits(tmp_path, "model", 60, 0).failures == []
    monkeypatch.setattr(damage.bpx, "load", lambda path: None)
    tally = damage.flip_bits(tmp_path, "model", 60, 0)
    assert len(tally.failures) == tally.tries == 60
    assert "loaded in silence" in tally.failures[0]


def test_a_reader_that_raises_something_undocumented_is_a_failure(tmp_path, monkeypatch, capsys):
    from fault_trials import damage

    def read(path):
        if path.read_bytes() != b"1":
            raise ZeroDivisionError("planted")

    monkeypatch.setattr(damage, "_limit_memory", lambda: None)
    planted = damage.READERS["csv"]._replace(make=lambda folder: b"1", mutate=lambda data, draw: b"2", read=read)
    monkeypatch.setitem(damage.READERS, "csv", planted)
    damage.read_some("csv", tmp_path, 0, 3)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [0, 1, 2]
    assert all("ZeroDivisionError: 'planted'" in line["wrong"] for line in lines)


def test_a_process_that_dies_is_a_failure_and_the_next_files_are_read(tmp_path, monkeypatch):
    from fault_trials import damage

    class Died:
        returncode = -11

        def communicate(self):
            return '{"done": 2}\n', "planted"

    class Ended(Died):
        returncode = 0

        def communicate(self):
            return '{"done": 7}\n', ""

    children = iter([Died(), Ended()])
    monkeypatch.setattr(damage, "start_python", lambda *arguments: next(children))
    tally = damage.read_hostile(tmp_path, "csv", 10, 0)
    assert tally.tries == 10
    assert len(tally.failures) == 1
    assert "file 2: the process died with code -11" in tally.failures[0]


def test_a_torn_file_is_a_failure(tmp_path):
    from fault_trials.tally import Tally
    from fault_trials.writers import make_marked, read_often

    import bpx

    net = make_marked(1.0)
    net.params[0]["weight"][0, 0] = 2.0
    net.save(tmp_path / "torn.safetensors")
    tally = Tally("", "")
    read_often(tmp_path / "torn.safetensors", 2, tally)
    assert tally.failures == ["a torn file: [1.0, 2.0]"] * 2
    assert isinstance(bpx.load(tmp_path / "torn.safetensors"), bpx.Network)


def test_the_same_seed_spoils_a_file_in_the_same_way(tmp_path):
    from fault_trials.readers import READERS

    for reader in (READERS["model"], READERS["csv"], READERS["npz"]):
        good = reader.make(tmp_path)
        spoiled = [reader.mutate(good, random.Random(seed)) for seed in (1, 1, 2)]
        assert spoiled[0] == spoiled[1] != spoiled[2]
        assert len({reader.mutate(good, random.Random(seed)) for seed in range(50)}) > 45


def test_a_failure_ends_the_script_with_1(tmp_path, monkeypatch, capsys):
    from fault_trials import command_line
    from fault_trials.tally import Tally

    for failures, code in (([], 0), (["planted"], 1)):
        tally = Tally("planted", "right", 3, list(failures))
        monkeypatch.setattr(command_line, "fill_disks", lambda *arguments, tally=tally: tally)
        assert command_line.main(["--only", "disks", "--json", str(tmp_path / "tallies.json")]) == code
        assert f"3 tries, {len(failures)} failures" in capsys.readouterr().out
        assert json.loads((tmp_path / "tallies.json").read_text())[0]["failures"] == failures
