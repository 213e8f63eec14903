"""Selection: which groups of networks to average, by rows that none of them learned from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from bpx.losses import Loss

__all__ = ["measure_predictions", "select_groups"]

Array = np.ndarray[Any, Any]

_SMALLEST = 1e-30
"""Probabilities and rates below this count as this: their logarithm is to be finite."""


def select_groups(
    predictions: Sequence[Array], loss: Loss, y: Array, classes: Array | None = None, weight: Array | None = None
) -> tuple[int, ...]:
    """Select the groups of networks whose mean fits rows best that they did not learn from.

    All ``2 ** g - 1`` choices of g groups are compared: with three, seven. Every network of a group counts alike, so
    that few things are decided on these rows, and little is fitted to their noise.

    Parameters
    ----------
    predictions : sequence of arrays, shape (rows, ...)
        What each group predicts of the same rows.
    loss : Loss
        Of one network.
    y : array, shape (rows, ...)
        Targets, as the loss takes them.
    classes : array of int, shape (rows,), optional
        The classes of the rows; then predictions are probabilities.
    weight : array, shape (rows,), optional
        Weights of the rows.

    Returns
    -------
    tuple of int
        The places of those selected, in ascending order; of choices that are equally good, the smallest.

    References
    ----------
    R. Caruana, A. Niculescu-Mizil, G. Crew, A. Ksikes, "Ensemble selection from libraries of models", 2004.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> from bpx.recipes.selection import select_groups
    >>> high, low, far = np.array([[1.5], [2.5]]), np.array([[0.6], [1.6]]), np.array([[9.0], [9.0]])
    >>> select_groups([high, low, far], bpx.SquaredError(), np.array([[1.0], [2.0]]))
    (0, 1)
    """
    places = range(len(predictions))
    choices = [choice for size in range(1, len(predictions) + 1) for choice in combinations(places, size)]
    return min(
        choices,
        key=lambda choice: measure_predictions(
            np.mean([predictions[i] for i in choice], axis=0), loss, y, classes, weight
        ),
    )


def measure_predictions(
    predicted: Array, loss: Loss, y: Array, classes: Array | None = None, weight: Array | None = None
) -> float:
    """Return the loss of predictions: of classes ``-mean(log p_y)`` whatever the loss is, and else what the loss says.

    Parameters are those of `select_groups`, for the predictions of one.
    """
    if classes is not None:
        p = np.hstack([1.0 - predicted, predicted]) if predicted.shape[1] == 1 else predicted
        of_truth = np.maximum(p[np.arange(len(p)), classes].astype(np.float64), _SMALLEST)
        return float(np.average(-np.log(of_truth), weights=weight))
    outputs = np.log(np.maximum(predicted, _SMALLEST)) if loss.targets == "counts" else predicted  # rates are exp(z)
    return float(loss.forward(np, outputs.astype(np.float64), np.asarray(y, np.float64), weight)[0])
