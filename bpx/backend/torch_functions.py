"""The standard's functions for PyTorch, some by a shorter way.

array-api-compat makes PyTorch's functions accept what the standard allows, at a few microseconds a call; and a Python
number beside a tensor becomes a tensor anew each time, which on a GPU is a transfer, and cannot be recorded. Here the
hot loop's functions go straight to PyTorch's own, and numbers are moved once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

_CHANGING_PRECISION = threading.Lock()
"""Held while the precision of products, a setting of the whole process, is another one."""

MOST_ONES = 65_536
"""Rows up to which a sum over them is a product: at most 1 MiB of ones is kept for each dtype."""


def shorter_functions(torch: Any) -> dict[str, Any]:
    """Return the functions that take the place of array-api-compat's, by name."""

    @lru_cache(maxsize=1024)
    def constant(number: float, dtype: Any, device: Any) -> Any:
        """Return a number as a tensor without axes, kept on the device for the next call."""
        return torch.tensor(number, dtype=dtype, device=device)

    def operands(x: Any, y: Any) -> tuple[Any, Any]:
        """Return two tensors, given at least one."""
        if not isinstance(x, torch.Tensor):
            return constant(x, y.dtype, y.device), y
        if not isinstance(y, torch.Tensor):
            return x, constant(y, x.dtype, x.device)
        return x, y

    def maximum(x: Any, y: Any, /) -> Any:
        return torch.maximum(*operands(x, y))

    def minimum(x: Any, y: Any, /) -> Any:
        return torch.minimum(*operands(x, y))

    def where(condition: Any, x: Any, y: Any, /) -> Any:
        return torch.where(condition, *operands(x, y))

    def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
        """Take by indices that are not negative; what a slice takes is not copied, if it lies in one piece."""
        if axis is None and x.ndim != 1:
            raise ValueError("axis must be given for an array of more than one axis")
        if type(indices) is slice:
            return x[(slice(None),) * (axis or 0) + (indices,)].contiguous()
        return torch.index_select(x, axis or 0, indices)

    def vecdot(x: Any, y: Any, /, *, axis: int = -1) -> Any:
        return torch.dot(x, y) if x.ndim == y.ndim == 1 else torch.linalg.vecdot(x, y, dim=axis)

    return {
        "maximum": maximum, "minimum": minimum, "where": where, "take": take, "matmul": torch.matmul, "vecdot": vecdot,
    }  # fmt: skip


class RowSums:
    """Sums as the standard has them; over the rows of a matrix of floats on CUDA by a product with a row of ones.

    It takes a third of the time of `torch.sum` at 512 columns, as long as products of float32 are in float32.

    Parameters
    ----------
    torch : module
    others : callable
        Makes all other sums.
    """

    def __init__(self, torch: Any, others: Callable[..., Any]) -> None:
        self._torch, self._others = torch, others
        self._ones: dict[Any, Any] = {}

    def __call__(self, x: Any, /, *, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Any:
        torch = self._torch
        if axis == 0 and dtype is None and x.ndim == 2 and x.dtype in (torch.float32, torch.float64) and x.numel():
            ones = self._find_ones(x)
            if ones is not None and torch.get_float32_matmul_precision() == "highest":
                total = torch.matmul(ones, x)
                return total if keepdims else total[0, :]
        return self._others(x, axis=axis, dtype=dtype, keepdims=keepdims)

    def _find_ones(self, x: Any) -> Any:
        """Return a row of ones, kept for all sums of about this length; none is made while something is recorded."""
        n = x.shape[0]
        key = x.dtype, x.device, n.bit_length()
        ones = self._ones.get(key)
        if ones is None:
            if n > MOST_ONES or self._torch.cuda.is_current_stream_capturing():
                return None
            ones = self._ones[key] = self._torch.ones((1, 1 << n.bit_length()), dtype=x.dtype, device=x.device)
        return ones[:, :n]


def round_mantissa(torch: Any, x: Any, bits: int) -> Any:
    """Return a float32 tensor rounded to a mantissa of some bits, as `bpx.backend.precision.round_mantissa` does."""
    cut = 23 - bits
    whole = x.view(torch.int32)
    rounded = ((whole >> cut) & 1).add_((1 << (cut - 1)) - 1).add_(whole).bitwise_and_(-(1 << cut))
    return torch.where(torch.isnan(x), x, rounded.view(torch.float32))


def make_tensor_core_matmul(torch: Any, precision: str, device: Any = "cuda") -> Callable[[Any, Any], Any] | None:
    """Return ``matmul`` of operands that a CUDA device rounds, by its tensor cores; None where PyTorch has none for it.

    TF32 is a setting of the whole process in PyTorch: it is made for the time of the call that gives the device the
    product to do, and put back, by one thread at a time.
    """
    if precision == "tf32":

        def multiply_tf32(a: Any, b: Any, /) -> Any:
            with _CHANGING_PRECISION:
                before = torch.get_float32_matmul_precision()
                torch.set_float32_matmul_precision("high")
                try:
                    return torch.matmul(a, b)
                finally:
                    torch.set_float32_matmul_precision(before)

        return multiply_tf32

    def multiply_bfloat16(a: Any, b: Any, /) -> Any:
        a, b = a.to(torch.bfloat16), b.to(torch.bfloat16)
        if a.ndim == b.ndim == 2:
            return torch.mm(a, b, out_dtype=torch.float32)
        return torch.matmul(a.to(torch.float32), b.to(torch.float32))

    try:
        multiply_bfloat16(*(torch.ones((8, 8), device=device) for _ in range(2)))
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError):  # PyTorch before 2.8 sums bfloat16 products up in bfloat16 alone
        return None
    return multiply_bfloat16
