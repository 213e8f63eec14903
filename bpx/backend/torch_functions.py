"""The standard's functions for PyTorch, some by a shorter way.

array-api-compat makes PyTorch's functions accept what the standard allows, at a few microseconds a call; and a Python
number beside a tensor becomes a tensor anew each time, which on a GPU is a transfer, and cannot be recorded. Here the
hot loop's functions go straight to PyTorch's own, and numbers are moved once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any


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


def round_mantissa(torch: Any, x: Any, bits: int) -> Any:
    """Return a float32 tensor rounded to a mantissa of some bits, as `bpx.backend.precision.round_mantissa` does."""
    cut = 23 - bits
    whole = x.view(torch.int32)
    rounded = ((whole >> cut) & 1).add_((1 << (cut - 1)) - 1).add_(whole).bitwise_and_(-(1 << cut))
    return torch.where(torch.isnan(x), x, rounded.view(torch.float32))


def make_tensor_core_matmul(torch: Any, precision: str) -> Callable[[Any, Any], Any] | None:
    """Return ``matmul`` of operands that CUDA rounds, by the tensor cores; None where this PyTorch has none for it.

    TF32 is a setting of the whole process in PyTorch: it is made for the time of the call that gives the device the
    product to do, and put back.
    """
    if precision == "tf32":

        def multiply_tf32(a: Any, b: Any, /) -> Any:
            before = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("high")
            try:
                return torch.matmul(a, b)
            finally:
                torch.set_float32_matmul_precision(before)

        return multiply_tf32

    def multiply_bfloat16(a: Any, b: Any, /) -> Any:
        return torch.mm(a.to(torch.bfloat16), b.to(torch.bfloat16), out_dtype=torch.float32)

    try:
        multiply_bfloat16(*(torch.ones((8, 8), device="cuda") for _ in range(2)))
    except (RuntimeError, TypeError):  # PyTorch before 2.8 sums bfloat16 products up in bfloat16 alone
        return None
    return multiply_bfloat16
