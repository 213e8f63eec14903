"""A twin of a network: the same in everything that training changes, and sharing nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bpx.network import Network


def twin(net: Network) -> Network:
    """Return a network that would train on exactly as ``net`` would, and may be trained without touching it."""
    from bpx.network import Network

    copy = net.backend.copy
    other = Network(net.layers, loss=net.loss, dtype=net.dtype, seed=net.seed, backend=net.backend)
    other.params, other.state = net.params, net.state
    past = net.training
    if past is not None:
        other.training = replace(past, slots=[[copy(array) for array in arrays] for arrays in past.slots])
    return other
