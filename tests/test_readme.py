"""What the README promises: its commands' form, its Python code, and where its links lead."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
SCRIPT = ROOT / "scripts" / "readme_blocks.py"


def _load_script():
    spec = importlib.util.spec_from_file_location("readme_blocks", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BLOCKS = _load_script().blocks(README.read_text("utf-8"))


def _texts(section, language):
    return [block.text for block in BLOCKS if (block.section, block.language) == (section, language)]


def test_the_first_two_sh_blocks_are_the_quick_start():
    shell = [block for block in BLOCKS if block.language == "sh"]
    assert [block.section for block in shell[:2]] == ["Quick start", "Quick start"]
    main_job, tests = (block.text for block in shell[:2])
    assert main_job == 'python3 -m pip install ".[cli]" && python3 -m bpx xor\n'
    assert tests == 'python3 -m pip install -e ".[test]" && python3 -m pytest -q -n auto\n'


def test_ci_runs_the_second_block_as_it_stands():
    printed = subprocess.run(
        [sys.executable, SCRIPT, "Quick start", "sh", "2"], capture_output=True, text=True, check=True
    )
    assert printed.stdout == _texts("Quick start", "sh")[1]


def test_a_block_that_is_not_there_is_an_error():
    asked = subprocess.run(
        [sys.executable, SCRIPT, "Quick start", "sh", "9"], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 2
    assert "there is no number 9" in asked.stderr


def _run_python(section, folder, monkeypatch):
    """Run the code of a section as it stands; return its names."""
    monkeypatch.chdir(folder)
    (source,) = _texts(section, "python")
    names = {}
    exec(compile(source, "README.md", "exec"), names)
    return names


@pytest.mark.slow
def test_the_first_example_runs(tmp_path, monkeypatch, capsys):
    names = _run_python("A network, and its gradients", tmp_path, monkeypatch)
    images, digits = (names[name][names["held_out"]] for name in "xy")
    assert names["net"].evaluate(images, digits)["accuracy"] > 0.95
    assert names["gradients"][0]["weight"].shape == names["net"].params[0]["weight"].shape == (64, 64)
    assert "accuracy" in capsys.readouterr().out


@pytest.mark.slow
def test_the_example_of_a_table_runs(tmp_path, monkeypatch):
    pytest.importorskip("polars")
    pytest.importorskip("sklearn")
    names = _run_python("A table", tmp_path, monkeypatch)
    assert any("read as numbers: 'size' ('20 m2' is 20)" in note for note in names["model"].notes_)
    low, high = names["model"].predict_interval(names["flat"], coverage=0.9).T
    rent = np.array(names["rent"])
    assert np.mean((low <= rent) & (rent <= high)) > 0.8
    assert np.abs(names["model"].predict(names["flat"]) - rent).max() < 10


def test_the_example_of_a_look_inside_runs(tmp_path, monkeypatch, capsys):
    _run_python("A look inside", tmp_path, monkeypatch)
    printed = capsys.readouterr().out
    assert "0.weight[0,1]" in printed
    assert "dead relus" in printed
    assert "<html" in (tmp_path / "step.html").read_text("utf-8")[:200]


def test_each_example_has_ten_lines_at_most():
    python = [block.text for block in BLOCKS if block.language == "python"]
    assert len(python) == 3
    assert all(len([line for line in text.splitlines() if line]) <= 10 for text in python)


@pytest.mark.skipif(not (ROOT / ".ci" / "run").is_file(), reason="needs the checkout, to follow the links in it")
@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README.read_text("utf-8")))
def test_links_into_the_repository_lead_somewhere(link):
    # Beside the tree of files lie the runs of workflows: ../../actions/workflows/NAME of the README's own address.
    assert (ROOT / link.replace("../../actions/", ".github/").removesuffix("/badge.svg")).is_file()


def test_the_badges_say_what_the_metadata_says():
    badges = re.findall(r"^\[!\[(.+?)\]\((\S+?)\)\]\((\S+?)\)$", README.read_text("utf-8"), flags=re.MULTILINE)
    assert [text for text, _, _ in badges] == [
        "Continuous integration", "Documentation", "Python 3.11 to 3.13", "License: BSD 3-Clause",
    ]  # fmt: skip
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    minor = [line.rpartition(".")[2] for line in project["classifiers"] if "Python :: 3." in line]
    assert f"Python 3.{minor[0]} to 3.{minor[-1]}" == badges[2][0]
    assert project["requires-python"] == f">=3.{minor[0]}"
    assert project["license"].startswith("BSD-3-Clause AND ")  # bpx itself; the rest are data and the page's packages
