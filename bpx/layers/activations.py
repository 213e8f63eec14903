"""Activations: functions of one number, applied to each element, and the softmax of a row.

Each class states its function ``y = f(x)`` and its derivative in the code's own symbols; backward is always
``dx = dy * f'(x)``. What is written in place is an array that the same method made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bpx.backend.base import Array
from bpx.checks import choice, number
from bpx.errors import InputError
from bpx.layers.base import Layer, Params
from bpx.special import erfc


@dataclass(frozen=True, repr=False)
class Identity(Layer):
    """Pass the input on: ``y = x``, ``dx = dy``."""

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        return x, None

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        return dy, {}


@dataclass(frozen=True, repr=False)
class Sigmoid(Layer):
    """Squash to (0, 1): ``y = 1 / (1 + exp(-x))``, ``dx = dy * (y * (1 - y))``.

    Notes
    -----
    ``exp(-x)`` overflows to infinity for very negative x, and then y is 0, which is its right value.
    The derivative is at most 1/4, so gradients fade through many such layers.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating errors", 1986, eq. 2.
    """

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

    References
    ----------
    Y. LeCun, L. Bottou, G. Orr, K.-R. Mueller, "Efficient BackProp", 1998, section 4.4.
    """

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

    Notes
    -----
    At the kink, x = 0, the derivative is taken as 0, as everyone does.

    References
    ----------
    X. Glorot, A. Bordes, Y. Bengio, "Deep sparse rectifier neural networks", 2011, section 3.
    """

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

    References
    ----------
    A. L. Maas, A. Y. Hannun, A. Y. Ng, "Rectifier nonlinearities improve neural network acoustic models", 2013, eq. 2.
    """

    slope: float = 0.01

    def __post_init__(self) -> None:
        number("slope", self.slope, minimum=0.0)

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        positive = x > 0.0
        return xp.where(positive, x, self.slope * x), positive

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        positive = cache
        return xp.where(positive, dy, self.slope * dy), {}


@dataclass(frozen=True, repr=False)
class GELU(Layer):
    """Weigh the input by the normal distribution: ``y = x * P``, ``dx = dy * (P + x * p)``.

    With ``P = erfc(-x / sqrt(2)) / 2`` and ``p = exp(-x**2 / 2) / sqrt(2 pi)`` for ``approximate="none"``; with
    ``P = (1 + tanh(u)) / 2``, ``u = sqrt(2 / pi) (x + 0.044715 x**3)`` and ``p = dP/dx`` for ``approximate="tanh"``.

    Parameters
    ----------
    approximate : str
        "none" (exact, the default) or "tanh" (faster, off by up to 5e-4).

    References
    ----------
    D. Hendrycks, K. Gimpel, "Gaussian error linear units (GELUs)", 2016, section 2.
    """

    approximate: str = "none"

    def __post_init__(self) -> None:
        choice("approximation of GELU", self.approximate, ("none", "tanh"))

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


@dataclass(frozen=True, repr=False)
class SiLU(Layer):
    """Weigh the input by its sigmoid: ``y = x * s``, ``s = 1 / (1 + exp(-x))``, ``dx = dy * (s * (1 + x * (1 - s)))``.

    References
    ----------
    S. Elfwing, E. Uchibe, K. Doya, "Sigmoid-weighted linear units", 2018, equations 5 and 6.
    """

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


@dataclass(frozen=True, repr=False)
class Softplus(Layer):
    """A smooth ReLU: ``y = log(1 + exp(x))``, ``dx = dy * exp(x - y)`` (that factor is the sigmoid of x).

    Notes
    -----
    Taken as ``logaddexp(x, 0)``, which overflows nowhere; ``x - y`` is never above 0.

    References
    ----------
    C. Dugas, Y. Bengio, F. Belisle, C. Nadeau, R. Garcia, "Incorporating second-order functional knowledge for better
    option pricing", 2001, eq. 3.
    """

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        y = xp.logaddexp(x, xp.zeros_like(x))
        return y, (x, y)

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        x, y = cache
        return dy * xp.exp(x - y), {}


@dataclass(frozen=True, repr=False)
class Softmax(Layer):
    """Turn each row into probabilities: ``y = exp(x) / sum(exp(x))``, ``dx = y * (dy - sum(dy * y))``.

    Notes
    -----
    The row's maximum is subtracted first, which changes nothing but the overflow. For classification use the loss
    ``cross_entropy`` on the logits instead: it is this layer and the logarithm in one, stable at any logit.

    References
    ----------
    J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990, eq. 4.
    """

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        y = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
        y /= xp.sum(y, axis=-1, keepdims=True)
        return y, y

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        y = cache
        return y * (dy - xp.sum(dy * y, axis=-1, keepdims=True)), {}


ACTIVATIONS: dict[str, type[Layer]] = {
    "identity": Identity,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "gelu": GELU,
    "silu": SiLU,
    "softplus": Softplus,
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
    if isinstance(activation, Layer):
        return activation
    if not isinstance(activation, str):
        raise InputError(f"an activation is a name or a layer, got {activation!r}")
    return ACTIVATIONS[choice("activation", activation, ACTIVATIONS)]()
