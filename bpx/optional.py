"""Libraries that an extra brings: imported where they are used, with the line that installs them where they are not."""

from __future__ import annotations

import importlib
from typing import Any

from bpx.errors import InputError


def advise_install(extra: str) -> str:
    """Return the line that installs an extra of bpx."""
    return f'pip install "bpx-backprop[{extra}]"'


def import_optional(module: str, purpose: str, extra: str) -> Any:
    """Return a module of a library that bpx does not depend on.

    Parameters
    ----------
    module : str
        Such as ``"matplotlib.figure"``.
    purpose : str
        What needs it, as the start of the error's sentence: ``"plots"``.
    extra : str
        The extra of bpx that installs it.

    Raises
    ------
    InputError
        If the library is not installed. One that is installed and broken raises what it raises.
    """
    library = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != library:
            raise
        raise InputError(f"{purpose} need {library}, which is not installed: {advise_install(extra)}") from None
