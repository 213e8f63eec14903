"""Networks as ONNX files, which other runtimes compute: prediction alone, with the batch of any size."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence

import numpy as np

from bpx.arguments import check_count
from bpx.backend.ndonnx_backend import BATCH
from bpx.core.model import Model
from bpx.errors import FileWarning, InputError
from bpx.files.onnx_graph import Graph
from bpx.files.pytorch import make_state_dict
from bpx.formulas import find_declared
from bpx.layers.base import Shape, add_to_onnx
from bpx.losses import Loss
from bpx.optional import import_optional
from bpx.writing import check_path, write_whole

LARGEST = 2**31 - 2**20
"""Bytes of weights that fit an ONNX file (a protocol buffer ends at 2 GiB), with room for the graph."""


def export_onnx(
    net: Model, path: str | os.PathLike[str], *, logits: bool = False, sample_shape: Sequence[int] | None = None
) -> None:
    """Write a network as an ONNX file, for prediction in other runtimes; see `bpx.Network.export_onnx`."""
    onnx = import_optional("onnx", "ONNX files", "onnx")
    check_path("the name of a file", path)
    shape_in, shape_out = find_ends(net, sample_shape)
    arrays = make_state_dict(net)
    check_size("the weights", arrays.values())
    warn_of_precision(net, "predict")
    graph = Graph(onnx, arrays, net.dtype, {"x": (BATCH, *shape_in)})
    y = add_layers(graph, net, "x")
    y = y if logits else add_predictions(graph, net.loss, y)
    if graph.traced:
        shape_out = graph.find_sample_shape(y, shape_out)
    graph.name_output(y, "y")
    said = {"loss": net.loss.name, "y": "outputs" if logits else "predictions"}
    model = graph.make_model(["x"], {"y": (BATCH, *(shape_out or ()))}, net.layers, said)
    write_whole(path, model.SerializeToString())


def add_layers(graph: Graph, net: Model, x: str, prefix: str = "") -> str:
    """Add the layers of a network to a graph, and return the name of the last one's output.

    Parameters
    ----------
    graph : Graph
    net : Model
    x : str
        The value that the first layer takes.
    prefix : str
        What the keys of the network's arrays begin with in this graph.
    """
    for i, layer in enumerate(net.layers):
        x = add_to_onnx(graph, layer, x, f"{prefix}{i}")
    return x


def find_ends(net: Model, sample_shape: Sequence[int] | None) -> tuple[Shape, Shape | None]:
    """Return the shapes of one sample of the input and of the output, None where a layer does not say.

    Raises
    ------
    InputError
        If the network takes several, and ``sample_shape`` does not say which, or one is given that it does not take.
    """
    shape_in = _choose_sample_shape(net, sample_shape)
    shape_out: Shape | None = shape_in
    for i, layer in enumerate(net.layers):
        try:
            shape_out = layer.output_shape(shape_out)
        except InputError as error:
            raise InputError(f"samples of shape {shape_in} do not fit layer {i}: {error}") from None
    return shape_in, shape_out


def check_size(what: str, arrays: Iterable[np.ndarray]) -> None:
    """Raise unless arrays fit an ONNX file.

    Parameters
    ----------
    what : str
        What they are, as the message begins: "the weights".
    arrays : iterable of numpy.ndarray
    """
    size = sum(array.nbytes for array in arrays)
    if size > LARGEST:
        raise InputError(f"{what} take {size / 2**30:.1f} GiB, and an ONNX file holds less than 2 GiB")


def warn_of_precision(net: Model, what: str) -> None:
    """Warn where the network rounds the operands of its products; ``what`` other runtimes do without: "predict"."""
    if net.precision != "float32":
        warnings.warn(
            f"the network rounds the operands of its products to {net.precision}, and an ONNX file does not say so: "
            f"other runtimes will {what} as it does after net.to(precision='float32')",
            FileWarning,
            stacklevel=4,
        )


def _choose_sample_shape(net: Model, given: Sequence[int] | None) -> Shape:
    """Return the shape of one sample of the input."""
    shape = None if given is None else tuple(check_count("a size in sample_shape", n) for n in given)
    if shape is None and net.input_shape is None:
        raise InputError(
            "this network takes samples of several shapes, and an ONNX file says which: "
            "give sample_shape, as in sample_shape=(8, 8)"
        )
    if shape is not None and net.input_shape is not None and shape != net.input_shape:
        raise InputError(f"sample_shape must be {net.input_shape}, which the network takes, got {shape}")
    return shape if shape is not None else net.input_shape  # type: ignore[return-value] # one of them is there


def add_predictions(graph: Graph, loss: Loss, y: str) -> str:
    """Add what `Network.predict` does to the last layer's outputs."""
    declared = find_declared(type(loss), "onnx", "probabilities")
    if declared is not None:
        operator, attributes = declared
        return graph.node(operator, [y], "predictions", **attributes)
    if type(loss).probabilities is not Loss.probabilities:
        return graph.trace_predictions(loss, y)
    return y
