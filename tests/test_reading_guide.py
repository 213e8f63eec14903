"""docs/how-a-step-runs.md against the code: what it names exists, and a training goes the way that it tells."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import networks
import numpy as np
import pytest

import bpx

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "how-a-step-runs.md"

pytestmark = pytest.mark.skipif(not GUIDE.is_file(), reason="needs the checkout, for the guide")

TEXT = GUIDE.read_text("utf-8") if GUIDE.is_file() else ""
HEAD, MATHEMATICS, WAY, BACKENDS = (re.split(r"^## .*$", TEXT, flags=re.MULTILINE) + [""] * 4)[:4]

SHOWN = "net.fit(x, y, epochs=1)", "bpx.mlp([64, 32, 10])", "net.fit"
"""Code in the guide that is no name of the package's."""


def list_items(section: str) -> list[tuple[str, list[str]]]:
    """Return the file of each numbered item, and the names of code in it."""
    items = re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]
    return [(re.match(r"\[`([\w/.]+)`\]", item)[1], list_names(item)) for item in items]


def list_names(text: str) -> list[str]:
    """Return the functions, methods and classes that a text names: code that is one name, and no file and no option."""
    code = [piece for piece in re.findall(r"`([^`]+)`", text) if piece not in SHOWN]
    names = [piece for piece in code if re.fullmatch(r"[A-Za-z_]\w*(\.\w+)?", piece)]
    return [name for name in names if name not in ("x", "dy", "batch_size") and not name.endswith(".py")]


def find(file: str, name: str) -> object:
    """Return what a name in a file of the package stands for."""
    value = importlib.import_module("bpx." + file.removesuffix(".py").replace("/", "."))
    for part in name.split("."):
        value = getattr(value, part)
    return value


def list_linked(section: str) -> list[tuple[str, str]]:
    """Return the names of the last section with the file that is linked behind each."""
    found = re.findall(r"`([\w.]+)`\s+\(\[`([\w/.]+)`\]", section)
    return [(file, name) for name, file in found]


def test_the_way_is_at_most_fifteen_files_in_at_most_two_pages():
    files = [file for file, _ in list_items(MATHEMATICS + WAY)]
    assert len(files) == len(set(files)) <= 15
    assert len(TEXT.splitlines()) <= 110
    assert all((ROOT / "bpx" / file).is_file() for file in files)


def test_links_lead_to_the_file_they_show():
    links = re.findall(r"\[`([\w/.]+)`\]\(([^)]+)\)", TEXT)
    assert len(links) > 15
    for shown, target in links:
        assert (GUIDE.parent / target).resolve() == (ROOT / "bpx" / shown).resolve()


@pytest.mark.parametrize("file, name", [(f, n) for f, names in list_items(MATHEMATICS + WAY) for n in names])
def test_each_name_on_the_way_exists(file, name):
    elsewhere = {"make_gradients": "core/backpropagation.py", "start_training_state": "core/step.py"}
    elsewhere |= {"FitRun.record": "training/fit_run.py", "Batches": "training/batches.py"}
    assert find(elsewhere.get(name, file), name) is not None


@pytest.mark.parametrize("file, name", list_linked(BACKENDS))
def test_each_name_of_a_backend_exists(file, name):
    assert find(file, name) is not None


def test_names_are_found_in_every_item():
    assert all(names for _, names in list_items(MATHEMATICS + WAY))
    assert len(list_linked(BACKENDS)) >= 6
    with pytest.raises(AttributeError):
        find("core/step.py", "make_steps")


@pytest.fixture
def called() -> dict[str, set[str]]:
    """Train as the guide says; return the functions that ran, by file."""
    root = Path(bpx.__file__).parent
    found: dict[str, set[str]] = {}

    def note(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(root) and frame.f_code.co_name != "<module>":
            name = re.sub(r"\.<locals>.*", "", frame.f_code.co_qualname)
            found.setdefault(path.relative_to(root).as_posix(), set()).add(name)

    for options in ({}, {"batch_size": 5}):
        x, y = networks.classes(40, 64)
        net = bpx.mlp([64, 32, 10], backend="numpy")
        net.fit(x, y, epochs=1, **options)  # what is imported on first use is imported
        net = bpx.mlp([64, 32, 10], backend="numpy")
        before = np.array(net.params[0]["weight"])
        sys.setprofile(note)
        try:
            net.fit(x, y, epochs=1, **options)
        finally:
            sys.setprofile(None)
        assert (net.params[0]["weight"] != before).any()
    return found


def test_a_training_goes_the_way_that_the_guide_tells(called):
    way = dict(list_items(MATHEMATICS + WAY))
    assert set(way) <= set(called), "each of the files takes part"
    for file, names in way.items():
        for name in names:
            functions = called.get(file, set()) | called["core/step.py"] | called["core/backpropagation.py"]
            functions |= called["training/fit_run.py"]
            assert any(ran == name or ran.startswith(f"{name}.") for ran in functions), f"{name} of {file} did not run"


def test_what_it_passes_by_is_named(called):
    way = {file for file, _ in list_items(MATHEMATICS + WAY)}
    passed = set(re.findall(r"`([\w/]+\.py)`", HEAD))
    others = {file for file in called if file not in way and not file.startswith("backend/")}
    assert others == passed
