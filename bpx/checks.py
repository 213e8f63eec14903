"""Checks of arguments: each raises one clear error before any work is done."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any

from bpx.errors import InputError, unknown_name


def choice(kind: str, given: Any, known: Iterable[str]) -> str:
    """Return ``given`` if it is among the known names; the error lists them and the nearest spelling."""
    names = list(known)
    if isinstance(given, str) and given in names:
        return given
    raise unknown_name(kind, given, names)


def count(name: str, value: Any, minimum: int = 1) -> int:
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


def number(
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
        if isinstance(value, (bool, str)):
            raise TypeError
        result = float(value)
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
