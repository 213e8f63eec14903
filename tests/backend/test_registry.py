"""The report of all backends, and names that lead to them."""

import sys

import numpy as np
import pytest
from backend_cases import INVENTED

import bpx
from bpx.backend import registry


def test_reports_every_backend_in_order():
    report = bpx.backends()
    assert [status.name for status in report] == ["numpy", "cupy", "torch", "jax", "mlx", "array-api-strict"]
    for status in report:
        assert status.available == (status.reason == "") == bool(status.devices)
        assert status.available or "cannot be used" in status.reason


def test_numpy_works_everywhere():
    assert bpx.backends()[0] == ("numpy", True, ("cpu",), np.__version__, "")


def test_reports_what_runs(backend):
    if backend.backend.name == INVENTED:
        return  # it has no version, and nobody told bpx that there is such a library
    (status,) = (s for s in bpx.backends() if s.name == backend.backend.name)
    assert status.available
    assert backend.backend.device in status.devices
    assert status.version


def test_every_device_reported_can_be_used():
    for status in bpx.backends():
        for device in status.devices:
            assert bpx.get_backend(f"{status.name}:{device}").name == status.name


def test_a_broken_installation_is_a_reason_and_no_crash(monkeypatch):
    def broken(spec):
        raise OSError("libsomething.so: cannot open shared object file")

    monkeypatch.setattr(registry, "create", broken)
    assert not any(status.available for status in bpx.backends())
    assert "libsomething.so" in bpx.backends()[2].reason


@pytest.mark.parametrize(
    ("name", "module"),
    [("torch", "torch"), ("jax", "jax"), ("mlx", "mlx.core"), ("array-api-strict", "array_api_strict")],
)
def test_a_library_that_is_not_installed_is_an_error_with_the_line_that_installs_it(name, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    registry.create.cache_clear()
    extra = {"array-api-strict": "test"}.get(name, name)
    line = f'{name} is not installed; install it with `pip install "bpx-backprop[{extra}]"`'
    with pytest.raises(bpx.BackendError) as error:
        bpx.mlp([2, 1], backend=name)
    assert str(error.value) == f"backend '{name}' cannot be used: {line}"
    (status,) = (status for status in bpx.backends() if status.name == name)
    assert (status.available, status.devices, status.reason) == (False, (), str(error.value))
    registry.create.cache_clear()


def test_a_device_that_is_not_there_is_an_error_with_those_that_are(torch, jax):
    for spec, part in (
        ("torch:cuda:63", "no driver or device"),
        ("jax:cpu:63", "usable here: jax:cpu:0"),
        ("jax:tpu", "backend 'jax:tpu' cannot be used: no driver or device"),
    ):
        with pytest.raises(bpx.BackendError, match=part):
            bpx.get_backend(spec)
    assert bpx.mlp([2, 1]).backend.spec == "numpy"


def test_float64_where_there_is_none_is_an_error_and_never_float32_in_silence(strict):
    spec = "array-api-strict:no_float64"
    message = f"backend '{spec}' has no float64; use dtype='float32' or another device"
    with pytest.raises(bpx.BackendError, match=message):
        bpx.mlp([2, 1], dtype="float64", backend=spec)
    net = bpx.mlp([2, 1], dtype="float64")
    with pytest.raises(bpx.BackendError, match=message):
        net.to(spec)
    assert net.backend.spec == "numpy"
    net.predict([[0.0, 1.0]])  # still whole


def test_float32_works_where_there_is_no_float64(strict):
    net = bpx.mlp([2, 3, 1], loss="squared_error", backend="array-api-strict:no_float64")
    history = net.fit(np.eye(2), [0.0, 1.0], epochs=3)  # float64 data, moved in float32
    assert history.loss[-1] < history.loss[0]
    assert net.predict(np.eye(2)).dtype == np.float32
