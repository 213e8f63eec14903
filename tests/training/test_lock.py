"""A folder of checkpoints has one owner, who is named to others, and whose end frees it, however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

import bpx
from bpx.training.checkpoints.lock import FolderLock

HOLD = """
import os, sys, time
import numpy as np
import bpx
x = np.arange(240.0).reshape(60, 4) / 240
def wait(run):
    if run.epoch == 2 and len(sys.argv) > 2 and os.fork() == 0:  # a child that outlives its parent
        time.sleep(20)
        os._exit(0)
    print(run.epoch, flush=True)
    if run.epoch == 2:
        time.sleep(60)
bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64").fit(
    x, np.arange(60) % 3, epochs=100, checkpoint=sys.argv[1], resume=sys.argv[1], callbacks=wait)
"""


def hold(folder, *more):
    """Start a process that trains in a folder, and return it once it has written a checkpoint there."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), *more], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    while process.stdout.readline() != "2\n":
        assert process.poll() is None
    return process


def test_another_process_is_told_who_trains(data, small, tmp_path):
    process = hold(tmp_path)
    try:
        for options in ({"checkpoint": tmp_path}, {"resume": tmp_path}, {"checkpoint": tmp_path, "resume": tmp_path}):
            with pytest.raises(bpx.InputError) as caught:
                small.fit(*data, epochs=1, **options)
            assert f"is in use: process {process.pid} on {socket.gethostname()} trains there" in str(caught.value)
            assert small.training is None
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no fork")
@pytest.mark.parametrize("more", [(), ("a child of its own lives on",)], ids=["alone", "forked"])
def test_a_kill_frees_the_folder(tmp_path, more):
    first = hold(tmp_path, *more)
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    second = hold(tmp_path)  # goes on, and comes to epoch 2 again
    assert second.poll() is None
    second.kill()
    second.communicate()


def test_threads_of_one_process(data, tmp_path):
    begun, go_on, caught = threading.Event(), threading.Event(), []

    def wait(run):
        begun.set()
        assert go_on.wait(30.0)

    def make():
        return bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")

    thread = threading.Thread(target=lambda: make().fit(*data, epochs=1, checkpoint=tmp_path, callbacks=wait))
    thread.start()
    assert begun.wait(30.0)
    try:
        make().fit(*data, epochs=1, resume=tmp_path)
    except bpx.InputError as error:
        caught.append(str(error))
    go_on.set()
    thread.join()
    assert len(caught) == 1
    assert f"is in use: another thread of this process, {os.getpid()}, trains there" in caught[0]
    make().fit(*data, epochs=2, resume=tmp_path, callbacks=lambda run: None)


def test_the_folder_is_free_after_any_end(data, small, tmp_path):
    class Stop(Exception):
        pass

    def crash(run):
        raise Stop

    def free():
        outcome = []

        def take():
            with FolderLock(tmp_path):
                outcome.append("free")

        thread = threading.Thread(target=take)  # the same thread could take it twice
        thread.start()
        thread.join()
        return outcome == ["free"]

    small.fit(*data, epochs=1, checkpoint=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000000001.safetensors"]
    assert free()
    with pytest.raises(bpx.InputError, match="holds the checkpoints of another training"):
        small.fit(*data, epochs=1, checkpoint=tmp_path)
    assert free()
    with pytest.raises(bpx.InputError, match="is of another training"):
        bpx.mlp([4, 6, 3]).fit(*data, epochs=2, resume=tmp_path)
    assert free()
    with pytest.raises(Stop):
        bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64").fit(
            *data, epochs=9, checkpoint=tmp_path / "other", callbacks=crash
        )
    with FolderLock(tmp_path / "other"):
        assert free()


def test_many_take_turns_and_no_two_at_once(tmp_path):
    """The file of the lock comes and goes; whoever has it has it alone."""
    code = (
        "import sys, os, time, pathlib, bpx\nfrom bpx.training.checkpoints.lock import FolderLock\n"
        "folder, got = pathlib.Path(sys.argv[1]), 0\n"
        "until = time.monotonic() + 1.5\n"
        "while time.monotonic() < until:\n"
        "    try:\n        with FolderLock(folder):\n"
        "            os.close(os.open(folder / 'alone', os.O_CREAT | os.O_EXCL))\n            got += 1\n"
        "            os.unlink(folder / 'alone')\n"
        "    except bpx.InputError as error:\n        assert 'is in use: ' in str(error)\n"
        "print(got)\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    got = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert sum(got) > 0
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_locked_is_trained_in_with_a_warning(data, small, tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.warns(bpx.CheckpointWarning, match="cannot be locked .*: see to it that nothing else trains there"):
        small.fit(*data, epochs=1, checkpoint=tmp_path)
    assert len(list(tmp_path.glob("checkpoint-*"))) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has neither")
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_what_lies_in_the_place_of_the_lock_is_not_followed_or_waited_for(data, small, tmp_path, kind):
    target = tmp_path / "target"
    target.write_text("mine")
    folder = tmp_path / "run"
    folder.mkdir()
    if kind == "link":
        (folder / ".lock").symlink_to(target)
    else:
        os.mkfifo(folder / ".lock")
    with pytest.warns(bpx.CheckpointWarning, match="cannot be locked"):
        small.fit(*data, epochs=1, checkpoint=folder)
    assert target.read_text() == "mine"
