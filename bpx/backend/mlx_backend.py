"""MLX: arrays in the memory that an Apple machine's CPU and GPU share; on other machines, on the CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np

from bpx.backend.base import Array, Body, make_missing, refuse_after_fork
from bpx.backend.generic import GenericBackend
from bpx.backend.trees import list_leaves, rebuild
from bpx.errors import BackendError
from bpx.optional import advise_install

_ADVICE = f"on Linux MLX needs one of its extras, such as mlx[cpu]: `{advise_install('mlx')}`"


class MlxBackend(GenericBackend):
    """MLX arrays, computed with on one device (``"cpu:0"``, ``"gpu:0"``).

    MLX puts work off until somebody asks for a value. The work of each training step is started before the next is
    written down, so that what has been put off never grows beyond a few steps. What has been put off in one thread no
    other thread can compute, and two that compute it at once crash: arrays that outlive a call are computed before it
    ends, and steps write into copies, so that another thread may read the network's arrays meanwhile.

    Attributes
    ----------
    compiles : bool
        Whether functions are compiled by ``mx.compile``: on a GPU. On a CPU MLX calls the system's C++ compiler for
        each new kernel: 4 seconds before the first step of 64-32-10, for 0.3 instead of 0.5 ms a step from then on
        (Xeon, 2 cores, MLX 0.32).
    """

    name, library = "mlx", "mlx.core"
    bound_to_thread: ClassVar[bool] = True

    def __init__(self, device: str | None = None) -> None:
        try:
            import mlx.core as mx
        except ImportError as error:
            missing = make_missing("mlx", "mlx")
            if (error.name or "").partition(".")[0] != "mlx" or ".so" in str(error):  # MLX itself is installed
                missing = BackendError(f"backend 'mlx' cannot be used: library missing ({error}); {_ADVICE}")
            raise missing from error
        self._mx = mx
        super().__init__(device)
        refuse_after_fork(MlxBackend)
        self.compiles = self.device.startswith("gpu")
        functions = {function.__name__: partial(function, mx) for function in (exp, logaddexp, sin, cos)}
        vars(self.xp).update(functions, bool=mx.bool_)

    def require_dtype(self, dtype: str) -> None:
        if dtype == "float64" and self.device.startswith("gpu"):
            raise BackendError(
                f"backend {self.spec!r} has no float64, because Apple's GPUs have none; use dtype='float32' or "
                "backend='mlx:cpu'"
            )

    def asarray(self, data: Any, dtype: str | None = None) -> Array:
        try:
            return self.complete(super().asarray(data, dtype))
        except RuntimeError as error:
            if "in current thread" not in str(error):
                raise
            raise BackendError(
                f"backend 'mlx' cannot compute an array that another thread has put off ({error}); call mx.eval on it "
                "in the thread that made it"
            ) from error

    def to_numpy(self, array: Array) -> np.ndarray:
        if array.dtype == self._mx.bfloat16:  # which NumPy has not
            array = array.astype(self._mx.float32)
        return super().to_numpy(array)

    def copy(self, array: Array) -> Array:
        return self.complete(self._mx.array(array))

    def zeros_like(self, array: Array) -> Array:
        return self.complete(super().zeros_like(array))

    def complete(self, array: Array) -> Array:
        self._mx.eval(array)
        return array

    def hand_over(self, array: Array) -> Array:
        return self.complete(array)

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which bpx computes: on this device, which MLX's arrays do not name."""
        return self._mx.stream(self.native_device)

    def synchronize(self) -> None:
        self._mx.synchronize()

    def settle(self, arrays: list[Array]) -> list[Array]:
        self._mx.eval(arrays)
        return arrays

    def per_step(self, values: np.ndarray, dtype: str, constant: bool = False) -> Any:
        return [tuple(row) for row in self.asarray(values, dtype)]

    def round_mantissa(self, array: Array, bits: int) -> Array:
        return round_mantissa(self._mx, array, bits)

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._mx.compile(function) if self.compiles else function

    @property
    def repeats(self) -> bool:
        return True  # what `repeat` returns is computed at once: a prediction is one evaluation, not two

    def repeat(self, function: Callable[..., Array]) -> Callable[..., Array]:
        def computed(*arguments: Any) -> Array:
            return self.complete(function(*arguments))

        return computed

    def loop(self, body: Body, pure: bool = False) -> Callable[..., tuple[Any, np.ndarray]]:
        step = self.compile(body) if pure else body

        def start(carry: Any, data: Any, inputs: Any) -> tuple[Any, Array]:
            carry, output = step(carry, data, inputs)
            self._mx.async_eval(carry, output)
            return carry, output

        steps = super().loop(start, pure)

        def run(carry: Any, *arguments: Any) -> tuple[Any, np.ndarray]:
            own = rebuild(carry, map(self._mx.array, list_leaves(carry)))  # others may read the network's own meanwhile
            own, outputs = steps(own, *arguments)
            self._mx.eval(own)
            return own, outputs

        return run


def exp(mx: Any, x: Array, /) -> Array:
    """Take the exponential; of float64 by ``expm1``, because MLX's own is off by 3e-7 there (0.32, on a CPU)."""
    if x.dtype != mx.float64:
        return mx.exp(x)
    larger = 1.0 + mx.expm1(mx.abs(x))
    return mx.where(x < 0.0, 1.0 / larger, larger)


def logaddexp(mx: Any, x: Array, y: Array, /) -> Array:
    """Take ``log(exp(x) + exp(y))``; of float64 by `exp`, for the same reason."""
    if x.dtype != mx.float64:
        return mx.logaddexp(x, y)
    return mx.maximum(x, y) + mx.log1p(exp(mx, -mx.abs(x - y)))


def sin(mx: Any, x: Array, /) -> Array:
    """Take the sine; of float64 by ``t = tan(x / 2)``, because MLX's own is off by 9e-7 there (0.32, on a CPU)."""
    if x.dtype != mx.float64:
        return mx.sin(x)
    t = mx.tan(0.5 * x)
    return 2.0 * t / (1.0 + t * t)


def cos(mx: Any, x: Array, /) -> Array:
    """Take the cosine; of float64 as `sin`, for the same reason."""
    if x.dtype != mx.float64:
        return mx.cos(x)
    t = mx.tan(0.5 * x)
    return (1.0 - t * t) / (1.0 + t * t)


def round_mantissa(mx: Any, x: Array, bits: int) -> Array:
    """Return float32 numbers rounded to a mantissa of some bits, as `bpx.backend.precision.round_mantissa` does."""
    cut = 23 - bits
    whole = mx.view(x, mx.uint32)
    half = ((whole >> cut) & 1) + ((1 << (cut - 1)) - 1)
    rounded = mx.view((whole + half) & (2**32 - (1 << cut)), mx.float32)
    return mx.where(mx.isnan(x), x, rounded)
