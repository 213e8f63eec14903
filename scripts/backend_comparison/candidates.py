"""Which backends take part, on which devices, and why the others do not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import bpx
from bpx.backend import Backend


@dataclass(frozen=True)
class Candidate:
    """A backend on a device, or one that cannot be used.

    Attributes
    ----------
    name : str
        The library.
    spec : str
        What `bpx.get_backend` was or is to be given.
    device, version : str
        Empty where they are not known.
    reason : str
        Why it cannot be used; empty where it can.
    """

    name: str
    spec: str
    device: str
    version: str
    reason: str = ""


def find(named: Sequence[str], dtype: str) -> list[Candidate]:
    """Return NumPy, then the named backends, or where none is named every backend on one device of each kind.

    Raises
    ------
    bpx.InputError
        If no backend has one of the names.
    """
    if dtype == "float64":
        allow_float64_on_jax()
    status = {one.name: one for one in bpx.backends()}
    specs = ["numpy", *(named or [spec for one in status.values() for spec in _specs(one)])]
    found: dict[str, Candidate] = {}
    for spec in specs:
        one = status.get(spec.partition(":")[0])
        version = (one.version if one else None) or ""
        try:
            backend = bpx.get_backend(spec)
            candidate = Candidate(backend.name, backend.spec, backend.device, version, _lacks(backend, dtype))
        except bpx.BackendError as error:
            candidate = Candidate(spec.partition(":")[0], spec, spec.partition(":")[2], version, str(error))
        found.setdefault(candidate.spec, candidate)
    return list(found.values())


def allow_float64_on_jax() -> None:
    """Let JAX compute in double precision, which it does only if the whole process is to."""
    os.environ.setdefault("JAX_ENABLE_X64", "1")
    if "jax" in sys.modules:
        sys.modules["jax"].config.update("jax_enable_x64", True)


def _specs(status: bpx.BackendStatus) -> Iterable[str]:
    """Return a spec for the first device of each kind; array-api-strict's devices are all the same CPU."""
    if not status.available or status.name in ("numpy", "array-api-strict"):
        return (status.name,)
    first: dict[str, str] = {}
    for device in status.devices:
        first.setdefault(device.partition(":")[0], device)
    if status.name == "cupy":
        return (f"cupy:{device.rpartition(':')[2]}" for device in first.values())
    return (f"{status.name}:{device}" for device in first.values())


def _lacks(backend: Backend, dtype: str) -> str:
    """Return why a backend has not the precision; empty where it has."""
    try:
        backend.require_dtype(dtype)
    except bpx.BackendError as error:
        return str(error)
    return ""
