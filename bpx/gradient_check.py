"""Backpropagation checked against the definition of a derivative."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from bpx.arguments import check_count, check_number
from bpx.backend.transfer import check_real, library_of, to_numpy
from bpx.core.model import Model
from bpx.errors import InputError
from bpx.rng import generator


class GradientCheck(NamedTuple):
    """The outcome of `check_gradients`.

    Attributes
    ----------
    passed : bool
        Whether ``max_error`` is at most the tolerance.
    max_error : float
        Largest relative difference of a layer's gradient from the central differences.
    worst : str
        Where it is: ``"layer.parameter[index]"``.
    errors : dict of float
        Relative difference of each parameter array, by ``"layer.parameter"``.
    checked : int
        How many elements were compared.
    """

    passed: bool
    max_error: float
    worst: str
    errors: dict[str, float]
    checked: int

    def __bool__(self) -> bool:
        return self.passed


def check_gradients(
    net: Model,
    x: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    step: float = 1e-5,
    tolerance: float = 1e-6,
    samples: int | None = 200,
    training: bool = False,
) -> GradientCheck:
    """Compare ``net.gradients`` with central differences of the loss, in float64 on NumPy.

    For a parameter p, ``(L(p + h) - L(p - h)) / (2 h)`` with ``h = step * max(1, |p|)``, against dL/dp of the backward
    pass. The difference of an array is its largest one over the largest gradient of the array (at least 1e-3 of the
    largest of the network).

    Parameters
    ----------
    net : Network
        Any backend, dtype and precision; a float64 copy of it on NumPy is checked, with its parameters and running
        statistics.
    x, y, sample_weight
        As for `Network.gradients`.
    step : float
        Size of h, above 0.
    tolerance : float
        Largest relative difference that passes, above 0.
    samples : int or None
        How many elements of each array are compared, chosen by the network's seed; None: all.
    training : bool
        Whether layers behave as in training (dropout's mask of the next step, the batch's own statistics).

    Returns
    -------
    GradientCheck
        True where the gradients pass.

    See Also
    --------
    Network.gradients : One forward and one backward pass.
    explain : Take a training step apart.
    diagnose : Find what keeps a network from learning.

    Notes
    -----
    What is checked are the formulas of forward and backward pass, and rounding is no part of them. So a network with a
    ``precision`` below "float32" is checked without it, and its tolerance need not be wider: with rounded products the
    loss is a staircase, whose differences say nothing, and what rounding does to a gradient has no bound that is small
    enough to be of use. In a trained network, where gradients of samples cancel, it was 22 % in bfloat16.

    At a kink (ReLU at 0) the difference quotient is no derivative: an input that sits on one can fail the check.

    References
    ----------
    C. M. Bishop, "Pattern recognition and machine learning", 2006, eq. 5.69.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 3, 1], activation="tanh", loss="squared_error")
    >>> bpx.check_gradients(net, *bpx.datasets.xor()).passed
    True
    """
    check_number("step", step, above=0.0)
    check_number("tolerance", tolerance, above=0.0)
    if samples is not None:
        check_count("samples", samples)
    double = net.copy(dtype="float64", backend="numpy", precision="float32")
    given = (_fetch("x", x), _fetch("y", y), _fetch("sample_weight", sample_weight))
    xs, ys, ws = double.place(*given)
    _, analytic = double.compute_gradients(xs, ys, ws, training=training)
    scale = max((float(np.abs(g).max()) for part in analytic for g in part.values() if g.size), default=0.0)
    if not any(analytic):
        raise InputError("the network has no parameters, so there are no gradients to check")
    errors: dict[str, float] = {}
    worst, largest, checked = "", -1.0, 0
    for i, part in enumerate(double.params):
        for name, p in part.items():
            gradient = analytic[i][name]
            floor = max(float(np.abs(gradient).max()), 1e-3 * scale, np.finfo(np.float64).tiny)
            flat, expected = p.reshape(-1), gradient.reshape(-1)
            errors[f"{i}.{name}"] = 0.0
            for j in _choose(net.seed, flat.size, samples):
                h = step * max(1.0, abs(flat[j]))
                difference = _difference_centrally(double, flat, j, h, (xs, ys, ws), training)
                error = float(abs(difference - expected[j]) / floor)
                error = error if math.isfinite(error) else math.inf
                checked += 1
                errors[f"{i}.{name}"] = max(errors[f"{i}.{name}"], error)
                if error > largest:
                    largest = error
                    worst = f"{i}.{name}[{', '.join(map(str, np.unravel_index(j, p.shape)))}]"
    return GradientCheck(largest <= tolerance, largest, worst, errors, checked)


def _fetch(name: str, data: Any) -> Any:
    """Return an array of another library or device on the host; everything else as it is."""
    check_real(name, data)
    return data if library_of(data) in (None, "numpy") else to_numpy(data)


def _choose(seed: int, size: int, samples: int | None) -> np.ndarray:
    """Return which elements of an array to compare."""
    if samples is None or size <= samples:
        return np.arange(size)
    return generator(seed, size).choice(size, samples, replace=False)


def _difference_centrally(net: Model, flat: np.ndarray, j: int, h: float, data: Any, training: bool) -> float:
    """Return the slope of the loss along one parameter."""
    kept = flat[j]
    values = []
    for tried in (kept + h, kept - h):
        flat[j] = tried
        values.append((float(net.compute_gradients(*data, training=training)[0]), float(flat[j])))
    flat[j] = kept
    (above, right), (below, left) = values
    return (above - below) / (right - left)
