"""Backends of others: registered ones, those of entry points, and the page that tells how to write one."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bpx
from bpx.backend import registry
from bpx.backend.generic import GenericBackend

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "write-a-backend.md"

needs_checkout = pytest.mark.skipif(not PAGE.exists(), reason="needs the page, which an installed package lacks")


class Plain(GenericBackend):
    """NumPy by its compatible namespace."""

    name, library = "plain", "array_api_compat.numpy"


@pytest.fixture(autouse=True)
def _forget():
    yield
    registry.forget_found()


def _train(backend):
    x = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    net = bpx.mlp([3, 4, 2], seed=1, backend=backend)
    net.fit(x, np.arange(30) % 2, epochs=5, batch_size=10)
    return bpx.to_numpy(net.predict(x))


# -- registered -----------------------------------------------------------------------------------------------


def test_a_registered_backend_is_one_like_the_others(monkeypatch):
    bpx.register_backend("plain", Plain)
    np.testing.assert_allclose(_train("plain"), _train("numpy"), rtol=1e-5)
    assert bpx.get_backend("plain") is bpx.get_backend("plain:cpu")
    with bpx.use_backend("plain"):
        assert bpx.mlp([2, 1]).backend.spec == "plain:cpu"
    monkeypatch.setenv("BPX_BACKEND", "plain")
    assert bpx.mlp([2, 1]).backend.spec == "plain:cpu"
    (status,) = (status for status in bpx.backends() if status.name == "plain")
    assert (status.available, status.devices, status.reason) == (True, ("cpu",), "")


def test_a_name_that_is_registered_again_is_the_new_factorys():
    class Other(Plain):
        pass

    bpx.register_backend("plain", Plain)
    assert type(bpx.get_backend("plain")) is Plain
    bpx.register_backend("plain", Other)
    assert type(bpx.get_backend("plain")) is Other


def test_a_factory_may_return_a_namespace():
    import array_api_compat.numpy as namespace

    bpx.register_backend("mine", lambda device: namespace)
    assert bpx.get_backend("mine").spec == "mine:cpu"
    np.testing.assert_allclose(_train("mine"), _train("numpy"), rtol=1e-5)


def test_a_factory_gets_the_device():
    asked = []

    def factory(device):
        asked.append(device)
        return Plain(device)

    bpx.register_backend("plain", factory)
    assert bpx.get_backend("plain").device == "cpu"
    assert asked[0] is None
    with pytest.raises(bpx.BackendError, match="plain has no device 'gpu'; its devices are cpu"):
        bpx.get_backend("plain:gpu")
    assert asked[-1] == "gpu"


@pytest.mark.parametrize(
    ("name", "factory", "message"),
    [
        ("numpy", Plain, "the name 'numpy' is that of a backend that comes with bpx"),
        ("auto", Plain, "the name 'auto' is that of"),
        ("a:b", Plain, "made of letters, digits, '.', '_' and '-', got 'a:b'"),
        ("", Plain, "got ''"),
        (3, Plain, "got 3"),
        ("plain", None, "factory must be callable"),
        ("plain", "array_api_compat.numpy", "factory must be callable"),
    ],
)
def test_what_cannot_be_registered(name, factory, message):
    with pytest.raises(bpx.InputError, match=re.escape(message)):
        bpx.register_backend(name, factory)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda device: None, "the factory of backend 'mine' must return a Backend or a namespace, got None"),
        (lambda device: re, "must return a Backend or a namespace, got <module 're'"),
        (Plain, "the factory of backend 'mine' returned one named 'plain'; give it that name"),
    ],
)
def test_a_factory_that_makes_something_else(factory, message):
    bpx.register_backend("mine", factory)
    with pytest.raises(bpx.BackendError, match=re.escape(message)):
        bpx.get_backend("mine")
    (status,) = (status for status in bpx.backends() if status.name == "mine")
    assert not status.available
    assert message in status.reason


@pytest.mark.parametrize("error", [OSError("no such card"), SystemExit(3), ZeroDivisionError("a\nb")], ids=repr)
def test_a_factory_that_fails_is_a_reason_in_the_report(error):
    def factory(device):
        raise error

    bpx.register_backend("mine", factory)
    (status,) = (status for status in bpx.backends() if status.name == "mine")
    shown = " ".join(str(error).split())
    assert status == ("mine", False, (), None, f"backend 'mine' cannot be used: {type(error).__name__}: {shown}")
    with pytest.raises(bpx.BackendError, match="backend 'mine' cannot be used"):
        bpx.get_backend("mine")
    assert bpx.mlp([2, 1]).backend.spec == "numpy"


def test_a_backend_that_fails_does_not_keep_its_librarys_arrays_from_others():
    import invented_arrays

    def factory(device):
        raise OSError("no such card")

    bpx.register_backend("invented_arrays", factory)
    array = invented_arrays.asarray(np.ones((2, 3), dtype=np.float32))
    np.testing.assert_array_equal(bpx.to_numpy(array), 1.0)
    assert type(bpx.mlp([3, 2]).predict(array)) is invented_arrays.Tensor


# -- entry points ---------------------------------------------------------------------------------------------


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Return a function that installs a distribution with a module and entry points."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(module, code, **entries):
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.5\n")
        lines = [f"{name} = {value}" for name, value in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[bpx.backends]", *lines, ""]))
        importlib.invalidate_caches()
        return tmp_path

    return make


GOOD = """
from bpx.backend.generic import GenericBackend


class Brought(GenericBackend):
    name, library = "brought", "array_api_compat.numpy"


number = 3
"""


def test_a_package_brings_its_backend_along(install):
    install("package_with_backend", GOOD, brought="package_with_backend:Brought")
    np.testing.assert_allclose(_train("brought"), _train("numpy"), rtol=1e-5)
    (status,) = (status for status in bpx.backends() if status.name == "brought")
    assert status == ("brought", True, ("cpu",), "1.5", "")


def test_an_entry_point_that_cannot_be_loaded_breaks_nothing_else(install):
    folder = install(
        "package_that_fails", "raise OSError('libsomething.so is missing')\n", failing="package_that_fails:Backend"
    )
    install("package_that_exits", "raise SystemExit(3)\n", exiting="package_that_exits:Backend")
    install("another_package", GOOD, brought="another_package:Brought", number="another_package:number")
    report = {status.name: status for status in bpx.backends()}
    assert "cannot be loaded (OSError: libsomething.so is missing)" in report["failing"].reason
    assert report["failing"].version == "1.5"
    assert "is not callable" in report["number"].reason
    assert "cannot be loaded (SystemExit: 3)" in report["exiting"].reason
    assert report["brought"].available
    assert report["numpy"].available
    with pytest.raises(bpx.BackendError, match="backend 'failing' cannot be used: .* libsomething.so is missing"):
        bpx.get_backend("failing")
    ran = subprocess.run(
        [sys.executable, "-m", "bpx", "backends"],
        capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": str(folder)},
    )  # fmt: skip
    assert "failing" in ran.stdout
    assert "brought" in ran.stdout
    assert ran.stderr == ""


def test_bpxs_own_names_are_not_given_away(install):
    install("package_that_shadows", GOOD, numpy="package_that_shadows:Brought", auto="package_that_shadows:Brought")
    assert [status.name for status in bpx.backends()] == list(registry.BACKENDS)
    assert bpx.get_backend("numpy").spec == "numpy"
    assert bpx.get_backend("auto").name in ("numpy", "cupy")


# -- the page -------------------------------------------------------------------------------------------------


def _read_blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


@needs_checkout
def test_the_backend_of_the_page_runs(mlx):
    (code,) = (block for block in _read_blocks("python") if "class Example" in block)
    written = code[code.index("class Example") : code.index("bpx.register_backend")]
    assert len([line for line in written.splitlines() if line.strip()]) <= 30
    exec(compile(code, str(PAGE), "exec"), {"__name__": "the_page"})
    np.testing.assert_allclose(_train("example"), _train("numpy"), rtol=1e-5)
    array = mlx.array(np.ones((2, 3), dtype=np.float32))
    net = bpx.mlp([3, 2], backend="example")
    assert type(net.predict(array)) is type(array)


@needs_checkout
def test_a_library_without_a_backend_works_as_the_page_says(capsys):
    pytest.importorskip("dask.array")
    exec(compile(_read_blocks("python")[0], str(PAGE), "exec"), {"__name__": "the_page"})
    assert "dask.array" in capsys.readouterr().out


@needs_checkout
def test_every_method_that_the_page_names_is_one():
    rows = re.findall(r"^\| (`.*?`) \|", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    names = re.findall(r"`(\w+)`", " ".join(rows))
    assert len(names) > 10
    assert all(callable(getattr(GenericBackend, name)) for name in names)


@needs_checkout
def test_the_entry_point_of_the_page_is_in_the_group():
    import tomllib

    (block,) = _read_blocks("toml")
    ((group, entries),) = tomllib.loads(block)["project"]["entry-points"].items()
    assert group == registry.GROUP
    assert list(entries) == ["example"]
