"""Several networks as one, whose prediction is the mean of theirs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from bpx.errors import InputError
from bpx.layers import Columns, Dropout, Embedding, Layer, Linear, MemberColumns, MemberLinear
from bpx.losses import Loss, MeanOverMembers, get_loss
from bpx.network import Network

__all__ = ["forget_learning", "join_members"]

Array = np.ndarray[Any, Any]


def forget_learning(networks: Sequence[Network], loss: str | Loss) -> list[Network]:
    """Give networks one loss, and no dropout where theirs differs, so that they can be joined.

    Neither changes what they predict.

    Parameters
    ----------
    networks : sequence of Network
    loss : str or Loss
        Of all, from now on.

    Returns
    -------
    list of Network
        Those that have this loss already, and the same dropout as all others, are returned as they are.
    """
    loss = get_loss(loss)
    rates = [[layer for layer in net.layers if type(layer) is Dropout] for net in networks]
    keep_dropout = all(own == rates[0] for own in rates)
    return [net if keep_dropout and net.loss == loss else _rebuild(net, loss, keep_dropout) for net in networks]


def _rebuild(network: Network, loss: Loss, keep_dropout: bool) -> Network:
    """Return a network of the same weights with another loss, with its dropout or without."""
    kept = [i for i, layer in enumerate(network.layers) if keep_dropout or type(layer) is not Dropout]
    rebuilt = Network(
        [network.layers[i] for i in kept],
        loss=loss,
        dtype=network.dtype,
        seed=0,
        backend=network.backend,
        precision=network.precision,
    )
    rebuilt.params = [network.params[i] for i in kept]
    return rebuilt


def join_members(networks: Sequence[Network]) -> Network:
    """Join networks of the same layers to one that predicts the mean of what they predict.

    Layers without weights to learn that come first are shared. From the first linear layer on, each network is a member
    of its own: `bpx.MemberLinear` holds the matrices and biases of all, and the first gives all of them the sample.
    Vectors of categories are the members' own too: `bpx.Embedding` has those of all side by side, and
    `bpx.MemberColumns` deals them. The loss is `bpx.MeanOverMembers`, so that probabilities are averaged, not logits.

    Parameters
    ----------
    networks : sequence of Network
        Of linear layers and layers without parameters, beside shared ones, and embeddings, alone or in `bpx.Columns`,
        before the first linear layer.

    Returns
    -------
    Network
        On the backend of the first. One network alone is returned as it is.

    Raises
    ------
    InputError
        If the networks differ in more than their weights, or hold another layer with weights.
    """
    first, k = networks[0], len(networks)
    if k == 1:
        return first
    if any(net.layers != first.layers or net.loss != first.loss for net in networks[1:]):
        raise InputError("networks can be joined whose layers and losses are the same, and these differ")
    layers: list[Layer] = []
    parameters: list[dict[str, Array]] = []
    begun = False
    for i, layer in enumerate(first.layers):
        each = [{name: net.backend.to_numpy(array) for name, array in net.params[i].items()} for net in networks]
        if type(layer) is Linear:
            layers.append(MemberLinear(layer.n_in, layer.n_out, k, own=("weight", "bias"), shared_input=not begun))
            begun = True
            none = np.zeros(layer.n_out)
            parameters.append({name: np.stack([one.get(name, none) for one in each]) for name in ("weight", "bias")})
        elif not begun and _embeds(layer):
            begun = True
            layers += _join_embeddings(layer, k)
            parameters += [_join_vectors(layer, each), {}]
        elif set(layer.param_names) - set(layer.frozen) or layer.stateful:
            raise InputError(
                "networks can be joined that learn linear layers alone, after embeddings that come first, and their "
                f"layer {i} is {layer!r}"
            )
        elif layer.param_names and begun:
            raise InputError(f"layers with parameters must come before the first linear one, got {layer!r} behind it")
        else:
            layers.append(layer)
            parameters.append(each[0])
    loss = MeanOverMembers(first.loss.reduction, first.loss)
    whole = Network(layers, loss=loss, dtype=first.dtype, seed=0, backend=first.backend, precision=first.precision)
    whole.params = parameters
    return whole


def _list_parts(layer: Layer) -> tuple[Layer, ...]:
    return tuple(layer.layers) if type(layer) is Columns else (layer,)


def _embeds(layer: Layer) -> bool:
    """Tell whether a layer learns vectors of categories, and nothing else."""
    parts = _list_parts(layer)
    rest = (part for part in parts if type(part) is not Embedding)
    learned = any(part.stateful or set(part.param_names) - set(part.frozen) for part in rest)
    return any(type(part) is Embedding for part in parts) and not learned


def _join_embeddings(layer: Layer, k: int) -> list[Layer]:
    """Return a layer that makes the vectors of k networks side by side, and one that deals them to the members."""
    parts = _list_parts(layer)
    own = [type(part) is Embedding for part in parts]
    taken = layer.widths if isinstance(layer, Columns) else (1,)
    widths = [part.output_shape((n,))[0] for part, n in zip(parts, taken, strict=True)]  # type: ignore[index] # vectors
    wide = [dataclasses.replace(part, n_out=k * part.n_out) if type(part) is Embedding else part for part in parts]
    return [Columns(taken, wide) if isinstance(layer, Columns) else wide[0], MemberColumns(widths, own, k)]


def _join_vectors(layer: Layer, each: Sequence[dict[str, Array]]) -> dict[str, Array]:
    """Return the arrays of such a layer, given those of each network: vectors side by side, and the first of others."""
    first = each[0]
    if type(layer) is Embedding:
        names = {"weight"}
    else:
        names = {f"{i}.weight" for i, part in enumerate(_list_parts(layer)) if type(part) is Embedding}
    return {
        name: np.concatenate([one[name] for one in each], axis=1) if name in names else first[name] for name in first
    }
