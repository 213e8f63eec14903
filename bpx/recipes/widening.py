"""Widening: networks that see less of a sample become ones of the same layers as those that see more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from bpx.errors import InputError
from bpx.layers import Columns, Identity, Layer, Linear
from bpx.network import Network

__all__ = ["widen_networks"]

Array = np.ndarray[Any, Any]


def widen_networks(networks: Sequence[Network]) -> list[Network]:
    """Give all networks the first layer of the one that makes most of a sample, without changing what they predict.

    Networks may begin with their first linear layer, or with one that makes something of columns: numbers in bins, with
    the number behind them, or vectors of categories. One that takes numbers as they are predicts the same with bins
    before it, if the weights from these are 0; that is what it gets, so that `join_members` can join it with those that
    learned from bins.

    Parameters
    ----------
    networks : sequence of Network
        Of the same layers from the first linear one on, but for its width.

    Returns
    -------
    list of Network
        Those that need no change are returned as they are.

    Raises
    ------
    InputError
        If a network's first layer makes what the widest does not.
    """
    widest = max(networks, key=lambda net: _find_linear(net)[1].n_in)
    return [net if net.layers == widest.layers else _widen(net, widest) for net in networks]


def _find_linear(network: Network) -> tuple[int, Linear]:
    """Return the place of the first linear layer, 0 or 1, and the layer."""
    for i, layer in enumerate(network.layers[:2]):
        if type(layer) is Linear:
            return i, layer
    raise InputError(f"networks are widened that begin with a linear layer or one before it, got {network.layers[:2]}")


def _widen(network: Network, widest: Network) -> Network:
    """Return the network with the first layer of the widest, whose other features it gives weights of 0."""
    (own, linear), (other, wide) = _find_linear(network), _find_linear(widest)
    parameters = [
        {name: network.backend.to_numpy(array) for name, array in arrays.items()} for arrays in network.params[own:]
    ]
    first = widest.layers[0]
    n_features = widest.input_shape[0] if widest.input_shape else 0
    kept = _find_kept(network.layers[0] if own else Identity(), first, n_features) if other else np.arange(wide.n_in)
    if len(kept) != linear.n_in:
        raise InputError(f"{linear!r} takes other features than {first!r} makes")
    weight = np.zeros((wide.n_in, wide.n_out), parameters[0]["weight"].dtype)
    weight[kept] = parameters[0]["weight"]
    parameters[0]["weight"] = weight
    wider = Network(
        [*widest.layers[: other + 1], *network.layers[own + 1 :]],
        loss=network.loss,
        dtype=network.dtype,
        seed=0,
        backend=network.backend,
        precision=network.precision,
    )
    whole = [{name: widest.backend.to_numpy(a) for name, a in one.items()} for one in widest.params[:other]]
    if own and other:
        whole[0] |= _take_parts(network, widest)
    wider.params = whole + parameters
    return wider


def _list_parts(layer: Layer, n_features: int) -> Iterator[tuple[int, int, Layer]]:
    """Yield each part of a first layer: the features from which to which it takes, and the layer."""
    widths = layer.widths if isinstance(layer, Columns) else (n_features,)
    start = 0
    for width, part in zip(widths, layer.layers if isinstance(layer, Columns) else (layer,), strict=True):
        yield start, start + width, part
        start += width


def _count_made(layer: Layer, n_features: int) -> list[int]:
    """Return how many numbers a first layer makes of each feature."""
    made: list[int] = []
    for start, stop, part in _list_parts(layer, n_features):
        shape = part.output_shape((stop - start,))
        made += [(shape[0] if shape else 0) // (stop - start)] * (stop - start)
    return made


def _find_kept(narrow: Layer, wide: Layer, n_features: int) -> Array:
    """Return where what one layer makes is among what a wider one makes.

    Of each feature both make the same, or the narrow one the number itself and the wide one its bins with the number
    behind them: the last, as many as the narrow one makes.
    """
    kept: list[int] = []
    end = 0
    for few, many in zip(_count_made(narrow, n_features), _count_made(wide, n_features), strict=True):
        end += many
        kept += range(end - few, end)
    return np.array(kept, dtype=np.int64)


def _take_parts(network: Network, widest: Network) -> dict[str, Array]:
    """Return the parameters of a network's first layer, by the names that they have in the widest one's."""
    n_features = widest.input_shape[0] if widest.input_shape else 0
    parts = enumerate(_list_parts(widest.layers[0], n_features))
    those = {(start, stop): (i, part) for i, (start, stop, part) in parts}
    taken: dict[str, Array] = {}
    for i, (start, stop, part) in enumerate(_list_parts(network.layers[0], n_features)):
        if not part.param_names:
            continue
        place, same = those.get((start, stop), (0, None))
        if same != part:
            raise InputError(f"{part!r} takes the features {start} to {stop - 1}, and the widest network has it not")
        for name in part.param_names:
            taken[f"{place}.{name}"] = network.backend.to_numpy(network.params[0][f"{i}.{name}"])
    return taken
