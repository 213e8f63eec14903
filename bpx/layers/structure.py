"""Layers that shape a network: blocks of layers, in a row with a shortcut around them or side by side; flattening."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from bpx.arguments import check_count
from bpx.backend.base import Array
from bpx.errors import InputError
from bpx.formulas import Formula
from bpx.layers.base import (
    Layer,
    LayerFormulas,
    OnnxGraph,
    Params,
    Shape,
    add_to_onnx,
    check_width,
    find_shapes,
    layer_from_config,
)


@dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """Make a vector of each sample: ``y = reshape(x, (batch, features))``, ``dx = reshape(dy, x.shape)``.

    See Also
    --------
    Linear : Multiply by a matrix and add a bias.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> y, cache = bpx.Flatten().forward(np, {}, np.zeros((5, 8, 8)))
    >>> y.shape
    (5, 64)
    """

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


class Block:
    """What layers made of layers share: they are random, stateful and frozen as those within them are.

    The parameters of the i-th layer are named ``"i.name"``.
    """

    layers: Sequence[Layer]

    def _take_layers(self) -> None:
        """Check the layers, and say of the block what follows from them."""
        kind = type(self).__name__
        layers = tuple(self.layers) if isinstance(self.layers, Iterable) else ()
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            raise InputError(f"{kind} takes a sequence of layers, got {self.layers!r}")
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
    def weight_names(self) -> tuple[str, ...]:
        return tuple(f"{i}.{name}" for i, layer in enumerate(self.layers) for name in layer.weight_names)

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

    def next_state(self, xp: Any, context: Any, cache: Any) -> Params:
        return _join([la.next_state(xp, c, k) for la, c, k in zip(self.layers, context, cache, strict=True)])


@dataclass(frozen=True, repr=False)
class Residual(Block, Layer):
    """Add a block's input to its output: ``y = block(x) + x``, ``dx = block's dx + dy``.

    Parameters
    ----------
    layers : sequence of Layer
        The block; its output must have its input's shape. The parameters of its i-th layer are named ``"i.name"``.

    Raises
    ------
    InputError
        If the block is empty, or the sizes of its layers say that it changes the shape of its input. Where they say
        nothing of it, the network that the block is put into raises the error.

    See Also
    --------
    Identity : Change nothing.
    Linear : Multiply by a matrix and add a bias.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", 2016, eq. 1.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> block = bpx.Residual([bpx.Linear(3, 3, weight_init="zeros"), bpx.ReLU()])
    >>> params = block.init(np.random.default_rng(0))
    >>> sorted(params)
    ['0.bias', '0.weight']
    >>> y, cache = block.forward(np, params, np.array([[1.0, 2.0, 3.0]]))
    >>> y.tolist()  # a block that gives zeros passes its input on
    [[1.0, 2.0, 3.0]]
    """

    layers: Sequence[Layer]

    formulas = LayerFormulas(Formula("block($x) + $x", r"\mathrm{block}($x) + $x"))

    def __post_init__(self) -> None:
        self._take_layers()
        shape = self.output_shape(None)
        if shape is None:
            return
        try:
            self.output_shape(shape)
        except InputError as error:
            raise InputError(
                f"a Residual block must keep the shape of its input, but {self!r} makes samples of shape {shape}, "
                "which it does not take; give its last layer as many outputs as its first has inputs"
            ) from error

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
        for i, (layer, p, c) in reversed(list(enumerate(parts))):
            dx, g = layer.backward(xp, p, c, dx, input_gradient=input_gradient or i > 0)
            grads.append(g)
        return dx + dy if input_gradient else None, _join(grads[::-1])

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


@dataclass(frozen=True, repr=False)
class Columns(Block, Layer):
    """Give each layer columns of its own, and put what they make side by side.

    Forward: ``x = [x_1, x_2, ...]``, ``y = [layer_1(x_1), layer_2(x_2), ...]``.
    Backward: ``dx = [layer_1's dx_1, layer_2's dx_2, ...]``, each from its columns of dy.

    Parameters
    ----------
    widths : sequence of int
        How many columns each layer takes, from the first column on.
    layers : sequence of Layer
        One for each width; `Identity` passes columns on. Each makes a vector of a sample. The parameters of the i-th
        layer are named ``"i.name"``.

    Raises
    ------
    InputError
        If there are no layers, not as many as widths, or one does not take as many columns as its width says.

    See Also
    --------
    Embedding : Give each category a vector.
    PiecewiseLinear : Turn numbers into vectors by bins.
    Periodic : Turn numbers into vectors by waves.

    Examples
    --------
    Two numbers, and a category of five that becomes a vector of three:

    >>> import bpx
    >>> layer = bpx.Columns([2, 1], [bpx.Identity(), bpx.Embedding(5, 3)])
    >>> bpx.Network([layer, bpx.Linear(5, 1)], loss="squared_error").predict([[0.5, -1.0, 4]]).shape
    (1, 1)
    """

    widths: Sequence[int]
    layers: Sequence[Layer]

    formulas = LayerFormulas(
        Formula("its layers of the columns of $x, side by side", r"[\,f_1(${x}_1), f_2(${x}_2), \text{...}\,]")
    )

    def __post_init__(self) -> None:
        self._take_layers()
        if not isinstance(self.widths, Iterable) or isinstance(self.widths, str):
            raise InputError(f"Columns takes a sequence of widths, one for each layer, got {self.widths!r}")
        object.__setattr__(self, "widths", tuple(check_count("a width of Columns", width) for width in self.widths))
        if len(self.widths) != len(self.layers):
            raise InputError(f"Columns takes one layer for each width, got {len(self.layers)} for {len(self.widths)}")
        _ = self._made

    @property
    def n_in(self) -> int:
        """How many columns it takes."""
        return sum(self.widths)

    @cached_property
    def _made(self) -> list[int]:
        """How many columns each layer makes."""
        made = []
        for i, (layer, width) in enumerate(zip(self.layers, self.widths, strict=True)):
            try:
                shape = layer.output_shape((width,))
            except InputError as error:
                raise InputError(f"Columns gives {width} to its layer {i}: {error}") from None
            if shape is None or len(shape) != 1:
                raise InputError(f"Columns needs layers that make vectors, and layer {i}, {layer!r}, makes {shape}")
            made.append(shape[0])
        return made

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        made, caches = [], []
        contexts = context or [None] * len(self.layers)
        parts = cut_columns(x, self.widths)
        for layer, p, part, c in zip(self.layers, _split(params, len(self.layers)), parts, contexts, strict=True):
            y, cache = layer.forward(xp, p, part, c)
            made.append(y)
            caches.append(cache)
        return xp.concat(made, axis=1), caches

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        dxs, grads = [], []
        parts = zip(self.layers, _split(params, len(self.layers)), cache, cut_columns(dy, self._made), strict=True)
        for layer, p, c, part in parts:
            dx, g = layer.backward(xp, p, c, part, input_gradient=input_gradient)
            dxs.append(dx)
            grads.append(g)
        return (xp.concat(dxs, axis=1) if input_gradient else None), _join(grads)

    def output_shape(self, shape: Shape | None) -> Shape | None:
        check_width(f"Columns({self.n_in})", self.n_in, shape)
        return (sum(self._made),)

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        made = []
        for i, (layer, (start, stop)) in enumerate(zip(self.layers, find_ends(self.widths), strict=True)):
            ends = [graph.integers([number], place) for number in (start, stop, 1)]
            made.append(add_to_onnx(graph, layer, graph.node("Slice", [x, *ends], place), f"{place}.{i}"))
        return graph.node("Concat", made, place, axis=1)

    def config(self) -> dict[str, Any]:
        layers = [layer.config() for layer in self.layers]
        return {"kind": self.kind, "widths": list(self.widths), "layers": layers}

    @classmethod
    def from_config(cls, settings: dict[str, Any]) -> Layer:
        return cls(tuple(settings["widths"]), tuple(layer_from_config(config) for config in settings["layers"]))

    def __repr__(self) -> str:
        return f"Columns({list(self.widths)}, [{', '.join(map(repr, self.layers))}])"


def find_ends(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first column of each part, and the one after its last."""
    return list(pairwise(accumulate(widths, initial=0)))


def cut_columns(x: Array, widths: Sequence[int]) -> list[Array]:
    """Return the columns of an array, those of its last axis, in parts of some widths."""
    return [x[..., start:stop] for start, stop in find_ends(widths)]


def _join(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the arrays of several layers, or their shapes, in one dict, named ``"i.name"``."""
    return {f"{i}.{name}": array for i, part in enumerate(parts) for name, array in part.items()}


def _split(joined: Params, n: int) -> list[Params]:
    """Return the arrays of each of ``n`` layers; the inverse of `_join`."""
    parts: list[Params] = [{} for _ in range(n)]
    for name, array in joined.items():
        index, _, inner = name.partition(".")
        parts[int(index)][inner] = array
    return parts
