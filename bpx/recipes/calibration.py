"""Calibration: probabilities that say how often a network is right, and numbers that are right on average."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpx.errors import InputError
from bpx.network import Network

__all__ = ["adjust_outputs", "find_temperature"]

Array = np.ndarray[Any, Any]

_LOWEST, _HIGHEST = 0.1, 10.0
_SMALLEST = 1e-30
"""Probabilities below this count as this: their logarithm is to be finite."""


def find_temperature(probabilities: Array, ids: Array, weight: Array | None = None) -> float:
    """Find the temperature T at which ``softmax(z / T)`` fits the classes of rows best.

    The cross-entropy is convex in ``b = 1 / T``, and its derivative is
    ``sum_i w_i (sum_j p_ij(b) log p_ij - log p_i,y_i) / sum_i w_i``, with p_ij the probabilities as they are and
    ``p_ij(b)`` proportional to ``p_ij ** b``: where it is 0, the log-probabilities have the same mean under the network
    as under the truth. It is found by halving.

    Parameters
    ----------
    probabilities : array, shape (rows, classes)
        Of rows that no weight was learned from.
    ids : array of int, shape (rows,)
        Their classes.
    weight : array, shape (rows,), optional
        Their weights.

    Returns
    -------
    float
        From 0.1 to 10. Above 1 the network was too sure of itself.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On calibration of modern neural networks", 2017, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> from bpx.recipes.calibration import find_temperature
    >>> sure = np.array([[0.99, 0.01]] * 4)
    >>> round(find_temperature(sure, np.array([0, 0, 0, 1])), 3)
    4.183
    """
    logs = np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST))
    of_truth = logs[np.arange(len(ids)), ids]

    def slope(b: float) -> float:
        p = np.exp(b * (logs - logs.max(axis=1, keepdims=True)))
        p /= p.sum(axis=1, keepdims=True)
        return float(np.average((p * logs).sum(axis=1) - of_truth, weights=weight))

    low, high = 1.0 / _HIGHEST, 1.0 / _LOWEST
    for _ in range(50):
        middle = (low + high) / 2.0
        low, high = (low, middle) if slope(middle) > 0.0 else (middle, high)
    return 2.0 / (low + high)


def adjust_outputs(network: Network, temperature: float = 1.0, shift: float = 0.0) -> None:
    """Have the last layer make ``z / temperature + shift`` of what it makes, z, by its weights and biases.

    Raises
    ------
    InputError
        If the last layer has no weights, or no biases for a shift.
    """
    parameters = network.params
    if not parameters[-1] or (shift and "bias" not in parameters[-1]):
        raise InputError(f"the last layer makes nothing that weights and biases can adjust: {network.layers[-1]!r}")
    last = {name: network.backend.to_numpy(array) / temperature for name, array in parameters[-1].items()}
    if shift:
        last["bias"] = last["bias"] + shift
    parameters[-1] = last
    network.params = parameters
