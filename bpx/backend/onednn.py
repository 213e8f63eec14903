"""Large matrix products of PyTorch's CPU tensors by oneDNN, where PyTorch's own leave half of the processor unused.

PyTorch for x86-64 multiplies float32 matrices by Intel's MKL. On AMD's processors with AVX-512, MKL 2024.2 is only as
fast as AVX2 allows; oneDNN, which comes with PyTorch and serves what it compiles, uses AVX-512 there and takes half of
the time (`scripts/benchmarks/NOTES.md` has the figures). On other processors PyTorch's own products are left alone.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from itertools import islice
from typing import Any

LEAST_WORK = 2**22
"""Multiplications (rows * inner * columns) from which on oneDNN is faster; a call of it costs 8 us more."""

LEAST_COLUMNS_OF_TRANSPOSED = 192
"""Columns of the product that make up for oneDNN's copy of a left operand that lies transposed in memory."""


def matmul(torch: Any) -> Callable[[Any, Any], Any]:
    """Return the function that multiplies tensors on the CPU: `torch.matmul`, or one that asks oneDNN where it pays."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not on_amd():
        return torch.matmul  # type: ignore[no-any-return]
    operator = _operator(torch)
    return torch.matmul if operator is None else products(torch, operator)


def on_amd() -> bool:
    """Tell whether the processor is AMD's."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            text = "".join(islice(lines, 10))
    except OSError:
        text = platform.processor()
    return "AuthenticAMD" in text


def _operator(torch: Any) -> Callable[..., Any] | None:
    """Return PyTorch's operator ``x @ weight.T + bias`` of oneDNN, or None where this PyTorch has none that works.

    Its name is not part of PyTorch's public interface, so it is tried before it is trusted.
    """
    try:
        operator = torch.ops.mkldnn._linear_pointwise.default
        ones = torch.ones(4, 4, dtype=torch.float32)
        works = torch.equal(operator(ones, ones, None, "none", [], ""), 4.0 * ones)
    except (AttributeError, RuntimeError, TypeError):
        return None
    return operator if works else None


def products(torch: Any, operator: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    """Return `torch.matmul` with those products taken over by oneDNN's operator that it makes sooner."""
    by_torch, float32, settings = torch.matmul, torch.float32, torch.backends.mkldnn

    def matmul(a: Any, b: Any, /) -> Any:
        if a.numel() * b.size(-1) < LEAST_WORK or not suits(a, b):
            return by_torch(a, b)
        return operator(a, b.T, None, "none", [], "")

    def suits(a: Any, b: Any) -> bool:
        """Tell whether both are matrices of float32 that lie densely, by rows or by columns, as oneDNN reads them."""
        if not (a.ndim == b.ndim == 2 and a.dtype is b.dtype is float32 and settings.enabled):
            return False
        if a.size(0) == 1 or a.size(1) != b.size(0) or not (b.is_contiguous() or b.T.is_contiguous()):
            return False
        return a.is_contiguous() or bool(a.T.is_contiguous() and b.size(1) >= LEAST_COLUMNS_OF_TRANSPOSED)

    return matmul
