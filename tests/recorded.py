"""What bpx asks of the array API standard: its calls to array-api-strict, written down while it works.

A recording has the functions of ``xp`` that code of bpx calls, and the operators, attributes, indices and dtypes of
arrays, each with the parts of bpx that ask and the least version of the standard that gives the same answer. What
array-api-strict does inside and what tests do is not in it. Nor is `bpx.backend.strict_backend`: it knows its library,
as the files of the other libraries know theirs.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import bpx
from bpx.backend import registry, strict_backend
from bpx.backend.base import BoundNamespace

PACKAGE = Path(bpx.__file__).parent
KNOWS_THE_LIBRARY = "backend/strict_backend.py"

VERSIONS = ("2022.12", "2023.12", "2024.12", "2025.12")
"""The versions of the standard that array-api-strict can be; it takes 2021.12 for 2022.12."""

INTEGER_ARRAYS = "2024.12"
"""Since when arrays of integers are indices, which array-api-strict allows in every version."""

KINDS = ("Functions", "Operators", "Attributes", "Indices", "Dtypes")
"""What there is to ask for; the page has a table of each."""

_BINARY = {
    "add": "x + y", "sub": "x - y", "mul": "x * y", "truediv": "x / y", "floordiv": "x // y", "mod": "x % y",
    "pow": "x ** y", "matmul": "x @ y", "and": "x & y", "or": "x | y", "xor": "x ^ y", "lshift": "x << y",
    "rshift": "x >> y",
}  # fmt: skip
_OTHER = {
    "lt": "x < y", "le": "x <= y", "eq": "x == y", "ne": "x != y", "gt": "x > y", "ge": "x >= y", "neg": "-x",
    "pos": "+x", "invert": "~x", "abs": "abs(x)", "bool": "bool(x)", "int": "int(x)", "float": "float(x)",
    "complex": "complex(x)", "index": "x as an index", "getitem": "x[i]", "setitem": "x[i] = y",
}  # fmt: skip
OPERATORS = {
    **{f"__{way}{name}__": written for name, written in _BINARY.items() for way in ("", "r")},
    **{f"__i{name}__": f"{written.removesuffix(' y')}= y" for name, written in _BINARY.items()},
    **{f"__{name}__": written for name, written in _OTHER.items()},
}
"""The methods of the standard's operators, and how each is written."""

ATTRIBUTES = ("dtype", "device", "mT", "ndim", "shape", "size", "T", "to_device", "__array_namespace__", "__dlpack__",
              "__dlpack_device__")  # fmt: skip
"""The other attributes that the standard gives an array."""

OUTSIDE = ("__iter__", "__array__", "__buffer__")
"""What array-api-strict has beyond the standard, for people who try things out."""


@dataclass
class Use:
    """One thing that the standard is asked for.

    Attributes
    ----------
    parts : set of str
        The parts of bpx that ask for it.
    calls : dict
        Kinds of calls, with the least version of the standard that takes each.
    """

    parts: set[str] = field(default_factory=set)
    calls: dict[str, str] = field(default_factory=dict)

    @property
    def since(self) -> str:
        """The least version that takes all these calls."""
        return max(self.calls.values(), default=VERSIONS[0])


class Recording:
    """What was asked for: ``uses[kind][name]``, the kinds being `KINDS`.

    Parameters
    ----------
    library : module
        array_api_strict.
    """

    def __init__(self, library: Any) -> None:
        self.library = library
        self.array_type = type(library.asarray(0))
        self.dtype_type = type(library.float32)
        self._dtype_of = vars(self.array_type)["dtype"].fget  # that of the class, before it is recorded
        self._measuring = False
        self.uses: dict[str, dict[str, Use]] = {kind: {} for kind in KINDS}

    def record(self, function: Callable[..., Any], kind: str, name: str) -> Callable[..., Any]:
        """Return a function that writes down each call of it by bpx."""

        @functools.wraps(function, updated=())
        def call(*args: Any, **kwargs: Any) -> Any:
            part = self._find_asking()
            if part is None:
                return function(*args, **kwargs)
            described = ", ".join([*map(self._describe, args), *(f"{k}={self._describe(kwargs[k])}" for k in kwargs)])
            known = self.uses[kind].get(name)
            least = None
            if kind == "Functions" and (known is None or described not in known.calls):
                least = self._find_least(lambda: function(*args, **kwargs))
            if name in ("x[i]", "x[i] = y"):
                self._note_index(part, args, function)
            result = function(*args, **kwargs)
            if result is not NotImplemented:
                self._note(kind, name, part, described, least)
                if kind != "Attributes":
                    self._note_dtypes(part, *args, *kwargs.values(), result)
            return result

        return call

    def note_name(self, name: str, value: Any) -> None:
        """Write down that what calls the caller of this took a dtype or a constant, if it is bpx."""
        part = self._find_asking(3)
        if part is not None:
            self._note("Dtypes" if isinstance(value, self.dtype_type) else "Functions", name, part)

    def _note(self, kind: str, name: str, part: str, call: str = "", least: str | None = None) -> None:
        use = self.uses[kind].setdefault(name, Use())
        use.parts.add(part)
        if least is not None:
            use.calls[call] = least

    def _note_dtypes(self, part: str, *values: Any) -> None:
        for value in values:
            if isinstance(value, self.array_type):
                self._note("Dtypes", self._name_dtype(value), part)
            elif isinstance(value, (list, tuple)):
                self._note_dtypes(part, *value)

    def _note_index(self, part: str, args: tuple[Any, ...], function: Callable[..., Any]) -> None:
        indices = args[1] if isinstance(args[1], tuple) else (args[1],)
        for index in indices:
            self._note("Indices", self._describe_index(index), part)
        arrays = [index for index in indices if isinstance(index, self.array_type)]
        if arrays and len(args) == 2:
            least = self._find_least(lambda: function(*args))
            for index in arrays:
                described = self._describe_index(index)
                since = max(least, INTEGER_ARRAYS) if described == "integer array" else least
                self._note("Indices", described, part, str(len(indices)), since)

    def _describe_index(self, index: Any) -> str:
        if isinstance(index, self.array_type):
            kind = "boolean" if self._name_dtype(index) == "bool" else "integer"
            return f"{kind} array"
        if index is None or index is ...:
            return "`None`" if index is None else "`...`"
        if isinstance(index, slice):
            return "slice" if index.step in (None, 1) else "slice with a step"
        return "integer"

    def _name_dtype(self, array: Any) -> str:
        return str(self._dtype_of(array)).rpartition(".")[2]

    def _describe(self, value: Any) -> str:
        """Return what matters of an argument for whether a version of the standard takes it."""
        if isinstance(value, self.array_type):
            return self._name_dtype(value)
        if isinstance(value, (list, tuple)):
            return f"[{', '.join(sorted(set(map(self._describe, value))))}]"
        return type(value).__name__

    def _find_least(self, ask: Callable[[], Any]) -> str:
        """Return the least version of the standard whose answer has the type, dtype and shape of the newest one's."""
        self._measuring = True
        try:
            answers = {}
            for version in VERSIONS:
                with self.library.ArrayAPIStrictFlags(api_version=version):
                    try:
                        answers[version] = self._describe_answer(ask())
                    except Exception as error:  # a version says in many ways what it lacks
                        answers[version] = repr(error)
            return next(version for version in VERSIONS if answers[version] == answers[VERSIONS[-1]])
        finally:
            self._measuring = False

    def _describe_answer(self, value: Any) -> str:
        shape = value.shape if isinstance(value, self.array_type) else ()
        return f"{self._describe(value)} {shape}"

    def _find_asking(self, depth: int = 2) -> str | None:
        """Return the part of bpx that is ``depth`` calls behind this one; None where another library or a test is."""
        frame = None if self._measuring else sys._getframe(depth)
        while frame is not None and "array_api_compat" in frame.f_code.co_filename:  # it asks for its caller
            frame = frame.f_back
        if frame is None or not frame.f_code.co_filename.startswith(f"{PACKAGE}{os.sep}"):
            return None
        file = Path(frame.f_code.co_filename).relative_to(PACKAGE).as_posix()
        return None if file == KNOWS_THE_LIBRARY else file.partition("/")[0].removesuffix(".py")


@contextmanager
def recording(library: Any) -> Iterator[Recording]:
    """Write down what bpx asks of array-api-strict within a ``with`` block.

    Parameters
    ----------
    library : module
        array_api_strict.
    """
    record = Recording(library)
    arrays = record.array_type

    class Recorded(BoundNamespace):
        def __init__(self, module: Any, device: Any) -> None:
            super().__init__(module, device)
            for name, value in vars(self).items():
                if callable(value) and not isinstance(value, type) and not name.startswith("_"):
                    vars(self)[name] = record.record(value, "Functions", name)

        def __getattribute__(self, name: str) -> Any:
            value = super().__getattribute__(name)
            if not callable(value) and not name.startswith("_"):
                record.note_name(name, value)
            return value

    with pytest.MonkeyPatch.context() as patch:
        for name, value in list(vars(arrays).items()):
            kind = "Operators" if name in OPERATORS else "Attributes"
            if name not in OPERATORS and name not in ATTRIBUTES and name not in OUTSIDE:
                continue
            written = OPERATORS.get(name, name)
            if isinstance(value, property):
                patch.setattr(arrays, name, property(record.record(value.fget, kind, written)))
            else:
                patch.setattr(arrays, name, record.record(value, kind, written))
        patch.setattr(strict_backend, "BoundNamespace", Recorded)
        registry.create.cache_clear()
        try:
            yield record
        finally:
            registry.create.cache_clear()
