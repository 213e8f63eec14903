"""Matrix products of CuPy arrays by cuBLAS itself, because CuPy's own refuse to be recorded.

While a stream is captured into a CUDA graph, CuPy 14 refuses every product (its issue 6290), though cuBLAS allows it.
Here the library is called directly, with a workspace of its own, so that a graph that is replayed shares no memory with
products made beside it.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

WORKSPACE_BYTES = 32 * 1024 * 1024
"""What NVIDIA recommends for Hopper cards (cuBLAS documentation, cublasSetWorkspace)."""

MOST_ONES = 65_536
"""Rows up to which a sum over them is a product: at most 1 MiB of ones is kept for each dtype."""

_TF32_MATH = 3  # CUBLAS_TF32_TENSOR_OP_MATH
_COMPUTE = {"f": 68, "H": 68, "d": 70}  # CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_64F
_COMPUTE_TF32 = 77  # CUBLAS_COMPUTE_32F_FAST_TF32
_TYPES = {"f": 0, "d": 1, "H": 14}  # CUDA_R_32F, CUDA_R_64F, CUDA_R_16BF
_ANY_ALGORITHM = -1  # CUBLAS_GEMM_DEFAULT
_PLAIN, _TRANSPOSED = 0, 1  # CUBLAS_OP_N, CUBLAS_OP_T
_FLOATS: dict[str, tuple[str, Any]] = {
    "f": ("cublasSgemm_v2", ctypes.c_float),
    "d": ("cublasDgemm_v2", ctypes.c_double),
}


def load_cublas(cupy: Any) -> ctypes.CDLL:
    """Return the cuBLAS library that CuPy itself uses.

    Raises
    ------
    OSError
        If there is none.
    """
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib  # comes with CuPy 14
    except ImportError:
        return ctypes.CDLL(f"libcublas.so.{cupy.cuda.runtime.runtimeGetVersion() // 1000}")
    try:
        return ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
    except RuntimeError as error:
        raise OSError(str(error)) from error


class _Handle:
    """A cuBLAS handle with its workspace; everything it is told to do goes to one stream at a time."""

    def __init__(self, library: ctypes.CDLL, cupy: Any) -> None:
        self._library, self._cupy = library, cupy
        self.pointer = ctypes.c_void_p()
        _check(library.cublasCreate_v2(ctypes.byref(self.pointer)), "create a handle")
        if os.environ.get("CUPY_TF32") == "1":
            _check(library.cublasSetMathMode(self.pointer, _TF32_MATH), "compute in TF32")
        self._workspace = cupy.empty(WORKSPACE_BYTES, dtype=np.uint8)
        self._stream: int | None = None
        # Not at the end of the process: the driver may be gone by then.
        weakref.finalize(self, library.cublasDestroy_v2, self.pointer).atexit = False

    def on_current_stream(self) -> ctypes.c_void_p:
        """Return the handle, which will use CuPy's current stream."""
        stream = self._cupy.cuda.get_current_stream().ptr
        if stream != self._stream:
            _check(self._library.cublasSetStream_v2(self.pointer, ctypes.c_void_p(stream)), "set the stream")
            workspace = ctypes.c_void_p(self._workspace.data.ptr)  # cublasSetStream forgets the workspace
            size = ctypes.c_size_t(WORKSPACE_BYTES)
            _check(self._library.cublasSetWorkspace_v2(self.pointer, workspace, size), "set the workspace")
            self._stream = stream
        return self.pointer


class Products:
    """Matrix products on one device.

    Without a ``precision`` those of float32 are computed in float32, never in TF32, unless ``CUPY_TF32=1`` was set, as
    in CuPy.

    Parameters
    ----------
    cupy : module
    to_bfloat16 : callable
        Rounds an array of float32, and returns the bits as whole numbers of 16 bits. cuBLAS's own mode for float32
        operands in bfloat16 does not: on a Hopper card it multiplies in TF32, and takes TF32's time.

    Raises
    ------
    OSError
        If there is no cuBLAS library.
    """

    def __init__(self, cupy: Any, to_bfloat16: Callable[[Any], Any]) -> None:
        self._cupy, self._to_bfloat16 = cupy, to_bfloat16
        self._library = load_cublas(cupy)
        self._of_thread = threading.local()
        self._ones: dict[tuple[str, int], Any] = {}
        self._tf32 = os.environ.get("CUPY_TF32") == "1"

    @contextmanager
    def own_handle(self) -> Iterator[_Handle]:
        """Use a handle that nothing else uses, within the block and in this thread."""
        before = getattr(self._of_thread, "handle", None)
        self._of_thread.handle = handle = _Handle(self._library, self._cupy)
        self._of_thread.handle_is_own = True
        try:
            yield handle
        finally:
            self._of_thread.handle, self._of_thread.handle_is_own = before, False

    def sum(self, x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        """Sum as the standard has it; over the rows of a matrix of floats by a product with a row of ones.

        On (8192, 8192) that takes half of the time of `cupy.sum`.
        """
        if (
            axis == 0
            and dtype is None
            and isinstance(x, self._cupy.ndarray)
            and x.ndim == 2
            and x.dtype.char in _FLOATS
        ):
            ones = self._find_ones(x.shape[0], x.dtype.char)
            if ones is not None and x.size:
                total = self._gemm(ones, x, "float32")
                return total if keepdims else total[0, :]
        return self._cupy.sum(x, axis=axis, dtype=dtype, keepdims=keepdims)

    def _find_ones(self, n: int, kind: str) -> Any:
        """Return a row of ones, kept for all sums of about this length; None where there is none to be had.

        Recordings read it too, so it is never replaced, and none is made while something is recorded. Where the user
        has CuPy multiply in TF32, a sum would be rounded, which it is not to be.
        """
        if n > MOST_ONES or self._tf32:
            return None
        key = kind, n.bit_length()
        ones = self._ones.get(key)
        if ones is None:
            if getattr(self._of_thread, "handle_is_own", False):
                return None
            ones = self._ones[key] = self._cupy.ones((1, 1 << n.bit_length()), dtype=kind)
        return ones[:, :n]

    def vecdot(self, a: Any, b: Any, /, *, axis: int = -1) -> Any:
        """Sum the products over an axis: by `cupy.sum`, which spreads a long sum over the device."""
        return self._cupy.sum(a * b, axis=axis)

    def round_to_bfloat16(self, x: Any) -> Any:
        """Return an operand as `matmul` in bfloat16 takes it: rounded once for several products; others as they are."""
        return self._to_bfloat16(x) if x.dtype.char == "f" and x.size else x

    def matmul(self, a: Any, b: Any, /, precision: str = "float32") -> Any:
        """Multiply as the array API standard has it; floats by cuBLAS.

        In TF32 cuBLAS rounds the operands on their way to the tensor cores, a product of one row or column alone
        excepted, which it computes in float32. In bfloat16 they are rounded before.
        """
        if precision == "bfloat16":
            a, b = self.round_to_bfloat16(a), self.round_to_bfloat16(b)
        if a.dtype != b.dtype or a.dtype.char not in _TYPES or not a.ndim or not b.ndim:
            return self._cupy.matmul(a, b)
        if a.ndim == 1 and b.ndim == 1 and a.dtype.char in _FLOATS:
            return self.vecdot(a, b)
        left = a[None, :] if a.ndim == 1 else a
        right = b[:, None] if b.ndim == 1 else b
        if left.shape[-1] != right.shape[-2] or 0 in left.shape or 0 in right.shape:
            return self._cupy.matmul(a, b)  # an error, or nothing to compute
        multiply = self._gemm if left.ndim == right.ndim == 2 else self._gemm_of_stacks
        product = multiply(left, right, precision)
        if a.ndim == 1:
            product = product[..., 0, :]
        return product[..., 0] if b.ndim == 1 else product

    def _gemm(self, a: Any, b: Any, precision: str) -> Any:
        """Multiply two matrices. cuBLAS counts down columns, so it is asked for ``c.T = b.T @ a.T``."""
        (m, k), n, kind = a.shape, b.shape[1], a.dtype.char
        c = self._cupy.empty((m, n), dtype="f" if kind == "H" else kind)
        a, a_kind, a_width = self._make_operand(a)
        b, b_kind, b_width = self._make_operand(b)
        name, number = _FLOATS[c.dtype.char]
        one, zero = ctypes.byref(number(1.0)), ctypes.byref(number(0.0))
        left, right, out = (ctypes.c_void_p(x.data.ptr) for x in (b, a, c))
        begin = (self._find_handle().on_current_stream(), b_kind, a_kind, n, m, k, one)
        if kind == "H" or precision == "tf32":
            given, made = _TYPES[kind], _TYPES[c.dtype.char]
            compute = _COMPUTE_TF32 if kind == "f" else _COMPUTE[kind]
            status = self._library.cublasGemmEx(
                *begin, left, given, b_width, right, given, a_width, zero, out, made, n, compute, _ANY_ALGORITHM
            )
        else:
            status = getattr(self._library, name)(*begin, left, b_width, right, a_width, zero, out, n)
        _check(status, f"multiply {m}x{k} by {k}x{n}")
        return c

    def _gemm_of_stacks(self, a: Any, b: Any, precision: str) -> Any:
        """Multiply stacks of matrices; those of one that has fewer are used again."""
        cupy, (m, k), n, kind = self._cupy, a.shape[-2:], b.shape[-1], a.dtype.char
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a = cupy.ascontiguousarray(cupy.broadcast_to(a, (*stack, m, k)))
        b = cupy.ascontiguousarray(cupy.broadcast_to(b, (*stack, k, n)))
        c = cupy.empty((*stack, m, n), dtype="f" if kind == "H" else kind)
        number = _FLOATS[c.dtype.char][1]
        one, zero = ctypes.byref(number(1.0)), ctypes.byref(number(0.0))
        left, right, out = (ctypes.c_void_p(x.data.ptr) for x in (b, a, c))
        given, made = _TYPES[kind], _TYPES[c.dtype.char]
        compute = _COMPUTE_TF32 if kind == "f" and precision == "tf32" else _COMPUTE[kind]
        left_step, right_step, step = (ctypes.c_longlong(size) for size in (k * n, m * k, m * n))
        status = self._library.cublasGemmStridedBatchedEx(
            self._find_handle().on_current_stream(), _PLAIN, _PLAIN, n, m, k, one, left, given, n, left_step, right,
            given, k, right_step, zero, out, made, n, step, int(np.prod(stack)), compute, _ANY_ALGORITHM,
        )  # fmt: skip
        _check(status, f"multiply {int(np.prod(stack))} times {m}x{k} by {k}x{n}")
        return c

    def _find_handle(self) -> _Handle:
        handle: _Handle | None = getattr(self._of_thread, "handle", None)
        if handle is None:
            handle = self._of_thread.handle = _Handle(self._library, self._cupy)
        return handle

    def _make_operand(self, x: Any) -> tuple[Any, int, int]:
        """Return a matrix that lies densely in memory, whether it is to be transposed, and its leading dimension."""
        if x.flags.f_contiguous and not x.flags.c_contiguous:
            return x, _TRANSPOSED, x.shape[0]
        if not x.flags.c_contiguous:
            x = self._cupy.ascontiguousarray(x)
        return x, _PLAIN, x.shape[1]


def _check(status: int, doing: str) -> None:
    if status:
        raise RuntimeError(f"cuBLAS could not {doing} (status {status})")
