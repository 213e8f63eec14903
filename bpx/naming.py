"""What classes are called outside a process: their kinds in files, and their names in pickles."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from functools import cached_property
from typing import Any

from bpx._version import __version__
from bpx.errors import FileFormatError, InputError, unknown_name


class Kinds(dict[str, Any]):
    """Classes by what files call them.

    bpx's own have their names; so have a user's, unless bpx has the name: then module and name, so that a user's
    class never takes the place of bpx's. A class that is defined again replaces its older self.
    """

    def __init__(self) -> None:
        super().__init__()
        self._homes: dict[str, set[str]] = {}  # where the classes of a kind are defined

    def register(self, cls: type, name: str) -> str:
        """Enter a class under a name, and return its kind."""
        known = self.get(name)
        if known is not None and _is_own(known) and not _is_own(cls):
            name = _locate(cls)
        if name not in self:
            self._homes[name] = set()
        self._homes[name].add(_locate(cls))
        self[name] = cls
        return name

    def find(self, what: str, kind: Any) -> Any:
        """Return the class of a kind that a file names.

        Parameters
        ----------
        what : str
            What the classes are, as a reader would say it ("layer").
        kind : object

        Raises
        ------
        FileFormatError
            If there is none, or two that a file cannot tell from each other.
        """
        if not isinstance(kind, str) or kind not in self:
            raise FileFormatError(
                f"{unknown_name(what, kind, self)}; a {what} of your own is known once its class is defined"
            )
        homes = sorted(self._homes[kind])
        if len(homes) > 1:
            raise FileFormatError(
                f"there are {len(homes)} classes of the kind {kind!r}, and a file does not say which of them it "
                f"means: {', '.join(homes)}; rename one, or import only the one that is meant"
            )
        return self[kind]

    def find_rivals(self, kind: str) -> list[str]:
        """Return where classes of users are defined that have the name of one of bpx's."""
        return [name for name in self if "." in name and name.rpartition(".")[2] == kind]


def _is_own(cls: type) -> bool:
    """Tell whether a class is one of bpx's."""
    return cls.__module__.partition(".")[0] == "bpx"


def _locate(cls: type) -> str:
    """Return where a class is defined: its module and its name there."""
    return f"{cls.__module__}.{cls.__qualname__}"


def name_class(cls: type) -> str:
    """Return what descriptions of settings call a class: its name, with the module where a parent has the name too."""
    if any(parent.__name__ == cls.__name__ for parent in cls.__mro__[1:]):
        return _locate(cls)
    return str(vars(cls).get("kind") or cls.__name__)


def list_fields(thing: Any) -> list[dataclasses.Field[Any]]:
    """Return the settings of a layer, loss, optimizer or the like: the fields of a dataclass.

    A class without settings need not be a dataclass.

    Raises
    ------
    InputError
        If it keeps something that is no field, which a file would lose.
    """
    cls = type(thing)
    fields = dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else ()
    lost = [
        name
        for name in getattr(thing, "__dict__", ())
        if name not in {f.name for f in fields} and not isinstance(getattr(cls, name, None), cached_property)
    ]
    if lost:
        raise InputError(
            f"{cls.__name__} keeps {lost[0]!r}, which is no field of a dataclass and would be lost in a file; make the "
            "class a dataclass with it as a field"
        )
    return [field for field in fields if field.init]


def list_settings(thing: Any) -> dict[str, Any]:
    """Return the settings of a layer or loss as plain data, for files.

    Raises
    ------
    InputError
        If it keeps something that is no field of a dataclass, or a value that a file cannot hold.
    """
    return {f.name: _make_plain(type(thing), f.name, getattr(thing, f.name)) for f in list_fields(thing)}


def _make_plain(cls: type, name: str, value: Any) -> Any:
    """Return a setting as JSON holds it: tuples as lists, NumPy's numbers as Python's."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_make_plain(cls, name, item) for item in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _make_plain(cls, name, item) for key, item in value.items()}
    if hasattr(value, "item") and getattr(value, "shape", None) == ():  # one number of an array library
        return value.item()
    raise InputError(
        f"{cls.__name__}.{name} is {value!r}, which a file cannot hold; let it be numbers, text, or lists of these, or "
        "give the class config() and from_config()"
    )


def convert_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings from a file as a constructor takes them: lists as tuples."""
    return {name: _make_tuple(value) for name, value in settings.items()}


def _make_tuple(value: Any) -> Any:
    return tuple(map(_make_tuple, value)) if isinstance(value, list) else value


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
    except Exception as error:  # a module may raise anything while it is imported
        raise InputError(
            f"this pickle needs the class {module}.{name}, which cannot be imported here "
            f"({type(error).__name__}: {error}); its module, and what that imports, must be where Python finds it"
        ) from error
    if not isinstance(found, type):
        raise InputError(f"this pickle needs the class {module}.{name}, but that is no class here: {found!r}")
    return found


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
