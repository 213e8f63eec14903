"""CuPy on a CUDA device, and the probe that tells why it cannot be used where it cannot."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from bpx.backend.base import Array, Backend, make_missing
from bpx.backend.captured import CapturingBackend
from bpx.backend.cards import choose_card
from bpx.backend.kernels import THREADS, Kernels, PassKernel
from bpx.backend.recording import CaptureError
from bpx.errors import BackendError
from bpx.optional import advise_install

_FOR_CUDA_13 = f"for CUDA 13 there is `{advise_install('cupy-cuda13x')}`"
"""CuPy comes as one package for each major version of CUDA; the extra ``cupy`` brings the one for CUDA 12."""


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
            raise BackendError(f"{make_missing('cupy', 'cupy')}; {_FOR_CUDA_13}") from error
        raise _report_missing_library(error) from error
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
        raise _report_missing_library(error) from error
    except RuntimeError as error:
        if "lib" in str(error).lower():
            raise _report_missing_library(error) from error
        raise BackendError(f"backend 'cupy' cannot be used: no driver or device ({error})") from error
    if not works:
        raise BackendError(f"backend 'cupy:{index}' cannot be used: it multiplied two matrices and got a wrong result")


def _name_default() -> str:
    """Return the number of the card that is meant where none was named; "0" where CuPy finds none."""
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except (ImportError, RuntimeError):  # `probe` says what is wrong
        return "0"
    return str(choose_card(count))


def _report_missing_library(error: Exception) -> BackendError:
    """Return the error for a CUDA library that is not there; CuPy wraps its name into a page of advice."""
    first: BaseException = error
    while first.__cause__ is not None:
        first = first.__cause__
    return BackendError(
        f"backend 'cupy' cannot be used: a CUDA library is missing ({' '.join(str(first).split())}); "
        f"the extra cupy is for CUDA 12, {_FOR_CUDA_13}"
    )


class CupyBackend(CapturingBackend):
    """CuPy arrays on one CUDA device, chosen by its number.

    Training steps are recorded as CUDA graphs; activations, losses and updates of weights are kernels of bpx's own.
    """

    name = "cupy"
    fuses = True
    sums_on_cards = True

    def __init__(self, device: str | None = None) -> None:
        index = (device or _name_default()).removeprefix("cuda:")
        if not index.isdigit():
            raise BackendError(f"a CuPy device is a number, as in 'cupy:0', not {device!r}")
        probe(int(index))
        import array_api_compat.cupy as compat
        import cupy

        from bpx.backend.cublas import Products

        self._cupy = cupy
        self._index = int(index)
        self.device = f"cuda:{index}"
        compiler, plain = CupyCompiler(cupy), SimpleNamespace(round_operand=partial(_round_plainly, cupy))
        self._rounding = PassKernel(compiler, plain, lambda xp, x: xp.round_operand(x), "bpx_to_bfloat16")
        with cupy.cuda.Device(self._index):
            self._products = Products(cupy, self._round_to_bfloat16)
        functions = {name: getattr(compat, name) for name in dir(compat) if not name.startswith("__")}
        ours = {name: getattr(self._products, name) for name in ("matmul", "sum", "vecdot")}
        self.xp = SimpleNamespace(**{**functions, **ours, "sign": self._sign})
        self._fused: dict[Callable[..., Any], Any] = {}
        self._kernels = Kernels(compiler, self.xp)

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
        from bpx.backend.registry import create

        return create(f"cupy:{array.device.id}")

    def asarray(self, data: Any, dtype: str | None = None) -> Array:
        from bpx.backend.transfer import backend_of, host_array, library_of

        with self._cupy.cuda.Device(self._index):
            source = backend_of(data)
            if library_of(data) != self.name:
                foreign = source is not None and not source.on_host
                data = self._cupy.from_dlpack(data) if foreign else host_array(data)
            return self._cupy.asarray(data, dtype=dtype)

    def to_numpy(self, array: Array) -> np.ndarray:
        return np.asarray(self._cupy.asnumpy(array))

    def copy(self, array: Array) -> Array:
        with self._cupy.cuda.Device(self._index):
            return array.copy()

    def complete(self, array: Array) -> Array:
        with self._cupy.cuda.Device(self._index):
            self._cupy.cuda.get_current_stream().synchronize()  # page-locked memory of the host is read meanwhile
            return array

    def zeros_like(self, array: Array) -> Array:
        with self._cupy.cuda.Device(self._index):
            return self._cupy.zeros_like(array)

    def _sign(self, x: Array, /) -> Array:
        """Return the sign; that of NaN is NaN, by a way that can be recorded."""
        signs = self._cupy.sign(x)
        return self._cupy.where(self._cupy.isnan(x), x, signs) if x.dtype.kind == "f" else signs

    def make_matmul(self, precision: str) -> Callable[[Array, Array], Array]:
        return partial(self._products.matmul, precision=precision)

    def _round_to_bfloat16(self, x: Array) -> Array:
        """Return the bits of float32 numbers in bfloat16; what lies transposed in memory does so too."""
        if x.ndim == 2 and x.flags.f_contiguous and not x.flags.c_contiguous:
            return self._rounding(x.T).T
        return self._rounding(x)

    def make_rounding(self, precision: str) -> Callable[[Array], Array] | None:
        return self._products.round_to_bfloat16 if precision == "bfloat16" else None

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        return self._cupy.cuda.Device(self._index)  # type: ignore[no-any-return]

    def synchronize(self) -> None:
        self._cupy.cuda.Device(self._index).synchronize()

    def capture(self, step: Callable[[], None]) -> Callable[[], None]:
        cupy = self._cupy
        pool, stream = cupy.cuda.MemoryPool(), cupy.cuda.Stream(non_blocking=True)
        with stream, cupy.cuda.using_allocator(pool.malloc), self._products.own_handle() as handle:
            stream.begin_capture()
            graph, fault = None, None
            try:
                step()
            except Exception as error:
                fault = error
            try:  # a recording that broke is ended too, or nothing on this stream would ever run again
                graph = stream.end_capture()
            except Exception as error:
                fault = fault or error
            if fault is not None:
                raise CaptureError(f"{type(fault).__name__}: {fault}") from fault
        return _Graph(graph, pool, handle)

    def elementwise(self, kernel: Callable[..., Any], like: Array, slots: int) -> Callable[..., tuple[Array, ...]]:
        fused = self._fused.get(kernel)
        if fused is None:

            def in_place(w: Any, dw: Any, *others: Any) -> None:
                changed = (w, *others[:slots])  # the gradient is read only: a copy of it costs no memory here
                for array, result in zip(changed, kernel(self.xp, w, dw.copy(), *others), strict=True):
                    if result is not array:
                        array[...] = result

            name = f"bpx_update_{kernel.__name__.strip('_')}"
            fused = self._fused[kernel] = self._cupy.fuse(kernel_name=name)(in_place)

        def apply(*arguments: Any) -> tuple[Array, ...]:
            fused(*arguments)
            return (arguments[0], *arguments[2 : 2 + slots])

        return apply

    def fused(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        return self._kernels.fuse(function, name)

    def fused_update(self, kernel: Callable[..., Any], slots: int) -> Callable[..., bool] | None:
        return self._kernels.fuse_update(kernel, slots)

    def fused_loss(self, loss: Any) -> Callable[..., tuple[Array, Array] | None] | None:
        return self._kernels.fuse_loss(loss)

    def open_sum(self, communicator: Any) -> Any:
        from cupy.cuda import nccl

        from bpx.backend.cupy_group import CupySum

        return CupySum(self._cupy, nccl, self._index, communicator)

    def out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, (MemoryError, self._cupy.cuda.memory.OutOfMemoryError))


class CupyCompiler:
    """CuPy's part in the kernels of `bpx.backend.kernels`."""

    def __init__(self, cupy: Any) -> None:
        self._cupy = cupy
        self.contiguous = cupy.ascontiguousarray

    def compile(self, code: str, *names: str) -> list[Callable[..., None]]:
        module = self._cupy.RawModule(code=code)
        return [partial(_launch, module.get_function(name)) for name in names]

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        return self._cupy.empty(shape, dtype={"bfloat16": "uint16"}.get(dtype, dtype))  # not every CuPy has the former

    def number(self, number: Array, like: Array) -> Array:
        return self._cupy.asarray(number, dtype=like.dtype)

    @staticmethod
    def address(array: Array) -> int:
        return int(array.data.ptr)


def _round_plainly(cupy: Any, x: Array) -> Array:
    """Return the bits of float32 numbers in bfloat16, for arrays that are too large for the kernel."""
    bits = x.view(np.uint32)
    rounded = cupy.where(cupy.isnan(x), bits | 0x400000, bits + 0x7FFF + ((bits >> 16) & 1))
    return (rounded >> 16).astype(np.uint16)


def _launch(kernel: Any, blocks: int, *arguments: Any) -> None:
    kernel((blocks,), (THREADS,), arguments)


class _Graph:
    """A CUDA graph with the memory that it works in; called, it has the work done on the current stream."""

    def __init__(self, graph: Any, pool: Any, handle: Any) -> None:
        self._graph, self._pool, self._handle = graph, pool, handle

    def __call__(self) -> None:
        self._graph.launch()

    @property
    def nbytes(self) -> int:
        """Bytes that its pool took from the device."""
        return int(self._pool.total_bytes())
