"""Scores of predictions on one table, and what many tables say together: clipped ratios, their mean, and ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LEAST_PROBABILITY = 1e-15
LEAST_RATIO, MOST_RATIO = 0.5, 2.0
"""No single table counts beyond these."""


def log_loss(labels: Any, probabilities: Any, classes: Sequence[str]) -> float:
    """Return the mean of ``-log p`` (nats), p the probability that each row's own class was given, at least 1e-15.

    Parameters
    ----------
    labels : array-like of str, shape (n,)
        The class of each row.
    probabilities : array, shape (n, k)
        A column for each class; rows are scaled to sum to 1 first.
    classes : sequence of str, k of them
        The classes of the columns.

    Raises
    ------
    ValueError
        If a label is none of the classes, or a probability is negative or not finite.
    """
    return float(-np.mean(np.log(np.maximum(_given(labels, probabilities, classes), LEAST_PROBABILITY))))


def accuracy(labels: Any, probabilities: Any, classes: Sequence[str]) -> float:
    """Return the share of rows whose most probable class is their own; arguments as in `log_loss`."""
    return float(np.mean(np.asarray(classes)[np.argmax(probabilities, axis=1)] == np.asarray(labels)))


def rmse(values: Any, predictions: Any) -> float:
    """Return the root of the mean squared error, in the unit of the values.

    Raises
    ------
    ValueError
        If there are not as many predictions as values, or one is not finite.
    """
    values, predictions = np.asarray(values, dtype=float), np.asarray(predictions, dtype=float)
    if values.shape != predictions.shape:
        raise ValueError(f"expected predictions of the shape {values.shape}, got {predictions.shape}")
    if not np.all(np.isfinite(predictions)):
        raise ValueError("a prediction is not finite")
    return float(np.sqrt(np.mean((values - predictions) ** 2)))


def clip_ratio(ratio: float) -> float:
    """Return a ratio within [0.5, 2]."""
    return min(max(ratio, LEAST_RATIO), MOST_RATIO)


def geometric_mean(ratios: Sequence[float]) -> float:
    """Return the geometric mean of positive numbers; NaN of none."""
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


def mean_ratio(ours: Mapping[str, float], theirs: Mapping[str, float]) -> float:
    """Return the geometric mean of the ratios of two models' losses, by table, each within [0.5, 2].

    A loss of ours that is infinite, because the model failed there, counts as 2. Tables on which theirs is infinite
    or 0 do not count.
    """
    shared = [table for table in ours if table in theirs and math.isfinite(theirs[table]) and theirs[table] > 0.0]
    return geometric_mean([clip_ratio(ours[table] / theirs[table]) for table in shared])


def mean_ranks(losses: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean rank of each model over the tables that all have, 1 the least loss, equal ones the mean rank.

    Parameters
    ----------
    losses : mapping of str to mapping of str to float
        Losses by model, then by table.
    """
    tables = set.intersection(*(set(by_table) for by_table in losses.values())) if losses else set()
    ranks: dict[str, list[float]] = {model: [] for model in losses}
    for table in tables:
        values = [losses[model][table] for model in losses]
        for model in losses:
            own = losses[model][table]
            ranks[model].append(sum(value < own for value in values) + (values.count(own) + 1) / 2)
    return {model: float(np.mean(found)) if found else math.nan for model, found in ranks.items()}


def _given(labels: Any, probabilities: Any, classes: Sequence[str]) -> Any:
    probabilities = np.asarray(probabilities, dtype=float)
    places = {label: place for place, label in enumerate(classes)}
    unknown = sorted(set(labels) - set(places))
    if unknown:
        raise ValueError(f"no probability was given for the classes {unknown}")
    if not np.all(np.isfinite(probabilities)) or np.any(probabilities < 0.0):
        raise ValueError("a probability is negative or not finite")
    chosen = probabilities[np.arange(len(probabilities)), [places[label] for label in labels]]
    return chosen / probabilities.sum(axis=1)
