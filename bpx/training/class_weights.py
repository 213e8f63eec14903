"""Weights of classes, which become weights of samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bpx.arguments import check_count, check_number
from bpx.backend.base import Array, Backend
from bpx.core.evaluation import decides_for_one
from bpx.core.model import Model
from bpx.errors import InputError


def fetch_class_ids(net: Model, y: Array) -> np.ndarray:
    """Return the classes of targets on the device, as host integers (one-hot rows give their largest entry)."""
    host = net.backend.to_numpy(y)
    if decides_for_one(net):
        return np.argmax(host, axis=1) if host.ndim == 2 else host.astype(np.int64)
    return (host[:, 0] > 0.5).astype(np.int64)


def weigh_classes(net: Model, class_weight: Any, mass: Callable[[int], np.ndarray] | None) -> np.ndarray | None:
    """Return one weight for each class, or None where none are asked for.

    Parameters
    ----------
    net : Model
    class_weight : dict, "balanced" or None
        As for ``fit``.
    mass : callable or None
        ``mass(n_classes)`` returns the sum of the sample weights of each class; None where it is not known yet.

    Raises
    ------
    InputError
        If the network decides for no classes, a class is unknown, a weight is negative or no number, all weights are 0,
        or "balanced" meets a stream.
    """
    if class_weight is None:
        return None
    n_classes = count_classes(net)
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise InputError(f"class_weight is a dict, 'balanced' or None, got {class_weight!r}")
        if mass is None:
            raise InputError(
                "class_weight='balanced' needs to count the classes first, which an iterable of batches does not "
                "allow; give a dict of weights"
            )
        masses = mass(n_classes)
        present = masses > 0.0
        weights = np.ones(n_classes)
        weights[present] = masses.sum() / (present.sum() * masses[present])
        return weights
    if not isinstance(class_weight, Mapping):
        raise InputError(f"class_weight is a dict, 'balanced' or None, got {class_weight!r}")
    weights = np.ones(n_classes)
    for key, value in class_weight.items():
        index = check_count("a class of class_weight", key, 0)
        if index >= n_classes:
            raise InputError(f"class_weight names class {index}; the classes are from 0 to {n_classes - 1}")
        weights[index] = check_number(f"class_weight of class {index}", value, minimum=0.0)
    if not weights.any():
        raise InputError("class_weight is 0 for every class: there is nothing to learn from")
    return weights


def count_classes(net: Model) -> int:
    """Return how many classes a network decides for.

    Raises
    ------
    InputError
        If it decides for none.
    """
    outputs = net.output_shape[-1] if net.output_shape else None
    if decides_for_one(net) and outputs is not None:
        return outputs
    if net.loss.targets == "probabilities" and outputs == 1:
        return 2
    raise InputError(
        f"class_weight needs classes: the loss cross_entropy, or binary_cross_entropy with one output; "
        f"this network has the loss {net.loss.name!r} and {outputs} outputs"
    )


def weigh_by_class(
    net: Model, y: Array, weight: Array | None, weights: np.ndarray | None, backend: Backend | None = None
) -> Array | None:
    """Return the samples' weights on the device, or on another backend, each times the weight of its class."""
    if weights is None:
        return weight
    backend = net.backend if backend is None else backend
    with backend.computing(), np.errstate(over="ignore"):  # what the dtype does not hold is refused by the sum
        factors = backend.asarray(weights[fetch_class_ids(net, y)].astype(net.dtype))
        return factors if weight is None else weight * factors


def sum_by_class(net: Model, y: Array, weight: Array | None, n_classes: int) -> np.ndarray:
    """Return the sum of the sample weights of each class, in float64."""
    ids = fetch_class_ids(net, y)
    host = None if weight is None else net.backend.to_numpy(weight).astype(np.float64)
    return np.bincount(ids, weights=host, minlength=n_classes).astype(np.float64)
