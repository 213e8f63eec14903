"""Who waits for whom: words of processes for each other, and what a wait makes of them."""

import os
import subprocess
import sys

import pytest
import started_ranks as ranks

from bpx.distributed import attendance
from bpx.distributed.attendance import CAME, FAILED, LEFT, Attendance, FolderBoard, wait_for_first_call
from bpx.distributed.communicator import is_spoken_elsewhere
from bpx.errors import LostRankError


class Words:
    """A board that holds what the others have said."""

    def __init__(self, **words):
        self.words = {int(rank[1:]): word for rank, word in words.items()}
        self.posted = []

    def post(self, word):
        self.posted.append(word)

    def read(self):
        return self.words


@pytest.fixture
def no_waiting(monkeypatch):
    """Let the clock go by 0.3 seconds at each look, and no time pass."""
    clock = iter(range(10**6))
    monkeypatch.setattr(attendance.time, "monotonic", lambda: 0.3 * next(clock))
    monkeypatch.setattr(attendance.time, "sleep", lambda seconds: None)


def _wait(board, rank=0, looks=400, size=4):
    """Wait until it was looked so many times."""
    left = iter(range(looks))
    return Attendance(board, rank, size, "fit", "waits 7").wait(lambda: "all" if next(left, None) is None else None)


def test_a_wait_returns_what_it_waits_for_and_leaves_no_word_where_it_is_short():
    board = Words()
    assert _wait(board, looks=3) == "all"
    assert board.posted == []


def test_who_is_missed_is_told_rarely(no_waiting, capsys):
    board = Words(r1="waits 7", r2="waits 6")
    assert _wait(board) == "all"  # of 120 seconds
    lines = capsys.readouterr().err.splitlines()
    assert board.posted == ["waits 7"]
    assert [line.partition(": all")[0] for line in lines] == [
        "bpx: rank 0 of 4 has waited 10 s in fit for ranks 2, 3",
        "bpx: rank 0 of 4 has waited 60 s in fit for ranks 2, 3",
    ]


@pytest.mark.parametrize(("rank", "words", "lines"), [(1, {"r0": "waits 7"}, 0), (1, {"r2": "waits 7"}, 2), (2, {}, 0)])
def test_one_rank_tells_who_is_missed(no_waiting, capsys, rank, words, lines):
    _wait(Words(**words), rank)
    assert len(capsys.readouterr().err.splitlines()) == lines


def test_who_has_ended_is_named(no_waiting):
    with pytest.raises(
        LostRankError, match="^ranks 1, 3 have ended without calling fit, for which rank 0 waits"
    ) as one:
        _wait(Words(r1=LEFT, r2="waits 7", r3=LEFT))
    assert one.value.ranks == (1, 3)
    assert not one.value.told
    with pytest.raises(LostRankError, match="^rank 2 has ended without calling fit, for which rank 1 waits") as other:
        _wait(Words(r2=FAILED), rank=1)
    assert other.value.told


def test_words_are_files_of_a_run(tmp_path):
    boards = [FolderBoard(tmp_path, "run@1", rank) for rank in range(2)]
    FolderBoard(tmp_path, "run@2", 2).post(LEFT)
    (tmp_path / "bpx-run@1-draft-3").write_text("half a w", "utf-8")
    assert boards[0].read() == {}
    boards[1].post(CAME)
    assert boards[0].read() == {1: CAME}
    boards[1].post(LEFT)
    assert boards[0].read() == {1: LEFT}
    assert boards[1].read() == {}
    FolderBoard(tmp_path / "none", "run", 0).post(CAME)
    assert FolderBoard(tmp_path / "none", "run", 0).read() == {}


@pytest.fixture
def launched(monkeypatch, tmp_path):
    """Have the variables of rank 0 of 2, as Open MPI's launcher sets them."""
    for name in list(os.environ):
        if name.startswith(("OMPI_", "PMI", "SLURM_", "TORCHELASTIC_")):
            monkeypatch.delenv(name)
    for name, value in {
        "OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
        "PMIX_SERVER_TMPDIR": str(tmp_path), "PMIX_NAMESPACE": "run@1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return FolderBoard(tmp_path, "run@1", 1)


def test_the_first_call_waits_for_all_and_sees_who_has_ended(launched):
    launched.post(CAME)
    wait_for_first_call("fit")
    assert launched.read() == {0: CAME}
    launched.post(LEFT)
    with pytest.raises(LostRankError, match="rank 1 has ended without calling fit") as lost:
        wait_for_first_call("fit")
    assert not is_spoken_elsewhere(lost.value)


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="it is read from /proc who started a process")
@pytest.mark.parametrize(
    ("ending", "word"), [("", LEFT), ("raise SystemExit(3)", LEFT), ("raise KeyError", FAILED), ("os._exit(0)", None)]
)
def test_a_process_that_ends_without_a_call_leaves_word_of_it(tmp_path, ending, word):
    variables = {
        "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
        "PMIX_SERVER_TMPDIR": str(tmp_path), "PMIX_NAMESPACE": "run@1",
    }  # fmt: skip
    code = "import bpx, os, subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import bpx'], check=True)\n"
    code += "assert not os.listdir(os.environ['PMIX_SERVER_TMPDIR'])\n"  # a child that ends is not the rank that ends
    line = [sys.executable, "-c", code + ending]
    done = subprocess.run(line, env=ranks.make_environment(**variables), capture_output=True, text=True)
    assert "AssertionError" not in done.stderr
    assert FolderBoard(tmp_path, "run@1", 0).read() == ({} if word is None else {1: word})
