"""Give every library the same number of threads, and say what each really got."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

ENVIRONMENT = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NPROC",  # the size of XLA's thread pool on the CPU
)


def set_threads(count: int) -> None:
    """Set the environment that NumPy, PyTorch, JAX and scikit-learn read when they are first imported."""
    for name in ENVIRONMENT:
        os.environ[name] = str(count)
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ.setdefault("KERAS_BACKEND", keras_backend())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def keras_backend() -> str:
    """Return the library that Keras is to compute with: its own default is neither of the two."""
    return "jax" if find_spec("jax") else "torch"


def thread_count() -> int:
    """Return the number of threads asked for (2 where nothing was)."""
    return int(os.environ.get("OMP_NUM_THREADS", "2"))


def limit_loaded_libraries(count: int) -> None:
    """Apply the same number to libraries that are loaded already, whose environment was read too early."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
    if find_spec("threadpoolctl"):
        import_module("threadpoolctl").threadpool_limits(count)


def loaded_pools() -> list[str]:
    """Describe the thread pools that are loaded now: BLAS and OpenMP libraries, PyTorch and XLA."""
    pools: list[str] = []
    if find_spec("threadpoolctl"):
        pools += [_pool_line(pool) for pool in import_module("threadpoolctl").threadpool_info()]
    else:
        pools.append("threadpoolctl is missing: BLAS pools not listed")
    if "torch" in sys.modules:
        pools.append(f"PyTorch: {sys.modules['torch'].get_num_threads()} threads")
    if "jax" in sys.modules:
        pools.append(f"XLA: {os.environ.get('NPROC', 'all')} threads (NPROC)")
    if "mlx.core" in sys.modules:
        pools.append("MLX: one thread for each stream of its CPU; nothing sets another number")
    return pools


def _pool_line(pool: dict[str, Any]) -> str:
    kernel = f", {pool['architecture']}" if pool.get("architecture") else ""
    version = f" {pool['version']}" if pool.get("version") else ""
    return f"{pool['internal_api']}{version}{kernel}: {pool['num_threads']} threads"
