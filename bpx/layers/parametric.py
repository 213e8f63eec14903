"""Layers whose parameters are one number a feature: a factor, and how much of an activation there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.arguments import check_count
from bpx.backend.base import Array
from bpx.errors import InputError
from bpx.formulas import Formula
from bpx.layers.activations import get_activation
from bpx.layers.base import (
    Layer,
    LayerFormulas,
    OnnxGraph,
    Params,
    Shape,
    add_to_onnx,
    check_frozen,
    check_width,
    layer_from_config,
)


@dataclass(frozen=True, repr=False)
class Scale(Layer):
    """Multiply each feature by a factor that is learned: soft selection of features, where it comes first.

    Forward: ``y = x * weight``. Backward: ``dweight = sum(dy * x, over the batch)``, ``dx = dy * weight``.

    Parameters
    ----------
    n_features : int
        Features; ``weight`` is (n_features,) and starts at 1.
    frozen : tuple of str
        Names of parameters that training leaves as they are ("weight").

    Raises
    ------
    InputError
        If ``n_features`` is no positive whole number, or a frozen name is no parameter.

    See Also
    --------
    Parametric : Learn how much of an activation each feature takes.
    LayerNorm : Standardize the features of each sample.

    References
    ----------
    D. Holzmueller, L. Grinsztajn, I. Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data", 2024, section 3, "scaling layer".

    Examples
    --------
    >>> import bpx
    >>> bpx.Network([bpx.Scale(3), bpx.Linear(3, 1)], loss="squared_error").n_params
    7
    """

    n_features: int
    frozen: tuple[str, ...] = ()

    formulas = LayerFormulas(
        Formula("γ · $x", r"\gamma \odot $x"),
        slope=Formula("γ", r"\gamma"),
        gradients={"weight": Formula("Σₙ $dy · $x", r"\sum_n $dy \odot $x")},
    )

    def __post_init__(self) -> None:
        check_count("n_features", self.n_features)
        object.__setattr__(self, "frozen", check_frozen("Scale", self.frozen, self.param_names))

    @property
    def param_names(self) -> tuple[str, ...]:
        return ("weight",)

    @property
    def param_shapes(self) -> dict[str, Shape]:
        return {"weight": (self.n_features,)}

    def init(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        return {"weight": np.ones(self.n_features)}

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        return x * params["weight"], x

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        x = cache
        grads = {} if self.frozen else {"weight": xp.sum(dy * x, axis=0)}
        return (dy * params["weight"] if input_gradient else None), grads

    def output_shape(self, shape: Shape | None) -> Shape | None:
        check_width(f"Scale({self.n_features})", self.n_features, shape)
        return (self.n_features,)

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        return graph.node("Mul", [x, graph.array(f"{place}.weight")], place)


@dataclass(frozen=True, repr=False)
class Parametric(Layer):
    """Let each feature learn how much of an activation f it takes: none of it, all of it, or more.

    Forward: ``y = x + weight * (f(x) - x)``.
    Backward: ``dweight = sum(dy * (f(x) - x), over the batch)``, ``dx = dy * (1 - weight) + f's dx for dy * weight``.

    Parameters
    ----------
    activation : str or Layer
        f: an activation by name, as for `mlp`, or a layer that keeps the shape and has no parameters, random masks or
        statistics. With "relu" this is PReLU, whose slope below zero is ``1 - weight``.
    n_features : int
        Features; ``weight`` is (n_features,) and starts at 1, where y = f(x).
    frozen : tuple of str
        Names of parameters that training leaves as they are ("weight").

    Raises
    ------
    InputError
        If there is no such activation, it has parameters, masks or statistics, ``n_features`` is no positive whole
        number, or a frozen name is no parameter.

    See Also
    --------
    LeakyReLU : Weaken below zero instead of cutting off.
    Scale : Multiply each feature by a factor.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Delving deep into rectifiers", 2015, eq. 1 (PReLU).
    D. Holzmueller, L. Grinsztajn, I. Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data", 2024, section 3, "parametric activation functions".

    Examples
    --------
    >>> import bpx
    >>> net = bpx.Network([bpx.Linear(3, 8), bpx.Parametric("mish", 8), bpx.Linear(8, 1)], loss="squared_error")
    >>> net.params[1]["weight"].shape
    (8,)
    """

    activation: Layer
    n_features: int
    frozen: tuple[str, ...] = ()

    formulas = LayerFormulas(
        Formula("$x + γ · (f($x) − $x), f: $activation", r"$x + \gamma \odot (f($x) - $x)"),
        slope=Formula("1 + γ · (∂f/∂$x − 1)", r"1 + \gamma \odot (\frac{\partial f}{\partial $x} - 1)"),
        gradients={"weight": Formula("Σₙ $dy · (f($x) − $x)", r"\sum_n $dy \odot (f($x) - $x)")},
    )

    def __post_init__(self) -> None:
        f = get_activation(self.activation)
        if f.param_names or f.n_keys or f.stateful:
            raise InputError(f"Parametric takes an activation without parameters, masks and statistics, got {f!r}")
        object.__setattr__(self, "activation", f)
        check_count("n_features", self.n_features)
        object.__setattr__(self, "frozen", check_frozen("Parametric", self.frozen, self.param_names))

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The activation, for those who ask what a layer is made of."""
        return (self.activation,)

    @property
    def param_names(self) -> tuple[str, ...]:
        return ("weight",)

    @property
    def param_shapes(self) -> dict[str, Shape]:
        return {"weight": (self.n_features,)}

    def init(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        return {"weight": np.ones(self.n_features)}

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        y, cache = self.activation.forward(xp, {}, x)
        difference = y - x
        return x + params["weight"] * difference, (difference, cache)

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        difference, inner = cache
        grads = {} if self.frozen else {"weight": xp.sum(dy * difference, axis=0)}
        if not input_gradient:
            return None, grads
        part = dy * params["weight"]
        return dy - part + self.activation.backward(xp, {}, inner, part)[0], grads

    def output_shape(self, shape: Shape | None) -> Shape | None:
        check_width(f"Parametric of {self.n_features}", self.n_features, shape)
        return (self.n_features,)

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        difference = graph.node("Sub", [add_to_onnx(graph, self.activation, x, place), x], place)
        return graph.node("Add", [x, graph.node("Mul", [difference, graph.array(f"{place}.weight")], place)], place)

    def config(self) -> dict[str, Any]:
        activation = self.activation.config()
        return {
            "kind": self.kind, "activation": activation, "n_features": self.n_features, "frozen": list(self.frozen)
        }  # fmt: skip

    @classmethod
    def from_config(cls, settings: dict[str, Any]) -> Layer:
        activation = layer_from_config(settings["activation"])
        return cls(activation, settings["n_features"], tuple(settings["frozen"]))
