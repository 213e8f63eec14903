"""The weights that a fit left, compared."""

from __future__ import annotations

from typing import Any

import numpy as np

import bpx


def of(estimator: Any) -> list[np.ndarray]:
    """Return weights and biases of an estimator of bpx or scikit-learn, on the host."""
    return [bpx.to_numpy(array) for array in [*estimator.coefs_, *estimator.intercepts_]]


def furthest(estimator: Any, other: Any) -> float:
    """Return the largest difference between two estimators' weights."""
    return max(float(np.abs(a - b).max()) for a, b in zip(of(estimator), of(other), strict=True))


def same_bits(estimator: Any, other: Any) -> bool:
    """Tell whether two estimators' weights are equal to the bit."""
    return all(np.array_equal(a, b) for a, b in zip(of(estimator), of(other), strict=True))
