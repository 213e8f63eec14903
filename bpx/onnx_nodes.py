"""Layers as nodes of an ONNX graph: what each computes at prediction, in ONNX's operators."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bpx.errors import InputError
from bpx.layers import (
    GELU,
    BatchNorm,
    Dropout,
    Flatten,
    Identity,
    Layer,
    LayerNorm,
    LeakyReLU,
    Linear,
    ReLU,
    Residual,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)


class Graph:
    """Nodes and arrays of an ONNX graph while it is built; a value is named by a text.

    Parameters
    ----------
    onnx : module
    arrays : mapping of str to numpy.ndarray
        The network's arrays, as `bpx.interchange.state_dict` names and lays them out.
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

    def name_output(self, value: str, name: str) -> None:
        """Give the graph's last value its name outside."""
        if self.nodes and self.nodes[-1].output[0] == value:
            self.nodes[-1].output[0] = name
        else:
            self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name], name=name))

    def _unique(self, name: str) -> str:
        used = self._names[name] = self._names.get(name, 0) + 1
        return name if used == 1 else f"{name}_{used}"


def add_layer(graph: Graph, layer: Layer, x: str, place: str) -> str:
    """Add what a layer computes from the value ``x``; return the name of its output.

    Parameters
    ----------
    graph : Graph
    layer : Layer
    x : str
    place : str
        The layer's position, as the keys of its arrays begin: ``"3"``, or ``"3.0"`` inside a `Residual`.

    Raises
    ------
    InputError
        If the layer's class is not in `NODES`.
    """
    if type(layer) not in NODES:
        known = ", ".join(cls.__name__ for cls in NODES)
        raise InputError(f"layer {place} ({layer!r}) has no ONNX form; those of bpx have one: {known}")
    return NODES[type(layer)](graph, layer, x, place)


def _linear(graph: Graph, layer: Linear, x: str, place: str) -> str:
    arrays = [graph.array(f"{place}.{name}") for name in layer.param_names]
    return graph.node("Gemm", [x, *arrays], place, transB=1)


def _layer_norm(graph: Graph, layer: LayerNorm, x: str, place: str) -> str:
    arrays = [graph.array(f"{place}.{name}") for name in ("weight", "bias")]
    return graph.node("LayerNormalization", [x, *arrays], place, axis=-1, epsilon=layer.eps)


def _batch_norm(graph: Graph, layer: BatchNorm, x: str, place: str) -> str:
    arrays = [graph.array(f"{place}.{name}") for name in ("weight", "bias", "running_mean", "running_var")]
    return graph.node("BatchNormalization", [x, *arrays], place, epsilon=layer.eps)


def _residual(graph: Graph, layer: Residual, x: str, place: str) -> str:
    y = x
    for i, part in enumerate(layer.layers):
        y = add_layer(graph, part, y, f"{place}.{i}")
    return graph.node("Add", [y, x], place)


def _silu(graph: Graph, layer: SiLU, x: str, place: str) -> str:
    return graph.node("Mul", [x, graph.node("Sigmoid", [x], place)], place)


def _softplus(graph: Graph, layer: Softplus, x: str, place: str) -> str:
    """``max(x, 0) + log(1 + exp(-|x|))``, which overflows nowhere; ONNX Runtime's Softplus has no double precision."""
    e = graph.node("Exp", [graph.node("Neg", [graph.node("Abs", [x], place)], place)], place)
    log = graph.node("Log", [graph.node("Add", [e, graph.constant(1.0, place)], place)], place)
    return graph.node("Add", [graph.node("Relu", [x], place), log], place)


def _gelu(graph: Graph, layer: GELU, x: str, place: str) -> str:
    """``x * P``, ``P = (1 + erf(x / sqrt(2))) / 2``, or with ``tanh(sqrt(2 / pi) (x + 0.044715 x**3))`` for the erf."""

    def times(a: str, b: str | float) -> str:
        return graph.node("Mul", [a, b if isinstance(b, str) else graph.constant(b, place)], place)

    if layer.approximate == "tanh":
        cubic = times(times(times(x, x), x), 0.044715)
        inner = times(graph.node("Add", [x, cubic], place), math.sqrt(2.0 / math.pi))
        function = graph.node("Tanh", [inner], place)
    else:
        function = _erf(graph, times(x, math.sqrt(0.5)), place)
    p = times(graph.node("Add", [function, graph.constant(1.0, place)], place), 0.5)
    return times(x, p)


def _erf(graph: Graph, x: str, place: str) -> str:
    """Return the error function, in float32, the only precision that ONNX Runtime has it in."""
    if graph.dtype == "float32":
        return graph.node("Erf", [x], place)
    single, double = graph.onnx.TensorProto.FLOAT, graph.onnx.TensorProto.DOUBLE
    y = graph.node("Erf", [graph.node("Cast", [x], place, to=single)], place)
    return graph.node("Cast", [y], place, to=double)


def _passed_on(graph: Graph, layer: Layer, x: str, place: str) -> str:
    return x


def _operator(operator: str, **attributes: Any) -> Callable[..., str]:
    """Return the function for a layer that is one operator without arrays."""

    def add(graph: Graph, layer: Layer, x: str, place: str) -> str:
        return graph.node(operator, [x], place, **attributes)

    return add


NODES: dict[type[Layer], Callable[..., str]] = {
    BatchNorm: _batch_norm,
    Dropout: _passed_on,
    Flatten: _operator("Flatten", axis=1),
    GELU: _gelu,
    Identity: _passed_on,
    LayerNorm: _layer_norm,
    LeakyReLU: lambda graph, layer, x, place: graph.node("LeakyRelu", [x], place, alpha=layer.slope),
    Linear: _linear,
    ReLU: _operator("Relu"),
    Residual: _residual,
    Sigmoid: _operator("Sigmoid"),
    SiLU: _silu,
    Softmax: _operator("Softmax", axis=-1),
    Softplus: _softplus,
    Tanh: _operator("Tanh"),
}
"""How to add each kind of layer: ``add(graph, layer, x, place) -> output``. A class of one's own may be added."""
