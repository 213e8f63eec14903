"""The protocol of a layer: forward and backward beside each other, no arrays inside."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from bpx.backend.base import Array
from bpx.errors import FileFormatError, InputError
from bpx.formulas import Formula, find_declared
from bpx.naming import Kinds, Pickled, convert_settings, list_settings
from bpx.rng import WEIGHTS, generator

Params = dict[str, Array]
"""Arrays of one layer by name."""

Shape = tuple[int, ...]
"""Shape of one sample, without the batch axis."""

COMPUTING = ("forward", "backward", "context")
"""The methods of a layer that compute: what a class says of itself holds for a subclass without these."""

LAYERS = Kinds()
"""The classes of layers by their kinds, those of the user's own among them."""


class Part(NamedTuple):
    """The rows of a batch that are here, where several processes have some of them each.

    Attributes
    ----------
    first, stop : int
        The numbers in the batch of the first one, and of the one after the last; equal where there are none.
    rows : int
        Rows of the whole batch.
    sum : callable or None
        ``sum(array)`` returns the sum of what all processes have; all of them call it, and in the same order.
    """

    first: int
    stop: int
    rows: int
    sum: Callable[[Array], Array] | None = None


class Context(NamedTuple):
    """What a layer that is random or keeps running statistics is told about the pass it is in.

    Attributes
    ----------
    training : bool
        Whether this is a training pass.
    keys : pair of int or None
        Keys of this step's random mask.
    state : dict of arrays
        Running statistics.
    part : Part or None
        Which rows of the batch the pass sees; None: all of them.
    """

    training: bool
    keys: tuple[Any, Any] | None
    state: Params
    part: Part | None = None


class LayerFormulas(NamedTuple):
    """How a layer is written on paper, in templates: ``$x`` is its input, ``$y`` its output, ``$name`` a setting.

    Attributes
    ----------
    forward : Formula
        What y is.
    slope : Formula or None
        The derivative dy/dx of a layer that works on each element alone.
    jacobian : Formula or None
        The derivative of output i with respect to input j of any other layer.
    gradients : mapping of str to Formula
        Gradients of parameters by name; ``$dy`` is dL/dy. Those of biases, and of what is not listed, are derived.
    """

    forward: Formula
    slope: Formula | None = None
    jacobian: Formula | None = None
    gradients: Mapping[str, Formula] = MappingProxyType({})


class OnnxGraph(Protocol):
    """An ONNX graph while it is built; a value in it is known by its name."""

    dtype: str

    def node(self, operator: str, inputs: Sequence[str], place: str, **attributes: Any) -> str:
        """Add an operator and return the name of its output; ``place`` says which layer it belongs to."""

    def array(self, key: str) -> str:
        """Add one of the network's arrays, by its key in ``net.state_dict()``, and return its name."""

    def constant(self, value: float, place: str) -> str:
        """Add a number of the network's dtype and return its name."""

    def integers(self, values: Sequence[int], place: str) -> str:
        """Add a vector of whole numbers, such as a shape, and return its name."""

    def single_precision(self, operator: str, x: str, place: str) -> str:
        """Add an operator that runtimes have in float32 alone, with conversions around it where they are needed."""

    def trace(self, layer: Layer, x: str, place: str) -> str:
        """Add what a layer's own forward pass does at prediction, and return the name of its output."""


class Layer(Pickled):
    """A small immutable object: how to compute, not what was computed.

    ``forward(xp, params, x) -> (y, cache)`` and ``backward(xp, params, cache, dy) -> (dx, grads)`` are pure: a layer
    keeps no arrays, gradients are returned and never accumulated. ``backward`` returns the gradients of the parameters
    that are not frozen. ``xp`` is an array API namespace and nothing beyond the standard is called.

    No method writes into arrays that it is given: the first layer's ``x`` may be the memory of the caller of ``fit``.

    Attributes
    ----------
    frozen : tuple of str
        Names of parameters that training leaves as they are.
    weight_names : tuple of str
        Names of the parameters that penalties act on: those of two axes or more, unless a class says otherwise.
    n_keys : int
        How many keys its random mask takes at a training step.
    stateful : bool
        Whether it keeps running statistics.
    elementwise : bool
        Whether forward and backward take each element by itself, without parameters, keys or statistics: a backend may
        then make one pass over memory of all their operations.
    kind : str
        What files call the class.
    formulas : LayerFormulas or None
        How it is written on paper; without them `bpx.explain` names the class, and its numbers are as true.
    onnx_operator : str or None
        The ONNX operator that computes its predictions. A layer that takes more than one says so by a method
        ``add_onnx_nodes(graph, x, place) -> name of the output``, where ``graph.node("Mul", [x, x], place)`` adds an
        operator and ``graph.array(f"{place}.weight")`` one of the layer's arrays, and both return a name. Of a layer
        that says neither, the forward pass is traced.

    See Also
    --------
    Linear : Multiply by a matrix and add a bias.
    ReLU : Cut off below zero.
    check_gradients : Hold gradients against central differences.
    Loss : What every loss does; the parent of your own.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> layer = bpx.Linear(2, 1, bias=False)
    >>> isinstance(layer, bpx.Layer), layer.param_shapes, layer.output_shape((2,))
    (True, {'weight': (2, 1)}, (1,))
    >>> params = {"weight": np.array([[1.0], [2.0]])}
    >>> y, cache = layer.forward(np, params, np.array([[3.0, 4.0]]))
    >>> dx, grads = layer.backward(np, params, cache, np.array([[1.0]]))
    >>> y.tolist(), dx.tolist(), grads["weight"].tolist()
    ([[11.0]], [[1.0, 2.0]], [[3.0], [4.0]])
    """

    frozen: tuple[str, ...] = ()
    n_keys: ClassVar[int] = 0
    stateful: ClassVar[bool] = False
    elementwise: ClassVar[bool] = False
    kind: ClassVar[str] = ""
    formulas: ClassVar[LayerFormulas | None] = None
    onnx_operator: ClassVar[str | None] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.kind = LAYERS.register(cls, cls.__name__)

    @property
    def param_names(self) -> tuple[str, ...]:
        """The names of the parameters, frozen ones too."""
        return ()

    def init(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Return the parameters at the start, drawn from a NumPy generator in float64."""
        return {}

    def init_state(self) -> dict[str, np.ndarray]:
        """Return the running statistics at the start."""
        return {}

    @property
    def param_shapes(self) -> dict[str, Shape]:
        """The shapes of what `init` returns; `bpx.load` looks at them before it makes anything."""
        return {}

    @property
    def weight_names(self) -> tuple[str, ...]:
        """The names of the parameters that penalties act on: those of two axes or more, unless a class says otherwise.

        They are the weights that inputs are multiplied by and summed over; biases, factors and frequencies are not.
        """
        return tuple(name for name, shape in find_shapes(self)[0].items() if len(shape) > 1)

    @property
    def state_shapes(self) -> dict[str, Shape]:
        """The shapes of what `init_state` returns."""
        return {}

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        """Return the layer's output and what its backward pass needs to remember."""
        raise TypeError(f"{type(self).__name__} defines no forward pass")

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        """Return the gradient with respect to the input (None where it is not wanted) and to the parameters."""
        raise TypeError(f"{type(self).__name__} defines no backward pass")

    def context(self, training: bool, keys: Iterator[Any], state: Params) -> Any:
        """Return what this layer's forward pass is to be told; None for the layers that need nothing."""
        return None

    def next_state(self, xp: Any, context: Any, cache: Any) -> Params:
        """Return the running statistics after a training pass."""
        return {}

    def output_shape(self, shape: Shape | None) -> Shape | None:
        """Return the shape of one sample of the output, given the input's; None where it is not known yet.

        Raises
        ------
        InputError
            If the layer does not fit an input of this shape.
        """
        return shape

    def config(self) -> dict[str, Any]:
        """Return the layer as plain data: its kind and its settings."""
        return {"kind": self.kind, **list_settings(self)}

    @classmethod
    def from_config(cls, settings: dict[str, Any]) -> Layer:
        """Build the layer from its settings."""
        return cls(**convert_settings(settings))

    def __repr__(self) -> str:
        shown = [f"{f.name}={getattr(self, f.name)!r}" for f in _fields(self) if getattr(self, f.name) != f.default]
        return f"{type(self).__name__}({', '.join(shown)})"


def _fields(layer: Layer) -> tuple[dataclasses.Field[Any], ...]:
    """Return the settings of a layer, which is a dataclass if it has any."""
    return dataclasses.fields(layer) if dataclasses.is_dataclass(layer) else ()


def add_to_onnx(graph: OnnxGraph, layer: Layer, x: str, place: str) -> str:
    """Add what a layer computes at prediction from the value ``x`` to a graph; return the name of its output.

    Its class names ONNX operators, or else its own forward pass is traced.

    Parameters
    ----------
    graph : OnnxGraph
    layer : Layer
    x : str
    place : str
        The layer's position, as the keys of its arrays begin: ``"3"``, or ``"3.0"`` inside a `Residual` or `Columns`.

    Raises
    ------
    InputError
        If its class names no operator, and its forward pass cannot be traced.
    """
    add_nodes = find_declared(type(layer), "add_onnx_nodes", "forward", "context", "onnx_operator")
    if add_nodes is not None:
        return add_nodes(layer, graph, x, place)  # type: ignore[no-any-return]
    operator = find_declared(type(layer), "onnx_operator", "forward", "context")
    if operator is None:
        return graph.trace(layer, x, place)
    return graph.node(operator, [x], place)


def find_shapes(layer: Layer) -> tuple[dict[str, Shape], dict[str, Shape]]:
    """Return the shapes of a layer's parameters and running statistics by name.

    A class that defines ``init`` or ``init_state`` and says no shapes beside it is asked for its first arrays.
    """
    kinds = []
    for declared, making in (("param_shapes", "init"), ("state_shapes", "init_state")):
        if find_declared(type(layer), declared, making) is not None:
            kinds.append(getattr(layer, declared))
        else:
            first = layer.init(generator(0, WEIGHTS)) if making == "init" else layer.init_state()
            kinds.append({name: tuple(array.shape) for name, array in first.items()})
    return kinds[0], kinds[1]


def layer_from_config(config: Any) -> Layer:
    """Build a layer from plain data, as `Layer.config` gives it.

    Raises
    ------
    FileFormatError
        If the data describes no layer.
    """
    if not isinstance(config, dict) or not isinstance(config.get("kind"), str):
        raise FileFormatError(f"expected a layer with a 'kind', got {config!r}")
    settings = {name: value for name, value in config.items() if name != "kind"}
    cls = LAYERS.find("layer", config["kind"])
    try:
        return cls.from_config(settings)  # type: ignore[no-any-return]
    except KeyError as error:
        raise FileFormatError(f"layer {config['kind']}: {error} is missing") from error
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"layer {config['kind']}: {error}") from error


def check_frozen(kind: str, frozen: Any, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of frozen parameters as a tuple; refuse a name that the layer does not have."""
    chosen: tuple[str, ...] = (frozen,) if isinstance(frozen, str) else tuple(frozen)
    for name in chosen:
        if name not in names:
            raise InputError(f"{kind} has no parameter {name!r} to freeze; it has {', '.join(map(repr, names))}")
    return chosen


def check_width(kind: str, wanted: int, shape: Shape | None) -> None:
    """Raise unless samples of this shape are vectors of ``wanted`` features."""
    if shape is not None and shape != (wanted,):
        got = f"{shape[0]} features" if len(shape) == 1 else f"samples of shape {shape}"
        hint = "" if len(shape) == 1 else "; put Flatten() before it"
        raise InputError(f"{kind} expects {wanted} features, but the layer before it gives {got}{hint}")
