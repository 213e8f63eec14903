"""A library of arrays that nobody has heard of: array-api-strict's functions around a class of its own.

bpx knows neither this module nor the class, and so meets it as it meets any library that keeps the standard.
"""

from __future__ import annotations

from typing import Any

import array_api_strict as strict
import numpy as np

KEEPS_HISTORY = False
"""Whether each array holds on to the operands that it was made of, as those of a library that puts work off do."""


class Tensor:
    """An array of this library; it has what the standard has, and nothing else."""

    made_of: Any = ()

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        import sys

        return sys.modules[__name__]

    @property
    def shape(self) -> tuple[int, ...]:
        return self._inner.shape

    @property
    def ndim(self) -> int:
        return self._inner.ndim

    @property
    def size(self) -> int:
        return self._inner.size

    @property
    def dtype(self) -> Any:
        return self._inner.dtype

    @property
    def device(self) -> Any:
        return self._inner.device

    @property
    def T(self) -> Tensor:  # the standard's name
        return Tensor(self._inner.T)

    @property
    def mT(self) -> Tensor:  # the standard's name
        return Tensor(self._inner.mT)

    def to_device(self, device: Any, /, **options: Any) -> Tensor:
        return Tensor(self._inner.to_device(device, **options))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self._inner, dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        return self._inner.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._inner.__dlpack_device__()

    def __getitem__(self, key: Any) -> Tensor:
        return Tensor(self._inner[_unwrap(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._inner[_unwrap(key)] = _unwrap(value)

    def __len__(self) -> int:
        return len(self._inner)

    def __repr__(self) -> str:
        return f"Tensor({self._inner!r})"


def _unwrap(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value._inner
    if type(value) in (list, tuple):
        return type(value)(_unwrap(each) for each in value)
    return value


def _wrap(value: Any, operands: Any) -> Any:
    if isinstance(value, strict.asarray(0).__class__):
        made = Tensor(value)
        if KEEPS_HISTORY:
            made.made_of = operands
        return made
    if type(value) in (list, tuple):
        return type(value)(_wrap(each, operands) for each in value)
    return value


def _add_operators() -> None:
    """Give `Tensor` the operators of the standard."""
    names = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift"]
    both = [f"{prefix}{name}" for name in names for prefix in ("", "r")]

    def make(name: str) -> Any:
        def operator(self: Tensor, *others: Any) -> Any:
            return _wrap(getattr(self._inner, name)(*map(_unwrap, others)), (self, *others))

        return operator

    def make_in_place(name: str) -> Any:
        def operator(self: Tensor, other: Any) -> Any:
            if KEEPS_HISTORY:
                before = Tensor(self._inner)
                before.made_of = self.made_of
                self.made_of = (before, other)
            self._inner = getattr(self._inner, name)(_unwrap(other))
            return self

        return operator

    compared, alone = ["lt", "le", "gt", "ge", "eq", "ne"], ["neg", "pos", "invert", "abs"]
    for name in [*both, *compared, *alone, "float", "int", "bool", "complex", "index"]:
        setattr(Tensor, f"__{name}__", make(f"__{name}__"))
    for name in names:
        setattr(Tensor, f"__i{name}__", make_in_place(f"__i{name}__"))
    Tensor.__hash__ = None  # type: ignore[assignment] # as of every class that defines what is equal


_add_operators()


def __getattr__(name: str) -> Any:
    found = getattr(strict, name)
    if not callable(found) or isinstance(found, type) or name in ("__array_namespace_info__", "finfo", "iinfo"):
        return found

    def function(*arguments: Any, **options: Any) -> Any:
        result = found(*map(_unwrap, arguments), **{key: _unwrap(value) for key, value in options.items()})
        return _wrap(result, arguments)

    return function


def __dir__() -> list[str]:
    return dir(strict)
