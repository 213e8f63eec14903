"""Toy classifications in the plane: the truth table of XOR, and moons, circles and spirals, drawn from a seed.

The drawn points lie evenly on curves; normal noise is added to both coordinates and the rows are shuffled. Both draws
come from a generator of the call's own, ``Generator(PCG64(seed))``: NumPy's global random state is neither read nor
moved.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bpx.arguments import check_count, check_number
from bpx.datasets.dataset import Dataset

__all__ = ["circles", "moons", "spirals", "xor"]

_SOURCE = "Drawn by bpx."


def xor() -> Dataset:
    """Return the truth table of exclusive or.

    Returns
    -------
    Dataset
        `x`, shape (4, 2), float64: the rows 00, 01, 10, 11. `y`, shape (4, 1), float64: 0, 1, 1, 0.

    See Also
    --------
    bpx.notebook.notebook_xor : Train the notebook's network.
    bpx.datasets.moons : Two half moons.

    Examples
    --------
    >>> import bpx.datasets
    >>> x, y = bpx.datasets.xor()
    >>> x.tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    >>> y.tolist()
    [[0.0], [1.0], [1.0], [0.0]]
    """
    return Dataset(
        name="xor",
        x=np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]),
        y=np.array([[0.0], [1.0], [1.0], [0.0]]),
        feature_names=("x1", "x2"),
        class_names=("0", "1"),
        description="Exclusive or: 1 where exactly one of the two inputs is 1. No straight line separates its classes.",
        source="Boolean algebra.",
    )


def moons(n: int = 300, noise: float = 0.1, seed: int = 0) -> Dataset:
    """Draw two interleaved half circles.

    Class 0 lies on ``(cos t, sin t)`` and class 1 on ``(1 - cos t, 1/2 - sin t)``, for t from 0 to pi.

    Parameters
    ----------
    n : int
        Number of points, at least 2. An odd one goes to class 0.
    noise : float
        Standard deviation of the normal noise on each coordinate, not negative.
    seed : int
        Seed of the noise and of the order of the rows, not negative.

    Returns
    -------
    Dataset
        `x`, shape (n, 2), float64, and `y`, shape (n,), int64.

    Raises
    ------
    InputError
        If an argument is of the wrong type or out of its range.

    See Also
    --------
    bpx.datasets.circles : Two circles, one in the other.
    bpx.datasets.spirals : Spirals, one for each class.
    bpx.plot.decision_boundary : Where a network of two inputs decides for which class.

    Examples
    --------
    >>> import bpx.datasets
    >>> bpx.datasets.moons(200, noise=0.05, seed=1)
    Dataset('moons': x (200, 2) float64, y (200,) int64)
    """
    n = check_count("n", n, minimum=2)
    upper, lower = (np.linspace(0.0, math.pi, size) for size in _shares(n, 2))
    curves = [
        np.column_stack([np.cos(upper), np.sin(upper)]),
        np.column_stack([1.0 - np.cos(lower), 0.5 - np.sin(lower)]),
    ]
    return _scatter("moons", "Two interleaved half circles in the plane.", ("upper", "lower"), curves, noise, seed)


def circles(n: int = 300, noise: float = 0.05, seed: int = 0) -> Dataset:
    """Draw a circle of radius 1, class 0, around a circle of radius 1/2, class 1.

    Parameters
    ----------
    n : int
        Number of points, at least 2. An odd one goes to class 0.
    noise : float
        Standard deviation of the normal noise on each coordinate, not negative.
    seed : int
        Seed of the noise and of the order of the rows, not negative.

    Returns
    -------
    Dataset
        `x`, shape (n, 2), float64, and `y`, shape (n,), int64.

    Raises
    ------
    InputError
        If an argument is of the wrong type or out of its range.

    See Also
    --------
    bpx.datasets.moons : Two half moons.
    bpx.datasets.spirals : Spirals, one for each class.
    bpx.plot.decision_boundary : Where a network of two inputs decides for which class.

    Examples
    --------
    >>> import bpx.datasets
    >>> x, y = bpx.datasets.circles(6, noise=0.0)
    >>> (x**2).sum(axis=1).round(2).tolist()
    [0.25, 0.25, 1.0, 1.0, 0.25, 1.0]
    >>> y.tolist()
    [1, 1, 0, 0, 1, 0]
    """
    n = check_count("n", n, minimum=2)
    curves = []
    for radius, size in zip((1.0, 0.5), _shares(n, 2), strict=True):
        angle = np.linspace(0.0, 2.0 * math.pi, size, endpoint=False)
        curves.append(radius * np.column_stack([np.cos(angle), np.sin(angle)]))
    return _scatter("circles", "A circle around another in the plane.", ("outer", "inner"), curves, noise, seed)


def spirals(n: int = 300, noise: float = 0.02, classes: int = 2, seed: int = 0) -> Dataset:
    """Draw spiral arms of one turn each, wound into each other around the origin.

    The arm of class k is ``r (cos a, sin a)`` with ``a = 2 pi (r + k / classes)``, for r from 0.1 to 1.

    Parameters
    ----------
    n : int
        Number of points, at least one for each class. The first classes get what does not divide.
    noise : float
        Standard deviation of the normal noise on each coordinate, not negative.
    classes : int
        Number of arms, at least 2.
    seed : int
        Seed of the noise and of the order of the rows, not negative.

    Returns
    -------
    Dataset
        `x`, shape (n, 2), float64, and `y`, shape (n,), int64.

    Raises
    ------
    InputError
        If an argument is of the wrong type or out of its range.

    See Also
    --------
    bpx.datasets.circles : Two circles, one in the other.
    bpx.datasets.moons : Two half moons.
    bpx.plot.decision_boundary : Where a network of two inputs decides for which class.

    Examples
    --------
    >>> import numpy as np
    >>> import bpx.datasets
    >>> x, y = bpx.datasets.spirals(300, classes=3)
    >>> np.bincount(y).tolist()
    [100, 100, 100]
    """
    classes = check_count("classes", classes, minimum=2)
    n = check_count("n", n, minimum=classes)
    curves = []
    for k, size in enumerate(_shares(n, classes)):
        radius = np.linspace(0.1, 1.0, size)
        angle = 2.0 * math.pi * (radius + k / classes)
        curves.append(radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))
    names = tuple(f"arm {k}" for k in range(classes))
    description = f"{classes} spiral arms in the plane, wound into each other."
    return _scatter("spirals", description, names, curves, noise, seed)


def _scatter(
    name: str,
    description: str,
    class_names: tuple[str, ...],
    curves: list[NDArray[np.float64]],
    noise: float,
    seed: int,
) -> Dataset:
    """Label the points of each curve with its class, add the noise and shuffle the rows."""
    noise = check_number("noise", noise, minimum=0.0)
    generator = np.random.Generator(np.random.PCG64(check_count("seed", seed, minimum=0)))
    x = np.concatenate(curves)
    y = np.repeat(np.arange(len(curves), dtype=np.int64), [len(curve) for curve in curves])
    x += noise * generator.standard_normal(x.shape)
    order = generator.permutation(len(x))
    return Dataset(name, x[order], y[order], ("x1", "x2"), class_names, description, _SOURCE)


def _shares(n: int, parts: int) -> list[int]:
    """Split n points into sizes that differ by one at most, larger ones first."""
    return [n // parts + (k < n % parts) for k in range(parts)]
