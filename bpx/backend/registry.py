"""Which backends there are, which of them work here, and the way from a text such as ``"torch:cuda:0"`` to one."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import NamedTuple

from bpx.backend.base import Backend
from bpx.errors import BackendError, unknown_name

_CLASSES = {
    "numpy": ("bpx.backend.numpy_backend", "NumpyBackend", ("numpy",)),
    "cupy": ("bpx.backend.cupy_backend", "CupyBackend", ("cupy-cuda12x", "cupy-cuda13x", "cupy-cuda11x", "cupy")),
    "torch": ("bpx.backend.torch_backend", "TorchBackend", ("torch",)),
    "jax": ("bpx.backend.jax_backend", "JaxBackend", ("jax",)),
    "array-api-strict": ("bpx.backend.strict_backend", "StrictBackend", ("array-api-strict",)),
}

BACKENDS = tuple(_CLASSES)
"""The names of the backends."""


class BackendStatus(NamedTuple):
    """What a backend can do on this machine.

    Attributes
    ----------
    name : str
        The backend's name.
    available : bool
        Whether it works here.
    devices : tuple of str
        The devices that it works on, as the library writes them.
    version : str or None
        The installed library's version; None where it is not installed.
    reason : str
        Why it does not work here; empty where it does.
    """

    name: str
    available: bool
    devices: tuple[str, ...]
    version: str | None
    reason: str


@lru_cache(maxsize=8)
def backend_class(name: str) -> type[Backend]:
    """Return the class of a backend, importing its module (and no other backend's)."""
    if name not in _CLASSES:
        raise unknown_name("backend", name, [*_CLASSES, "auto"])
    module, cls, _ = _CLASSES[name]
    return getattr(importlib.import_module(module), cls)  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def create(spec: str) -> Backend:
    """Return the backend that a text names; the same object for the same library and device.

    Raises
    ------
    InputError
        If no backend has this name.
    BackendError
        If the backend cannot be used here; the message says which of three it is: not installed, no driver or
        device, a CUDA library missing.
    """
    if spec == "auto":
        return _auto()
    name, _, device = spec.partition(":")
    cls = backend_class(name)
    if name == "numpy":
        if device not in ("", "cpu"):
            raise BackendError(f"numpy has the device 'cpu' only, not {device!r}")
        return cls()
    backend = cls(device or None)  # type: ignore[call-arg]
    return backend if backend.spec == spec else create(backend.spec)


def _auto() -> Backend:
    """Return CuPy where a CUDA device really works, else NumPy."""
    try:
        return create("cupy")
    except BackendError:
        return create("numpy")


def _version(name: str) -> str | None:
    from importlib import metadata

    for distribution in _CLASSES[name][2]:
        try:
            return metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return None


def status(name: str) -> BackendStatus:
    """Return what one backend can do here; never raises for a known name."""
    version = _version(name)
    try:
        backend = create(name)
        devices = getattr(backend, "devices", lambda: (backend.device,))()
    except Exception as error:  # a broken installation may raise anything; the report says what
        return BackendStatus(name, False, (), version, str(error))
    return BackendStatus(name, True, tuple(devices), version, "")


def backends() -> tuple[BackendStatus, ...]:
    """Report every backend: whether it works here, on which devices, in which version, and why not.

    Returns
    -------
    tuple of BackendStatus
        One for each of numpy, cupy, torch, jax and array-api-strict, in this order. Never raises.

    Examples
    --------
    >>> import bpx
    >>> bpx.backends()[0].name, bpx.backends()[0].available
    ('numpy', True)
    """
    return tuple(status(name) for name in BACKENDS)
