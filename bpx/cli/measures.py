"""How good predictions are: of classes, with the confusion matrix, and of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from bpx.core.model import PREDICT_ROWS
from bpx.losses import Loss, MeanOverMembers
from bpx.metrics import scores
from bpx.network import Network
from bpx.recipes.model_file import Model
from bpx.tables import ClassTarget
from bpx.tables.target import Target

__all__ = [
    "Baseline",
    "Measured",
    "beats_baseline",
    "describe_target",
    "find_never_predicted",
    "learn_baseline",
    "measure_baseline",
    "measure_classes",
    "measure_model",
    "name_with_unit",
    "predict_classes",
    "regroup",
    "tell_r2",
]

Array = np.ndarray[Any, Any]

NONE: Mapping[str, int] = MappingProxyType({})
"""No class that the training never saw."""

_VALUES_A_PART = 2**22
"""Inputs of the network that are looked at at a time, if rows are not too long."""


@dataclass(frozen=True)
class Measured:
    """How good a network is on some rows.

    Attributes
    ----------
    numbers : dict of str to float
        The loss and what people want to know beside it. Classes have ``accuracy`` in [0, 1], and ``balanced_accuracy``,
        the mean of the shares that are right of each class. Numbers have ``r2``, NaN where all targets are the same,
        and ``mae`` and ``rmse`` in the units of the target.
    y : array
        The targets, encoded.
    matrix : array of int64, shape (classes, classes), or None
        The confusion matrix, as from `bpx.metrics.scores.count_confusions`; None for numbers.
    actual, found : array of float64, shape (rows,), or None
        Targets and predictions in the units of the target; None for classes.
    """

    numbers: dict[str, float]
    y: Array
    matrix: Array | None = None
    actual: Array | None = None
    found: Array | None = None


def measure_model(model: Model, parts: Iterable[tuple[Array, Array]], unseen: Mapping[str, int] = NONE) -> Measured:
    """Measure a network on rows that it goes through once, and of which it keeps targets and predictions alone.

    Rows of classes that the training never saw are wrong in both accuracies; the loss leaves them out.

    Parameters
    ----------
    model : Model
    parts : iterable of (x, y)
        Encoded rows and targets, some at a time; the numbers do not depend on how many.
    unseen : mapping from str to int, optional
        How many further rows have each class that the training never saw; looked at when there are no more parts.
    """
    network, preprocessor = model.network, model.preprocessor
    classes = preprocessor.task == "classification"
    n = preprocessor.n_outputs
    loss, matrix = 0.0, np.zeros((n, n), dtype=np.int64)
    targets: list[Array] = []
    outputs: list[Array] = []
    for x, y in regroup(parts, preprocessor.n_features):
        part, found = _evaluate(network, x, model.encode_targets(y))
        loss += part * (len(y) if network.loss.reduction == "mean" else 1)
        targets.append(y)
        if classes:
            matrix += scores.count_confusions(y, _choose_classes(found), n)
        else:
            outputs.append(found)
    y = np.concatenate(targets)
    loss = loss / len(y) if network.loss.reduction == "mean" else loss
    if not classes:
        actual, predicted = (preprocessor.decode_target(values) for values in (y, np.concatenate(outputs)))
        return Measured({"loss": loss} | _measure_numbers(actual, predicted), y, None, actual, predicted)
    rows = matrix.sum(axis=1)
    shares = matrix.diagonal()[rows > 0] / rows[rows > 0]
    numbers = {
        "loss": loss,
        "accuracy": float(matrix.trace() / (len(y) + sum(unseen.values()))),
        "balanced_accuracy": float(shares.sum() / (len(shares) + len(unseen))),
    }
    return Measured(numbers, y, matrix)


def regroup(parts: Iterable[tuple[Array, ...]], n_features: int) -> Iterator[tuple[Array, ...]]:
    """Yield arrays of rows that come in parts of any length in parts of one length, and the rest.

    The length is a multiple of what a network takes at a time, so that its numbers do not depend on the parts.
    """
    length = max(_VALUES_A_PART // max(n_features, 1) // PREDICT_ROWS, 1) * PREDICT_ROWS
    waiting: list[tuple[Array, ...]] = []
    count = 0
    for part in parts:
        waiting.append(part)
        count += len(part[0])
        if count < length:
            continue
        joined = tuple(map(np.concatenate, zip(*waiting, strict=True))) if len(waiting) > 1 else part
        ready = count // length * length
        for start in range(0, ready, length):
            yield tuple(array[start : start + length] for array in joined)
        waiting, count = [tuple(array[ready:] for array in joined)], count - ready
    if count:
        yield tuple(map(np.concatenate, zip(*waiting, strict=True))) if len(waiting) > 1 else waiting[0]


def _evaluate(network: Network, x: Array, targets: Array) -> tuple[float, Array]:
    """Return the loss of some rows, and what the network predicts of them."""
    outputs: list[Array] = []

    def keep(_: Array, predicted: Array) -> float:
        outputs.append(predicted)
        return 0.0

    loss = network.evaluate(x, targets, metrics=[("outputs", keep)])["loss"]
    if isinstance(network.loss, MeanOverMembers):
        loss = _measure_mean(network.loss.loss, outputs[0], targets)
    return loss, outputs[0]


def _measure_mean(loss: Loss, outputs: Array, targets: Array) -> float:
    """Return the loss of what members predict together; that of an evaluation is the mean of what each has alone."""
    if loss.targets == "values":
        return float(loss.forward(np, outputs.reshape(targets.shape), targets)[0])
    ids = targets.reshape(-1).astype(np.int64)
    p = np.stack([1.0 - outputs, outputs], axis=1) if outputs.ndim == 1 else outputs
    of_truth = p[np.arange(len(ids)), ids]
    return float(-np.log(np.maximum(of_truth, np.finfo(p.dtype).tiny)).mean())


def _measure_numbers(actual: Array, found: Array) -> dict[str, float]:
    return {
        "r2": scores.r2(actual, found) if actual.min() < actual.max() else float("nan"),
        "mae": scores.mean_absolute_error(actual, found),
        "rmse": float(np.sqrt(((found - actual) ** 2).mean())),
    }


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


def measure_baseline(model: Model, baseline: Baseline, y: Array, unseen: Mapping[str, int] = NONE) -> dict[str, float]:
    """Return how good the baseline is on encoded targets, by the measures of `measure_model`."""
    if model.preprocessor.task == "classification":
        classes = np.count_nonzero(np.bincount(y)) + len(unseen)
        right = (y == baseline.encoded).sum() / (len(y) + sum(unseen.values()))
        return {"accuracy": float(right), "balanced_accuracy": 1.0 / classes}
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
    return _choose_classes(model.network.predict(x))


def _choose_classes(outputs: Array) -> Array:
    """Give the most probable class of each row, given the probabilities of all classes or that of the second one."""
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        ids: Array = outputs.argmax(axis=1)
        return ids
    return (outputs.reshape(-1) > 0.5).astype(np.int64)


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
