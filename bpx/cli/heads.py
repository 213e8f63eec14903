"""The last layer and the targets: what a task and a loss ask of a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpx.errors import InputError
from bpx.network import Network
from bpx.tables import Preprocessor

__all__ = ["head", "targets"]

Array = np.ndarray[Any, Any]


def head(preprocessor: Preprocessor, loss: str) -> tuple[int, str]:
    """Return how many outputs a network has and their activation.

    Classes have logits for the cross-entropies; for the other losses probabilities, by a softmax layer or, with two
    classes, by one sigmoid unit. Numbers have one linear output.

    Raises
    ------
    InputError
        If the loss does not go with the task.
    """
    n, of = preprocessor.n_outputs, f"target {preprocessor.target.name!r}"
    if preprocessor.task == "regression":
        if loss not in ("squared_error", "absolute_error", "huber"):
            raise InputError(
                f"--loss {loss} does not go with {of}, which holds numbers (standardized ones in training); "
                "use squared_error, absolute_error or huber"
            )
        return 1, "identity"
    if loss == "poisson":
        raise InputError(f"--loss poisson is for counts, and {of} holds {n} classes; use cross_entropy")
    if loss == "cross_entropy":
        return n, "identity"
    if loss == "binary_cross_entropy" and n > 2:
        raise InputError(f"--loss binary_cross_entropy is for two classes, and {of} holds {n}; use cross_entropy")
    if n == 2:
        return 1, "identity" if loss == "binary_cross_entropy" else "sigmoid"
    return n, "softmax"


def targets(network: Network, preprocessor: Preprocessor, y: Array) -> Array:
    """Return encoded targets as the network's loss takes them."""
    if preprocessor.task == "regression" or network.loss.targets == "classes":
        return y
    if network.output_shape == (1,):
        return y[:, None].astype(np.float64)
    return np.eye(preprocessor.n_outputs)[y]
