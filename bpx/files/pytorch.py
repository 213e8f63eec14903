"""Weights in PyTorch's names and layout, so that they go to ``torch.nn.Sequential`` and come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bpx.backend.transfer import read_real
from bpx.core.model import Model
from bpx.errors import InputError
from bpx.layers import BatchNorm, Block, Layer, Linear

BATCHES = "num_batches_tracked"
"""PyTorch's count of training batches, which its BatchNorm keeps beside the running statistics."""

SHOWN = 6
"""So many names of a list are shown in an error."""


class Entry(NamedTuple):
    """Where an array of a state dict belongs.

    Attributes
    ----------
    key : str
        Its name in PyTorch: positions and name with dots between, as in ``"3.0.weight"``.
    kind : str
        "params" or "state": the list of the network that holds it; "count" for what no list holds.
    layer : int
        Number of the layer in the network.
    name : str
        Its name within that layer's dict.
    owner : Layer
        The layer that computes with it, which may lie inside a `Residual` or `Columns`.
    """

    key: str
    kind: str
    layer: int
    name: str
    owner: Layer

    @property
    def transposed(self) -> bool:
        """Whether PyTorch keeps the array the other way round: (n_out, n_in)."""
        return isinstance(self.owner, Linear) and self.key.endswith(".weight")


def list_entries(layers: Sequence[Layer]) -> Iterator[Entry]:
    """Yield every array of a network's layers, in the order of PyTorch's modules."""
    for i, layer in enumerate(layers):
        yield from _list_entries_of(layer, i, "")


def _list_entries_of(layer: Layer, number: int, inner: str) -> Iterator[Entry]:
    """Yield the arrays of one layer; ``inner`` is where it lies within layer ``number`` ("0." of a block)."""
    if isinstance(layer, Block):
        for i, part in enumerate(layer.layers):
            yield from _list_entries_of(part, number, f"{inner}{i}.")
        return
    counted = (BATCHES,) if isinstance(layer, BatchNorm) else ()
    for kind, names in (("params", layer.param_names), ("state", layer.init_state()), ("count", counted)):
        for name in names:
            yield Entry(f"{number}.{inner}{name}", kind, number, f"{inner}{name}", layer)


def make_state_dict(net: Model) -> dict[str, np.ndarray]:
    """Return weights and running statistics under PyTorch's names and in its layout; see `bpx.Network.state_dict`."""
    held = {"params": net.params, "state": net.state}
    result = {}
    for entry in list_entries(net.layers):
        if entry.kind == "count":
            steps = net.training.step if net.training is not None else 0
            result[entry.key] = np.array(steps, dtype=np.int64)
        else:
            array = net.backend.to_numpy(held[entry.kind][entry.layer][entry.name])
            result[entry.key] = np.array(array.T if entry.transposed else array, order="C")
    return result


def load_state_dict(net: Model, arrays: Mapping[str, Any]) -> None:
    """Take over arrays that have PyTorch's names and layout; see `bpx.Network.load_state_dict`."""
    if not isinstance(arrays, Mapping):
        raise InputError(f"a state dict maps names to arrays, got {type(arrays).__name__}")
    wanted = {entry.key: entry for entry in list_entries(net.layers)}
    missing = [key for key, entry in wanted.items() if entry.kind != "count" and key not in arrays]
    unexpected = [str(key) for key in arrays if key not in wanted]
    held: dict[str, list[dict[str, Any]]] = {"params": net.params, "state": net.state}
    found: dict[str, list[dict[str, Any]]] = {kind: [{} for _ in net.layers] for kind in held}
    wrong = []
    for key, entry in wanted.items():
        if entry.kind == "count" or key in missing:
            continue
        array = _read_numbers(key, arrays[key])
        shape = tuple(held[entry.kind][entry.layer][entry.name].shape)
        shape = shape[::-1] if entry.transposed else shape
        if array.shape == shape:
            found[entry.kind][entry.layer][entry.name] = array.T if entry.transposed else array
        else:
            hint = ", the transpose" if entry.transposed and array.shape == shape[::-1] else ""
            wrong.append(f"{key} must have shape {shape}, got {array.shape}{hint}")
    if missing or unexpected or wrong:
        parts = (("missing", missing), ("unexpected", unexpected), ("of another shape", wrong))
        listed = "; ".join(f"{what}: {_list_first(names)}" for what, names in parts if names)
        raise InputError(
            f"the state dict does not fit the network: {listed}. Names are the layer's position and the array's name, "
            "as in torch.nn.Sequential; the weight of a Linear is (n_out, n_in)"
        )
    net.params, net.state = found["params"], found["state"]


def _read_numbers(key: str, data: Any) -> np.ndarray:
    """Return an array on the host; refuse what is not made of real numbers."""
    array = read_real(key, data)
    if array.dtype.kind == "b":
        raise InputError(f"{key} must hold real numbers, got dtype {array.dtype}; convert it to float32 first")
    return array


def _list_first(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
