"""The data sets that ship with bpx, preprocessed as tables are, but without polars."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpx.datasets import Dataset, load
from bpx.errors import InputError
from bpx.tables import ClassTarget, Preprocessor
from bpx.tables.columns import NumberColumn

__all__ = ["TARGET", "encode", "fit", "list_classes"]

Array = np.ndarray[Any, Any]

TARGET = "y"
"""What the target of these data sets is called."""


def fit(dataset: Dataset, rows: Array, *, shared_scale: bool) -> Preprocessor:
    """Return the preprocessing that the training rows teach: numbers standardized, classes as they are.

    With ``shared_scale`` all columns have one mean and one standard deviation.
    """
    x = dataset.x[rows]
    axis = None if shared_scale else 0
    shape = (x.shape[1],)
    parts = (np.broadcast_to(f(x, axis=axis), shape).tolist() for f in (np.mean, np.std, np.median))
    columns = tuple(NumberColumn(*column) for column in zip(dataset.feature_names, *parts, strict=True))
    return Preprocessor(columns, ClassTarget(TARGET, "int", tuple(range(len(dataset.class_names)))))


def encode(name: str, preprocessor: Preprocessor) -> tuple[Array, Array, Dataset]:
    """Return a data set as the network takes it, and as it is.

    Raises
    ------
    InputError
        If the preprocessing is for other columns or other classes than the data set's.
    """
    dataset = load(name)
    target = preprocessor.target
    if preprocessor.column_names != dataset.feature_names or target.name != TARGET:
        raise InputError(
            f"the model was trained on columns {_shorten(preprocessor.column_names)} and target {target.name!r}, "
            f"which {name} does not have"
        )
    columns = [column for column in preprocessor.columns if isinstance(column, NumberColumn)]
    mean, std = np.array([column.mean for column in columns]), np.array([column.std for column in columns])
    return (dataset.x - mean) / std, list_classes(dataset), dataset


def list_classes(dataset: Dataset) -> Array:
    """Return the class ids of a data set, shape (n,), int64."""
    return dataset.y.reshape(-1).astype(np.int64)


def _shorten(names: tuple[str, ...]) -> str:
    shown = ", ".join(map(repr, names[:5]))
    return shown if len(names) <= 5 else f"{shown}, ... ({len(names)} in all)"
