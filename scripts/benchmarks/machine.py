"""Say on what machine, with which libraries and how many threads the figures were taken."""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.steadiness import WATCH
from benchmarks.threads import loaded_pools, thread_count

DISTRIBUTIONS = {
    "bpx": "bpx-backprop",
    "NumPy": "numpy",
    "SciPy": "scipy",
    "PyTorch": "torch",
    "JAX": "jax",
    "scikit-learn": "scikit-learn",
    "Keras": "keras",
    "MLX": "mlx",
}


def describe() -> dict[str, Any]:
    """Return the machine, the versions of the libraries and their threads as a JSON-ready dictionary."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "load": _load(),
        "python": platform.python_version(),
        "versions": {name: _version(distribution) for name, distribution in DISTRIBUTIONS.items()},
        "blas": _blas(),
        "threads": thread_count(),
        "pools": loaded_pools(),
        "keras_backend": os.environ.get("KERAS_BACKEND", "its own default"),
        "cuda": cuda_device(),
        "waited": round(WATCH.waited),
        "repeated": WATCH.repeated,
    }


def cpu_model() -> str:
    """Return the model name of the processor, with its family and model number where the system tells them."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or "unknown"
    pairs = re.findall(r"^(model name|cpu family|model)\s*:\s*(.*)$", info.read_text(), flags=re.MULTILINE)
    fields: dict[str, str] = dict(pairs)
    name = fields.get("model name", platform.processor() or "unknown")
    if "cpu family" in fields and "model" in fields:
        return f"{name} (family {fields['cpu family']}, model {fields['model']})"
    return name


def cuda_device() -> str | None:
    """Return the name of the first CUDA device, or None where there is none or nothing to ask it with."""
    try:
        import torch
    except ImportError:
        return None
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else None


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return _version_from_source() if distribution == "bpx-backprop" else None


def _version_from_source() -> str | None:
    try:
        import bpx
    except ImportError:
        return None
    return str(getattr(bpx, "__version__", "from the source tree"))


def _blas() -> str:
    import numpy as np

    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _load() -> float | None:
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
