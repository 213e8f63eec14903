"""From an estimator's parameters to a network: its layers, and the weights that it starts from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from bpx import layers
from bpx.arguments import check_count, check_number
from bpx.backend.base import Array
from bpx.core.model import Model
from bpx.errors import InputError
from bpx.layers import BatchNorm, Dropout, Identity, Layer, LayerNorm, Linear, Params, Sigmoid, get_activation

ACTIVATIONS = ("logistic", *(name for name in layers.ACTIVATIONS if name != "softmax"))
"""The names of the activations: scikit-learn's "logistic", which is "sigmoid", and those of the layers."""

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)
"""What is said of weights that are not finite."""


NORMALIZATIONS: dict[str, type[BatchNorm] | type[LayerNorm]] = {"batch": BatchNorm, "layer": LayerNorm}
"""The layers that standardize what an activation is given, by name."""


class Weights(NamedTuple):
    """What a training changes in a network, layer by layer: its parameters and its running statistics."""

    params: list[Params]
    state: list[Params]


def copy_weights(net: Model) -> Weights:
    """Return a copy of a network's weights, on its device."""
    copy = net.backend.copy
    return Weights(
        *([{name: copy(array) for name, array in part.items()} for part in parts] for parts in (net.params, net.state))
    )


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


def list_normalizations(normalization: Any, hidden: int) -> list[str | None]:
    """Return the name of each hidden layer's normalization, or None where it has none.

    Raises
    ------
    InputError
        If there are more or fewer than hidden layers, or one is not known.
    """
    each = list_for_hidden("normalization", normalization, hidden)
    for one in each:
        if one is not None and one not in NORMALIZATIONS:
            raise InputError(f"normalization must be None, 'batch' or 'layer', got {one!r}")
    return each


def build_layers(sizes: Sequence[int], activation: Any, dropout: Any, normalization: Any = None) -> tuple[Layer, ...]:
    """Return the layers of a network; its weights start as zeros, for `draw_weights` or fitted ones to replace.

    Parameters
    ----------
    sizes : sequence of int
        Features in, hidden units ..., outputs.
    activation : str, Layer, or a sequence with one for each hidden layer
    dropout : float, or a sequence with one for each hidden layer
        Share of each hidden layer's units left out at a training step.
    normalization : None, "batch", "layer", or a sequence with one for each hidden layer
        What standardizes the values that a hidden layer's activation is given.
    """
    hidden = len(sizes) - 2
    functions = [*list_hidden_activations(activation, hidden), Identity()]
    rates = [check_number("dropout", r, minimum=0.0, below=1.0) for r in list_for_hidden("dropout", dropout, hidden)]
    built: list[Layer] = []
    norms = [*list_normalizations(normalization, hidden), None]
    for (n_in, n_out), norm, function, rate in zip(pairwise(sizes), norms, functions, [*rates, 0.0], strict=True):
        built.append(Linear(n_in, n_out, weight_init="zeros"))
        if norm is not None:
            built.append(NORMALIZATIONS[norm](n_out))
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


def is_normalization(layer: Layer) -> bool:
    """Tell whether a layer standardizes what it is given."""
    return isinstance(layer, tuple(NORMALIZATIONS.values()))


def start_normalizations(layers: Sequence[Layer], dtype: str) -> list[Params]:
    """Return the arrays that each normalization among layers starts with, running statistics too, by name."""
    unused = np.random.default_rng(0)  # they start at ones and zeros
    return [
        {name: array.astype(dtype) for name, array in {**layer.init(unused), **layer.init_state()}.items()}
        for layer in layers
        if is_normalization(layer)
    ]


def make_weights(
    net: Model, coefs: Sequence[Array], intercepts: Sequence[Array], normalizations: Sequence[Params]
) -> Weights:
    """Return an estimator's arrays as those of the network, sharing the ones that are on its device."""
    pairs, norms = iter(zip(coefs, intercepts, strict=True)), iter(normalizations)
    weights = Weights([], [])
    for layer, running in zip(net.layers, net.state, strict=True):
        arrays: Params = {}
        if isinstance(layer, Linear):
            arrays = dict(zip(("weight", "bias"), next(pairs), strict=True))
        elif is_normalization(layer):
            arrays = next(norms)
        placed = {name: net.backend.asarray(array, net.dtype) for name, array in arrays.items()}
        weights.params.append({name: array for name, array in placed.items() if name not in running})
        weights.state.append({name: array for name, array in placed.items() if name in running})
    return weights
