"""What is built, what is in it, and what importing it does."""

import configparser
import email
import importlib.metadata
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import bpx

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

needs_checkout = pytest.mark.skipif(
    not (ROOT / ".ci" / "run").is_file(),
    reason="needs the checkout, to build it",
)


def _build(target, folder):
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    with zipfile.ZipFile(_build("wheel", tmp_path_factory.mktemp("wheel"))) as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    with tarfile.open(_build("sdist", tmp_path_factory.mktemp("sdist"))) as archive:
        yield archive


def _sources(folder):
    files = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    junk = {"__pycache__", "node_modules"}
    return {path.relative_to(ROOT).as_posix() for path in files if not junk.intersection(path.parts)}


@needs_checkout
def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = set(wheel.namelist())
    info = f"bpx_backprop-{bpx.__version__}.dist-info/"
    assert {name for name in names if not name.startswith(info)} == _sources("bpx")
    assert {"bpx/py.typed", "bpx/datasets/data/digits.npz", "bpx/datasets/data/digits.txt"} <= names
    assert {f"{info}licenses/LICENSE", f"{info}licenses/bpx/datasets/data/digits.txt"} <= names


@needs_checkout
def test_the_wheel_says_what_it_is_and_needs(wheel):
    info = f"bpx_backprop-{bpx.__version__}.dist-info/"
    metadata = email.message_from_bytes(wheel.read(f"{info}METADATA"))
    assert metadata["Name"] == "bpx-backprop"
    assert metadata["Version"] == bpx.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    base = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    names = {re.match(r"[\w-]+", line).group() for line in base}
    assert names == {"numpy", "array-api-compat", "safetensors", "tqdm"}
    assert "numpy>=2.0" in base
    extras = {"cli", "plot", "sklearn", "table", "cupy", "torch", "jax", "mpi", "onnx", "tensorboard", "test", "dev"}
    assert extras <= set(metadata.get_all("Provides-Extra"))
    scripts = configparser.ConfigParser()
    scripts.read_string(wheel.read(f"{info}entry_points.txt").decode())
    assert dict(scripts["console_scripts"]) == {"bpx": "bpx.cli:main"}


@needs_checkout
def test_the_source_distribution_holds_what_builds_and_tests_it(sdist):
    top = f"bpx_backprop-{bpx.__version__}/"
    names = {name.removeprefix(top) for name in sdist.getnames()}
    assert _sources("bpx") | _sources("docs") | _sources("tests") | _sources("scripts") <= names
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"} <= names
    assert not [name for name in names if "__pycache__" in name or "node_modules" in name or name.startswith(".git/")]


@needs_checkout
def test_the_top_level_is_as_agreed():
    for name in ("bpx", "docs", "tests", "scripts", ".github/workflows"):
        assert (ROOT / name).is_dir(), name
    for name in (".ci/run", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "pyproject.toml"):
        assert (ROOT / name).is_file(), name


def test_the_tests_need_neither_torch_nor_jax_nor_cupy():
    extras = PROJECT["project"]["optional-dependencies"]
    wanted, seen = ["test"], set()
    while wanted:
        for requirement in extras[wanted.pop()]:
            name, inner = re.match(r"([\w-]+)(?:\[([\w,-]+)\])?", requirement).groups()
            seen.add(name)
            wanted += (inner or "").split(",") if inner else []
    assert "pytest" in seen
    assert "typer" in seen  # the extras inside the extra were followed
    assert not seen & {"torch", "jax", "cupy-cuda12x"}


def test_the_installed_version_is_the_one_in_the_source():
    assert importlib.metadata.version("bpx-backprop") == bpx.__version__


def _loaded_by(code):
    """Return the top-level modules that a new interpreter holds after the code."""
    code += "\nimport sys\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.splitlines()[-1].split())


OTHER_BACKENDS = {"array_api_strict", "cupy", "jax", "torch"}


def test_importing_bpx_imports_no_optional_library():
    loaded = _loaded_by("import bpx")
    assert "bpx" in loaded
    assert not loaded & OTHER_BACKENDS
    optional = {"matplotlib", "mpi4py", "onnx", "polars", "rich", "scipy", "sklearn", "tensorboardX", "typer"}
    assert not loaded & optional


def test_training_on_numpy_imports_no_other_backend():
    code = """
import bpx
x, y = bpx.datasets.xor()
bpx.mlp([2, 2, 1], loss="squared_error", backend="numpy").fit(x, y, epochs=2)
"""
    loaded = _loaded_by(code)
    assert "numpy" in loaded
    assert not loaded & OTHER_BACKENDS
