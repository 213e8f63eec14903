"""What is written for a GPU, compiled for this processor: blocks and threads one after the other.

`Compiler` has of CuPy what `bpx.backend.kernels` calls, with NumPy's arrays. It shows that the source is C++ and that
its numbers are right; it says nothing of what a GPU makes of it.
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
#include <math.h>
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
    """CuPy's part in a kernel: its source compiled, and called for each thread."""

    ascontiguousarray, asarray, empty = (staticmethod(f) for f in (np.ascontiguousarray, np.asarray, np.empty))

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.launched: list[str] = []

    def RawModule(self, code: str) -> _Module:
        assert CXX is not None
        source = self.folder / f"{hashlib.sha256(code.encode()).hexdigest()[:16]}.cpp"
        library = source.with_suffix(".so")
        if not library.exists():
            source.write_text(SHIM + code)
            command = [CXX, "-O1", "-ffp-contract=off", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        return _Module(ctypes.CDLL(str(library)), self.launched)


class _Module:
    def __init__(self, library: Any, launched: list[str]) -> None:
        self.library, self.launched = library, launched

    def get_function(self, name: str) -> Any:
        function, place = getattr(self.library, name), self.library.place

        def launch(grid: tuple[int], block: tuple[int], arrays: tuple[np.ndarray, ...]) -> None:
            assert all(array.flags.c_contiguous for array in arrays)
            assert block[0] & (block[0] - 1) == 0, "a block adds up by halves"
            self.launched.append(name)
            blocks, threads = min(grid[0], 2), ONE_AFTER_THE_OTHER
            if grid[0] == 1:  # what waits for its block's other threads is one thread here
                blocks, threads = 1, 1
            for b in range(blocks):
                for t in range(threads):
                    place(b, t, threads, blocks)
                    function(*(ctypes.c_void_p(array.ctypes.data) for array in arrays))

        return launch
