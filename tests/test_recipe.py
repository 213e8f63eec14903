"""CONTRIBUTING's recipe for a layer, followed to the letter in a copy of the package and its tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(not (ROOT / "CONTRIBUTING.md").is_file(), reason="needs the checkout, for the recipe")

USE = """
import os, tempfile
import numpy as np
import bpx
from bpx.layers import ACTIVATIONS

assert "Square" in bpx.__all__ and "Square" in dir(bpx), "listed"
assert ACTIVATIONS["square"] is bpx.Square
x, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
net = bpx.mlp([3, 8, 2], "square", dtype="float64")
assert isinstance(net.layers[1], bpx.Square)
assert bpx.check_gradients(net, x, y).passed
history = net.fit(x, (x[:, 0] ** 2 > 0.5).astype(int), epochs=60, batch_size=20, optimizer=bpx.Adam(0.02))
assert history.loss[-1] < 0.5 * history.loss[0], "trained"
trace = bpx.explain(net, x[:4], y[:4])
assert trace.steps[0].layers[1]["a"].formula.text == "a⁽¹⁾ = z⁽¹⁾²", "explained"
assert trace.steps[0].layers[1]["da/dz"].formula.text == "∂a⁽¹⁾/∂z⁽¹⁾ = 2 z⁽¹⁾"
path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
net.save(path)
again = bpx.load(path)
assert again.layers == net.layers and (again.predict(x) == net.predict(x)).all(), "saved and loaded"
assert "Square()" in net.summary()
print("all of it")
"""


@pytest.fixture(scope="module")
def recipe() -> list[str]:
    """Return the code of the recipe, block by block."""
    section = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Adding a layer")[2]
    blocks = re.findall(r"^ {3}```python\n(.*?)^ {3}```$", section, flags=re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(re.sub(r"^ {3}", "", block, flags=re.MULTILINE)) for block in blocks]


@pytest.fixture(scope="module")
def copy(recipe, tmp_path_factory) -> Path:
    """Return a copy of package and tests in which the recipe was followed."""
    folder = tmp_path_factory.mktemp("recipe")
    for name in ("bpx", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.html"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    layer, public, cases = recipe
    (case,) = (line + "\n" for line in cases.splitlines() if "Square" in line)
    _insert(folder / "bpx/layers/activations.py", "ACTIVATIONS: dict[str, type[Layer]] = {\n", layer + "\n\n")
    (named,) = re.findall(r'`("square": Square,)`', (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    _insert(folder / "bpx/layers/activations.py", '    "softmax": Softmax,\n', f"    {named}\n")
    _insert(folder / "bpx/__init__.pyi", "from bpx.layers import Tanh as Tanh\n", public)
    _insert(folder / "tests/cases.py", '    LayerCase("SiLU"', case)
    return folder


def _insert(path: Path, before: str, text: str) -> None:
    """Put a text before a line of a file."""
    whole = path.read_text("utf-8")
    assert whole.count(before) == 1, before
    path.write_text(whole.replace(before, text + before), "utf-8")


def _run(copy: Path, *arguments: str) -> str:
    """Run Python on the copy; return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1"}
    environment["BPX_TEST_BACKENDS"] = "numpy,array-api-strict"  # a recipe is no different on another library
    ran = subprocess.run(
        [sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_recipe_has_three_pieces_of_code_and_a_line_of_the_changelog(recipe):
    assert len(recipe) == 3
    assert recipe[0].startswith("@dataclass(frozen=True, repr=False)\nclass Square(Layer):")
    assert recipe[1].count("\n") == recipe[2].count("Square()") == 1


def test_the_layer_is_trained_explained_saved_loaded_and_listed(copy):
    assert _run(copy, "-c", USE) == "all of it\n"
    assert "square" in _run(copy, "-c", "from bpx.sklearn.architecture import ACTIVATIONS; print(*ACTIVATIONS)")


@pytest.mark.slow
def test_the_tests_take_it_in(copy):
    """Every test that goes through all layers: gradients, backends, files, formulas, one source, names, ONNX."""
    said = _run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "Square", "tests/layers")
    assert int(re.search(r"(\d+) passed", said)[1]) > 10, said
    modules = ["explanation/test_formulas.py", "test_files.py", "test_one_source.py", "test_perceptron.py"]
    paths = [f"tests/{name}" for name in [*modules, "test_onnx_export.py", "test_architecture.py"]]
    chosen = "(quare or ayer or source) and not own"
    said = _run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, *paths)
    assert re.search(r"\d+ passed", said)


@pytest.mark.slow
def test_a_layer_with_a_wrong_derivative_fails_the_tests(copy, tmp_path):
    wrong = tmp_path / "wrong"
    shutil.copytree(copy, wrong)
    path = wrong / "bpx/layers/activations.py"
    path.write_text(path.read_text("utf-8").replace("return 2.0 * x * dy, {}", "return x * dy, {}"), "utf-8")
    with pytest.raises(AssertionError, match=r"FAILED tests/layers/test_gradients.py.*Square"):
        _run(wrong, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "Square", "tests/layers/test_gradients.py")
