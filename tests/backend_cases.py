"""The libraries and devices that a test of the ``backend`` fixture runs on, and how a test hands arrays to them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

import bpx
from bpx.backend import Array, Backend
from bpx.backend.registry import BACKENDS, status

INVENTED = "invented_arrays"
"""A library of which bpx knows nothing: the module beside this one."""

READ_ONLY = "numpy:read-only"
"""NumPy, with every input marked read-only: what writes into a caller's array fails."""

STRICT_VERSION = "ARRAY_API_STRICT_API_VERSION"
"""The environment variable by which array-api-strict is told to be an older version of the standard."""

ALWAYS = {
    "numpy": ("numpy", READ_ONLY),
    "array-api-strict": ("array-api-strict", "array-api-strict:device1", "array-api-strict:no_float64"),
    "cupy": ("cupy",),
    INVENTED: (INVENTED, f"{INVENTED}:device1"),
}
"""The cases of the libraries whose devices are known without asking them."""


@dataclass(frozen=True)
class BackendCase:
    """One library on one device, as tests use it.

    Attributes
    ----------
    name : str
        What the test's identifier says.
    backend : Backend
        The library on its device; ``spec`` names it, ``xp`` has its functions.
    has_float64 : bool
        Whether the device has double precision.
    """

    name: str
    backend: Backend
    has_float64: bool

    @property
    def spec(self) -> str:
        return self.backend.spec

    @property
    def xp(self) -> Any:
        return self.backend.xp

    @property
    def dtype(self) -> str:
        """The widest precision that the device has."""
        return "float64" if self.has_float64 else "float32"

    def either(self, float64: float, float32: float) -> float:
        """Return the tolerance that goes with the widest precision."""
        return float64 if self.has_float64 else float32

    def array(self, data: Any, dtype: str | None = None) -> Array:
        """Return a test's input on the device: floats in the given dtype (the widest, if none), others as they are."""
        host = np.array(data)
        if host.dtype.kind == "f":
            host = host.astype(dtype or self.dtype)
        if self.name == READ_ONLY:
            host.flags.writeable = False
            return host
        return self.backend.asarray(host)

    def arrays(self, named: dict[str, Any], dtype: str | None = None) -> dict[str, Array]:
        """Return a dict of inputs on the device."""
        return {name: self.array(value, dtype) for name, value in named.items()}

    def numpy(self, array: Array) -> np.ndarray:
        """Return a result as a NumPy array."""
        return self.backend.to_numpy(array)


def requested(option: list[str]) -> tuple[str, ...]:
    """Return the backends that must run: of ``--backend``, else of ``BPX_TEST_BACKENDS``; none of them means all."""
    named = option or os.environ.get("BPX_TEST_BACKENDS", "").split(",")
    return tuple(name.strip() for name in named if name.strip())


def names(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the cases to run: all of them, or those that the wanted backends cover."""
    chosen: dict[str, None] = {}
    for name in wanted or (*BACKENDS, INVENTED):
        covered = [case for case in _cases_of(name.partition(":")[0]) if case == name or case.startswith(f"{name}:")]
        chosen.update(dict.fromkeys(covered or [name]))
    return tuple(chosen)


def make(name: str) -> BackendCase:
    """Return the case of a name; raises what `bpx.get_backend` raises where it cannot run."""
    backend = bpx.get_backend("numpy" if name == READ_ONLY else name)
    if backend.name == "array-api-strict":
        check_strict_version()
    has_float64 = True
    try:
        backend.require_dtype("float64")
    except bpx.BackendError:
        has_float64 = False
    return BackendCase(name, backend, has_float64)


def check_strict_version() -> None:
    """Fail unless array-api-strict is the version of the standard that the run was told, if it was told one."""
    import array_api_strict

    told, version = os.environ.get(STRICT_VERSION), array_api_strict.get_array_api_strict_flags()["api_version"]
    assert told in (None, version), f"{STRICT_VERSION} is {told}, and array-api-strict is at {version}"


def needs_gpu(name: str) -> bool:
    """Tell whether a case runs on a GPU."""
    return name.startswith("cupy") or any(part in name.split(":") for part in ("cuda", "gpu", "mps"))


@lru_cache
def _cases_of(library: str) -> tuple[str, ...]:
    """Return the cases of one library on this machine; one that is missing has a case too, to be seen as a skip."""
    if library in ALWAYS or library not in BACKENDS:
        return ALWAYS.get(library, ())
    kinds: dict[str, str] = {}  # one device of each kind, the first
    for device in status(library).devices or ("cpu",):
        kinds.setdefault(device.partition(":")[0], f"{library}:{device}")
    return tuple(kinds.values())
