"""Layers that standardize what they are given: over the features of a sample, or over the samples of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bpx.arguments import check_count, check_number
from bpx.backend.base import Array
from bpx.formulas import Formula
from bpx.layers.base import Context, Layer, LayerFormulas, OnnxGraph, Params, Part, Shape, check_frozen, check_width

_STANDARDIZED = r"\gamma \odot \frac{$x - \mu}{\sqrt{\sigma^2 + $eps}} + \beta"

_GRADIENTS = {
    "weight": Formula("Σₙ $dy · ($x − mean) / √(variance + $eps)", r"\sum_n $dy \odot \hat{$x}"),
}


def _differentiate_standardized(dn: Array, n: Array, inverse: Array, mean_dn: Array, mean_dn_n: Array) -> Array:
    """Return dx of ``n = (x - mean(x)) * inverse``, ``inverse = 1 / sqrt(var(x) + eps)``, given two means.

    ``dx = inverse * (dn - mean(dn) - n * mean(dn * n))``: moving all x alike, or stretching them, changes no n.
    """
    return inverse * (dn - mean_dn - n * mean_dn_n)


def _mean_over_batch(xp: Any, part: Part | None, *arrays: Array) -> list[Array]:
    """Return the means of arrays over the rows of a batch, of which a part may be here; summed up together."""
    if part is None or part.sum is None:
        return [xp.mean(array, axis=0) for array in arrays]
    sums = [xp.sum(array, axis=0, keepdims=True) for array in arrays]
    total = part.sum(xp.concat(sums, axis=0)) / part.rows
    return [total[i, ...] for i in range(len(arrays))]


@dataclass(frozen=True, repr=False)
class LayerNorm(Layer):
    """Standardize the features of each sample, then scale and shift them.

    Forward: ``n = (x - mean(x)) / sqrt(var(x) + eps)`` over the features, ``y = n * weight + bias``.
    Backward: ``dweight = sum(dy * n)``, ``dbias = sum(dy)`` over the batch, ``dn = dy * weight``,
    ``dx = (dn - mean(dn) - n * mean(dn * n)) / sqrt(var(x) + eps)``.

    Parameters
    ----------
    n_features : int
        Features of a sample; ``weight`` and ``bias`` are (n_features,), starting at 1 and 0.
    eps : float
        Added to the variance.
    frozen : tuple of str
        Names of parameters that training leaves as they are.

    See Also
    --------
    BatchNorm : Standardize each feature over the batch.
    Scale : Multiply each feature by a factor.

    References
    ----------
    J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization", 2016, equations 3 and 4.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> layer = bpx.LayerNorm(4)
    >>> params = layer.init(np.random.default_rng(0))
    >>> y, cache = layer.forward(np, params, np.array([[1.0, 2.0, 3.0, 4.0]]))
    >>> y.round(3).tolist()
    [[-1.342, -0.447, 0.447, 1.342]]
    """

    n_features: int
    eps: float = 1e-5
    frozen: tuple[str, ...] = ()

    formulas = LayerFormulas(
        Formula("γ · ($x − mean) / √(variance + $eps) + β, over the features", _STANDARDIZED), gradients=_GRADIENTS
    )

    def __post_init__(self) -> None:
        check_count("n_features", self.n_features)
        check_number("eps", self.eps, above=0.0)
        object.__setattr__(self, "frozen", check_frozen("LayerNorm", self.frozen, self.param_names))

    @property
    def param_names(self) -> tuple[str, ...]:
        return ("weight", "bias")

    @property
    def param_shapes(self) -> dict[str, Shape]:
        return dict.fromkeys(self.param_names, (self.n_features,))

    def init(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        return {"weight": np.ones(self.n_features), "bias": np.zeros(self.n_features)}

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        centered = x - xp.mean(x, axis=-1, keepdims=True)
        inverse = 1.0 / xp.sqrt(xp.mean(centered * centered, axis=-1, keepdims=True) + self.eps)
        n = centered * inverse
        return n * params["weight"] + params["bias"], (n, inverse)

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        n, inverse = cache
        grads = {"weight": xp.sum(dy * n, axis=0), "bias": xp.sum(dy, axis=0)}
        dx = None
        if input_gradient:
            dn = dy * params["weight"]
            means = (xp.mean(array, axis=-1, keepdims=True) for array in (dn, dn * n))
            dx = _differentiate_standardized(dn, n, inverse, *means)
        return dx, {k: g for k, g in grads.items() if k not in self.frozen}

    def output_shape(self, shape: Shape | None) -> Shape | None:
        check_width(f"LayerNorm({self.n_features})", self.n_features, shape)
        return (self.n_features,)

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        arrays = [graph.array(f"{place}.{name}") for name in ("weight", "bias")]
        return graph.node("LayerNormalization", [x, *arrays], place, axis=-1, epsilon=self.eps)


@dataclass(frozen=True, repr=False)
class BatchNorm(Layer):
    """Standardize each feature over the batch, then scale and shift it; keep running statistics for prediction.

    Training: ``n = (x - mean(x)) / sqrt(var(x) + eps)`` over the batch, ``y = n * weight + bias``, and
    ``running += momentum * (batch's - running)`` for the mean and the (unbiased) variance
    ``sum((x - mean(x))**2) / (rows - 1)``; a batch of one row leaves both as they are.
    Prediction: the running mean and variance take the place of the batch's.
    Backward (training): ``dweight = sum(dy * n)``, ``dbias = sum(dy)``, ``dn = dy * weight``,
    ``dx = (dn - mean(dn) - n * mean(dn * n)) / sqrt(var(x) + eps)``, means over the batch.

    Parameters
    ----------
    n_features : int
        Features; ``weight`` and ``bias`` are (n_features,), starting at 1 and 0.
    eps : float
        Added to the variance.
    momentum : float
        Weight of the newest batch in the running statistics, above 0 and at most 1.
    frozen : tuple of str
        Names of parameters that training leaves as they are.

    See Also
    --------
    LayerNorm : Standardize the features of each sample.
    Scale : Multiply each feature by a factor.

    Notes
    -----
    Without a context (a call of ``forward`` by hand) the statistics are the batch's.
    One row has no unbiased variance (0 / 0), and its mean is the row itself. Training on a batch of one, such as the
    rest of 33 rows in batches of 32, gives ``n = 0``, ``y = bias`` and ``dx = 0``, and changes no running statistic;
    with no larger batch they stay at 0 and 1. Weights of samples do not enter the statistics: each row counts once.
    A feature that hardly varies about a large mean is badly served: the running mean of float32 stops some units in the
    last place short of it, which is many standard deviations. Center inputs first.

    References
    ----------
    S. Ioffe, C. Szegedy, "Batch normalization", 2015, algorithms 1 and 2.

    Examples
    --------
    >>> import numpy as np, bpx
    >>> layer = bpx.BatchNorm(2)
    >>> params = layer.init(np.random.default_rng(0))
    >>> y, cache = layer.forward(np, params, np.array([[1.0, 10.0], [3.0, 30.0]]))
    >>> y.round(3).tolist()
    [[-1.0, -1.0], [1.0, 1.0]]
    """

    n_features: int
    eps: float = 1e-5
    momentum: float = 0.1
    frozen: tuple[str, ...] = ()

    stateful: ClassVar[bool] = True
    formulas = LayerFormulas(
        Formula("γ · ($x − mean) / √(variance + $eps) + β, for each feature", _STANDARDIZED), gradients=_GRADIENTS
    )

    def __post_init__(self) -> None:
        check_count("n_features", self.n_features)
        check_number("eps", self.eps, above=0.0)
        check_number("momentum", self.momentum, above=0.0, maximum=1.0)
        object.__setattr__(self, "frozen", check_frozen("BatchNorm", self.frozen, self.param_names))

    @property
    def param_names(self) -> tuple[str, ...]:
        return ("weight", "bias")

    @property
    def param_shapes(self) -> dict[str, Shape]:
        return dict.fromkeys(self.param_names, (self.n_features,))

    def init(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        return {"weight": np.ones(self.n_features), "bias": np.zeros(self.n_features)}

    @property
    def state_shapes(self) -> dict[str, Shape]:
        return {"running_mean": (self.n_features,), "running_var": (self.n_features,)}

    def init_state(self) -> dict[str, np.ndarray]:
        return {"running_mean": np.zeros(self.n_features), "running_var": np.ones(self.n_features)}

    def context(self, training: bool, keys: Iterator[Any], state: Params) -> Any:
        return Context(training, None, state)

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        training, part = context is None or context.training, None if context is None else context.part
        if training:
            (mean,) = _mean_over_batch(xp, part, x)
            centered = x - mean
            (var,) = _mean_over_batch(xp, part, centered * centered)
        else:
            mean, var = context.state["running_mean"], context.state["running_var"]
            centered = x - mean
        inverse = 1.0 / xp.sqrt(var + self.eps)
        n = centered * inverse
        return n * params["weight"] + params["bias"], (n, inverse, mean, var, training, part)

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        n, inverse, _, _, training, part = cache
        grads = {"weight": xp.sum(dy * n, axis=0), "bias": xp.sum(dy, axis=0)}
        dx, dn = None, dy * params["weight"]
        if input_gradient and training:
            dx = _differentiate_standardized(dn, n, inverse, *_mean_over_batch(xp, part, dn, dn * n))
        elif input_gradient:
            dx = dn * inverse
        return dx, {k: g for k, g in grads.items() if k not in self.frozen}

    def next_state(self, xp: Any, context: Any, cache: Any) -> Params:
        n, _, mean, var, _, part = cache
        rows, old = n.shape[0] if part is None else part.rows, context.state
        if rows == 1:
            return dict(old)
        unbiased = var * (rows / (rows - 1))
        return {
            "running_mean": old["running_mean"] + self.momentum * (mean - old["running_mean"]),
            "running_var": old["running_var"] + self.momentum * (unbiased - old["running_var"]),
        }

    def output_shape(self, shape: Shape | None) -> Shape | None:
        check_width(f"BatchNorm({self.n_features})", self.n_features, shape)
        return (self.n_features,)

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        arrays = [graph.array(f"{place}.{name}") for name in ("weight", "bias", "running_mean", "running_var")]
        return graph.node("BatchNormalization", [x, *arrays], place, epsilon=self.eps)
