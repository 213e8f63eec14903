"""From an estimator's parameters to a network: its layers, and the weights that it starts from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bpx.backend.base import Array
from bpx.checks import count, number
from bpx.errors import InputError
from bpx.layers import Dropout, Identity, Layer, Linear, Params, Sigmoid, get_activation
from bpx.network import Network

ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "sigmoid", "leaky_relu", "gelu", "silu", "softplus")
"""The names of the activations: scikit-learn's four, then what it lacks ("sigmoid" is "logistic")."""

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)
"""What is said of weights that are not finite."""


class EstimatorNetwork(Network):
    """A network whose data the estimator has checked and brought to the device already."""

    def _inputs(self, x: Any, y: Any, sample_weight: Any) -> tuple[Array, Array, Array | None]:
        return x, y, sample_weight


def copied(net: Network) -> list[Params]:
    """Return a copy of a network's weights."""
    return [{name: net.backend.copy(array) for name, array in part.items()} for part in net.params]


def is_finite(net: Network) -> bool:
    """Tell whether every weight of a network is a finite number."""
    xp = net.backend.xp
    return all(bool(xp.all(xp.isfinite(array))) for part in net.params for array in part.values())


def hidden_sizes(hidden_layer_sizes: Any) -> list[int]:
    """Return the widths of the hidden layers.

    Raises
    ------
    ValueError
        If one is not above 0.
    """
    sizes = list(hidden_layer_sizes) if hasattr(hidden_layer_sizes, "__iter__") else [hidden_layer_sizes]
    if np.any(np.array(sizes) <= 0):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [count("a hidden layer's size", size) for size in sizes]


def each_hidden(name: str, value: Any, hidden: int) -> list[Any]:
    """Return a parameter that is one value, or one for each hidden layer, as a list.

    Raises
    ------
    InputError
        If there are more or fewer values than hidden layers.
    """
    if isinstance(value, (str, Layer)) or not isinstance(value, Iterable):
        return [value] * hidden
    values = list(value)
    if len(values) != hidden:
        raise InputError(f"{name} must be one value, or one for each of the {hidden} hidden layers, got {len(values)}")
    return values


def hidden_activations(activation: Any, hidden: int) -> list[Layer]:
    """Return one activation for each hidden layer."""
    named = {"logistic": "sigmoid"}
    each = each_hidden("activation", activation, hidden)
    return [get_activation(named.get(a, a) if isinstance(a, str) else a) for a in each]


def build_layers(sizes: Sequence[int], activation: Any, dropout: Any) -> tuple[Layer, ...]:
    """Return the layers of a network; its weights start as zeros, for `starting_weights` or fitted ones to replace.

    Parameters
    ----------
    sizes : sequence of int
        Features in, hidden units ..., outputs.
    activation : str, Layer, or a sequence with one for each hidden layer
    dropout : float, or a sequence with one for each hidden layer
        Share of each hidden layer's units left out at a training step.
    """
    hidden = len(sizes) - 2
    functions = [*hidden_activations(activation, hidden), Identity()]
    rates = [number("dropout", r, minimum=0.0, below=1.0) for r in each_hidden("dropout", dropout, hidden)]
    layers: list[Layer] = []
    for n_in, n_out, function, rate in zip(sizes[:-1], sizes[1:], functions, [*rates, 0.0], strict=True):
        layers.append(Linear(n_in, n_out, weight_init="zeros"))
        if not isinstance(function, Identity):
            layers.append(function)
        if rate:
            layers.append(Dropout(rate))
    return tuple(layers)


def starting_weights(
    random_state: np.random.RandomState, sizes: Sequence[int], activation: Any, dtype: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Draw weights and biases layer by layer, in scikit-learn's order: U(-r, r), r = sqrt(f / (n_in + n_out)).

    f is 6, and 2 before a logistic activation; the output layer takes the f of the last hidden one.

    References
    ----------
    X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, eq. 16.
    """
    functions = hidden_activations(activation, len(sizes) - 2)
    if functions:
        functions.append(functions[-1])
    else:
        functions = [Identity()] if isinstance(activation, (list, tuple)) else hidden_activations(activation, 1)
    coefs, intercepts = [], []
    for n_in, n_out, function in zip(sizes[:-1], sizes[1:], functions, strict=True):
        bound = np.sqrt((2.0 if isinstance(function, Sigmoid) else 6.0) / (n_in + n_out))
        coefs.append(random_state.uniform(-bound, bound, (n_in, n_out)).astype(dtype, copy=False))
        intercepts.append(random_state.uniform(-bound, bound, n_out).astype(dtype, copy=False))
    return coefs, intercepts


def as_params(net: Network, coefs: Sequence[Array], intercepts: Sequence[Array]) -> list[Params]:
    """Return weights and biases as the network's list of parameters, sharing the arrays that are on its device."""
    pairs = iter(zip(coefs, intercepts, strict=True))
    params: list[Params] = []
    for layer in net.layers:
        if isinstance(layer, Linear):
            weight, bias = next(pairs)
            arrays = {"weight": weight, "bias": bias}
            params.append({name: net.backend.asarray(array, net.dtype) for name, array in arrays.items()})
        else:
            params.append({})
    return params
