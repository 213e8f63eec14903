"""Where a command may write."""

from __future__ import annotations

import os
from pathlib import Path

from bpx.errors import InputError

__all__ = ["check_place"]


def check_place(path: str, option: str, *inputs: str | None, advice: str = "name another file") -> None:
    """Raise unless a file can be written there, before any work is done for it.

    Parameters
    ----------
    path : str
    option : str
        The option that names it.
    *inputs : str or None
        Files that the command reads, which it is not to write over.
    advice : str
        What to do about it if it would.

    Raises
    ------
    InputError
        If the path is a folder, its folder is missing or read-only, or it is one of the inputs, by whatever name or
        link.
    """
    file = Path(path)
    for name in inputs:
        if name is not None and file.exists() and Path(name).exists() and file.samefile(name):
            raise InputError(f"{option} {path} is {name}, which this command reads; {advice}")
    if file.is_dir():
        raise InputError(f"{option} {path} is a folder; name a file in it")
    if not file.parent.is_dir():
        raise InputError(f"{option} {path}: there is no folder {file.parent}")
    if not os.access(file.parent, os.W_OK):
        raise InputError(f"{option} {path}: the folder {file.parent} is read-only")
