"""Gradients by definition: central differences, in double precision."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

STEP = 1e-5


def central_differences(
    function: Callable[[dict[str, np.ndarray]], float], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the gradient of a function of some float64 arrays with respect to each of their elements."""
    moved = {name: array.copy() for name, array in arrays.items()}
    gradients = {}
    for name, array in moved.items():
        gradient = np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            values = []
            for h in (STEP, -STEP):
                array[index] = kept + h
                values.append(function(moved))
            array[index] = kept
            gradient[index] = (values[0] - values[1]) / (2 * STEP)
        gradients[name] = gradient
    return gradients
