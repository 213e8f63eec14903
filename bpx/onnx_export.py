"""Networks as ONNX files, which other runtimes compute: prediction alone, with the batch of any size."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx._version import __version__
from bpx.checks import count
from bpx.errors import InputError
from bpx.interchange import state_dict
from bpx.layers.base import Shape
from bpx.losses import BinaryCrossEntropy, CrossEntropy, Loss, Poisson
from bpx.optional import import_optional

if TYPE_CHECKING:
    from bpx.network import Network
    from bpx.onnx_nodes import Graph

OPSET, IR_VERSION = 17, 8
"""The oldest version of the operators that has all that is used here (LayerNormalization), and of the file: a newer one
would be refused by older runtimes for nothing."""

LARGEST = 2**31 - 2**20
"""Bytes of weights that fit an ONNX file (a protocol buffer ends at 2 GiB), with room for the graph."""

PROBABILITIES: dict[type[Loss], tuple[str, dict[str, Any]]] = {
    CrossEntropy: ("Softmax", {"axis": 1}),
    BinaryCrossEntropy: ("Sigmoid", {}),
    Poisson: ("Exp", {}),
}
"""The operator that turns a network's outputs into what `Network.predict` returns; no entry where it is these."""


def export_onnx(
    net: Network,
    path: str | os.PathLike[str],
    *,
    logits: bool = False,
    sample_shape: Sequence[int] | None = None,
) -> None:
    """Write the network as an ONNX file, for prediction in other runtimes.

    The graph has one input, ``"x"`` of shape (batch, n_in) with a batch of any size, and one output, ``"y"``: what
    `Network.predict` returns, in the network's dtype. Dropout is not in it, and BatchNorm uses its running statistics.
    Weights are stored under the names and in the layout of `Network.state_dict`.

    Parameters
    ----------
    net : Network
    path : path
        Written beside and renamed, so that an older file stays whole until the new one is.
    logits : bool
        Whether ``"y"`` is the last layer's outputs, where predictions are probabilities (the cross-entropies; for
        ``poisson``, rates).
    sample_shape : sequence of int or None
        Shape of one sample, for a network that takes several, as one that starts with `Flatten` does.

    Raises
    ------
    InputError
        If onnx is not installed, a layer or loss is not one of bpx's own, ``sample_shape`` is missing or does not fit,
        the weights are larger than an ONNX file can be, or the file cannot be written.

    Notes
    -----
    Operators are those of opset 17 (2022). ONNX Runtime has no erf in double precision, so in a float64 network the
    exact `GELU` takes it in float32, which is off by up to 1e-7. Settings such as ``eps`` are float32 in ONNX.

    Examples
    --------
    In ONNX Runtime, after ``net.export_onnx("net.onnx")``::

        session = onnxruntime.InferenceSession("net.onnx")
        (y,) = session.run(None, {"x": x.astype(net.dtype)})
    """
    from bpx.files import write_whole
    from bpx.onnx_nodes import Graph, add_layer

    onnx = import_optional("onnx", "ONNX files", "onnx")
    shape_in = _sample_shape(net, sample_shape)
    shape_out: Shape | None = shape_in
    for i, layer in enumerate(net.layers):
        try:
            shape_out = layer.output_shape(shape_out)
        except InputError as error:
            raise InputError(f"samples of shape {shape_in} do not fit layer {i}: {error}") from None
    arrays = state_dict(net)
    size = sum(array.nbytes for array in arrays.values())
    if size > LARGEST:
        raise InputError(f"the weights take {size / 2**30:.1f} GiB, and an ONNX file holds less than 2 GiB")
    graph = Graph(onnx, arrays, net.dtype)
    y = "x"
    for i, layer in enumerate(net.layers):
        y = add_layer(graph, layer, y, str(i))
    y = y if logits else _predictions(graph, net.loss, y)
    content = _model(onnx, graph, net, y, shape_in, shape_out, logits).SerializeToString()
    write_whole(path, content)


def _sample_shape(net: Network, given: Sequence[int] | None) -> Shape:
    """Return the shape of one sample of the input."""
    shape = None if given is None else tuple(count("a size in sample_shape", n) for n in given)
    if shape is None and net.input_shape is None:
        raise InputError(
            "this network takes samples of several shapes, and an ONNX file says which: "
            "give sample_shape, as in sample_shape=(8, 8)"
        )
    if shape is not None and net.input_shape is not None and shape != net.input_shape:
        raise InputError(f"sample_shape must be {net.input_shape}, which the network takes, got {shape}")
    return shape if shape is not None else net.input_shape  # type: ignore[return-value] # one of them is there


def _predictions(graph: Graph, loss: Loss, y: str) -> str:
    """Add what `Network.predict` does to the last layer's outputs."""
    if type(loss) in PROBABILITIES:
        operator, attributes = PROBABILITIES[type(loss)]
        return graph.node(operator, [y], "predictions", **attributes)
    if type(loss).probabilities is not Loss.probabilities:
        raise InputError(f"no ONNX operator is known for the predictions of the loss {loss!r}; use logits=True")
    return y


def _model(
    onnx: Any, graph: Graph, net: Network, y: str, shape_in: Shape, shape_out: Shape | None, logits: bool
) -> Any:
    """Return the checked model."""
    graph.name_output(y, "y")
    element = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(net.dtype))
    ends = [
        onnx.helper.make_tensor_value_info(name, element, ["batch", *(shape or ())])
        for name, shape in (("x", shape_in), ("y", shape_out))
    ]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "bpx", ends[:1], ends[1:], graph.initializers),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="bpx",
        producer_version=__version__,
        doc_string=", ".join(map(repr, net.layers)),
    )
    onnx.helper.set_model_props(model, {"loss": net.loss.name, "y": "outputs" if logits else "predictions"})
    onnx.checker.check_model(model, full_check=True)
    return model
