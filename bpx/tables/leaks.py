"""Columns that give the target away: equal to it, or one a function of the other, which new rows seldom know."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["find_leak"]

Array = np.ndarray[Any, Any]

_FEW_ROWS = 20
_ROWS_A_VALUE = 5
"""Rows that each different value has on average, from which on it is no chance that all of them have one target."""

_ROWS_A_CLASS = 5
_SOME_ROWS = 50
_SOME_VALUES = 10
_LINEAR = 1e-9


def find_leak(values: Array, y: Array, *, classes: bool) -> str:
    """Say how a column gives the target away in the training rows; nothing if it does not.

    Parameters
    ----------
    values : array, shape (rows,)
        The numbers of a column, or the places of its categories; NaN where one is missing.
    y : array, shape (rows,)
        The target: numbers, or the places of its classes.
    classes : bool
        Whether the target is one of classes.
    """
    here = ~np.isnan(values)
    values, y = values[here], y[here]
    if len(y) < _FEW_ROWS or (classes and np.unique(y, return_counts=True)[1].min() < _ROWS_A_CLASS):
        return ""
    different = np.unique(values)
    order = np.lexsort((y, values))
    steps = np.diff(y[order])
    if len(different) < 2 or len(np.unique(y)) < 2:
        return ""
    one_each = not steps[np.diff(values[order]) == 0].any()
    tells = one_each and len(different) * _ROWS_A_VALUE <= len(y)
    if tells and classes:
        return "the same as the target" if len(np.unique(y)) == len(different) else "each value has one target"
    if classes:
        ranges = one_each and np.count_nonzero(steps) == len(np.unique(y)) - 1
        return "each class has a range of its own" if ranges and len(y) >= _SOME_ROWS else ""
    with np.errstate(over="ignore", invalid="ignore"):
        linear = abs(np.corrcoef(values, y)[0, 1]) > 1 - _LINEAR
    if linear:
        return "the same as the target" if np.allclose(values, y, rtol=_LINEAR, atol=0) else "linear in the target"
    if tells:
        return "each value has one target"
    if len(different) < _SOME_VALUES:
        return ""
    down = np.diff(y[np.lexsort((-y, values))])
    return "rises with the target" if (steps >= 0).all() else "falls with the target" if (down <= 0).all() else ""
