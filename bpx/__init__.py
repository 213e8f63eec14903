"""bpx: feed-forward networks trained by backpropagation that one can read.

The chain rule is written by hand, once, against the Python array API standard; that one source runs on NumPy, CuPy,
PyTorch, JAX and MLX. Public names are loaded when they are first used, so that ``import bpx`` costs little more than
NumPy.

The list of public names is ``__init__.pyi`` beside this file: type checkers read it, and so does this module.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from bpx._version import __version__ as __version__


def _read_homes() -> dict[str, str]:
    """Return the module of each public name: ``from MODULE import NAME as NAME`` is a line of the list."""
    path = os.path.join(os.path.dirname(__file__), "__init__.pyi")
    words = (line.split() for line in __spec__.loader.get_data(path).decode().splitlines())
    return {line[3]: line[1] for line in words if line[:1] == ["from"]}


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    value: Any
    if name == "__all__":
        value = list(_read_homes())
    else:
        home = None if name.startswith("_") else _read_homes().get(name)
        if home is None:
            raise AttributeError(f"module 'bpx' has no attribute {name!r}")
        value = (
            importlib.import_module(f"bpx.{name}") if home == "bpx" else getattr(importlib.import_module(home), name)
        )
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_read_homes())


if "PMIX_SERVER_TMPDIR" in os.environ or "TORCHELASTIC_RUN_ID" in os.environ:  # one of several, by mpirun or torchrun
    from bpx.distributed.attendance import watch_end as _watch_end

    _watch_end()
