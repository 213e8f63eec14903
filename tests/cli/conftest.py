"""Running the command line: in this process, and in one of its own."""

import json
import os
import subprocess
import sys

import pytest

collect_ignore = ["memory_of_training.py"]


@pytest.fixture(autouse=True)
def _state(monkeypatch, tmp_path_factory):
    """Keep what bpx keeps for its user in a folder of the tests, and what a command tells its process to one test."""
    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_STATE_HOME", str(tmp_path_factory.getbasetemp()))
    monkeypatch.setattr("bpx.backend.threads._chosen", None)
    monkeypatch.setenv("NPROC", os.environ.get("NPROC", ""))


@pytest.fixture
def command():
    """Return ``run(*arguments)``, which runs ``bpx`` in this process; the result has stdout, stderr and exit_code."""
    testing = pytest.importorskip("typer.testing", reason="the command line needs typer and rich: the extra cli")
    from bpx.cli.app import app

    def run(*arguments, env=None):
        return testing.CliRunner().invoke(
            app, [str(a) for a in arguments], prog_name="bpx", env=env, catch_exceptions=False
        )

    return run


@pytest.fixture
def as_json(command):
    """Return ``run(*arguments)``, which runs ``bpx ... --json`` and returns the one object on standard output."""

    def run(*arguments, env=None):
        result = command(*arguments, "--json", env=env)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.count("\n") == 1
        data = json.loads(result.stdout, parse_constant=pytest.fail)
        assert isinstance(data, dict)
        return data

    return run


@pytest.fixture
def mistake(command):
    """Return ``run(*arguments)``, which runs ``bpx`` on a mistake and returns the one line that it ends with."""

    def run(*arguments, env=None):
        result = command(*arguments, env=env)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("bpx: ")
        assert result.stderr.count("\n") == 1
        assert "Traceback" not in result.stderr
        return result.stderr

    return run


@pytest.fixture
def process():
    """Return ``run(*arguments)``, which runs ``python -m bpx`` in a process of its own."""
    pytest.importorskip("typer", reason="the command line needs typer and rich: the extra cli")

    def run(*arguments, env=None, **options):
        command = [sys.executable, "-m", "bpx", *map(str, arguments)]
        options = {"capture_output": True, "text": True, "check": False, "timeout": 120} | options
        variables = {**os.environ, "COLUMNS": "100", **(env or {})}
        return subprocess.run(command, env={n: v for n, v in variables.items() if v is not None}, **options)

    return run


# A shell that runs the tests in the background has them ignore SIGINT, and their children would inherit that.
LISTENING = "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nfrom bpx.cli import main\n"


@pytest.fixture
def start():
    """Return ``start(code, *arguments)``, which starts Python in a process of its own that Ctrl-C reaches."""
    pytest.importorskip("typer", reason="the command line needs typer and rich: the extra cli")
    processes = []

    def run(code, *arguments, **options):
        command = [sys.executable, "-c", LISTENING + code, *map(str, arguments)]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
        processes.append(running)
        return running

    yield run
    for running in processes:
        running.kill()
        running.communicate()
