"""Fixtures of all tests: the backends that a test runs on, and the libraries that serve as references."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this one, under --import-mode=importlib

import backend_cases
import numpy as np
import pytest

import bpx
from bpx.backend import registry, selection

pytest.register_assert_rewrite("closeness", "differences")

collect_ignore = [
    "all_work.py",
    "backend_cases.py",
    "cases.py",
    "closeness.py",
    "compiled_kernels.py",
    "differences.py",
    "invented_arrays.py",
    "networks.py",
    "rank_cards.py",
    "rank_checks.py",
    "rank_resume.py",
    "rank_trouble.py",
    "rank_work.py",
    "recorded.py",
    "rehearsed.py",
    "started_ranks.py",
]
"""Modules that tests import; they hold no tests and no doctests."""

NEED_NO_OTHER_LIBRARY = ("tests/cli/", "tests/recipes/", "tests/sklearn/", "tests/tables/")
"""Folders of tests that do the same however many array libraries are installed, where they are not skipped."""


def pytest_configure(config: pytest.Config) -> None:
    """Prepare PyTorch and JAX, before anything imports them, and hear Ctrl-C, as a shell's background jobs do not."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # on arrays as small as these, threads do nothing but wait
    os.environ["JAX_ENABLE_X64"] = "1"  # what JAX does without is tested in a process of its own
    # Many tests compile the same programs. A folder of this run keeps them, which takes a third off its time.
    folder = tempfile.TemporaryDirectory(prefix="bpx_tests_", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend", action="append", default=[], metavar="NAME", dest="backends",
        help="run the tests of backends on this one alone, and fail where it is missing (repeatable; 'numpy', "
        "'torch:cuda' ...); the environment variable BPX_TEST_BACKENDS takes a list with commas",
    )  # fmt: skip
    parser.addoption(
        "--passed-in", type=Path, metavar="REPORT",
        help="leave out what passed by this JUnit report, of the folders whose tests need no other library than those "
        "there were: " + ", ".join(NEED_NO_OTHER_LIBRARY),
    )  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    report = config.getoption("--passed-in")
    if report is None:
        return
    passed = {
        (case.get("classname"), case.get("name"))
        for case in ElementTree.parse(report).iter("testcase")
        if case.find("skipped") is None and case.find("failure") is None and case.find("error") is None
    }
    left_out = [item for item in items if item.nodeid.startswith(NEED_NO_OTHER_LIBRARY) and _name(item) in passed]
    config.hook.pytest_deselected(items=left_out)
    known = set(left_out)
    items[:] = [item for item in items if item not in known]


def _name(item: pytest.Item) -> tuple[str, str]:
    """Return how a JUnit report names a test: its module and class with dots, and its name."""
    path, *classes = item.nodeid.partition("[")[0].split("::")[:-1]
    return ".".join([path.removesuffix(".py").replace("/", "."), *classes]), item.name


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        wanted = backend_cases.requested(metafunc.config.option.backends)
        params = [
            pytest.param(name, marks=[pytest.mark.gpu] if backend_cases.needs_gpu(name) else [])
            for name in backend_cases.names(wanted)
        ]
        metafunc.parametrize("backend", params, indirect=True)


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> backend_cases.BackendCase:
    """Return one library on one device; a missing one is a skip with its reason, one that was asked for a failure."""
    try:
        return backend_cases.make(request.param)
    except bpx.BpxError as error:
        if backend_cases.requested(request.config.option.backends):
            pytest.fail(f"{request.param} was asked for: {error}", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture
def on_numpy() -> backend_cases.BackendCase:
    """Return NumPy's case, for what needs no second backend."""
    return backend_cases.make("numpy")


@pytest.fixture
def torch(request: pytest.FixtureRequest) -> Any:
    """Return PyTorch, as a reference to compare with."""
    return _library(request, "torch")


@pytest.fixture
def jax(request: pytest.FixtureRequest) -> Any:
    """Return JAX."""
    return _library(request, "jax")


@pytest.fixture
def mlx(request: pytest.FixtureRequest) -> Any:
    """Return MLX."""
    _library(request, "mlx")
    return importlib.import_module("mlx.core")


@pytest.fixture
def strict(request: pytest.FixtureRequest) -> Any:
    """Return array-api-strict."""
    return _library(request, "array-api-strict")


@pytest.fixture
def cupy(request: pytest.FixtureRequest) -> Any:
    """Return an installed CuPy, which need not have a GPU."""
    return _library(request, "cupy")


def _library(request: pytest.FixtureRequest, name: str, module: str = "") -> Any:
    try:
        return importlib.import_module(module or name.replace("-", "_"))
    except ImportError as error:
        wanted = [spec.split(":")[0] for spec in backend_cases.requested(request.config.option.backends)]
        if name in wanted:
            pytest.fail(f"{name} was asked for: {error}", pytrace=False)
        pytest.skip(f"{name} is not installed")


@pytest.fixture(autouse=True)
def _default_backend(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Start and end every test with NumPy as the default backend, and with bpx's own backends alone."""
    monkeypatch.delenv("BPX_BACKEND", raising=False)
    monkeypatch.setattr(selection, "_of_process", None)
    monkeypatch.setattr(registry, "_registered", {})


@pytest.fixture
def generator() -> np.random.Generator:
    """Return a seeded generator of test inputs."""
    return np.random.default_rng(20240229)
