"""The one way to write a file: whole or not at all, whoever else writes, and nothing is left beside it."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import types
import warnings

import pytest

import bpx
from bpx import writing
from bpx.writing import open_whole, remove_parts, write_whole


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def umask():
    old = os.umask(0o022)
    yield os.umask
    os.umask(old)


def test_a_file_is_synchronized_before_it_is_renamed_and_its_folder_after(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def name(number):
        return os.readlink(f"/proc/self/fd/{number}")

    monkeypatch.setattr(os, "fsync", lambda number: (calls.append(("fsync", name(number))), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda *given: (calls.append(("rename", str(given[0]))), replace(*given)))
    path.write_bytes(b"old")
    write_whole(path, b"new")
    part = calls[0][1]
    assert calls == [("fsync", part), ("rename", part), ("fsync", str(path.parent))]
    assert os.path.dirname(part) == str(path.parent)
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file"]


def test_an_unfinished_file_is_new_for_certain(path, monkeypatch):
    """A name that somebody has put there, a link to a file of somebody's above all, is never written through."""
    opened, original = [], os.open
    monkeypatch.setattr(os, "open", lambda name, flags, *rest: (opened.append(flags), original(name, flags, *rest))[1])
    write_whole(path, b"new")
    assert opened[0] & os.O_EXCL
    assert opened[0] & os.O_NOFOLLOW
    victim = path.parent / "victim"
    victim.write_bytes(b"mine")
    (path.parent / ".bpx-00000000000000aa.part").symlink_to(victim)
    monkeypatch.setattr(writing.secrets, "token_hex", lambda n: "00000000000000aa")
    with pytest.raises(bpx.InputError, match="cannot write .*: File exists"):
        write_whole(path, b"newer")
    assert victim.read_bytes() == b"mine"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_has_what_the_umask_leaves(mask, mode, path, umask):
    umask(mask)
    write_whole(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666, 0o755])
def test_a_file_has_the_permissions_of_the_one_that_it_replaces(mode, path, umask):
    path.write_bytes(b"old")
    path.chmod(mode)
    with open_whole(path) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o600, "nobody else reads it on the way"
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_where_the_path_is_a_link_the_file_behind_it_is_replaced(path, tmp_path):
    (tmp_path / "store").mkdir()
    target = tmp_path / "store" / "target"
    target.write_bytes(b"old")
    path.symlink_to(os.path.join("store", "target"))
    write_whole(path, b"new")
    assert path.is_symlink()
    assert target.read_bytes() == b"new"
    assert names(tmp_path / "store") == ["target"]
    target.unlink()
    write_whole(path, b"newer")
    assert target.read_bytes() == b"newer"
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(bpx.InputError, match="cannot write .*symbolic links"):
        write_whole(path, b"new")


def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(bpx.InputError, match="cannot write .*pipe: it is a device or a pipe"):
        write_whole(tmp_path / "pipe", b"")
    with pytest.raises(bpx.InputError, match="cannot write /dev/null: it is a device or a pipe"):
        write_whole("/dev/null", b"")
    with pytest.raises(bpx.InputError, match="cannot write .*folder: it is a folder; name a file in it"):
        write_whole(tmp_path / "folder", b"")
    assert names(tmp_path) == ["folder", "pipe"]


@pytest.mark.parametrize("name", ["", b"", None, 3, "a\0b", "half \ud800", "folder/", ["x"]])
def test_what_is_no_path_is_refused(name):
    with pytest.raises(bpx.InputError, match="the name of a file must be a path"):
        write_whole(name, b"")
    with pytest.raises(bpx.InputError, match="the name of a file must be a path"):
        bpx.mlp([2, 1]).save(name)
    with pytest.raises(bpx.InputError, match="the name of a file must be a path"):
        bpx.load(name)


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, SystemExit, OSError(28, "No space left on device")])
@pytest.mark.parametrize("place", ["write", "flush", "fsync", "replace"])
def test_nothing_is_left_whatever_ends_the_writing(error, place, path, monkeypatch):
    path.write_bytes(b"old")

    def fail(*given):
        raise error

    if place in ("fsync", "replace"):
        monkeypatch.setattr(os, place, fail)

    def write():
        with open_whole(path) as file:
            file.write(b"half")
            if place == "flush":
                file.flush()
            if place in ("write", "flush"):
                fail()

    with pytest.raises(bpx.InputError if isinstance(error, OSError) else error):
        write()
    assert names(path.parent) == ["file"]
    assert path.read_bytes() == b"old"


def test_the_error_of_another_file_within_the_block_is_not_blamed_on_this_one(path):
    def write():
        with open_whole(path) as file:
            file.write(b"half")
            (path.parent / "absent").read_bytes()

    with pytest.raises(FileNotFoundError, match="absent"):
        write()
    assert names(path.parent) == []


WRITER = """
import os, signal, sys
from bpx.writing import open_whole
with open_whole(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    if sys.argv[2] == "wait":
        sys.stdin.read()
    else:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_removed_by_the_next_one(path):
    killed = subprocess.run([sys.executable, "-c", WRITER, str(path), "die"], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = names(path.parent)
    assert left.startswith(".bpx-")
    (path.parent / ".bpx-notes.part").write_text("mine")
    write_whole(path.parent / "another", b"whole")
    assert names(path.parent) == [".bpx-notes.part", "another"]


def test_the_unfinished_file_of_a_living_writer_stays(path):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout.readline() == b"writing\n"
        write_whole(path, b"whole")
        remove_parts(path.parent)
        assert len(names(path.parent)) == 2
        writer.communicate(b"")
    assert writer.returncode == 0
    assert path.read_bytes() == b"half"
    assert names(path.parent) == ["file"]


def test_a_writer_whose_file_was_taken_for_left_over_begins_again(path, monkeypatch):
    lock, taken = writing._lock, []

    def removed_before_the_lock(number):
        if not taken:
            taken.append(os.readlink(f"/proc/self/fd/{number}"))
            os.unlink(taken[0])
        return lock(number)

    monkeypatch.setattr(writing, "_lock", removed_before_the_lock)
    write_whole(path, b"whole")
    assert taken
    assert path.read_bytes() == b"whole"


@pytest.mark.parametrize("system", ["no locks on this file system", "Windows"])
def test_where_there_are_no_locks_only_old_files_are_left_over(system, path, monkeypatch):
    def no_locks(*given):
        raise OSError(errno.ENOLCK, "No locks available")

    if system == "Windows":
        monkeypatch.setattr(writing, "fcntl", None)
        for name in ("O_DIRECTORY", "fchown", "fchmod"):
            monkeypatch.delattr(os, name)
        monkeypatch.setattr(writing, "_FLAGS", os.O_RDWR | os.O_CREAT | os.O_EXCL)
    else:
        fake = types.SimpleNamespace(flock=no_locks, LOCK_EX=2, LOCK_NB=4)
        monkeypatch.setattr(writing, "fcntl", fake)
    new, old = (path.parent / f".bpx-{name * 16}.part" for name in "ab")
    for part in (new, old):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 1e6,) * 2)
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_whole(path, b"whole")
    assert names(path.parent) == [new.name, "file"]
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("place", ["open", "fsync"])
def test_a_folder_that_cannot_be_synchronized_is_a_warning(place, path, monkeypatch):
    original, error = getattr(os, place), OSError(errno.EACCES, "Permission denied")

    def refuse(what, *rest):
        if os.path.isdir(what) if place == "open" else stat.S_ISDIR(os.fstat(what).st_mode):
            raise error
        return original(what, *rest)

    monkeypatch.setattr(os, place, refuse)
    with pytest.warns(bpx.FileWarning, match="the files in .* are written, but the folder cannot be synchronized"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    error = OSError(errno.EINVAL, "Invalid argument")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_whole(path, b"newer")


def write_many(path, number, times):
    """Write files of one byte, many times that, which tell their writer."""
    for i in range(times):
        write_whole(path, bytes([number]) * (100_000 + 1000 * i))


PROCESS = "import sys; from test_writing import write_many; write_many(sys.argv[1], int(sys.argv[2]), 40)"


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_several_writers_of_one_name_never_meet_and_readers_see_whole_files(kind, path):
    write_whole(path, b"\0" * 100_000)
    failed, torn, seen = [], [], set()

    def work(number):
        try:
            write_many(path, number, 40)
        except BaseException as error:
            failed.append(error)

    if kind == "threads":
        workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        running = lambda: any(worker.is_alive() for worker in workers)  # noqa: E731
    else:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(__file__), *sys.path])}
        processes = [
            subprocess.Popen([sys.executable, "-c", PROCESS, str(path), str(number)], env=environment)
            for number in range(3)
        ]
        running = lambda: any(process.poll() is None for process in processes)  # noqa: E731
    while running():
        content = path.read_bytes()
        seen.add(content[:1])
        if len(content) < 100_000 or content.count(content[:1]) != len(content):
            torn.append(content)
    if kind == "processes":
        failed = [process.returncode for process in processes if process.returncode]
    assert not failed
    assert not torn
    assert len(seen) > 1
    assert names(path.parent) == ["file"]
