"""XOR, the smallest problem that a network without a hidden layer cannot solve."""

from __future__ import annotations

import numpy as np

from bpx.datasets.dataset import Dataset

__all__ = ["xor"]


def xor() -> Dataset:
    """Return the truth table of exclusive or.

    Returns
    -------
    Dataset
        `x`, shape (4, 2), float64: the rows 00, 01, 10, 11. `y`, shape (4, 1), float64: 0, 1, 1, 0.

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
