"""Data sets by name, for the command line and for loops over all of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from bpx.arguments import check_choice
from bpx.datasets.dataset import Dataset
from bpx.datasets.optical_digits import digits
from bpx.datasets.toys import circles, moons, spirals, xor
from bpx.errors import InputError

__all__ = ["load", "names"]

_BY_NAME: dict[str, Callable[..., Dataset]] = {
    "xor": xor,
    "moons": moons,
    "circles": circles,
    "spirals": spirals,
    "digits": digits,
}


def names() -> tuple[str, ...]:
    """Return the names that `load` knows.

    Returns
    -------
    tuple of str
        From the smallest data set to the largest.

    See Also
    --------
    bpx.datasets.load : A data set by its name.

    Examples
    --------
    >>> import bpx.datasets
    >>> bpx.datasets.names()
    ('xor', 'moons', 'circles', 'spirals', 'digits')
    """
    return tuple(_BY_NAME)


def load(name: str, **options: Any) -> Dataset:
    """Return the data set of that name.

    Parameters
    ----------
    name : str
        One of `names`.
    **options
        What the function of that name takes: n, noise and seed for the toys, and classes for spirals.

    Returns
    -------
    Dataset
        What ``bpx.datasets.<name>(**options)`` returns.

    Raises
    ------
    InputError
        If there is no such data set, or it does not take such an option.

    See Also
    --------
    bpx.datasets.names : The names of the data sets.
    bpx.datasets.Dataset : Data, as ``x, y``.

    Examples
    --------
    >>> import bpx.datasets
    >>> bpx.datasets.load("spirals", n=90, classes=3)
    Dataset('spirals': x (90, 2) float64, y (90,) int64)
    """
    maker = _BY_NAME[check_choice("dataset", name, names())]
    known = inspect.signature(maker).parameters
    for option in options:
        if option not in known:
            takes = f"its options are {', '.join(known)}" if known else "it takes no options"
            raise InputError(f"dataset {name!r} has no option {option!r}: {takes}")
    return maker(**options)
