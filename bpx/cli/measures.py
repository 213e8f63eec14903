"""How good predictions are: of classes, with the confusion matrix, and of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.cli.model_files import Model
from bpx.metrics import scores
from bpx.tables import ClassTarget
from bpx.tables.target import Target

__all__ = [
    "Baseline",
    "beats_baseline",
    "count_confusions",
    "describe_target",
    "find_never_predicted",
    "learn_baseline",
    "measure_baseline",
    "measure_classes",
    "measure_model",
    "name_with_unit",
    "predict_classes",
]

Array = np.ndarray[Any, Any]


def measure_model(model: Model, x: Array, y: Array) -> dict[str, float]:
    """Return the loss and what people want to know beside it, for encoded rows and targets.

    Classes have ``accuracy`` in [0, 1], and ``balanced_accuracy``, the mean of the shares that are right of each class.
    Numbers have ``r2``, and ``mae`` and ``rmse`` in the units of the target.
    """
    network, preprocessor = model.network, model.preprocessor
    result = {"loss": network.evaluate(x, model.encode_targets(y))["loss"]}
    if preprocessor.task == "classification":
        found = predict_classes(model, x)
        return result | {"accuracy": float((found == y).mean()), "balanced_accuracy": _balance(y, found)}
    actual, found = (preprocessor.decode_target(values) for values in (y, network.predict(x)))
    return result | {
        "r2": scores.r2(actual, found),
        "mae": scores.mean_absolute_error(actual, found),
        "rmse": float(np.sqrt(((found - actual) ** 2).mean())),
    }


def _balance(actual: Array, found: Array) -> float:
    classes, ids = np.unique(actual, return_inverse=True)
    right = np.bincount(ids, weights=(found == actual).astype(np.float64), minlength=len(classes))
    return float((right / np.bincount(ids, minlength=len(classes))).mean())


@dataclass(frozen=True)
class Baseline:
    """The best answer that looks at no column, learned from the training rows.

    Attributes
    ----------
    answer : str, int, bool or float
        The most frequent class, or the mean of the numbers.
    encoded : float
        The number of that class; 0 for the mean, which is what the target is standardized by.
    """

    answer: Any
    encoded: float


def learn_baseline(model: Model, y: Array) -> Baseline:
    """Return the baseline that encoded targets of training rows teach."""
    target = model.preprocessor.target
    if isinstance(target, ClassTarget):
        most = int(np.bincount(y, minlength=target.n_outputs).argmax())
        return Baseline(target.labels[most], float(most))
    return Baseline(target.mean, 0.0)


def measure_baseline(model: Model, baseline: Baseline, y: Array) -> dict[str, float]:
    """Return how good the baseline is on encoded targets, by the measures of `measure_model`."""
    if model.preprocessor.task == "classification":
        return {"accuracy": float((y == baseline.encoded).mean()), "balanced_accuracy": 1.0 / len(np.unique(y))}
    actual = model.preprocessor.decode_target(y)
    found = np.full_like(actual, baseline.answer)
    return {
        "r2": scores.r2(actual, found),
        "mae": scores.mean_absolute_error(actual, found),
        "rmse": float(np.sqrt(((found - actual) ** 2).mean())),
    }


def beats_baseline(numbers: Mapping[str, float], baseline: Mapping[str, float]) -> bool:
    """Tell whether a network is better than the baseline: more rows right, or a smaller root mean square error."""
    if "accuracy" in numbers:
        return numbers["accuracy"] > baseline["accuracy"]
    return numbers["rmse"] < baseline["rmse"]


def find_never_predicted(matrix: Array) -> Array:
    """Return the classes that have rows and are never predicted, given the confusion matrix."""
    return np.flatnonzero((matrix.sum(axis=1) > 0) & (matrix.sum(axis=0) == 0))


def describe_target(target: Target) -> str:
    """Return what a number of the target is in, to stand behind it; empty for classes."""
    if isinstance(target, ClassTarget):
        return ""
    return f" {target.unit}" if target.unit else f" (in the units of {target.name!r})"


def name_with_unit(target: Target) -> str:
    """Return the name of the target, and its unit where the table says it."""
    unit = "" if isinstance(target, ClassTarget) else target.unit
    return f"{target.name} ({unit})" if unit else target.name


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
