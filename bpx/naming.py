"""What classes are called outside a process: their kinds in files, and their names in pickles."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from bpx._version import __version__
from bpx.errors import InputError


def register(kinds: dict[str, Any], cls: type, name: str) -> str:
    """Enter a class into a table of kinds, and return its kind there: how files name it.

    That is the name, unless bpx's own class has it already: then module and name, so that a user's class
    never takes the place of bpx's. A class that is defined again replaces its older self.
    """
    known = kinds.get(name)
    if known is not None and known.__module__.startswith("bpx.") and known.__module__ != cls.__module__:
        name = f"{cls.__module__}.{cls.__qualname__}"
    kinds[name] = cls
    return name


class ByName:
    """A class as a pickle holds it: by its name."""

    def __init__(self, cls: type) -> None:
        self.cls = cls

    def __reduce__(self) -> Any:
        return find_class, (self.cls.__module__, self.cls.__qualname__)


def find_class(module: str, name: str) -> type:
    """Import a class that a pickle names.

    Raises
    ------
    InputError
        If it cannot be imported.
    """
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"this pickle needs the class {module}.{name}, which cannot be imported here ({error}); put its module "
            "where Python finds it"
        ) from error
    return found  # type: ignore[no-any-return]


def refer_to(cls: type) -> Any:
    """Return what stands for a class in a pickle.

    That is its name, where a name finds it; classes of ``__main__`` and of functions are left to the pickler, because
    cloudpickle, and with it joblib's workers, sends those by value.
    """
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, part, None)
    return ByName(cls) if found is cls and cls.__module__ != "__main__" else cls


def rebuild(cls: Any, version: str) -> Any:
    """Return an object of a class without its state, which the pickle holds next.

    Raises
    ------
    InputError
        If it was pickled by another version of bpx; raised before its state is looked at.
    """
    if isinstance(cls, ByName):  # a shallow copy hands its arguments on as they are
        cls = cls.cls
    if version != __version__:
        raise InputError(
            f"this {cls.__name__} was pickled by bpx {version}, and this is bpx {__version__}: a pickle is for one "
            "version only. net.save(path) and bpx.load(path) go from version to version"
        )
    return object.__new__(cls)


class Pickled:
    """Base of what people subclass and pickle: layers, losses, optimizers, networks."""

    def __reduce__(self) -> Any:
        return rebuild, (refer_to(type(self)), __version__), self.__getstate__()
