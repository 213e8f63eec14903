"""Record what a function does with NumPy arrays, and replay it in the same memory.

The function is run once on arrays of the class `Taped`, whose operations are recorded: each goes on a tape as a NumPy
function, its operands and the array for its result. Replaying the tape makes the same calls in the
same order, so the same bits come out; what is saved is everything between the calls: Python's interpretation of layers
and steps, and the making of arrays.

A tape says what one run did. It must not be made of functions whose calls depend on the values in their arrays, and
whatever reads such a value (``float(x)``, ``if x > 0``) raises `TapeError` while the tape is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bpx.backend.numpy_functions import allocate

NUMBERS = (int, float, bool)
"""Types of Python numbers, which are the same in every run."""


class TapeError(Exception):
    """Something was done with an array that a tape cannot do again."""


class Tape:
    """A list of calls that write into arrays made once.

    Parameters
    ----------
    limit : int
        Bytes that the arrays made by the tape may take.
    """

    def __init__(self, limit: int) -> None:
        self.calls: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self.room = limit
        self._known: dict[int, np.ndarray] = {}
        self._views: dict[Any, np.ndarray] = {}

        class Array(Taped):
            tape = self

        self._class = Array

    def close(self) -> None:
        """Write no more, and let go of all arrays but those that the calls work on."""
        self._known.clear()
        self._views.clear()
        self._class.tape = None  # type: ignore[assignment] # a class and what it holds wait for the garbage collector

    def wrap(self, array: np.ndarray) -> Any:
        """Return an array whose operations are written down: an operand, or the result of a call."""
        self._known[id(_find_memory(array))] = array
        return array.view(self._class)

    def unwrap(self, x: Any) -> Any:
        """Return an operand as NumPy sees it, always the same object for the same part of memory.

        NumPy is quicker where an operand and the result are one array than where they share memory.

        Raises
        ------
        TapeError
            If it was made from a taped array by something that was not written down.
        """
        if not isinstance(x, Taped):
            return x
        if id(_find_memory(x)) not in self._known:
            raise TapeError("an array was made without the tape")
        place = (x.__array_interface__["data"][0], x.shape, x.strides, x.dtype)
        return self._views.setdefault(place, x.view(np.ndarray))

    def write(self, function: Callable[..., Any], arguments: tuple[Any, ...], result: Any) -> Any:
        """Write a call down that has just been made; its last argument is the array for its result."""
        out = _align(result)
        self.room -= out.nbytes
        if self.room < 0:
            raise TapeError("the step is too large for a tape")
        self.calls.append((function, (*arguments, out)))
        return self.wrap(out)


class Taped(np.ndarray):
    """An array whose operations are written on a tape, or refused."""

    tape: Tape
    __array_priority__ = 1000.0  # what NumPy makes of such an array and a plain one is such an array, and found out

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        tape = self.tape
        operands = tuple(_convert_number(ufunc, tape.unwrap(x), inputs) for x in inputs)
        if method == "reduce" and out is None:
            return tape.write(_make_into(ufunc.reduce, options), operands, ufunc.reduce(*operands, **options))
        if method != "__call__" or options or ufunc.nout != 1:
            raise TapeError(f"{ufunc.__name__}.{method} with {', '.join(options) or 'no options'}")
        function = _BY_KEYWORD.get(ufunc, ufunc)
        if out is None:
            return tape.write(function, operands, ufunc(*operands))
        target = tape.unwrap(out[0])
        function(*operands, target)
        tape.calls.append((function, (*operands, target)))
        return out[0]

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        if function is np.where and len(arguments) == 3:
            return self._where(*arguments)
        if function is np.mean and len(arguments) == 1:
            source = self.tape.unwrap(self)
            return self.tape.write(_make_into(np.mean, options), (source,), np.mean(source, **options))
        if function is np.concatenate and len(arguments) == 1:
            parts = tuple(map(self.tape.unwrap, arguments[0]))
            return self.tape.write(_Concatenate(**options), parts, np.concatenate(parts, **options))
        if function in (np.ones_like, np.zeros_like):
            return function(self.tape.unwrap(self), *arguments[1:], **options)  # the same in every run
        raise TapeError(f"numpy.{function.__name__}")

    def _where(self, condition: Any, x: Any, y: Any) -> Any:
        condition, x, y = map(self.tape.unwrap, (condition, x, y))
        return self.tape.write(_choose, (condition, x, y), np.where(condition, x, y))

    # -- methods that NumPy does not send through its protocols ---------------------------------------------

    def dot(self, b: Any, out: Any = None) -> Any:
        first, second = self.tape.unwrap(self), self.tape.unwrap(b)
        return self.tape.write(np.dot, (first, second), first.dot(second))

    def take(self, indices: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Any:
        source, rows = self.tape.unwrap(self), self.tape.unwrap(indices)
        return self.tape.write(_Take(axis), (source, rows), source.take(rows, axis=axis))

    def reshape(self, *shape: Any, **options: Any) -> Any:
        view = super().reshape(*shape, **options)
        if _find_memory(view) is _find_memory(self):
            return view
        source = self.tape.unwrap(self)
        return self.tape.write(_lay_out, (source,), source.reshape(*shape, **options))

    def astype(self, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: Any = True, copy: Any = True) -> Any:
        source = self.tape.unwrap(self)
        return self.tape.write(_cast, (source,), source.astype(dtype))

    def copy(self, order: Any = "C") -> Any:
        source = self.tape.unwrap(self)
        return self.tape.write(_cast, (source,), source.copy())

    def __setitem__(self, index: Any, value: Any) -> None:
        target, source = self.tape.unwrap(self[index]), self.tape.unwrap(value)
        if index is not Ellipsis:
            raise TapeError("assignment to a part of an array")
        target[...] = source
        self.tape.calls.append((_assign, (source, target)))

    def __getitem__(self, index: Any) -> Any:
        part = super().__getitem__(index)
        if not isinstance(part, np.ndarray):
            part = super().__getitem__((*(index if isinstance(index, tuple) else (index,)), Ellipsis))
        if _find_memory(part) is not _find_memory(self):
            raise TapeError("an index that is no slice")
        return part

    def _refuse(self, *arguments: Any, **options: Any) -> Any:
        raise TapeError("the value of an array was read")

    __float__ = __int__ = __bool__ = __index__ = __complex__ = _refuse
    item = tolist = tobytes = _refuse


def _align(result: Any) -> np.ndarray:
    """Return a copy of a result, which may be a number, whose memory begins at a cache line."""
    like = np.array(result)
    out = np.ndarray(like.shape, like.dtype, allocate(like.nbytes), 0, like.strides)
    out[...] = like
    return out


def _find_memory(array: np.ndarray) -> Any:
    """Return the array that owns an array's memory."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _convert_number(ufunc: Any, x: Any, inputs: Sequence[Any]) -> Any:
    """Return a Python number beside an array of floats as an array of its dtype, which is what NumPy makes of it."""
    if type(x) in NUMBERS and ufunc is not np.power:
        for other in inputs:
            if isinstance(other, np.ndarray) and other.dtype.kind == "f":
                return np.asarray(x, dtype=other.dtype)
    return x


def _maximum(x: Any, y: Any, out: np.ndarray) -> None:
    np.maximum(x, y, out=out)


def _minimum(x: Any, y: Any, out: np.ndarray) -> None:
    np.minimum(x, y, out=out)


_BY_KEYWORD: dict[Any, Callable[..., Any]] = {np.maximum: _maximum, np.minimum: _minimum}
"""Functions that want the array for their result by its name."""


def _make_into(function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    """Return a function of an array and the array for the result."""

    def apply(x: np.ndarray, out: np.ndarray) -> None:
        function(x, **options, out=out)

    return apply


class _Take:
    """``take`` of rows known to exist: with mode="raise" NumPy would go by way of another array."""

    def __init__(self, axis: Any) -> None:
        self.axis = axis

    def __call__(self, x: np.ndarray, indices: np.ndarray, out: np.ndarray) -> None:
        x.take(indices, axis=self.axis, out=out, mode="wrap")


class _Concatenate:
    """``concatenate``, given the arrays one by one."""

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, *arguments: Any) -> None:
        *parts, out = arguments
        np.concatenate(parts, axis=self.axis, out=out)


def _choose(condition: Any, x: Any, y: Any, out: np.ndarray) -> None:
    out[...] = y
    np.copyto(out, x, where=condition)


def _cast(x: np.ndarray, out: np.ndarray) -> None:
    np.copyto(out, x, casting="unsafe")


def _lay_out(x: np.ndarray, out: np.ndarray) -> None:
    """Copy into an array of another shape, element by element in C order."""
    np.copyto(out.reshape(x.shape), x)


def _assign(x: Any, out: np.ndarray) -> None:
    out[...] = x
