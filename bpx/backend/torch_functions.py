"""The standard's functions for PyTorch, some by a shorter way.

array-api-compat makes PyTorch's functions accept what the standard allows, at a few microseconds a call; and a Python
number beside a tensor becomes a tensor anew each time, which on a GPU is a transfer, and cannot be recorded. Here the
hot loop's functions go straight to PyTorch's own, and numbers are moved once.
"""

from __future__ import annotations

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

    return {"maximum": maximum, "minimum": minimum, "where": where, "take": take, "matmul": torch.matmul}
