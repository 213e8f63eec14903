"""Several networks as one, whose prediction is the mean of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bpx.errors import InputError
from bpx.layers import Layer, Linear, MemberLinear
from bpx.losses import MeanOverMembers
from bpx.network import Network

__all__ = ["join_members"]

Array = np.ndarray[Any, Any]


def join_members(networks: Sequence[Network]) -> Network:
    """Join networks of the same layers to one that predicts the mean of what they predict.

    Layers without weights to learn that come first are shared. From the first linear layer on, each network is a member
    of its own: `bpx.MemberLinear` holds the matrices and biases of all, and the first gives all of them the sample. The
    loss is `bpx.MeanOverMembers`, so that probabilities are averaged, not logits.

    Parameters
    ----------
    networks : sequence of Network
        Of linear layers and layers without parameters, beside shared ones before the first linear layer.

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
        elif set(layer.param_names) - set(layer.frozen) or layer.stateful:
            raise InputError(f"networks can be joined that learn linear layers alone, and their layer {i} is {layer!r}")
        elif layer.param_names and begun:
            raise InputError(f"layers with parameters must come before the first linear one, got {layer!r} behind it")
        else:
            layers.append(layer)
            parameters.append(each[0])
    loss = MeanOverMembers(first.loss.reduction, first.loss)
    whole = Network(layers, loss=loss, dtype=first.dtype, seed=0, backend=first.backend, precision=first.precision)
    whole.params = parameters
    return whole
