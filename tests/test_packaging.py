"""What is built, what is in it, and what importing it does."""

import configparser
import email
import html
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

# What building the documentation writes, as .gitignore has it: "docs/_build/", "docs/reference/", ...
IGNORED = ROOT / ".gitignore"
BUILT_DOCS = tuple(re.findall(r"^/(docs/\S+/)$", IGNORED.read_text("utf-8") if IGNORED.is_file() else "", re.MULTILINE))

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
    names = (path.relative_to(ROOT).as_posix() for path in files if not junk.intersection(path.parts))
    return {name for name in names if not name.startswith(BUILT_DOCS)}


@needs_checkout
def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    names = set(wheel.namelist())
    info = f"bpx_backprop-{bpx.__version__}.dist-info/"
    assert {name for name in names if not name.startswith(info)} == _sources("bpx")
    assert {"bpx/py.typed", "bpx/datasets/data/digits.npz", "bpx/datasets/data/digits.txt"} <= names
    licenses = {"LICENSE", "bpx/datasets/data/digits.txt", "bpx/explanation/page_licenses.txt"}
    assert {f"{info}licenses/{name}" for name in licenses} <= names


@needs_checkout
def test_the_wheel_says_what_it_is_and_needs(wheel):
    info = f"bpx_backprop-{bpx.__version__}.dist-info/"
    metadata = email.message_from_bytes(wheel.read(f"{info}METADATA"))
    assert metadata["Name"] == "bpx-backprop"
    assert metadata["Version"] == bpx.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    base = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    names = {re.match(r"[\w-]+", line).group() for line in base}
    assert names == {"numpy", "array-api-compat", "safetensors", "threadpoolctl", "tqdm"}
    assert "numpy>=2.1" in base
    extras = {"cli", "plot", "sklearn", "table", "cupy", "torch", "jax", "mlx", "mpi", "onnx", "tensorboard", "test"}
    extras |= {"dev", "docs"}
    assert extras | {"cupy-cuda13x"} <= set(metadata.get_all("Provides-Extra"))
    assert all(re.fullmatch(r"[\w ]+, https://\S+", line) for line in metadata.get_all("Project-URL"))
    scripts = configparser.ConfigParser()
    scripts.read_string(wheel.read(f"{info}entry_points.txt").decode())
    assert dict(scripts["console_scripts"]) == {"bpx": "bpx.cli:main"}


@needs_checkout
def test_the_wheel_names_the_licenses_of_the_packages_in_its_page(wheel):
    """Their texts stand in the page, for who is given one, and in a file of their own, for who has the wheel."""
    page = wheel.read("bpx/explanation/page.html").decode()
    (in_page,) = re.findall(r'<pre [^>]*aria-label="Licenses">(.*?)</pre>', page, flags=re.DOTALL)
    of_packages = wheel.read("bpx/explanation/page_licenses.txt").decode()
    assert of_packages.strip() == html.unescape(in_page).strip()
    metadata = email.message_from_bytes(wheel.read(f"bpx_backprop-{bpx.__version__}.dist-info/METADATA"))
    kinds = set(re.findall(r"^[\w@/-]+ \d[\w.]* \((.+)\)$", of_packages, flags=re.MULTILINE))
    assert kinds == {"ISC", "MIT"}
    assert kinds | {"BSD-3-Clause", "CC-BY-4.0"} == set(metadata["License-Expression"].split(" AND "))


@needs_checkout
def test_the_source_distribution_holds_what_builds_and_tests_it(sdist):
    top = f"bpx_backprop-{bpx.__version__}/"
    names = {name.removeprefix(top) for name in sdist.getnames()}
    assert _sources("bpx") | _sources("docs") | _sources("tests") | _sources("scripts") <= names
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md"} <= names
    assert not [name for name in names if "__pycache__" in name or "node_modules" in name or name.startswith(".git/")]
    assert BUILT_DOCS
    assert not [name for name in names if name.startswith(BUILT_DOCS)]


@needs_checkout
def test_the_top_level_is_as_agreed():
    for name in ("bpx", "docs", "tests", "scripts", ".github/workflows"):
        assert (ROOT / name).is_dir(), name
    for name in (".ci/run", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "pyproject.toml"):
        assert (ROOT / name).is_file(), name


@needs_checkout
def test_the_constraints_of_the_least_versions_are_the_bounds():
    project = PROJECT["project"]
    extras = project["optional-dependencies"].values()
    required = [*project["dependencies"], *(line for extra in extras for line in extra)]
    bounds = {line for line in required if not line.startswith(f"{project['name']}[")}
    assert all(re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+(,<[\d.]+)?", line) for line in bounds), (
        bounds
    )  # one bound each, and a ceiling where private names are used
    lines = (ROOT / ".github" / "constraints" / "least.txt").read_text("utf-8").splitlines()
    least = [line for line in lines if line and not line.startswith("#")]
    assert sorted(least) == sorted(re.sub(r"(\[\w+\])?>=([\d.]+).*", r"==\2", line) for line in bounds)


@needs_checkout
def test_what_the_workflow_runs_is_pinned_and_may_read_alone():
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    uses = re.findall(r"uses: *(.+)\n((?: +with:\n +persist-credentials: false\n)?)", text)
    assert len(uses) == text.count("uses:") > 8
    for action, kept in uses:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
        assert bool(kept) == action.startswith("actions/checkout@"), action
    assert re.findall(r"permissions:\n((?: +.+\n)+)", text) == ["  contents: read\n"]
    assert "write" not in text


@needs_checkout
def test_what_a_release_runs_is_pinned_and_writes_where_it_must():
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8")
    uses = re.findall(r"uses: *(.+)", text)
    assert len(uses) == text.count("uses:") > 6
    for action in uses:
        assert re.fullmatch(r"(actions|pypa)/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    assert re.findall(r"^permissions:\n((?: +.+\n)+)", text, re.MULTILINE) == ["  contents: read\n"]
    jobs = {
        job: re.findall(r"[\w-]+: write", body)
        for job, body in re.findall(r"(?ms)^  (\w+):\n(.*?)(?=^  \w+:|\Z)", text)
    }
    assert {job: right for job, right in jobs.items() if right} == {
        "upload": ["id-token: write"],
        "announce": ["contents: write"],
    }
    assert "password" not in text
    assert "secrets." not in text


@needs_checkout
def test_the_tools_are_locked_by_hashes_and_name_no_index():
    tools = ROOT / ".github" / "tools"
    lines = (tools / "tools.txt").read_text("utf-8").replace("\\\n", "").splitlines()
    locked = [line for line in lines if line and not line.lstrip().startswith("#")]
    for line in locked:
        assert re.fullmatch(r"[\w-]+==[\w.]+( +--hash=sha256:[0-9a-f]{64})+ *", line), line
    wanted = [line for line in (tools / "tools.in").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert {"pip", "build", "hatchling"} <= set(wanted) <= {line.partition("==")[0] for line in locked}
    files = [path for path in (ROOT / ".github").rglob("*") if path.is_file()]
    assert not [path for path in files if "://" in path.read_text("utf-8")]


def test_the_tests_need_no_other_backend():
    extras = PROJECT["project"]["optional-dependencies"]
    wanted, seen = ["test"], set()
    while wanted:
        for requirement in extras[wanted.pop()]:
            name, inner = re.match(r"([\w-]+)(?:\[([\w,-]+)\])?", requirement).groups()
            seen.add(name)
            wanted += (inner or "").split(",") if inner else []
    assert "pytest" in seen
    assert "typer" in seen  # the extras inside the extra were followed
    assert not seen & {"torch", "jax", "mlx", "cupy-cuda12x", "cupy-cuda13x"}


def test_the_installed_version_is_the_one_in_the_source():
    assert importlib.metadata.version("bpx-backprop") == bpx.__version__


def _loaded_by(code):
    """Return the top-level modules that a new interpreter holds after the code."""
    code += "\nimport sys\nprint(*sorted({name.partition('.')[0] for name in sys.modules}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(ran.stdout.splitlines()[-1].split())


OTHER_BACKENDS = {"array_api_strict", "cupy", "jax", "mlx", "torch"}


def test_importing_bpx_imports_no_optional_library():
    loaded = _loaded_by("import bpx")
    assert "bpx" in loaded
    assert not loaded & OTHER_BACKENDS
    optional = {"matplotlib", "mpi4py", "ndonnx", "onnx", "polars", "rich", "scipy", "sklearn", "tensorboardX", "typer"}
    assert not loaded & optional


def test_a_network_is_imported_without_the_metadata_of_packages():
    ran = subprocess.run(
        [sys.executable, "-c", "import sys\nfrom bpx import mlp\nprint('importlib.metadata' in sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == "False"  # they take a third of the time that NumPy takes


def test_training_on_numpy_imports_no_other_backend():
    code = """
import bpx
x, y = bpx.datasets.xor()
bpx.mlp([2, 2, 1], loss="squared_error", backend="numpy").fit(x, y, epochs=2)
"""
    loaded = _loaded_by(code)
    assert "numpy" in loaded
    assert not loaded & OTHER_BACKENDS
