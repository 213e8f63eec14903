"""CuPy on a CUDA device, and the probe that tells why it cannot be used where it cannot."""

from __future__ import annotations

import contextlib
from typing import Any, ClassVar

import numpy as np

from bpx.backend.base import Array, Backend, missing
from bpx.errors import BackendError


def probe(index: int = 0) -> None:
    """Raise unless a CUDA device really works: allocate on it, multiply matrices, and look at the result.

    Raises
    ------
    BackendError
        One of three messages: CuPy is not installed; there is no driver or device; a CUDA library is missing.
    """
    try:
        import cupy
    except ImportError as error:
        if error.name == "cupy":
            raise missing("cupy", "cupy") from error
        raise _library_missing(error) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendError(f"backend 'cupy' cannot be used: no driver or device ({error})") from error
    if not 0 <= index < count:
        raise BackendError(
            f"backend 'cupy:{index}' cannot be used: no such device; "
            f"usable here: {', '.join(f'cupy:{i}' for i in range(count)) or 'none'}"
        )
    try:
        with cupy.cuda.Device(index):
            eye = cupy.eye(2, dtype=cupy.float32)
            works = float((eye @ eye).sum()) == 2.0
    except ImportError as error:
        raise _library_missing(error) from error
    except RuntimeError as error:
        reason = "a CUDA library is missing" if "lib" in str(error).lower() else "no driver or device"
        raise BackendError(f"backend 'cupy' cannot be used: {reason} ({error})") from error
    if not works:
        raise BackendError(f"backend 'cupy:{index}' cannot be used: it multiplied two matrices and got a wrong result")


def _library_missing(error: ImportError) -> BackendError:
    """Return the error for a CUDA library that is not there; CuPy wraps its name into a page of advice."""
    first: BaseException = error
    while first.__cause__ is not None:
        first = first.__cause__
    return BackendError(f"backend 'cupy' cannot be used: a CUDA library is missing ({' '.join(str(first).split())})")


class CupyBackend(Backend):
    """CuPy arrays on one CUDA device, chosen by its number."""

    name: ClassVar[str] = "cupy"

    def __init__(self, device: str | None = None) -> None:
        index = (device or "0").removeprefix("cuda:")
        if not index.isdigit():
            raise BackendError(f"a CuPy device is a number, as in 'cupy:0', not {device!r}")
        probe(int(index))
        import array_api_compat.cupy as compat
        import cupy

        self._cupy = cupy
        self._index = int(index)
        self.device = f"cuda:{index}"
        self.xp = compat

    @property
    def spec(self) -> str:
        return f"cupy:{self._index}"

    @staticmethod
    def devices() -> tuple[str, ...]:
        """Return the CUDA devices that CuPy sees."""
        import cupy

        return tuple(f"cuda:{i}" for i in range(cupy.cuda.runtime.getDeviceCount()))

    @classmethod
    def of(cls, array: Array) -> Backend:
        return cls(str(array.device.id))

    def asarray(self, data: Any, dtype: str | None = None) -> Array:
        from bpx.backend.transfer import backend_of, host_array, is_host, library_of

        with self._cupy.cuda.Device(self._index):
            source = backend_of(data)
            if library_of(data) != self.name:
                foreign = source is not None and not is_host(source)
                data = self._cupy.from_dlpack(data) if foreign else host_array(data)
            return self._cupy.asarray(data, dtype=dtype)

    def to_numpy(self, array: Array) -> np.ndarray:
        return np.asarray(self._cupy.asnumpy(array))

    def copy(self, array: Array) -> Array:
        with self._cupy.cuda.Device(self._index):
            return array.copy()

    def zeros_like(self, array: Array) -> Array:
        with self._cupy.cuda.Device(self._index):
            return self._cupy.zeros_like(array)

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        return self._cupy.cuda.Device(self._index)  # type: ignore[no-any-return]

    def synchronize(self) -> None:
        self._cupy.cuda.Device(self._index).synchronize()

    def out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, (MemoryError, self._cupy.cuda.memory.OutOfMemoryError))
