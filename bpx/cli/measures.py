"""How good predictions are: of classes, with the confusion matrix, and of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.cli.model_files import Model
from bpx.metrics import scores
from bpx.tables import ClassTarget
from bpx.tables.target import Target

if TYPE_CHECKING:
    from bpx.cli.sources import UnseenClasses

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
    "tell_r2",
]

Array = np.ndarray[Any, Any]


def measure_model(model: Model, x: Array, y: Array, unseen: UnseenClasses | None = None) -> dict[str, float]:
    """Return the loss and what people want to know beside it, for encoded rows and targets.

    Classes have ``accuracy`` in [0, 1], and ``balanced_accuracy``, the mean of the shares that are right of each class.
    Rows of classes that the training never saw are wrong in both; the loss leaves them out. Numbers have ``r2``, NaN
    where all targets are the same, and ``mae`` and ``rmse`` in the units of the target.
    """
    network, preprocessor = model.network, model.preprocessor
    result = {"loss": network.evaluate(x, model.encode_targets(y))["loss"]}
    if preprocessor.task == "classification":
        right = predict_classes(model, x) == y
        wrong = np.zeros(0 if unseen is None else len(unseen.labels), dtype=bool)
        classes = _join_classes(y, unseen)
        every = np.r_[right, wrong]
        return result | {"accuracy": float(every.mean()), "balanced_accuracy": _balance(classes, every)}
    actual, found = (preprocessor.decode_target(values) for values in (y, network.predict(x)))
    return result | _measure_numbers(actual, found)


def _measure_numbers(actual: Array, found: Array) -> dict[str, float]:
    return {
        "r2": scores.r2(actual, found) if len(np.unique(actual)) > 1 else float("nan"),
        "mae": scores.mean_absolute_error(actual, found),
        "rmse": float(np.sqrt(((found - actual) ** 2).mean())),
    }


def _join_classes(y: Array, unseen: UnseenClasses | None) -> Array:
    """Return a number for the class of each row, those that the training never saw behind the others."""
    if unseen is None:
        return y
    _, ids = np.unique(unseen.labels, return_inverse=True)
    return np.concatenate([y, ids + (y.max(initial=0) + 1)])


def _balance(classes: Array, right: Array) -> float:
    _, ids = np.unique(classes, return_inverse=True)
    return float((np.bincount(ids, weights=right.astype(np.float64)) / np.bincount(ids)).mean())


def tell_r2(value: float | None) -> str:
    """Write R2, which does not exist where all targets are the same."""
    return "undefined (all targets are the same)" if value is None or np.isnan(value) else f"{value:.4f}"


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


def measure_baseline(
    model: Model, baseline: Baseline, y: Array, unseen: UnseenClasses | None = None
) -> dict[str, float]:
    """Return how good the baseline is on encoded targets, by the measures of `measure_model`."""
    if model.preprocessor.task == "classification":
        classes = _join_classes(y, unseen)
        right = (y == baseline.encoded).sum() / len(classes)
        return {"accuracy": float(right), "balanced_accuracy": 1.0 / len(np.unique(classes))}
    actual = model.preprocessor.decode_target(y)
    return _measure_numbers(actual, np.full_like(actual, baseline.answer))


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


def measure_classes(matrix: Array, also_found: Array | int = 0) -> dict[str, Array]:
    """Return precision, recall and F1 of each class; where nothing was to be found or nothing was found, 0.

    Parameters
    ----------
    matrix : array, shape (classes, classes)
        The confusion matrix.
    also_found : array, shape (classes,)
        How many rows of classes that are not in the matrix were taken for each class.
    """
    right, actual, found = matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0) + also_found
    return {
        "precision": right / np.maximum(found, 1),
        "recall": right / np.maximum(actual, 1),
        "f1": 2 * right / np.maximum(actual + found, 1),
    }
