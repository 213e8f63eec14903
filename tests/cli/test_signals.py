"""SIGTERM and SIGHUP end a training as Ctrl-C does, with exit codes of their own."""

import os
import shlex
import signal
import time

import pytest

import bpx

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")

TRAIN = ("train", "moons", "--hidden", "6", "--epochs", "1000000", "--checkpoint-every", "1000000")
TOLD = (
    "import bpx.training.loop as loops\nrun = loops.Loop._run_epochs\n"
    "def told(self):\n    print('ready', flush=True)\n    return run(self)\n"
    "loops.Loop._run_epochs = told\n"
)
"""Says when the first step is about to be made."""


@pytest.fixture(autouse=True)
def hears_signals():
    """Let children hear signals, also where this run was begun by nohup or in the background and does not itself."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGINT)}
    for number, handler in handlers.items():
        if handler is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _start(start, *arguments, code=""):
    running = start(TOLD + code + "main(sys.argv[1:])", *arguments)
    while (line := running.stdout.readline()) != "ready\n":
        assert line, running.communicate()
    time.sleep(0.2)
    return running


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
def test_a_training_is_saved_and_says_how_to_go_on(start, process, tmp_path, name, code):
    folder = tmp_path / "a run"
    running = _start(start, *TRAIN, "--checkpoint", folder)
    running.send_signal(getattr(signal, name))
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == code, stderr
    assert stderr.startswith("bpx: interrupted ")
    assert stderr.endswith(f"; go on with: bpx train --resume {shlex.quote(str(folder))}\n")
    assert stderr.count("\n") == 1
    (checkpoint,) = folder.glob("checkpoint-*.safetensors")
    done = bpx.load(checkpoint).params[0]["weight"]
    again = process(*shlex.split(stderr.rpartition("go on with: bpx ")[2]), "--epochs", "1")
    assert "asked for; ask for at least" in again.stderr  # it went on from there, where more than one epoch was done
    assert done.shape == (2, 6)


def test_without_a_checkpoint_too(start):
    running = _start(start, *TRAIN[:-2])
    running.send_signal(signal.SIGTERM)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 143
    assert "nothing is kept (--checkpoint FOLDER keeps" in stderr
    assert stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("second", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "terminated"]
)
def test_the_second_does_not_wait_and_says_the_line_too(start, tmp_path, second, code):
    slow = (
        "import time\nfrom bpx.training.checkpoints.checkpointer import Checkpointer\n"
        "def save(self, run):\n    print('saving', flush=True)\n    time.sleep(60)\n"
        "Checkpointer.save = save\n"
    )
    running = _start(start, *TRAIN, "--checkpoint", tmp_path / "run", code=slow)
    running.send_signal(signal.SIGINT)
    assert running.stdout.readline() == "saving\n"
    time.sleep(0.1)
    running.send_signal(second)
    _, stderr = running.communicate(timeout=30)
    assert running.returncode == code
    assert stderr == f"bpx: interrupted; go on with: bpx train --resume {tmp_path / 'run'}\n"


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_command_without_a_training_ends_at_once(start, name, code):
    slow = (
        "import time, bpx.notebook\n"
        "def wait(**options):\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "bpx.notebook.notebook_xor = wait\n"
    )
    running = start(slow + "main(['xor'])")
    assert running.stdout.readline() == "ready\n"
    running.send_signal(getattr(signal, name))
    stdout, stderr = running.communicate(timeout=30)
    assert (running.returncode, stdout, stderr) == (code, "", f"bpx: ended by {name}\n")


def test_a_hang_up_that_nohup_ignores_is_ignored(start, tmp_path):
    ignore = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    running = _start(start, *TRAIN, "--checkpoint", tmp_path / "run", code=ignore)
    running.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert running.poll() is None
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 143


def test_where_ctrl_c_is_ignored_the_others_are_not(start, tmp_path):
    """A shell has its background processes ignore SIGINT."""
    ignore = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    running = _start(start, *TRAIN, "--checkpoint", tmp_path / "run", code=ignore)
    running.send_signal(signal.SIGTERM)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode == 143
    assert "go on with: bpx train --resume" in stderr
    assert list((tmp_path / "run").glob("checkpoint-*.safetensors"))


def test_a_terminal_that_goes_away(tmp_path):
    import sys

    pty = pytest.importorskip("pty")
    folder = tmp_path / "run"
    pid, terminal = pty.fork()
    if not pid:
        os.execv(sys.executable, [sys.executable, "-m", "bpx", *TRAIN, "--checkpoint", str(folder)])
    seen = b""
    while b"training" not in seen:
        seen += os.read(terminal, 1000)
    time.sleep(2.0)  # the bar of a training appears after a second
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 129
    assert list(folder.glob("checkpoint-*.safetensors"))


def test_fit_installs_nothing_for_them():
    found = []
    net = bpx.mlp([2, 2, 1], loss="squared_error")
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    net.fit(*bpx.datasets.xor(), epochs=1, callbacks=lambda run: found.extend(map(signal.getsignal, (15, 1))))
    assert found == before


def test_the_command_gives_back_what_it_took(command):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    assert command("xor", "--epochs", 1).exit_code == 0
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before
