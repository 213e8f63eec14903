"""Reading stored JSON data strictly: each field has its type, none is missing, and none is left over."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from bpx.errors import FileFormatError
from bpx.tables.messages import listed, shown

__all__ = ["Fields"]


class Fields:
    """The fields of one JSON object, taken one after the other.

    Parameters
    ----------
    data : object
        What came; anything but a dict with text keys is refused.
    where : str
        What the object is, for the messages.

    Raises
    ------
    FileFormatError
        From every method, if the field is missing or not what is expected.
    """

    def __init__(self, data: object, where: str) -> None:
        self.where = where
        if not isinstance(data, Mapping):
            self._fail("an object", data)
        self._left: dict[Any, Any] = dict(data)

    def has(self, key: str) -> bool:
        """Tell whether there is a field, not taken yet."""
        return key in self._left

    def value(self, key: str) -> Any:
        """Take a field of any type."""
        if key not in self._left:
            raise FileFormatError(f"{self.where}: the field {key!r} is missing")
        return self._left.pop(key)

    def text(self, key: str) -> str:
        """Take a field that is text."""
        value = self.value(key)
        if not isinstance(value, str):
            self._fail("text", value, key)
        return value

    def boolean(self, key: str) -> bool:
        """Take a field that is true or false."""
        value = self.value(key)
        if not isinstance(value, bool):
            self._fail("true or false", value, key)
        return value

    def number(self, key: str, *, positive: bool = False) -> float:
        """Take a field that is a finite number."""
        value = self.value(key)
        expected = "a positive, finite number" if positive else "a finite number"
        if not is_finite_number(value) or (positive and not value > 0):
            self._fail(expected, value, key)
        return float(value)

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Take a field that is one of some texts."""
        value = self.value(key)
        if not isinstance(value, str) or value not in choices:
            self._fail(f"one of {listed(choices)}", value, key)
        return value

    def items(self, key: str) -> list[Any]:
        """Take a field that is a list."""
        value = self.value(key)
        if not isinstance(value, list | tuple):
            self._fail("a list", value, key)
        return list(value)

    def texts(self, key: str, *, at_least: int = 0) -> tuple[str, ...]:
        """Take a field that is a list of different texts."""
        values = self.items(key)
        if not all(isinstance(value, str) for value in values) or len(set(values)) != len(values):
            self._fail("a list of different texts", values, key)
        if len(values) < at_least:
            self._fail(f"a list of {at_least} or more texts", values, key)
        return tuple(values)

    def done(self) -> None:
        """Refuse fields that were not used."""
        if self._left:
            raise FileFormatError(f"{self.where}: unknown fields {listed(self._left)}")

    def _fail(self, expected: str, value: object, key: str | None = None) -> NoReturn:
        field = "" if key is None else f" in the field {key!r}"
        raise FileFormatError(f"{self.where}: expected {expected}{field}, got {shown(value)}")


def is_finite_number(value: object) -> bool:
    """Tell whether a value is an int or float (no bool) that float64 holds as a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False
