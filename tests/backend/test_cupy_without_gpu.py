"""The real CuPy on a machine without a GPU: three reasons, told apart; and what falls back, and what does not."""

import importlib.metadata
import os
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import pytest

import bpx
from bpx.backend import registry
from bpx.backend.cupy_backend import CupyBackend, probe


def _in_a_new_process(code: str, **environment: str) -> str:
    """Run code where no GPU is visible, warnings of what goes wrong are errors, and return what it printed."""
    variables = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **environment}
    command = [sys.executable, "-W", "error::UserWarning", "-c", textwrap.dedent(code)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


ERROR = """
    import bpx
    for make in (lambda: bpx.get_backend("cupy"), lambda: bpx.mlp([2, 1], backend="cupy"),
                 lambda: bpx.mlp([2, 1]).to("cupy"), lambda: bpx.set_backend("cupy")):
        try:
            make()
        except bpx.BackendError as error:
            print(error)
    assert bpx.get_backend().spec == "numpy"
"""

BLOCKER = """
    import sys

    class Blocker:
        def find_spec(self, name, path=None, target=None):
            if name == {blocked!r} or name.startswith({blocked!r} + "."):
                raise ImportError({message!r}, name={blocked!r})

    sys.meta_path.insert(0, Blocker())
"""


def _errors(code: str) -> str:
    """Return the one message that every way of asking gave."""
    messages = code.splitlines()
    assert len(messages) == 4
    assert len(set(messages)) == 1
    return messages[0]


def test_without_a_driver_or_device_the_error_says_so(cupy):
    message = _errors(_in_a_new_process(ERROR))
    assert message.startswith("backend 'cupy' cannot be used: no driver or device (")
    assert "cudaError" in message


def test_where_it_is_not_installed_the_error_has_the_line_that_installs_it():
    blocker = BLOCKER.format(blocked="cupy", message="No module named 'cupy'")
    message = _errors(_in_a_new_process(textwrap.dedent(blocker) + textwrap.dedent(ERROR)))
    assert message == (
        "backend 'cupy' cannot be used: cupy is not installed; install it with `pip install \"bpx-backprop[cupy]\"`; "
        'for CUDA 13 there is `pip install "bpx-backprop[cupy-cuda13x]"`'
    )


@pytest.mark.parametrize(
    ("blocked", "message"),
    [
        ("cupy_backends", "libcudart.so.12: cannot open shared object file: No such file or directory"),
        ("cupy._core", "libcuda.so.1: cannot open shared object file: No such file or directory"),
        ("cupy.linalg", "libcublas.so.12: cannot open shared object file: No such file or directory"),
    ],
)
def test_where_a_cuda_library_is_missing_the_error_names_it(blocked, message, cupy):
    blocker = BLOCKER.format(blocked=blocked, message=message)
    got = _errors(_in_a_new_process(textwrap.dedent(blocker) + textwrap.dedent(ERROR)))
    assert got == (
        f"backend 'cupy' cannot be used: a CUDA library is missing ({message}); "
        'the extra cupy is for CUDA 12, for CUDA 13 there is `pip install "bpx-backprop[cupy-cuda13x]"`'
    )


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ImportError("libcublas.so.12: cannot open shared object file"), "a CUDA library is missing"),
        (RuntimeError("CuPy failed to load libnvrtc.so.12"), "a CUDA library is missing"),
        (RuntimeError("an illegal memory access was encountered"), "no driver or device"),
    ],
)
def test_what_fails_on_the_device_itself_is_told_apart(error, reason, cupy, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 1)
    monkeypatch.setattr(cupy.cuda, "Device", fail)
    with pytest.raises(bpx.BackendError) as raised:
        probe()
    assert f"cannot be used: {reason} (" in str(raised.value)
    assert str(error) in str(raised.value)


def test_a_device_number_that_is_not_there_is_named(cupy, monkeypatch):
    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", lambda: 2)
    with pytest.raises(bpx.BackendError, match="'cupy:7' cannot be used: no such device; usable here: cupy:0, cupy:1"):
        probe(7)


@pytest.mark.parametrize("device", ["gpu", "-1", "1.5", "0:0"])
def test_a_device_is_a_number(device):
    with pytest.raises(bpx.BackendError, match=f"a CuPy device is a number, as in 'cupy:0', not '{device}'"):
        bpx.get_backend(f"cupy:{device}")


def test_auto_falls_back_to_numpy(cupy):
    code = """
        import bpx
        print(bpx.get_backend().spec, bpx.get_backend("auto").spec, bpx.mlp([2, 1], backend="auto").backend.spec)
        with bpx.use_backend("auto") as backend:
            print(backend.spec)
    """
    assert _in_a_new_process(code, BPX_BACKEND="auto").split() == ["numpy"] * 4


def test_auto_is_cupy_where_a_device_works(monkeypatch):
    made = []

    def create(name):
        made.append(name)
        return f"backend {name}"

    monkeypatch.setattr(registry, "create", create)
    assert registry._auto() == "backend cupy"
    assert made == ["cupy"]


def test_asked_for_in_the_environment_it_is_an_error_and_no_fall_back(cupy):
    code = """
        import bpx
        try:
            bpx.mlp([2, 1])
        except bpx.BackendError as error:
            print(error)
    """
    assert "backend 'cupy' cannot be used: no driver or device" in _in_a_new_process(code, BPX_BACKEND="cupy")


def test_the_report_says_version_and_reason(cupy):
    code = """
        from bpx.backend.registry import status
        cupy = status("cupy")
        print(cupy.available, cupy.devices, cupy.version, cupy.reason, sep="|")
    """
    available, devices, version, reason = _in_a_new_process(code).split("|")
    assert (available, devices, version) == ("False", "()", cupy.__version__)
    assert reason.startswith("backend 'cupy' cannot be used: no driver or device (")


def test_the_backend_of_an_array_is_the_one_of_its_device(monkeypatch):
    """Looked up, not made: a new one would have memory and libraries of its own."""
    monkeypatch.setattr(registry, "create", lambda spec: f"made from {spec}")
    array = SimpleNamespace(device=SimpleNamespace(id=1))
    assert CupyBackend.of(array) == "made from cupy:1"


@pytest.mark.parametrize("installed", ["cupy-cuda12x", "cupy-cuda13x"])
def test_the_package_of_either_cuda_is_cupy(installed, monkeypatch):
    def version(name):
        if name != installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return "14.2.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert registry.status("cupy").version == "14.2.0"
