"""A namespace whose creation functions place their arrays on one device."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

_CREATION = ("arange", "asarray", "empty", "eye", "full", "linspace", "ones", "zeros")


class BoundNamespace(SimpleNamespace):
    """The functions of an array API namespace, with ``device`` as the default of those that create arrays.

    Parameters
    ----------
    module : namespace
        A module that follows the array API standard.
    device : object
        The library's own device object.
    replaced : callable
        Functions that take the place of the module's, by name.
    """

    def __init__(self, module: Any, device: Any, **replaced: Any) -> None:
        functions = {name: getattr(module, name) for name in dir(module) if not name.startswith("__")}
        for name in _CREATION:
            functions[name] = partial(functions[name], device=device)
        super().__init__(**{**functions, **replaced})
