"""Numbers as vectors: each feature by itself, in bins or in waves, so that a network sees more than its size.

Inside, the feature is the first axis where each has a matrix of its own: ``matmul`` then makes all products at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.arguments import check_count, check_number
from bpx.backend.base import Array, device_of
from bpx.errors import InputError
from bpx.formulas import Formula
from bpx.layers.base import Layer, LayerFormulas, Params, Shape, check_frozen, check_width

_FAR = 1e30
"""Beyond every number: the bound of a bin that is open to one side."""


@dataclass(frozen=True, repr=False)
class PiecewiseLinear(Layer):
    """Encode each number by how far it fills each bin: whole below its own, a share in it, 0 above.

    Forward, for a feature with edges ``b_0 < b_1 < ... < b_T`` and h the height of a full bin:
    ``u_t = h (x - b_(t-1)) / (b_t - b_(t-1))`` and ``y_t = min(max(u_t, 0), h)``; the first bin is open below, and the
    last one above.
    With ``dense`` the number itself follows its bins, ``y_(T+1) = x``.
    Backward: ``du = dy`` where u is within its bounds and 0 elsewhere, ``dx = h sum(du_t / (b_t - b_(t-1)))``, and
    ``dy_(T+1)`` beside it with ``dense``; for edges that are trained
    ``db_(t-1) = -sum(du_t * (h - u_t)) / (b_t - b_(t-1))``, ``db_t = -sum(du_t * u_t) / (b_t - b_(t-1))``, over the
    batch.

    Parameters
    ----------
    bins : sequence of sequences of float
        The edges of each feature, in increasing order, at least two: quantiles of the training samples, for example.
        They are the parameter ``edges``, (features, T + 1), where T is the most bins of any feature. A feature of fewer
        has more above them, as wide as its last.
    dense : bool
        Whether the number itself is put behind its bins.
    height : float
        What a full bin counts, above 0. Many bins of height 1 outweigh a standardized number beside them: a small
        height lets a network start from the number and learn from the bins what it cannot say.
    frozen : tuple of str
        Names of parameters that training leaves as they are: the edges, unless it is ``()``.

    Raises
    ------
    InputError
        If there are no edges, those of a feature are no finite numbers that increase, in float32 too, or the height is
        not above 0.

    See Also
    --------
    Periodic : Turn numbers into vectors by waves.
    PBLD : Turn numbers into vectors by waves, a matrix and the numbers themselves.
    Columns : Give layers columns of their own.

    Notes
    -----
    Samples (batch, features) become (batch, features * T), the bins of one feature after another; T + 1 each with
    ``dense``.
    At an edge the derivative is that of the bin above it.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features in tabular deep learning", 2022,
    section 3.2.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> layer = bpx.PiecewiseLinear([[0.0, 1.0, 3.0]])
    >>> xp, params = bpx.get_backend("numpy").xp, layer.init(np.random.default_rng(0))
    >>> layer.forward(xp, params, np.array([[1.5], [2.0], [5.0]]))[0]
    array([[1.  , 0.25],
           [1.  , 0.5 ],
           [1.  , 2.  ]])
    """

    bins: Sequence[Sequence[float]]
    dense: bool = False
    height: float = 1.0
    frozen: tuple[str, ...] = ("edges",)

    formulas = LayerFormulas(
        Formula(
            "min(max(h ($x − bₜ₋₁) / (bₜ − bₜ₋₁), 0), h), for each feature and bin",
            r"\min(\max(h \frac{$x - b_{t-1}}{b_t - b_{t-1}}, 0), h)",
        )
    )

    def __post_init__(self) -> None:
        if not isinstance(self.bins, Iterable) or isinstance(self.bins, str):
            raise InputError(f"bins must hold the edges of each feature, got {self.bins!r}")
        object.__setattr__(self, "bins", tuple(_read_edges(i, edges) for i, edges in enumerate(self.bins)))
        if not self.bins:
            raise InputError("bins must hold the edges of at least one feature, got none")
        check_number("height", self.height, above=0.0)
        object.__setattr__(self, "frozen", check_frozen("PiecewiseLinear", self.frozen, self.param_names))

    @property
    def n_in(self) -> int:
        """How many features it takes."""
        return len(self.bins)

    @property
    def n_bins(self) -> int:
        """How many bins each feature has."""
        return max(map(len, self.bins)) - 1

    @property
    def _n_each(self) -> int:
        """How many numbers come of each feature."""
        return self.n_bins + 1 if self.dense else self.n_bins

    @property
    def param_names(self) -> tuple[str, ...]:
        return ("edges",)

    @property
    def param_shapes(self) -> dict[str, Shape]:
        return {"edges": (self.n_in, self.n_bins + 1)}

    @property
    def weight_names(self) -> tuple[str, ...]:
        return ()

    def init(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        return {"edges": np.array([_add_edges(edges, self.n_bins + 1) for edges in self.bins])}

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        start, stop = params["edges"][:, :-1], params["edges"][:, 1:]
        width = stop - start
        u = (x[:, :, None] - start) * (self.height / width)
        low, high = self._find_bounds(xp, x)
        y = xp.minimum(xp.maximum(u, low), high)
        if self.dense:
            y = xp.concat([y, x[:, :, None]], axis=2)
        return xp.reshape(y, (x.shape[0], self.n_in * self._n_each)), (u, width, low, high)

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        u, width, low, high = cache
        if self.frozen and not input_gradient:
            return None, {}
        dy = xp.reshape(dy, (u.shape[0], self.n_in, self._n_each))
        du = dy[:, :, : self.n_bins] * xp.astype(u >= low, dy.dtype) * xp.astype(u < high, dy.dtype) / width
        grads = {}
        if not self.frozen:
            none = xp.zeros_like(width[:, :1])
            of_stop = -xp.sum(du * u, axis=0)
            of_start = -self.height * xp.sum(du, axis=0) - of_stop
            grads["edges"] = xp.concat([of_start, none], axis=1) + xp.concat([none, of_stop], axis=1)
        if not input_gradient:
            return None, grads
        dx = self.height * xp.sum(du, axis=2)
        return (dx + dy[:, :, self.n_bins] if self.dense else dx), grads

    def _find_bounds(self, xp: Any, x: Array) -> tuple[Array, Array]:
        """Return the bounds of u in each bin: 0 and h, but for the first bin's lower and the last bin's upper one."""
        number = xp.arange(self.n_bins, dtype=x.dtype, device=device_of(x))
        first, last = (xp.astype(number == end, x.dtype) for end in (0.0, self.n_bins - 1.0))
        return -_FAR * first, self.height + _FAR * last

    def output_shape(self, shape: Shape | None) -> Shape | None:
        check_width(f"PiecewiseLinear of {self.n_in}", self.n_in, shape)
        return (self.n_in * self._n_each,)


def _read_edges(feature: int, edges: Any) -> tuple[float, ...]:
    """Return the edges of a feature's bins as numbers; refuse what does not increase."""
    read = tuple(check_number(f"an edge of feature {feature}", edge) for edge in edges)
    if len(read) < 2 or not (np.diff(np.array(read, dtype=np.float32)) > 0.0).all():
        raise InputError(
            f"bins must hold at least two edges of feature {feature}, each above the one before it in float32 too, "
            f"got {edges!r}"
        )
    return read


def _add_edges(edges: Sequence[float], n: int) -> list[float]:
    """Return ``n`` edges: those given, and others above them, as far apart as the last two are.

    They are further apart where float32, in which the sum of an edge and a width is rounded, would make two edges one.
    """
    last = edges[-1]
    width = max(last - edges[-2], 2.0 * float(np.spacing(np.float32(abs(last)))))
    return [*edges, *(last + width * k for k in range(1, n + 1 - len(edges)))]


@dataclass(frozen=True, repr=False)
class Periodic(Layer):
    """Turn each number into waves of learned frequencies, and these into a vector.

    Forward, for each feature: ``v = 2 pi x frequency``, ``y = sin(v) @ sine + cos(v) @ cosine + bias``.
    Backward: ``dsine = sin(v).T @ dy``, ``dcosine = cos(v).T @ dy``, ``dbias = sum(dy)``,
    ``dv = (dy @ sine.T) * cos(v) - (dy @ cosine.T) * sin(v)``, ``dfrequency = 2 pi sum(dv * x)``,
    ``dx = 2 pi sum(dv * frequency)``; sums over the batch, that of dx over the frequencies.

    Parameters
    ----------
    n_features, n_frequencies, n_out : int
        Features, waves of each, and numbers in the vector of each. ``frequency`` is (features, frequencies), ``sine``
        and ``cosine`` are (features, frequencies, n_out), ``bias`` is (features, n_out).
    sigma : float
        Spread of the frequencies at the start, N(0, sigma**2): what matters most, and depends on the data. Above 0.
    frozen : tuple of str
        Names of parameters that training leaves as they are.

    Raises
    ------
    InputError
        If a size is no positive whole number, sigma is not above 0, or a frozen name is no parameter.

    See Also
    --------
    PBLD : Turn numbers into vectors by waves, a matrix and the numbers themselves.
    PiecewiseLinear : Turn numbers into vectors by bins.
    Columns : Give layers columns of their own.

    Notes
    -----
    Samples (batch, features) become (batch, features * n_out), one feature's vector after another. Alone this is the
    embedding PL of the paper; with `ReLU` after it, PLR.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features in tabular deep learning", 2022,
    section 3.3.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.Network([bpx.Periodic(3, 16, 8), bpx.ReLU(), bpx.Linear(24, 1)], loss="squared_error")
    >>> net.predict([[0.1, -0.2, 0.3]]).shape
    (1, 1)
    """

    n_features: int
    n_frequencies: int = 48
    n_out: int = 24
    sigma: float = 0.01
    frozen: tuple[str, ...] = ()

    formulas = LayerFormulas(
        Formula(
            "sin(v) S + cos(v) C + b, v = 2π $x f, for each feature", r"\sin(v) S + \cos(v) C + b,\quad v = 2 \pi $x f"
        ),
        gradients={
            "frequency": Formula("2π Σₙ $x · ∂L/∂v", r"2 \pi \sum_n $x \odot \frac{\partial L}{\partial v}"),
            "sine": Formula("sin(v)ᵀ $dy", r"\sin(v)^\top $dy"),
            "cosine": Formula("cos(v)ᵀ $dy", r"\cos(v)^\top $dy"),
        },
    )

    def __post_init__(self) -> None:
        for name in ("n_features", "n_frequencies", "n_out"):
            check_count(name, getattr(self, name))
        check_number("sigma", self.sigma, above=0.0)
        object.__setattr__(self, "frozen", check_frozen("Periodic", self.frozen, self.param_names))

    @property
    def param_names(self) -> tuple[str, ...]:
        return ("frequency", "sine", "cosine", "bias")

    @property
    def param_shapes(self) -> dict[str, Shape]:
        waves = (self.n_features, self.n_frequencies)
        matrix = (*waves, self.n_out)
        return {"frequency": waves, "sine": matrix, "cosine": matrix, "bias": (self.n_features, self.n_out)}

    @property
    def weight_names(self) -> tuple[str, ...]:
        return ("sine", "cosine")

    def init(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        shapes, r = self.param_shapes, 1.0 / math.sqrt(2 * self.n_frequencies)
        frequency = generator.normal(0.0, self.sigma, shapes["frequency"])
        others = {name: generator.uniform(-r, r, shapes[name]) for name in ("sine", "cosine", "bias")}
        return {"frequency": frequency, **others}

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        v = 2.0 * math.pi * x.T[:, :, None] * params["frequency"][:, None, :]
        s, c = xp.sin(v), xp.cos(v)
        y = xp.matmul(s, params["sine"])
        y += xp.matmul(c, params["cosine"])
        y += params["bias"][:, None, :]
        return _join_features(xp, y), (x, s, c)

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        x, s, c = cache
        dy = _part_features(xp, dy, self.n_features)
        dv = xp.matmul(dy, _transpose(xp, params["sine"])) * c
        dv -= xp.matmul(dy, _transpose(xp, params["cosine"])) * s
        dv *= 2.0 * math.pi
        grads = {
            "frequency": xp.sum(dv * x.T[:, :, None], axis=1),
            "sine": xp.matmul(_transpose(xp, s), dy),
            "cosine": xp.matmul(_transpose(xp, c), dy),
            "bias": xp.sum(dy, axis=1),
        }
        dx = xp.sum(dv * params["frequency"][:, None, :], axis=2).T if input_gradient else None
        return dx, {name: g for name, g in grads.items() if name not in self.frozen}

    def output_shape(self, shape: Shape | None) -> Shape | None:
        check_width(f"Periodic({self.n_features})", self.n_features, shape)
        return (self.n_features * self.n_out,)


@dataclass(frozen=True, repr=False)
class PBLD(Layer):
    """Turn each number into waves of learned frequency and phase, these into a vector, and put the number beside it.

    Periodic, bias, linear, dense, for each feature: ``c = cos(2 pi x frequency + phase)``,
    ``y = [c @ weight + bias, x]``.
    Backward, with dy in two parts: ``dweight = c.T @ dy_1``, ``dbias = sum(dy_1)``,
    ``dv = -(dy_1 @ weight.T) * sin(2 pi x frequency + phase)``, ``dphase = sum(dv)``,
    ``dfrequency = 2 pi sum(dv * x)``, ``dx = dy_2 + 2 pi sum(dv * frequency)``; sums over the batch, that of dx over
    the frequencies.

    Parameters
    ----------
    n_features, n_frequencies, n_out : int
        Features, waves of each, and numbers in the vector of each, itself among them; n_out is at least 2.
        ``frequency`` and ``phase`` are (features, frequencies), ``weight`` is (features, frequencies, n_out - 1),
        ``bias`` is (features, n_out - 1).
    sigma : float
        Spread of the frequencies at the start, N(0, sigma**2), above 0. Phases start at U(-pi, pi).
    frozen : tuple of str
        Names of parameters that training leaves as they are.

    Raises
    ------
    InputError
        If a size is too small or no whole number, sigma is not above 0, or a frozen name is no parameter.

    See Also
    --------
    Periodic : Turn numbers into vectors by waves.
    PiecewiseLinear : Turn numbers into vectors by bins.
    Columns : Give layers columns of their own.

    Notes
    -----
    Samples (batch, features) become (batch, features * n_out), one feature's vector after another, with the number
    itself at the end of each.

    References
    ----------
    D. Holzmueller, L. Grinsztajn, I. Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data", 2024, section 3, "numerical embeddings", whose sizes are the defaults here.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.Network([bpx.PBLD(3), bpx.Linear(12, 1)], loss="squared_error")
    >>> net.predict([[0.1, -0.2, 0.3]]).shape
    (1, 1)
    """

    n_features: int
    n_frequencies: int = 16
    n_out: int = 4
    sigma: float = 0.1
    frozen: tuple[str, ...] = ()

    formulas = LayerFormulas(
        Formula(
            "[cos(v) W + b, $x], v = 2π $x f + φ, for each feature",
            r"[\,\cos(v) W + b, $x\,],\quad v = 2 \pi $x f + \varphi",
        ),
        gradients={
            "frequency": Formula("2π Σₙ $x · ∂L/∂v", r"2 \pi \sum_n $x \odot \frac{\partial L}{\partial v}"),
            "phase": Formula("Σₙ ∂L/∂v", r"\sum_n \frac{\partial L}{\partial v}"),
            "weight": Formula("cos(v)ᵀ $dy", r"\cos(v)^\top $dy"),
        },
    )

    def __post_init__(self) -> None:
        check_count("n_features", self.n_features)
        check_count("n_frequencies", self.n_frequencies)
        check_count("n_out", self.n_out, 2)
        check_number("sigma", self.sigma, above=0.0)
        object.__setattr__(self, "frozen", check_frozen("PBLD", self.frozen, self.param_names))

    @property
    def param_names(self) -> tuple[str, ...]:
        return ("frequency", "phase", "weight", "bias")

    @property
    def param_shapes(self) -> dict[str, Shape]:
        waves = (self.n_features, self.n_frequencies)
        made = self.n_out - 1
        return {"frequency": waves, "phase": waves, "weight": (*waves, made), "bias": (self.n_features, made)}

    @property
    def weight_names(self) -> tuple[str, ...]:
        return ("weight",)

    def init(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        shapes, r = self.param_shapes, 1.0 / math.sqrt(self.n_frequencies)
        return {
            "frequency": generator.normal(0.0, self.sigma, shapes["frequency"]),
            "phase": generator.uniform(-math.pi, math.pi, shapes["phase"]),
            "weight": generator.uniform(-r, r, shapes["weight"]),
            "bias": generator.uniform(-r, r, shapes["bias"]),
        }

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        v = 2.0 * math.pi * x.T[:, :, None] * params["frequency"][:, None, :]
        v += params["phase"][:, None, :]
        c = xp.cos(v)
        y = xp.matmul(c, params["weight"])
        y += params["bias"][:, None, :]
        return _join_features(xp, xp.concat([y, x.T[:, :, None]], axis=2)), (x, v, c)

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        x, v, c = cache
        dy = _part_features(xp, dy, self.n_features)
        dy_1, dy_2 = dy[:, :, :-1], dy[:, :, -1]
        dv = xp.matmul(dy_1, _transpose(xp, params["weight"]))
        dv *= -xp.sin(v)
        grads = {
            "frequency": xp.sum(dv * (2.0 * math.pi * x.T[:, :, None]), axis=1),
            "phase": xp.sum(dv, axis=1),
            "weight": xp.matmul(_transpose(xp, c), dy_1),
            "bias": xp.sum(dy_1, axis=1),
        }
        dx = None
        if input_gradient:
            dx = (dy_2 + 2.0 * math.pi * xp.sum(dv * params["frequency"][:, None, :], axis=2)).T
        return dx, {name: g for name, g in grads.items() if name not in self.frozen}

    def output_shape(self, shape: Shape | None) -> Shape | None:
        check_width(f"PBLD({self.n_features})", self.n_features, shape)
        return (self.n_features * self.n_out,)


def _join_features(xp: Any, y: Array) -> Array:
    """Return (features, batch, n) as (batch, features * n)."""
    features, rows, n = y.shape
    return xp.reshape(xp.permute_dims(y, (1, 0, 2)), (rows, features * n))


def _part_features(xp: Any, dy: Array, features: int) -> Array:
    """Return (batch, features * n) as (features, batch, n)."""
    rows, width = dy.shape
    return xp.permute_dims(xp.reshape(dy, (rows, features, width // features)), (1, 0, 2))


def _transpose(xp: Any, matrices: Array) -> Array:
    """Return each feature's matrix transposed."""
    return xp.permute_dims(matrices, (0, 2, 1))
