"""array-api-strict: the standard and nothing else, on devices that stand in for a GPU in the tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpx.backend.base import Array, Backend, BoundNamespace, make_missing
from bpx.backend.numpy_backend import NumpyBackend
from bpx.errors import BackendError


class StrictBackend(Backend):
    """array-api-strict arrays on ``CPU_DEVICE``, ``device1`` or ``no_float64``.

    The arrays of one device mix with no other device's, and those of ``device1`` refuse conversion to NumPy as a
    GPU's do.
    """

    name = "array-api-strict"

    def __init__(self, device: str | None = None) -> None:
        try:
            import array_api_strict
        except ImportError as error:
            raise make_missing("array-api-strict", "test") from error
        known = self.devices()
        if device is not None and device not in known:
            raise BackendError(f"array-api-strict has no device {device!r}; its devices are {', '.join(known)}")
        self.device = device or "CPU_DEVICE"
        self._device = array_api_strict.Device(self.device)
        self._cpu = array_api_strict.Device("CPU_DEVICE")
        self._library = array_api_strict
        self.xp = BoundNamespace(array_api_strict, self._device)

    @staticmethod
    def devices() -> tuple[str, ...]:
        """Return the names of the library's devices."""
        import array_api_strict

        return tuple(
            str(d).removeprefix("array_api_strict.Device('").removesuffix("')")
            for d in array_api_strict.__array_namespace_info__().devices()
        )

    @classmethod
    def of(cls, array: Array) -> Backend:
        text = str(array.device)
        return cls(text.removeprefix("array_api_strict.Device('").removesuffix("')"))

    def asarray(self, data: Any, dtype: str | None = None) -> Array:
        from bpx.backend.transfer import host_array, library_of

        if library_of(data) == self.name:
            array = data if data.device == self._device else data.to_device(self._device)
        else:
            host = host_array(data)
            if self.device == "no_float64" and host.dtype == np.float64 and dtype == "float32":
                host = host.astype(np.float32)
            host = np.asarray(host) if self._device == self._cpu else np.array(host)  # a device has its own memory
            array = self._library.asarray(host, device=self._device)
        return array if dtype is None else self._library.astype(array, getattr(self._library, dtype), copy=False)

    def to_numpy(self, array: Array) -> np.ndarray:
        return np.asarray(array.to_device(self._cpu))

    def require_dtype(self, dtype: str) -> None:
        if dtype == "float64" and self.device == "no_float64":
            raise BackendError(
                "backend 'array-api-strict:no_float64' has no float64; use dtype='float32' or another device"
            )

    def computing(self) -> Any:
        return NumpyBackend.computing(self)  # type: ignore[arg-type] # its arrays are NumPy's underneath

    def threads(self, work: int, updates: bool = False) -> Any:
        return NumpyBackend.threads(self, work, updates)  # type: ignore[arg-type] # and so are its products
