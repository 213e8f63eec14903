"""Networks for rows of columns: numbers in bins where these help, then a multilayer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from bpx.backend import Backend
from bpx.layers import Columns, Identity, Layer, PiecewiseLinear
from bpx.network import Network
from bpx.perceptron import mlp
from bpx.recipes.settings import Settings

__all__ = ["build_network", "find_edges"]

Array = np.ndarray[Any, Any]

_SEEDS = 1000
"""Between the seeds of two networks."""

_HEIGHT = 0.3
"""What a full bin counts, beside the number that it belongs to."""

_ROWS_LOOKED_AT = 100_000
"""Rows whose quantiles are the edges of bins; of more rows as many, evenly spread."""


def build_network(
    settings: Settings, x: Array, numbers: Sequence[bool], n_out: int, output: str, backend: Backend, i: int = 0
) -> Network:
    """Build the network that settings describe.

    Parameters
    ----------
    settings : Settings
    x : array, shape (rows, features)
        The training rows, whose quantiles become the edges of bins.
    numbers : sequence of bool
        Which features are numbers, to be put in bins; the others come to the perceptron as they are.
    n_out : int
        Outputs.
    output : str
        Their activation; "identity" for logits and numbers.
    backend : Backend
    i : int
        Which of several networks: each has other weights at the start, and other masks of dropout. Those of a variant
        follow one another.

    Returns
    -------
    Network
    """
    seed = settings.seed + _SEEDS * i
    bins = settings.of_network(i).bins
    first = _make_columns(x, numbers, bins) if bins and any(numbers) else None
    how: dict[str, Any] = {
        "loss": settings.loss, "dtype": settings.dtype, "precision": settings.precision, "backend": backend,
    }  # fmt: skip
    width = x.shape[1] if first is None else first.output_shape((x.shape[1],))[0]  # type: ignore[index] # a vector
    sizes = [width, *settings.hidden, n_out]
    perceptron = mlp(
        sizes, settings.activation, output, dropout=settings.dropout if settings.hidden else 0.0, seed=seed, **how
    )
    return perceptron if first is None else Network([first, *perceptron.layers], seed=seed, **how)


def _make_columns(x: Array, numbers: Sequence[bool], bins: int) -> Layer:
    """Return the layer that puts numbers in bins, and leaves what lies between them as it is."""
    edges = [find_edges(x[:, i], bins) if number else None for i, number in enumerate(numbers)]
    widths: list[int] = []
    layers: list[Layer] = []
    for number, run in groupby(edges, key=lambda one: one is not None):
        members = list(run)
        widths.append(len(members))
        layers.append(PiecewiseLinear(members, dense=True, height=_HEIGHT) if number else Identity())  # type: ignore[arg-type] # all are edges
    return layers[0] if len(layers) == 1 else Columns(widths, layers)


def find_edges(values: Array, bins: int) -> list[float]:
    """Find the edges of bins that hold about as many rows each: quantiles, of which equal ones count once.

    Parameters
    ----------
    values : array, shape (rows,)
        Finite numbers.
    bins : int
        The most bins; at least 1.

    Returns
    -------
    list of float
        Two edges or more, each a float32 above the one before it.

    References
    ----------
    Y. Gorishniy, I. Rubachev, A. Babenko, "On embeddings for numerical features in tabular deep learning", 2022,
    section 3.2 (bins from quantiles).
    """
    step = -(-len(values) // _ROWS_LOOKED_AT)
    quantiles = np.quantile(values[::step], np.linspace(0.0, 1.0, bins + 1)).astype(np.float32)
    edges = [float(str(edge)) for edge in np.unique(quantiles)]  # the shortest decimals of these float32 numbers
    return edges if len(edges) > 1 else [edges[0], edges[0] + max(1.0, abs(edges[0]))]
