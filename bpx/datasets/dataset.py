"""The record that every data set comes in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Hold the inputs and targets of one data set, and what their columns and classes are called.

    Attributes
    ----------
    name : str
        The name under which `bpx.datasets.load` finds it.
    x : numpy.ndarray, shape (n, n_features), float64
        The inputs, one sample a row.
    y : numpy.ndarray, shape (n,) int64 or (n, 1) float64
        Class ids from 0, or for XOR the truth values 0.0 and 1.0.
    feature_names, class_names : tuple of str
        One name for each column of `x`, and one for each class.
    description : str
        What the data are, in a sentence or two.
    source : str
        Who made them, and under which license.

    See Also
    --------
    bpx.datasets.load : A data set by its name.

    Examples
    --------
    >>> import bpx.datasets
    >>> x, y = bpx.datasets.xor()
    >>> bpx.datasets.xor()
    Dataset('xor': x (4, 2) float64, y (4, 1) float64)
    """

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.int64] | NDArray[np.float64]
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    description: str
    source: str

    def __iter__(self) -> Iterator[NDArray[np.float64] | NDArray[np.int64]]:
        """Yield `x`, then `y`, so that ``x, y = dataset`` works."""
        yield self.x
        yield self.y

    def __repr__(self) -> str:
        """Name the data set with the shapes and dtypes of its arrays, not their values."""
        x, y = self.x, self.y
        return f"Dataset({self.name!r}: x {x.shape} {x.dtype}, y {y.shape} {y.dtype})"
