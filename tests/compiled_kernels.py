"""What is written for a GPU, compiled for this processor: blocks and threads one after the other.

`Compiler` is what `bpx.backend.kernels` asks of a library, with NumPy's arrays. It shows that the source is C++ and
that its numbers are right; it says nothing of what a GPU makes of it.
"""

from __future__ import annotations

import ctypes
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

SHIM = """
#include <cmath>
using namespace std;
#define __global__
#define __device__
#define __shared__ static
#define __syncthreads()
struct Place { unsigned x; };
static Place blockIdx, threadIdx, blockDim, gridDim;
extern "C" void place(unsigned b, unsigned t, unsigned bs, unsigned g) {
    blockIdx.x = b; threadIdx.x = t; blockDim.x = bs; gridDim.x = g;
}
"""

CXX = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")

ONE_AFTER_THE_OTHER = 3
"""Threads of a block here: work has to be shared out right for any number."""


class Compiler:
    """A library's part in a kernel: its source compiled, and called for each thread."""

    contiguous = staticmethod(np.ascontiguousarray)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.launched: list[str] = []

    @staticmethod
    def empty(shape: tuple[int, ...], dtype: str) -> Any:
        return np.empty(shape, dtype={"bfloat16": "uint16"}.get(dtype, dtype))

    @staticmethod
    def number(number: Any, like: Any) -> Any:
        return np.asarray(number, dtype=like.dtype)

    @staticmethod
    def address(array: Any) -> int:
        return int(array.ctypes.data)

    def compile(self, code: str, *names: str) -> list[Any]:
        assert CXX is not None
        source = self.folder / f"{hashlib.sha256(code.encode()).hexdigest()[:16]}.cpp"
        library = source.with_suffix(".so")
        if not library.exists():
            source.write_text(SHIM + code)
            flags = ["-O1", "-ffp-contract=off", "-Wall", "-Wno-unused-variable", "-Werror", "-shared", "-fPIC"]
            command = [CXX, *flags, "-o", library, source]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        loaded = ctypes.CDLL(str(library))
        return [self._make_launch(loaded, name) for name in names]

    def _make_launch(self, library: Any, name: str) -> Any:
        function, place = getattr(library, name), library.place

        def launch(blocks: int, *arguments: Any) -> None:
            arrays = [argument for argument in arguments if isinstance(argument, np.ndarray)]
            assert all(array.flags.c_contiguous for array in arrays)
            self.launched.append(name)
            blocks, threads = min(blocks, 2), ONE_AFTER_THE_OTHER
            if blocks == 1:  # what waits for its block's other threads is one thread here
                threads = 1
            given = [
                ctypes.c_void_p(argument.ctypes.data) if isinstance(argument, np.ndarray) else ctypes.c_int(argument)
                for argument in arguments
            ]
            for b in range(blocks):
                for t in range(threads):
                    place(b, t, threads, blocks)
                    function(*given)

        return launch
