"""Weights in PyTorch's names and layout, so that they go to ``torch.nn.Sequential`` and come back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bpx.backend.transfer import to_numpy
from bpx.errors import InputError
from bpx.layers import BatchNorm, Layer, Linear, Residual

if TYPE_CHECKING:
    from bpx.network import Network

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
        The layer that computes with it, which may lie inside a `Residual`.
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


def entries(layers: Sequence[Layer]) -> Iterator[Entry]:
    """Yield every array of a network's layers, in the order of PyTorch's modules."""
    for i, layer in enumerate(layers):
        yield from _entries_of(layer, i, "")


def _entries_of(layer: Layer, number: int, inner: str) -> Iterator[Entry]:
    """Yield the arrays of one layer; ``inner`` is where it lies within layer ``number`` ("0." of a Residual)."""
    if isinstance(layer, Residual):
        for i, part in enumerate(layer.layers):
            yield from _entries_of(part, number, f"{inner}{i}.")
        return
    counted = (BATCHES,) if isinstance(layer, BatchNorm) else ()
    for kind, names in (("params", layer.param_names), ("state", layer.init_state()), ("count", counted)):
        for name in names:
            yield Entry(f"{number}.{inner}{name}", kind, number, f"{inner}{name}", layer)


def state_dict(net: Network) -> dict[str, np.ndarray]:
    """Return weights and running statistics under PyTorch's names and in its layout.

    Layer i of the network is module i of a ``torch.nn.Sequential`` that has a module for every layer, activations and
    dropout included. `Linear` gives ``"i.weight"``, transposed to (n_out, n_in), and ``"i.bias"``; `LayerNorm`
    ``"i.weight"`` and ``"i.bias"``; `BatchNorm` these and ``"i.running_mean"``, ``"i.running_var"`` and
    ``"i.num_batches_tracked"``. The arrays of a `Residual` have the positions of both, as in ``"3.0.weight"``: those of
    a subclass of ``Sequential`` whose ``forward`` returns ``x + super().forward(x)``.

    Parameters
    ----------
    net : Network

    Returns
    -------
    dict of numpy.ndarray
        Copies on the host, in the network's dtype, contiguous. ``num_batches_tracked`` is an int64 without axes: the
        training steps of this network so far. PyTorch uses it only where ``momentum=None``, which bpx does not have.

    See Also
    --------
    load_state_dict : the way back.

    Notes
    -----
    bpx's own files, of ``net.save``, keep the architecture too; a state dict is arrays alone.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 3, 1], loss="binary_cross_entropy")
    >>> {key: array.shape for key, array in net.state_dict().items()}
    {'0.weight': (3, 2), '0.bias': (3,), '2.weight': (1, 3), '2.bias': (1,)}

    To PyTorch through a file, whose other end is ``model.load_state_dict(safetensors.torch.load_file(path))``, or with
    no file by ``torch.from_numpy`` of each array:

    >>> import os, tempfile, safetensors.numpy
    >>> path = os.path.join(tempfile.mkdtemp(), "weights.safetensors")
    >>> safetensors.numpy.save_file(net.state_dict(), path)

    And from PyTorch, whose end is ``safetensors.torch.save_file(model.state_dict(), path)``:

    >>> other = bpx.mlp([2, 3, 1], loss="binary_cross_entropy", seed=1)
    >>> other.load_state_dict(safetensors.numpy.load_file(path))
    >>> bool((other.predict([[0.0, 1.0]]) == net.predict([[0.0, 1.0]])).all())
    True
    """
    held = {"params": net.params, "state": net.state}
    result = {}
    for entry in entries(net.layers):
        if entry.kind == "count":
            steps = net.training.step if net.training is not None else 0
            result[entry.key] = np.array(steps, dtype=np.int64)
        else:
            array = net.backend.to_numpy(held[entry.kind][entry.layer][entry.name])
            result[entry.key] = np.array(array.T if entry.transposed else array, order="C")
    return result


def load_state_dict(net: Network, arrays: Mapping[str, Any]) -> None:
    """Take over weights and running statistics that have PyTorch's names and layout.

    Every array of the network must be there, in its shape, and no other; nothing is changed unless all fit. Only
    ``num_batches_tracked`` may be missing, and is not used. The state of the optimizer stays as it is: for a fresh
    start of the training call ``net.reset()`` first.

    Parameters
    ----------
    net : Network
    arrays : mapping of str to array_like
        As `state_dict` describes them, of any floating-point dtype; copied, and converted to the network's. Tensors of
        a PyTorch ``model.state_dict()`` are taken as they are, on any device.

    Raises
    ------
    InputError
        If names are missing or unexpected, a shape is wrong, or an array holds no real numbers; the message lists all
        that is wrong.

    See Also
    --------
    state_dict : the names and layouts, and the way through a file.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 1], loss="squared_error")
    >>> net.load_state_dict({"0.weight": [[1.0, 2.0]], "0.bias": [0.5]})
    >>> float(net.predict([[3.0, 4.0]])[0, 0])
    11.5
    """
    if not isinstance(arrays, Mapping):
        raise InputError(f"a state dict maps names to arrays, got {type(arrays).__name__}")
    wanted = {entry.key: entry for entry in entries(net.layers)}
    missing = [key for key, entry in wanted.items() if entry.kind != "count" and key not in arrays]
    unexpected = [str(key) for key in arrays if key not in wanted]
    held: dict[str, list[dict[str, Any]]] = {"params": net.params, "state": net.state}
    taken: dict[str, list[dict[str, Any]]] = {kind: [{} for _ in net.layers] for kind in held}
    wrong = []
    for key, entry in wanted.items():
        if entry.kind == "count" or key in missing:
            continue
        array = _real_numbers(key, arrays[key])
        shape = tuple(held[entry.kind][entry.layer][entry.name].shape)
        shape = shape[::-1] if entry.transposed else shape
        if array.shape == shape:
            taken[entry.kind][entry.layer][entry.name] = array.T if entry.transposed else array
        else:
            hint = ", the transpose" if entry.transposed and array.shape == shape[::-1] else ""
            wrong.append(f"{key} must have shape {shape}, got {array.shape}{hint}")
    if missing or unexpected or wrong:
        parts = (("missing", missing), ("unexpected", unexpected), ("of another shape", wrong))
        listed = "; ".join(f"{what}: {_listed(names)}" for what, names in parts if names)
        raise InputError(
            f"the state dict does not fit the network: {listed}. Names are the layer's position and the array's name, "
            "as in torch.nn.Sequential; the weight of a Linear is (n_out, n_in)"
        )
    net.params, net.state = taken["params"], taken["state"]


def _real_numbers(key: str, data: Any) -> np.ndarray:
    """Return an array on the host; refuse what is not made of real numbers."""
    try:
        array = to_numpy(data)
    except (TypeError, ValueError) as error:  # bfloat16 tensors, ragged lists
        raise InputError(f"{key} cannot be read as numbers: {error}; convert it to float32 first") from error
    if array.dtype.kind not in "fiu":
        raise InputError(f"{key} must hold real numbers, got dtype {array.dtype}; convert it to float32 first")
    return array


def _listed(names: Sequence[str]) -> str:
    """Return the first of some names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
