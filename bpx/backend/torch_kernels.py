"""Kernels of bpx's own for PyTorch on CUDA, compiled by the NVRTC library that PyTorch itself loads."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bpx.backend.base import Array
from bpx.backend.kernels import THREADS

_TRIAL = 'extern "C" { __global__ void bpx_trial(float* x) { x[threadIdx.x] = 2.0f; } }'


class TorchCompiler:
    """PyTorch's part in the kernels of `bpx.backend.kernels`.

    Parameters
    ----------
    torch : module
    device : torch.device
    """

    def __init__(self, torch: Any, device: Any) -> None:
        self._torch, self._device = torch, device

    def compile(self, code: str, *names: str) -> list[Callable[..., None]]:
        # Public in all but name since PyTorch 2.9; what is compiled starts on PyTorch's current stream.
        # A product and a sum are rounded one after the other, as PyTorch's own operations do.
        compile_kernel, options = self._torch.cuda._compile_kernel, ["--fmad=false"]
        return [partial(_launch, compile_kernel(code, name, nvcc_options=options)) for name in names]

    @staticmethod
    def contiguous(array: Array) -> Array:
        return array.contiguous()

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        return self._torch.empty(tuple(shape), dtype=getattr(self._torch, dtype), device=self._device)

    def number(self, number: Array, like: Array) -> Array:
        return self._torch.as_tensor(number, dtype=like.dtype, device=self._device)

    @staticmethod
    def address(array: Array) -> int:
        return int(array.data_ptr())


def _launch(kernel: Any, blocks: int, *arguments: Any) -> None:
    given = [int(argument) if isinstance(argument, np.integer) else argument for argument in arguments]
    kernel(grid=(blocks, 1, 1), block=(THREADS, 1, 1), args=given)


def find_compiler(torch: Any, device: Any) -> TorchCompiler | None:
    """Return what compiles kernels here; None where a small one does not come out right.

    PyTorch before 2.9 has nothing for it, and newer ones ask for the headers of a CUDA toolkit.
    """
    compiler = TorchCompiler(torch, device)
    try:
        with torch.cuda.device(device):
            (launch,) = compiler.compile(_TRIAL, "bpx_trial")
            x = torch.zeros(THREADS, dtype=torch.float32, device=device)
            launch(1, x)
            return compiler if bool((x == 2.0).all()) else None
    except Exception:  # whatever this PyTorch lacks: its own operations are used
        return None
