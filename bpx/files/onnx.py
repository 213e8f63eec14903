"""Networks as ONNX files, which other runtimes compute: prediction alone, with the batch of any size."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bpx._version import __version__
from bpx.arguments import check_count
from bpx.core.model import Model
from bpx.errors import FileWarning, InputError
from bpx.files.pytorch import make_state_dict
from bpx.formulas import find_declared
from bpx.layers.base import Shape, add_to_onnx
from bpx.losses import Loss
from bpx.optional import import_optional
from bpx.writing import write_whole

OPSET, IR_VERSION = 17, 8
"""The oldest version of the operators that has all that is used here (LayerNormalization), and of the file: a newer one
would be refused by older runtimes for nothing."""

LARGEST = 2**31 - 2**20
"""Bytes of weights that fit an ONNX file (a protocol buffer ends at 2 GiB), with room for the graph."""


class Graph:
    """Nodes and arrays of an ONNX graph while it is built; a value is named by a text.

    Parameters
    ----------
    onnx : module
    arrays : mapping of str to numpy.ndarray
        The network's arrays, as `bpx.files.pytorch.make_state_dict` names and lays them out.
    dtype : str
        The network's dtype.
    """

    def __init__(self, onnx: Any, arrays: Mapping[str, np.ndarray], dtype: str) -> None:
        self.onnx, self.arrays, self.dtype = onnx, arrays, dtype
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._names: dict[str, int] = {}

    def node(self, operator: str, inputs: Sequence[str], place: str, **attributes: Any) -> str:
        """Add an operator and return the name of its output; ``place`` says which layer it belongs to."""
        name = self._unique(f"{place}/{operator}")
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def array(self, key: str) -> str:
        """Add one of the network's arrays and return its name, which is its key."""
        self.initializers.append(self.onnx.numpy_helper.from_array(self.arrays[key], key))
        return key

    def constant(self, value: float, place: str) -> str:
        """Add a number of the network's dtype and return its name."""
        name = self._unique(f"{place}/constant")
        self.initializers.append(self.onnx.numpy_helper.from_array(np.array(value, dtype=self.dtype), name))
        return name

    def single_precision(self, operator: str, x: str, place: str) -> str:
        """Add an operator that runtimes have in float32 alone, with conversions around it where they are needed."""
        if self.dtype == "float32":
            return self.node(operator, [x], place)
        single, double = self.onnx.TensorProto.FLOAT, self.onnx.TensorProto.DOUBLE
        y = self.node(operator, [self.node("Cast", [x], place, to=single)], place)
        return self.node("Cast", [y], place, to=double)

    def name_output(self, value: str, name: str) -> None:
        """Give the graph's last value its name outside."""
        if self.nodes and self.nodes[-1].output[0] == value:
            self.nodes[-1].output[0] = name
        else:
            self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name], name=name))

    def _unique(self, name: str) -> str:
        used = self._names[name] = self._names.get(name, 0) + 1
        return name if used == 1 else f"{name}_{used}"


def export_onnx(
    net: Model, path: str | os.PathLike[str], *, logits: bool = False, sample_shape: Sequence[int] | None = None
) -> None:
    """Write a network as an ONNX file, for prediction in other runtimes; see `bpx.Network.export_onnx`."""
    onnx = import_optional("onnx", "ONNX files", "onnx")
    shape_in = _choose_sample_shape(net, sample_shape)
    shape_out: Shape | None = shape_in
    for i, layer in enumerate(net.layers):
        try:
            shape_out = layer.output_shape(shape_out)
        except InputError as error:
            raise InputError(f"samples of shape {shape_in} do not fit layer {i}: {error}") from None
    arrays = make_state_dict(net)
    size = sum(array.nbytes for array in arrays.values())
    if size > LARGEST:
        raise InputError(f"the weights take {size / 2**30:.1f} GiB, and an ONNX file holds less than 2 GiB")
    if net.precision != "float32":
        warnings.warn(
            f"the network rounds the operands of its products to {net.precision}, and an ONNX file does not say so: "
            "other runtimes will predict as it does after net.to(precision='float32')",
            FileWarning,
            stacklevel=3,
        )
    graph = Graph(onnx, arrays, net.dtype)
    y = "x"
    for i, layer in enumerate(net.layers):
        y = add_to_onnx(graph, layer, y, str(i))
    y = y if logits else _add_predictions(graph, net.loss, y)
    content = _make_model(onnx, graph, net, y, shape_in, shape_out, logits).SerializeToString()
    write_whole(path, content)


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


def _add_predictions(graph: Graph, loss: Loss, y: str) -> str:
    """Add what `Network.predict` does to the last layer's outputs."""
    declared = find_declared(type(loss), "onnx", "probabilities")
    if declared is not None:
        operator, attributes = declared
        return graph.node(operator, [y], "predictions", **attributes)
    if type(loss).probabilities is not Loss.probabilities:
        raise InputError(f"no ONNX operator is known for the predictions of the loss {loss!r}; use logits=True")
    return y


def _make_model(
    onnx: Any, graph: Graph, net: Model, y: str, shape_in: Shape, shape_out: Shape | None, logits: bool
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
