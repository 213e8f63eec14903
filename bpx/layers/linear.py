"""The linear layer, where the weights are, and the same with its factor outside the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.arguments import check_count
from bpx.backend.base import Array
from bpx.formulas import Formula
from bpx.layers.base import Layer, LayerFormulas, OnnxGraph, Params, Shape, check_frozen, check_width
from bpx.layers.initializers import get_initializer


@dataclass(frozen=True, repr=False)
class Linear(Layer):
    """Multiply by a matrix and add a bias.

    Forward: ``y = x @ weight + bias``.
    Backward: ``dweight = x.T @ dy``, ``dbias = sum(dy, over the batch)``, ``dx = dy @ weight.T``.

    Parameters
    ----------
    n_in, n_out : int
        Features in and out; ``weight`` is (n_in, n_out), ``bias`` (n_out,).
    bias : bool
        Whether there is a bias.
    weight_init : str or None
        Initializer of the weight: "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform",
        "lecun_normal", "normal" (mean 0, variance 1), "zeros" or "uniform" (from 0 to 1). None is "glorot_uniform".
    bias_init : str
        Initializer of the bias, one of the same.
    frozen : tuple of str
        Names of parameters that training leaves as they are ("weight", "bias").

    Raises
    ------
    InputError
        If a size is no positive whole number, an initializer is unknown, or a frozen name is no parameter.

    See Also
    --------
    NTKLinear : A linear layer with its factor outside the weights.
    MemberLinear : A matrix for each member of an ensemble.
    mlp : Build a multilayer perceptron.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating errors", 1986,
    equations 1 and 5 to 7.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> layer = bpx.Linear(2, 1)
    >>> params = {"weight": np.array([[1.0], [2.0]]), "bias": np.array([0.5])}
    >>> y, cache = layer.forward(np, params, np.array([[3.0, 4.0]]))
    >>> y
    array([[11.5]])
    """

    n_in: int
    n_out: int
    bias: bool = True
    weight_init: str | None = None
    bias_init: str = "zeros"
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_count("n_in", self.n_in)
        check_count("n_out", self.n_out)
        get_initializer(self.weight_init or "glorot_uniform")
        get_initializer(self.bias_init)
        object.__setattr__(self, "frozen", check_frozen(type(self).__name__, self.frozen, self.param_names))

    @property
    def param_names(self) -> tuple[str, ...]:
        return ("weight", "bias") if self.bias else ("weight",)

    @property
    def param_shapes(self) -> dict[str, Shape]:
        shapes: dict[str, Shape] = {"weight": (self.n_in, self.n_out), "bias": (self.n_out,)}
        return {name: shapes[name] for name in self.param_names}

    def init(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        weight = get_initializer(self.weight_init or "glorot_uniform")(generator, self.n_in, self.n_out)
        if not self.bias:
            return {"weight": weight}
        return {"weight": weight, "bias": get_initializer(self.bias_init)(generator, 1, self.n_out)[0]}

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        y = xp.matmul(x, params["weight"])
        if self.bias:
            y += params["bias"]
        return y, x

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        x = cache
        grads = {}
        if "weight" not in self.frozen:
            grads["weight"] = xp.matmul(x.T, dy)
        if self.bias and "bias" not in self.frozen:
            grads["bias"] = xp.sum(dy, axis=0)
        dx = xp.matmul(dy, params["weight"].T) if input_gradient else None
        return dx, grads

    def output_shape(self, shape: Shape | None) -> Shape:
        check_width(f"{type(self).__name__}({self.n_in}, {self.n_out})", self.n_in, shape)
        return (self.n_out,)

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        return graph.node("Gemm", [x, *(graph.array(f"{place}.{name}") for name in self.param_names)], place, transB=1)

    def __repr__(self) -> str:
        kind = type(self).__name__
        named = super().__repr__().removeprefix(f"{kind}(").removesuffix(")").split(", ", 2)[2:]
        return f"{kind}({', '.join([str(self.n_in), str(self.n_out), *named])})"


@dataclass(frozen=True, repr=False)
class NTKLinear(Linear):
    """Multiply by a matrix over the root of its rows, and add a bias: `Linear` in the neural tangent parametrization.

    Forward: ``y = x @ weight / sqrt(n_in) + bias``.
    Backward: ``dweight = x.T @ dy / sqrt(n_in)``, ``dbias = sum(dy, over the batch)``,
    ``dx = dy @ weight.T / sqrt(n_in)``.

    Parameters
    ----------
    n_in, n_out, bias, bias_init, frozen
        As for `Linear`.
    weight_init : str
        Initializer of the weight; "normal" is N(0, 1), whatever the width.

    See Also
    --------
    Linear : Multiply by a matrix and add a bias.
    Scale : Multiply each feature by a factor.

    Notes
    -----
    At the start it computes what `Linear` does with "lecun_normal". It learns otherwise: the factor outside makes the
    weights of wide layers move as far as those of narrow ones under Adam, and decay alike.

    References
    ----------
    A. Jacot, F. Gabriel, C. Hongler, "Neural tangent kernel: convergence and generalization in neural networks", 2018,
    section 2.

    Examples
    --------
    >>> import bpx
    >>> bpx.NTKLinear(4, 3)
    NTKLinear(4, 3)
    """

    weight_init: str | None = "normal"

    formulas = LayerFormulas(
        Formula("$x W / √$n_in + b", r"\frac{1}{\sqrt{$n_in}} $x W + b"),
        gradients={"weight": Formula("$xᵀ $dy / √$n_in", r"\frac{1}{\sqrt{$n_in}} {$x}^\top $dy")},
    )

    @property
    def _factor(self) -> float:
        return 1.0 / math.sqrt(self.n_in)

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        y = xp.matmul(x, params["weight"])
        y *= self._factor
        if self.bias:
            y += params["bias"]
        return y, x

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        x, part = cache, dy * self._factor
        grads = {}
        if "weight" not in self.frozen:
            grads["weight"] = xp.matmul(x.T, part)
        if self.bias and "bias" not in self.frozen:
            grads["bias"] = xp.sum(dy, axis=0)
        return (xp.matmul(part, params["weight"].T) if input_gradient else None), grads

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        arrays = [graph.array(f"{place}.{name}") for name in self.param_names]
        x = graph.node("Mul", [x, graph.constant(self._factor, place)], place)  # Gemm's alpha is in float32 alone
        return graph.node("Gemm", [x, *arrays], place, transB=1)
