"""Layers that shape a network: a block with a shortcut around it, and flattening."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.backend.base import Array
from bpx.errors import InputError
from bpx.formulas import Formula
from bpx.layers.base import Layer, LayerFormulas, OnnxGraph, Params, Shape, add_to_onnx, find_shapes, layer_from_config


@dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """Make a vector of each sample: ``y = reshape(x, (batch, features))``, ``dx = reshape(dy, x.shape)``."""

    formulas = LayerFormulas(Formula("$x, each sample as one row", r"\mathrm{vec}($x)"), slope=Formula("1", "1"))

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        return xp.reshape(x, (x.shape[0], math.prod(x.shape[1:]))), x.shape

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        return xp.reshape(dy, cache), {}

    def output_shape(self, shape: Shape | None) -> Shape | None:
        return None if shape is None else (math.prod(shape),)

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        return graph.node("Flatten", [x], place, axis=1)


@dataclass(frozen=True, repr=False)
class Residual(Layer):
    """Add a block's input to its output: ``y = block(x) + x``, ``dx = block's dx + dy``.

    Parameters
    ----------
    layers : sequence of Layer
        The block; its output must have its input's shape. The parameters of its i-th layer are named ``"i.name"``.

    Raises
    ------
    InputError
        If the block is empty or changes the number of features.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016, eq. 1.
    """

    layers: Sequence[Layer]

    formulas = LayerFormulas(Formula("block($x) + $x", r"\mathrm{block}($x) + $x"))

    def __post_init__(self) -> None:
        layers = tuple(self.layers) if isinstance(self.layers, Iterable) else ()
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            raise InputError(f"Residual takes a sequence of layers, got {self.layers!r}")
        object.__setattr__(self, "layers", layers)
        object.__setattr__(self, "frozen", tuple(f"{i}.{name}" for i, la in enumerate(layers) for name in la.frozen))
        object.__setattr__(self, "n_keys", sum(layer.n_keys for layer in layers))
        object.__setattr__(self, "stateful", any(layer.stateful for layer in layers))

    @property
    def param_names(self) -> tuple[str, ...]:
        return tuple(f"{i}.{name}" for i, layer in enumerate(self.layers) for name in layer.param_names)

    @property
    def param_shapes(self) -> dict[str, Shape]:
        return _join([find_shapes(layer)[0] for layer in self.layers])

    @property
    def state_shapes(self) -> dict[str, Shape]:
        return _join([find_shapes(layer)[1] for layer in self.layers])

    def init(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        return _join([layer.init(generator) for layer in self.layers])

    def init_state(self) -> dict[str, np.ndarray]:
        return _join([layer.init_state() for layer in self.layers])

    def context(self, training: bool, keys: Iterator[Any], state: Params) -> Any:
        states = _split(state, len(self.layers))
        return [layer.context(training, keys, s) for layer, s in zip(self.layers, states, strict=True)]

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        y, caches = x, []
        contexts = context or [None] * len(self.layers)
        for layer, p, c in zip(self.layers, _split(params, len(self.layers)), contexts, strict=True):
            y, cache = layer.forward(xp, p, y, c)
            caches.append(cache)
        return y + x, caches

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        dx, grads = dy, []
        parts = zip(self.layers, _split(params, len(self.layers)), cache, strict=True)
        for layer, p, c in reversed(list(parts)):
            dx, g = layer.backward(xp, p, c, dx)
            grads.append(g)
        return dx + dy, _join(grads[::-1])

    def next_state(self, xp: Any, context: Any, cache: Any) -> Params:
        return _join([la.next_state(xp, c, k) for la, c, k in zip(self.layers, context, cache, strict=True)])

    def output_shape(self, shape: Shape | None) -> Shape | None:
        inner = shape
        for layer in self.layers:
            inner = layer.output_shape(inner)
        if shape is not None and inner != shape:
            raise InputError(f"a Residual block must keep the shape of its input, but it turns {shape} into {inner}")
        return inner

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        y = x
        for i, layer in enumerate(self.layers):
            y = add_to_onnx(graph, layer, y, f"{place}.{i}")
        return graph.node("Add", [y, x], place)

    def config(self) -> dict[str, Any]:
        return {"kind": self.kind, "layers": [layer.config() for layer in self.layers]}

    @classmethod
    def from_config(cls, settings: dict[str, Any]) -> Layer:
        return cls(tuple(layer_from_config(config) for config in settings["layers"]))

    def __repr__(self) -> str:
        return f"Residual([{', '.join(map(repr, self.layers))}])"


def _join(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the arrays of several layers, or their shapes, in one dict, named ``"i.name"``."""
    return {f"{i}.{name}": array for i, part in enumerate(parts) for name, array in part.items()}


def _split(joined: Params, n: int) -> list[Params]:
    """Return the arrays of each of ``n`` layers; the inverse of `_joined`."""
    parts: list[Params] = [{} for _ in range(n)]
    for name, array in joined.items():
        index, _, inner = name.partition(".")
        parts[int(index)][inner] = array
    return parts
