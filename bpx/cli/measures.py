"""How good predictions are: of classes, with the confusion matrix, and of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpx.cli.model_files import Model
from bpx.metrics import scores

__all__ = ["count_confusions", "measure_classes", "measure_model", "predict_classes"]

Array = np.ndarray[Any, Any]


def measure_model(model: Model, x: Array, y: Array) -> dict[str, float]:
    """Return the loss and what people want to know beside it, for encoded rows and targets.

    Classes have ``accuracy`` in [0, 1]. Numbers have ``r2``, and ``mae`` and ``rmse`` in the units of the target.
    """
    network, preprocessor = model.network, model.preprocessor
    result = {"loss": network.evaluate(x, model.encode_targets(y))["loss"]}
    if preprocessor.task == "classification":
        return result | {"accuracy": float((predict_classes(model, x) == y).mean())}
    actual, found = (preprocessor.decode_target(values) for values in (y, network.predict(x)))
    return result | {
        "r2": scores.r2(actual, found),
        "mae": scores.mean_absolute_error(actual, found),
        "rmse": float(np.sqrt(((found - actual) ** 2).mean())),
    }


def predict_classes(model: Model, x: Array) -> Array:
    """Return the number of the most probable class of each row."""
    outputs: Array = model.network.predict(x)
    ids: Array = outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0.5).astype(np.int64)
    return ids


def count_confusions(actual: Array, found: Array, n: int) -> Array:
    """Return how many rows of each class, a row of the matrix, were taken for each class, a column."""
    matrix = np.zeros((n, n), dtype=np.int64)
    np.add.at(matrix, (actual, found), 1)
    return matrix


def measure_classes(matrix: Array) -> dict[str, Array]:
    """Return precision, recall and F1 of each class; where nothing was to be found or nothing was found, 0."""
    right, actual, found = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
    return {
        "precision": right / np.maximum(found, 1),
        "recall": right / np.maximum(actual, 1),
        "f1": 2 * right / np.maximum(actual + found, 1),
    }
