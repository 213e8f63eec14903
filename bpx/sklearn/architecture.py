"""From an estimator's parameters to a network: its layers, and the weights that it starts from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bpx import layers
from bpx.arguments import check_count, check_number
from bpx.backend.base import Array
from bpx.core.model import Model
from bpx.errors import InputError
from bpx.layers import Dropout, Identity, Layer, Linear, Params, Sigmoid, get_activation

ACTIVATIONS = ("logistic", *(name for name in layers.ACTIVATIONS if name != "softmax"))
"""The names of the activations: scikit-learn's "logistic", which is "sigmoid", and those of the layers."""

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)
"""What is said of weights that are not finite."""


def copy_params(net: Model) -> list[Params]:
    """Return a copy of a network's weights, on its device."""
    return [{name: net.backend.copy(array) for name, array in part.items()} for part in net.params]


def is_finite(net: Model) -> bool:
    """Tell whether every weight of a network is a finite number."""
    xp = net.backend.xp
    return all(bool(xp.all(xp.isfinite(array))) for part in net.params for array in part.values())


def list_hidden_sizes(hidden_layer_sizes: Any) -> list[int]:
    """Return the widths of the hidden layers.

    Raises
    ------
    ValueError
        If one is not above 0.
    """
    sizes = list(hidden_layer_sizes) if hasattr(hidden_layer_sizes, "__iter__") else [hidden_layer_sizes]
    if np.any(np.array(sizes) <= 0):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    return [check_count("a hidden layer's size", size) for size in sizes]


def list_for_hidden(name: str, value: Any, hidden: int) -> list[Any]:
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


def list_hidden_activations(activation: Any, hidden: int) -> list[Layer]:
    """Return one activation for each hidden layer."""
    named = {"logistic": "sigmoid"}
    each = list_for_hidden("activation", activation, hidden)
    return [get_activation(named.get(a, a) if isinstance(a, str) else a) for a in each]


def build_layers(sizes: Sequence[int], activation: Any, dropout: Any) -> tuple[Layer, ...]:
    """Return the layers of a network; its weights start as zeros, for `draw_weights` or fitted ones to replace.

    Parameters
    ----------
    sizes : sequence of int
        Features in, hidden units ..., outputs.
    activation : str, Layer, or a sequence with one for each hidden layer
    dropout : float, or a sequence with one for each hidden layer
        Share of each hidden layer's units left out at a training step.
    """
    hidden = len(sizes) - 2
    functions = [*list_hidden_activations(activation, hidden), Identity()]
    rates = [check_number("dropout", r, minimum=0.0, below=1.0) for r in list_for_hidden("dropout", dropout, hidden)]
    built: list[Layer] = []
    for n_in, n_out, function, rate in zip(sizes[:-1], sizes[1:], functions, [*rates, 0.0], strict=True):
        built.append(Linear(n_in, n_out, weight_init="zeros"))
        if not isinstance(function, Identity):
            built.append(function)
        if rate:
            built.append(Dropout(rate))
    return tuple(built)


def draw_weights(
    random_state: np.random.RandomState, sizes: Sequence[int], activation: Any, dtype: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Draw weights and biases layer by layer, in scikit-learn's order: U(-r, r), r = sqrt(f / (n_in + n_out)).

    f is 6, and 2 before a logistic activation; the output layer takes the f of the last hidden one.

    References
    ----------
    X. Glorot, Y. Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, eq. 16.
    """
    functions = list_hidden_activations(activation, len(sizes) - 2)
    if functions:
        functions.append(functions[-1])
    else:
        functions = [Identity()] if isinstance(activation, (list, tuple)) else list_hidden_activations(activation, 1)
    coefs, intercepts = [], []
    for n_in, n_out, function in zip(sizes[:-1], sizes[1:], functions, strict=True):
        bound = np.sqrt((2.0 if isinstance(function, Sigmoid) else 6.0) / (n_in + n_out))
        coefs.append(random_state.uniform(-bound, bound, (n_in, n_out)).astype(dtype, copy=False))
        intercepts.append(random_state.uniform(-bound, bound, n_out).astype(dtype, copy=False))
    return coefs, intercepts


def make_params(net: Model, coefs: Sequence[Array], intercepts: Sequence[Array]) -> list[Params]:
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
