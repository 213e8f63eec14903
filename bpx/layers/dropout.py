"""Dropout: leave out units at random while training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from bpx.arguments import check_number
from bpx.backend.base import Array
from bpx.formulas import Formula
from bpx.layers.base import Context, Layer, LayerFormulas, OnnxGraph, Params
from bpx.rng import keep_mask


@dataclass(frozen=True, repr=False)
class Dropout(Layer):
    """Set each element to zero with probability ``rate`` while training, and scale the others up.

    Training: ``y = x * mask / (1 - rate)``, ``dx = dy * mask / (1 - rate)``; otherwise ``y = x``, ``dx = dy``.

    Parameters
    ----------
    rate : float
        Probability of leaving an element out, at least 0 and below 1.

    See Also
    --------
    L2 : Penalize squares.
    BatchNorm : Standardize each feature over the batch.

    Notes
    -----
    The mask is counted, not drawn: the same seed, step, layer and element give the same bit on every backend.
    Without a context (a call of ``forward`` by hand) the layer passes its input on.

    References
    ----------
    N. Srivastava, G. Hinton, A. Krizhevsky, I. Sutskever, R. Salakhutdinov, "Dropout: a simple way to prevent neural
    networks from overfitting", 2014, section 4 (the scaled form: section 10).

    Examples
    --------
    >>> import bpx
    >>> import numpy as np
    >>> net = bpx.Network([bpx.Dropout(0.25), bpx.Linear(4, 1)], loss="squared_error")
    >>> x = np.ones((1, 4), dtype="float32")
    >>> bool((net.predict(x) == net.predict(x)).all())  # nothing is left out of a prediction
    True
    """

    rate: float = 0.5

    n_keys: ClassVar[int] = 2
    formulas = LayerFormulas(
        Formula("mask · $x / (1 − $rate)", r"\frac{m \odot $x}{1 - $rate}"),
        slope=Formula("mask / (1 − $rate)", r"\frac{m}{1 - $rate}"),
    )

    def __post_init__(self) -> None:
        check_number("dropout rate", self.rate, minimum=0.0, below=1.0)

    def context(self, training: bool, keys: Iterator[Any], state: Params) -> Any:
        return Context(True, (next(keys), next(keys)), state) if training else None

    def forward(self, xp: Any, params: Params, x: Array, context: Any = None) -> tuple[Array, Any]:
        if context is None or self.rate == 0.0:
            return x, None
        keep = 1.0 - self.rate
        first = 0 if context.part is None else context.part.first
        scale = xp.astype(keep_mask(xp, x, context.keys, keep, first), x.dtype)
        scale *= 1.0 / keep
        return x * scale, scale

    def backward(
        self, xp: Any, params: Params, cache: Any, dy: Array, *, input_gradient: bool = True
    ) -> tuple[Array, Params]:
        scale = cache
        return (dy if scale is None else dy * scale), {}

    def add_onnx_nodes(self, graph: OnnxGraph, x: str, place: str) -> str:
        return x
