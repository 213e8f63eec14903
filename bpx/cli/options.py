"""The options that commands share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bpx.backend import Backend

__all__ = ["BackendOption", "JsonOption", "chosen_backend"]

BackendOption = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="NAME",
        help="numpy, cupy, torch or jax, with a device as in cupy:1 or torch:cuda:0; or auto, a CUDA device where one "
        "works. By default what BPX_BACKEND says, else numpy.",
    ),
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def chosen_backend(spec: str | None) -> Backend:
    """Return the backend of the option ``--backend``.

    JAX has float64 only if it is told so before it is first used. The command owns its process, so it tells it.

    Raises
    ------
    InputError, BackendError
        As `bpx.get_backend` does.
    """
    name = spec or os.environ.get("BPX_BACKEND") or ""
    if name.strip().partition(":")[0] == "jax":
        os.environ.setdefault("JAX_ENABLE_X64", "1")
    from bpx.backend import get_backend

    return get_backend(spec)
