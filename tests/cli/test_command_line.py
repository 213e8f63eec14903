"""What all commands share: help, the version, one line for a mistake, exit codes, pipes and colors."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import bpx

COMMANDS = ("xor", "train", "predict", "evaluate", "export", "backends")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_names_every_command(command, arguments):
    result = command(*arguments)
    assert result.exit_code == 0
    assert result.stdout.count("Usage: bpx") == 1
    assert all(f" {name} " in result.stdout for name in COMMANDS)
    assert result.stderr == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_a_backend_and_json(command, name):
    for option in ("--help", "-h"):
        result = command(name, option)
        assert result.exit_code == 0
        assert f"Usage: bpx {name}" in result.stdout
        assert "--backend" in result.stdout
        assert "--json" in result.stdout


def test_the_version(command):
    for option in ("--version", "-V"):
        result = command(option)
        assert (result.exit_code, result.stdout) == (0, f"bpx {bpx.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("trian",), ("trian", "train")),
        (("xor", "--epoch", "3"), ("--epoch", "--epochs", "bpx xor --help")),
        (("xor", "--epochs", "many"), ("--epochs", "integer")),
        (("xor", "--epochs"), ("--epochs", "argument")),
        (("xor", "and"), ("and",)),
        (("predict",), ("MODEL",)),
        (("xor", "--learning-rate", "fast"), ("--learning-rate",)),
        (("train", "two\nlines.csv", "--target", "y"), ("two lines.csv: no such file",)),
    ],
)
def test_a_mistake_in_the_command_is_one_line(mistake, arguments, words):
    line = mistake(*arguments)
    for word in words:
        assert word.lower() in line.lower()


def _list_options():
    """Return each option of each command that can be given once, as ``(command, option, value...)``."""
    typer = pytest.importorskip("typer", reason="the command line needs typer and rich: the extra cli")
    from bpx.cli.app import app

    for name, found in typer.main.get_command(app).commands.items():
        for option in found.params:
            if option.param_type_name == "option" and not option.multiple:
                for spelling in option.opts:
                    yield (name, spelling) if option.is_flag else (name, spelling, "1")


def test_an_option_that_cannot_be_repeated_is_given_once(mistake):
    found = list(_list_options())
    assert len(found) > 50
    for name, *option in found:
        line = mistake(name, *option, *option)
        assert option[0] in line
        assert line.endswith(" is given 2 times; give it once\n")
    assert "--output or -o is given 3 times" in mistake("train", "moons", "-o", "a", "--output", "b", "-oc")


def test_an_option_that_can_be_repeated_is_given_as_often_as_wanted(as_json, tmp_path):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    table = tmp_path / "data.csv"
    table.write_text("a,b,c,y\n" + "".join(f"{i},{-i},{i % 5},{'ab'[i % 2]}\n" for i in range(40)))
    data = as_json("train", table, "--target", "y", "--drop", "a", "--drop", "b", "--epochs", 1)
    assert data["features"] == 1


def test_an_error_of_our_own_keeps_its_traceback(command, monkeypatch):
    import bpx.notebook

    def broken(**options):
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr(bpx.notebook, "notebook_xor", broken)
    with pytest.raises(ZeroDivisionError, match="a defect"):
        command("xor")


def test_python_m_bpx_is_the_same_command(process):
    ran = process("--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"bpx {bpx.__version__}\n", "")
    ran = process("xor", "--epochs", "0")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == "bpx: --epochs must be at least 1, got 0\n"


@pytest.mark.parametrize("library", ["typer", "rich"])
def test_without_typer_or_rich_it_says_how_to_install_them(library):
    code = f"import sys; sys.modules[{library!r}] = None; from bpx.cli import main; main(['xor'])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == (
        f'bpx: the command line needs {library}, which is not installed: pip install "bpx-backprop[cli]"\n'
    )


def test_another_missing_module_is_not_taken_for_typer():
    code = "import sys; sys.modules['bpx.cli.group'] = None; from bpx.cli import main; main(['xor'])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "ModuleNotFoundError" in ran.stderr


def test_help_and_the_version_import_no_array_library():
    code = (
        "import sys\nfrom bpx.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "torch", "jax", "mlx", "cupy", "polars"} & set(ran.stdout.splitlines()[-1].split())


def test_colors_only_where_they_are_wanted(process):
    green = "\x1b[32m"
    assert green not in process("xor", "--epochs", "2000", env={"NO_COLOR": ""}).stdout  # standard output is a pipe
    wanted = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
    assert green in process("xor", "--epochs", "2000", env=wanted).stdout
    assert green not in process("xor", "--epochs", "2000", env=wanted | {"NO_COLOR": "1"}).stdout


BUFFERED = {"PYTHONUNBUFFERED": None}  # with it, what fails here would fail earlier


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such pipes")
@pytest.mark.parametrize(
    "arguments", [["xor", "--epochs", "300"], ["xor", "--epochs", "2", "--json"], ["train", "--help"]]
)
def test_a_reader_that_goes_away_gets_no_traceback(process, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        ran = process(*arguments, capture_output=False, stdout=pipe, stderr=subprocess.PIPE, env=BUFFERED)
    assert (ran.returncode, ran.stderr) == (1, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["xor", "--epochs", "300"], ["xor", "--epochs", "2", "--json"]])
def test_output_that_cannot_be_written_is_one_line(process, arguments):
    with open("/dev/full", "w") as full:
        ran = process(*arguments, capture_output=False, stdout=full, stderr=subprocess.PIPE, env=BUFFERED)
    assert ran.returncode == 2
    assert ran.stderr == "bpx: [Errno 28] No space left on device\n"


def test_closed_streams_are_no_error():
    code = "import sys; sys.stdout = sys.stderr = None; from bpx.cli import main; main(sys.argv[1:])"
    for arguments, expected in ((["xor", "--epochs", "2"], 0), (["xor", "--epochs", "0"], 2)):
        ran = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stdout, ran.stderr) == (expected, "", "")


def test_a_terminal_that_cannot_show_a_name_is_no_error(process, tmp_path):
    pytest.importorskip("polars", reason="tables need polars: the extra table")
    table = tmp_path / "names.csv"
    table.write_text("größe,x,art\n" + "".join(f"1,{i},{'ab'[i % 2]}\n" for i in range(40)), "utf-8")
    ran = process("train", table, "--target", "art", "--epochs", 1, env={"PYTHONIOENCODING": "ascii"})
    assert ran.returncode == 0, ran.stderr
    assert "note: 1 column left out: 'gr\\xf6\\xdfe'" in " ".join(ran.stdout.split())


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C otherwise")
def test_ctrl_c_ends_with_one_line(start):
    code = (
        "import bpx.notebook\ntrain = bpx.notebook.notebook_xor\n"
        "def told(**options):\n    print('ready', flush=True)\n    return train(**options)\n"
        "bpx.notebook.notebook_xor = told\n"
        "main(['xor', '--epochs', '100000000'])"
    )
    running = start(code)
    assert running.stdout.readline() == "ready\n"
    time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    stdout, stderr = running.communicate(timeout=60)
    assert (running.returncode, stdout, stderr) == (130, "", "bpx: interrupted\n")


def test_json_has_no_nan():
    from bpx.cli.printing import plain

    text = json.dumps(plain({"a": float("nan"), "b": [float("inf"), 1.0]}), allow_nan=False)
    assert json.loads(text) == {"a": None, "b": [None, 1.0]}
