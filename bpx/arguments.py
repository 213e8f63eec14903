"""Checks of arguments: each raises one clear error before any work is done."""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from bpx.errors import InputError, unknown_name

Kind = TypeVar("Kind")


def look_up(what: str, given: Any, base: type[Kind], known: Mapping[str, type[Kind]]) -> Kind:
    """Return what a name stands for, with its default settings; an object of the kind is returned as it is.

    Parameters
    ----------
    what : str
        What the name stands for, as a reader would say it: "activation", "loss".
    given : str or object
    base : type
        The class that an object must be of.
    known : mapping of str to type
        The classes by name.

    Raises
    ------
    InputError
        If nothing has this name, the message lists the names and the nearest spelling; or if it is no such object.
    """
    if isinstance(given, base):
        return given
    if not isinstance(given, str):
        hint = "; give an instance, with parentheses" if isinstance(given, type) and issubclass(given, base) else ""
        raise InputError(f"{_with_article(what)} is a name or {_with_article(base.__name__)}, got {given!r}{hint}")
    return known[check_choice(what, given, known)]()


def check_choice(kind: str, given: Any, known: Iterable[str]) -> str:
    """Return ``given`` if it is among the known names; the error lists them and the nearest spelling."""
    names = list(known)
    if isinstance(given, str) and given in names:
        return given
    raise unknown_name(kind, given, names)


def check_hashable(given: Any) -> None:
    """Raise unless an object can be part of a key, as settings that never change can."""
    try:
        hash(given)
    except TypeError:
        advice = "; write @dataclass(frozen=True)" if dataclasses.is_dataclass(given) else ""
        raise InputError(
            f"{type(given).__name__} must have a hash, because its settings are those of the whole training{advice}"
        ) from None


def check_count(name: str, value: Any, minimum: int = 1) -> int:
    """Return ``value`` as an int of at least ``minimum``; a bool or a fraction is refused."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name} must be a whole number, got {value!r}") from None
    if number < minimum:
        raise InputError(f"{name} must be at least {minimum}, got {number}")
    return number


def check_number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
) -> float:
    """Return ``value`` as a finite float within the bounds."""
    try:
        if isinstance(value, (bool, str, bytes, complex)) or "complex" in str(getattr(value, "dtype", "")):
            raise TypeError
        result = float(value)
    except OverflowError:  # a whole number beyond all floats
        result = math.inf
    except (TypeError, ValueError):
        raise InputError(f"{name} must be a number, got {value!r}") from None
    bounds = (
        (above is None or result > above, f"above {above}"),
        (minimum is None or result >= minimum, f"at least {minimum}"),
        (maximum is None or result <= maximum, f"at most {maximum}"),
        (below is None or result < below, f"below {below}"),
    )
    wanted = " and ".join(text for _, text in bounds if not text.endswith("None"))
    if not math.isfinite(result):
        raise InputError(f"{name} must be finite{' and ' + wanted if wanted else ''}, got {result}")
    if not all(ok for ok, _ in bounds):
        raise InputError(f"{name} must be {wanted}, got {result:g}")
    return result


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"
