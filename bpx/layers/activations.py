"""Activations: functions of one number, applied to each element, and the softmax of a row.

Each class states its function ``y = f(x)`` and its derivative in the code's own symbols; backward is always
``dx = dy * f'(x)``. What is written in place is an array that the same method made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bpx.arguments import check_choice, check_number, look_up
from bpx.backend.base import Array
from bpx.formulas import Formula
from bpx.layers.base import Layer, LayerFormulas, OnnxGraph, Params
from bpx.layers.erfc import erfc


@dataclass(frozen=True, repr=False)
class Identity(Layer):
    """Pass the input on: ``y = x``, ``dx = dy``.

    See Also
    --------
    Linear : Multiply by a matrix and add a bias.
    Residual : Add a block's input to its output.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> y, cache = bpx.Identity().forward(np, {}, np.array([-1.0, 0.0, 2.0]))
    >>> y.round(3).tolist()
    [-1.0, 0.0, 2.0]
    >>> dx, _ = bpx.Identity().backward(np, {}, cache, np.ones(3))
    >>> dx.round(3).tolist()
    [1.0, 1.0, 1.0]
    """

    formulas = LayerFormulas(Formula("$x", "$x"), slope=Formula("1", "1"))

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        return x, None

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        return dy, {}

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        return x


@dataclass(frozen=True, repr=False)
class Sigmoid(Layer):
    """Squash to (0, 1): ``y = 1 / (1 + exp(-x))``, ``dx = dy * (y * (1 - y))``.

    See Also
    --------
    Tanh : Squash to (-1, 1).
    BinaryCrossEntropy : Yes or no, from logits.
    SiLU : Weigh by the sigmoid; smooth.

    Notes
    -----
    ``exp(-x)`` overflows to infinity for very negative x, and then y is 0, which is its right value.
    The derivative is at most 1/4, so gradients fade through many such layers.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating errors", 1986, eq. 2.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> y, cache = bpx.Sigmoid().forward(np, {}, np.array([-1.0, 0.0, 2.0]))
    >>> y.round(3).tolist()
    [0.269, 0.5, 0.881]
    >>> dx, _ = bpx.Sigmoid().backward(np, {}, cache, np.ones(3))
    >>> dx.round(3).tolist()
    [0.197, 0.25, 0.105]
    """

    elementwise = True
    formulas = LayerFormulas(
        Formula("σ($x) = 1 / (1 + exp(−$x))", r"\sigma($x) = \frac{1}{1 + e^{-$x}}"),
        slope=Formula("$y · (1 − $y)", r"$y \odot (1 - $y)"),
    )
    onnx_operator = "Sigmoid"

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        y = xp.exp(-x)
        y += 1.0
        y = xp.reciprocal(y)
        return y, y

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        y = cache
        dx = 1.0 - y
        dx *= y
        dx *= dy
        return dx, {}


@dataclass(frozen=True, repr=False)
class Tanh(Layer):
    """Squash to (-1, 1): ``y = tanh(x)``, ``dx = dy * (1 - y**2)``.

    See Also
    --------
    Sigmoid : Squash to (0, 1).
    ReLU : Cut off below zero.

    References
    ----------
    Y. LeCun, L. Bottou, G. Orr, K.-R. Mueller, "Efficient BackProp", 1998, section 4.4.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> y, cache = bpx.Tanh().forward(np, {}, np.array([-1.0, 0.0, 2.0]))
    >>> y.round(3).tolist()
    [-0.762, 0.0, 0.964]
    >>> dx, _ = bpx.Tanh().backward(np, {}, cache, np.ones(3))
    >>> dx.round(3).tolist()
    [0.42, 1.0, 0.071]
    """

    elementwise = True
    formulas = LayerFormulas(Formula("tanh($x)", r"\tanh($x)"), slope=Formula("1 − $y²", "1 - $y^2"))
    onnx_operator = "Tanh"

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        y = xp.tanh(x)
        return y, y

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        y = cache
        dx = y * y
        dx = 1.0 - dx
        dx *= dy
        return dx, {}


@dataclass(frozen=True, repr=False)
class ReLU(Layer):
    """Cut off below zero: ``y = max(x, 0)``, ``dx = dy if x > 0 else 0``.

    See Also
    --------
    LeakyReLU : Weaken below zero instead of cutting off.
    GELU : Weigh by the normal distribution; smooth.
    Softplus : A smooth ReLU.
    diagnose : Find what keeps a network from learning.

    Notes
    -----
    At the kink, x = 0, the derivative is taken as 0, as everyone does.

    References
    ----------
    X. Glorot, A. Bordes, Y. Bengio, "Deep sparse rectifier neural networks", 2011, section 3.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> y, cache = bpx.ReLU().forward(np, {}, np.array([-1.0, 0.0, 2.0]))
    >>> y.round(3).tolist()
    [0.0, 0.0, 2.0]
    >>> dx, _ = bpx.ReLU().backward(np, {}, cache, np.ones(3))
    >>> dx.round(3).tolist()
    [0.0, 0.0, 1.0]
    """

    elementwise = True
    formulas = LayerFormulas(
        Formula("max($x, 0)", r"\max($x, 0)"), slope=Formula("1 where $x > 0, else 0", r"[\,$x > 0\,]")
    )
    onnx_operator = "Relu"

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        y = xp.maximum(x, 0.0)
        return y, y

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        y = cache
        dx = xp.astype(y > 0.0, dy.dtype)
        dx *= dy
        return dx, {}


@dataclass(frozen=True, repr=False)
class LeakyReLU(Layer):
    """Weaken below zero: ``y = x if x > 0 else slope * x``, ``dx = dy if x > 0 else slope * dy``.

    Parameters
    ----------
    slope : float
        Slope below zero, at least 0. At x = 0 it is the derivative.

    See Also
    --------
    ReLU : Cut off below zero.
    Parametric : Learn how much of an activation each feature takes.

    References
    ----------
    A. L. Maas, A. Y. Hannun, A. Y. Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013, eq. 2.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> y, cache = bpx.LeakyReLU(0.1).forward(np, {}, np.array([-1.0, 0.0, 2.0]))
    >>> y.round(3).tolist()
    [-0.1, 0.0, 2.0]
    >>> dx, _ = bpx.LeakyReLU(0.1).backward(np, {}, cache, np.ones(3))
    >>> dx.round(3).tolist()
    [0.1, 0.1, 1.0]
    """

    slope: float = 0.01

    elementwise = True
    formulas = LayerFormulas(
        Formula(
            "$x where $x > 0, else $slope · $x",
            r"\begin{cases} $x & $x > 0 \\ $slope\,$x & \text{else} \end{cases}",
        ),
        slope=Formula("1 where $x > 0, else $slope", r"\begin{cases} 1 & $x > 0 \\ $slope & \text{else} \end{cases}"),
    )

    def __post_init__(self) -> None:
        check_number("slope", self.slope, minimum=0.0)

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        positive = x > 0.0
        return xp.where(positive, x, self.slope * x), positive

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        positive = cache
        return xp.where(positive, dy, self.slope * dy), {}

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        return graph.node("LeakyRelu", [x], place, alpha=self.slope)


@dataclass(frozen=True, repr=False)
class GELU(Layer):
    """Weigh the input by the normal cumulative distribution function: ``y = x * P``, ``dx = dy * (P + x * p)``.

    With ``P = erfc(-x / sqrt(2)) / 2`` and ``p = exp(-x**2 / 2) / sqrt(2 pi)`` for ``approximate="none"``; with
    ``P = (1 + tanh(u)) / 2``, ``u = sqrt(2 / pi) (x + 0.044715 x**3)`` and ``p = dP/dx`` for ``approximate="tanh"``.

    Parameters
    ----------
    approximate : str
        "none" (exact, the default) or "tanh" (faster, off by up to 5e-4).

    See Also
    --------
    SiLU : Weigh by the sigmoid; smooth.
    Mish : Weigh by the tanh of the softplus; smooth.
    ReLU : Cut off below zero.

    References
    ----------
    D. Hendrycks, K. Gimpel, "Gaussian error linear units (GELUs)", 2016, section 2.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> y, cache = bpx.GELU().forward(np, {}, np.array([-1.0, 0.0, 2.0]))
    >>> y.round(3).tolist()
    [-0.159, 0.0, 1.954]
    >>> dx, _ = bpx.GELU().backward(np, {}, cache, np.ones(3))
    >>> dx.round(3).tolist()
    [-0.083, 0.5, 1.085]
    """

    approximate: str = "none"

    elementwise = True
    formulas = LayerFormulas(
        Formula("$x · Φ($x)", r"$x \odot \Phi($x)"),
        slope=Formula("Φ($x) + $x · φ($x)", r"\Phi($x) + $x \odot \varphi($x)"),
    )

    def __post_init__(self) -> None:
        check_choice("approximation of GELU", self.approximate, ("none", "tanh"))

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        if self.approximate == "tanh":
            p = 0.5 + 0.5 * xp.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * (x * x * x)))
        else:
            p = 0.5 * erfc(xp, -math.sqrt(0.5) * x)
        return x * p, (x, p)

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        x, p = cache
        if self.approximate == "tanh":
            dp = 2.0 * p * (1.0 - p) * (math.sqrt(2.0 / math.pi) * (1.0 + 3.0 * 0.044715 * (x * x)))
        else:
            dp = math.sqrt(0.5 / math.pi) * xp.exp(-0.5 * (x * x))
        return dy * (p + x * dp), {}

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        def times(a: str, b: str | float) -> str:
            return graph.node("Mul", [a, b if isinstance(b, str) else graph.constant(b, place)], place)

        if self.approximate == "tanh":
            cubic = times(times(times(x, x), x), 0.044715)
            inner = times(graph.node("Add", [x, cubic], place), math.sqrt(2.0 / math.pi))
            function = graph.node("Tanh", [inner], place)
        else:
            function = graph.single_precision("Erf", times(x, math.sqrt(0.5)), place)
        p = times(graph.node("Add", [function, graph.constant(1.0, place)], place), 0.5)
        return times(x, p)


@dataclass(frozen=True, repr=False)
class SiLU(Layer):
    """Weigh the input by its sigmoid: ``y = x * s``, ``s = 1 / (1 + exp(-x))``, ``dx = dy * (s * (1 + x * (1 - s)))``.

    See Also
    --------
    GELU : Weigh by the normal distribution; smooth.
    Mish : Weigh by the tanh of the softplus; smooth.
    Sigmoid : Squash to (0, 1).

    References
    ----------
    S. Elfwing, E. Uchibe, K. Doya, "Sigmoid-weighted linear units", 2018, equations 5 and 6.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> y, cache = bpx.SiLU().forward(np, {}, np.array([-1.0, 0.0, 2.0]))
    >>> y.round(3).tolist()
    [-0.269, 0.0, 1.762]
    >>> dx, _ = bpx.SiLU().backward(np, {}, cache, np.ones(3))
    >>> dx.round(3).tolist()
    [0.072, 0.5, 1.091]
    """

    elementwise = True
    formulas = LayerFormulas(
        Formula("$x · σ($x)", r"$x \odot \sigma($x)"),
        slope=Formula("σ($x) · (1 + $x · (1 − σ($x)))", r"\sigma($x) \odot (1 + $x \odot (1 - \sigma($x)))"),
    )

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        s = xp.exp(-x)
        s += 1.0
        s = xp.reciprocal(s)
        return x * s, (x, s)

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        x, s = cache
        return dy * (s * (1.0 + x * (1.0 - s))), {}

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        return graph.node("Mul", [x, graph.node("Sigmoid", [x], place)], place)


@dataclass(frozen=True, repr=False)
class Softplus(Layer):
    """A smooth ReLU: ``y = log(1 + exp(x))``, ``dx = dy * exp(x - y)`` (that factor is the sigmoid of x).

    See Also
    --------
    ReLU : Cut off below zero.
    Sigmoid : Squash to (0, 1).
    Mish : Weigh by the tanh of the softplus; smooth.

    Notes
    -----
    Taken as ``logaddexp(x, 0)``, which overflows nowhere; ``x - y`` is never above 0.

    References
    ----------
    C. Dugas, Y. Bengio, F. Belisle, C. Nadeau, R. Garcia, "Incorporating second-order functional knowledge for better
    option pricing", 2001, eq. 3.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> y, cache = bpx.Softplus().forward(np, {}, np.array([-1.0, 0.0, 2.0]))
    >>> y.round(3).tolist()
    [0.313, 0.693, 2.127]
    >>> dx, _ = bpx.Softplus().backward(np, {}, cache, np.ones(3))
    >>> dx.round(3).tolist()
    [0.269, 0.5, 0.881]
    """

    elementwise = True
    formulas = LayerFormulas(Formula("ln(1 + exp($x))", r"\ln(1 + e^{$x})"), slope=Formula("σ($x)", r"\sigma($x)"))

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        y = xp.logaddexp(x, xp.zeros_like(x))
        return y, (x, y)

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        x, y = cache
        return dy * xp.exp(x - y), {}

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        # max(x, 0) + log(1 + exp(-|x|)), which overflows nowhere: ONNX Runtime's Softplus has no double precision
        e = graph.node("Exp", [graph.node("Neg", [graph.node("Abs", [x], place)], place)], place)
        log = graph.node("Log", [graph.node("Add", [e, graph.constant(1.0, place)], place)], place)
        return graph.node("Add", [graph.node("Relu", [x], place), log], place)


@dataclass(frozen=True, repr=False)
class Mish(Layer):
    """Weigh the input by the tanh of its softplus: ``y = x * t``, ``t = tanh(u)``, ``u = log(1 + exp(x))``.

    ``dx = dy * (t + x * s * (1 - t**2))``, where ``s = e / (1 + e)``, ``e = exp(x)``, is the sigmoid of x.

    See Also
    --------
    SiLU : Weigh by the sigmoid; smooth.
    GELU : Weigh by the normal distribution; smooth.
    Softplus : A smooth ReLU.

    Notes
    -----
    With ``n = e * (e + 2)``, t is ``n / (n + 2)``. Beyond x = 20, where t is 1 to the last place, e stays ``exp(20)``:
    nothing overflows.

    References
    ----------
    D. Misra, "Mish: a self regularized non-monotonic activation function", 2019, eq. 1.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> y, cache = bpx.Mish().forward(np, {}, np.array([-1.0, 0.0, 2.0]))
    >>> y.round(3).tolist()
    [-0.303, 0.0, 1.944]
    >>> dx, _ = bpx.Mish().backward(np, {}, cache, np.ones(3))
    >>> dx.round(3).tolist()
    [0.059, 0.6, 1.069]
    """

    elementwise = True
    formulas = LayerFormulas(
        Formula("$x · tanh(ln(1 + exp($x)))", r"$x \odot \tanh(\ln(1 + e^{$x}))"),
        slope=Formula(
            "t + $x · σ($x) · (1 − t²), t = tanh(ln(1 + exp($x)))",
            r"t + $x \odot \sigma($x) \odot (1 - t^2),\quad t = \tanh(\ln(1 + e^{$x}))",
        ),
    )

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        e = xp.exp(xp.minimum(x, 20.0))
        n = e * (e + 2.0)
        t = n / (n + 2.0)
        return x * t, (x, e, t)

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        x, e, t = cache
        return dy * (t + x * (e / (1.0 + e)) * (1.0 - t * t)), {}

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        return graph.node("Mul", [x, graph.node("Tanh", [Softplus().add_onnx_nodes(graph, x, place)], place)], place)


_SELU_SCALE, _SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


@dataclass(frozen=True, repr=False)
class SELU(Layer):
    """Scale above zero, saturate below: ``y = s * x if x > 0 else s * a * (exp(x) - 1)``, s = 1.0507, a = 1.6733.

    ``dx = s * dy if x > 0 else dy * (y + s * a)``.

    See Also
    --------
    ReLU : Cut off below zero.
    LayerNorm : Standardize the features of each sample.

    Notes
    -----
    At x = 0, where the slope jumps from ``s * a`` to s, it is taken as ``s * a``. Near 0 from below y is exact to the
    last place of s * a, not of y.

    References
    ----------
    G. Klambauer, T. Unterthiner, A. Mayr, S. Hochreiter, "Self-normalizing neural networks", 2017, equation 2.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> y, cache = bpx.SELU().forward(np, {}, np.array([-1.0, 0.0, 2.0]))
    >>> y.round(3).tolist()
    [-1.111, 0.0, 2.101]
    >>> dx, _ = bpx.SELU().backward(np, {}, cache, np.ones(3))
    >>> dx.round(3).tolist()
    [0.647, 1.758, 1.051]
    """

    elementwise = True
    formulas = LayerFormulas(
        Formula(
            "1.0507 · ($x where $x > 0, else 1.6733 · (exp($x) − 1))",
            r"1.0507 \begin{cases} $x & $x > 0 \\ 1.6733\,(e^{$x} - 1) & \text{else} \end{cases}",
        ),
        slope=Formula(
            "1.0507 where $x > 0, else $y + 1.7581",
            r"\begin{cases} 1.0507 & $x > 0 \\ $y + 1.7581 & \text{else} \end{cases}",
        ),
    )

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        below = (_SELU_SCALE * _SELU_ALPHA) * (xp.exp(xp.minimum(x, 0.0)) - 1.0)
        y = xp.where(x > 0.0, _SELU_SCALE * x, below)
        return y, y

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        y = cache
        return dy * xp.where(y > 0.0, _SELU_SCALE, y + _SELU_SCALE * _SELU_ALPHA), {}

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        def times(a: str, number: float) -> str:
            return graph.node("Mul", [a, graph.constant(number, place)], place)

        above = graph.node("Relu", [x], place)
        below = graph.node("Min", [x, graph.constant(0.0, place)], place)
        below = graph.node("Sub", [graph.node("Exp", [below], place), graph.constant(1.0, place)], place)
        return graph.node("Add", [times(above, _SELU_SCALE), times(below, _SELU_SCALE * _SELU_ALPHA)], place)


@dataclass(frozen=True, repr=False)
class Softmax(Layer):
    """Turn each row into probabilities: ``y = exp(x) / sum(exp(x))``, ``dx = y * (dy - sum(dy * y))``.

    See Also
    --------
    CrossEntropy : One of several classes, from logits.
    Sigmoid : Squash to (0, 1).

    Notes
    -----
    The row's maximum is subtracted first, which changes nothing but the overflow. For classification use the loss
    ``cross_entropy`` on the logits instead: it is this layer and the logarithm in one, stable at any logit.

    References
    ----------
    J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990, eq. 4.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> y, cache = bpx.Softmax().forward(np, {}, np.array([[0.0, 1.0, 2.0]]))
    >>> y.round(3).tolist(), round(float(y.sum()), 12)
    ([[0.09, 0.245, 0.665]], 1.0)
    """

    formulas = LayerFormulas(
        Formula("exp($x) / Σₖ exp($xₖ)", r"\frac{e^{$x}}{\sum_k e^{${x}_k}}"),
        jacobian=Formula("$yᵢ · ([i = j] − $yⱼ)", r"${y}_i\,([\,i = j\,] - ${y}_j)"),
    )

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        y = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
        y /= xp.sum(y, axis=-1, keepdims=True)
        return y, y

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        y = cache
        return y * (dy - xp.sum(dy * y, axis=-1, keepdims=True)), {}

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        return graph.node("Softmax", [x], place, axis=-1)


ACTIVATIONS: dict[str, type[Layer]] = {
    "identity": Identity,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "gelu": GELU,
    "silu": SiLU,
    "softplus": Softplus,
    "mish": Mish,
    "selu": SELU,
    "softmax": Softmax,
}
"""The activations by name."""


def get_activation(activation: str | Layer) -> Layer:
    """Return the activation of a name; a layer is returned as it is.

    Raises
    ------
    InputError
        If no activation has this name; the message lists them and the nearest spelling.
    """
    return look_up("activation", activation, Layer, ACTIVATIONS)
