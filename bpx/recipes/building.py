"""Networks for rows of columns: numbers in bins where these help, codes as vectors, then a multilayer perceptron."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np

from bpx.backend import Backend
from bpx.layers import Columns, Embedding, Identity, Layer, PiecewiseLinear
from bpx.network import Network
from bpx.perceptron import mlp
from bpx.recipes.settings import Settings

__all__ = ["Edges", "build_network", "find_bins", "find_edges"]

Array = np.ndarray[Any, Any]
Edges = list[list[float] | None]
"""The edges of the bins of each feature; None where it is not put in bins."""

_SEEDS = 1000
"""Between the seeds of two networks."""

_HEIGHT = 0.3
"""What a full bin counts, beside the number that it belongs to."""

_WIDEST = 50
"""Numbers in the vector of a code, at the most."""

_ROWS_LOOKED_AT = 100_000
"""Rows whose quantiles are the edges of bins; of more rows as many, evenly spread."""


def build_network(
    settings: Settings,
    x: Array,
    numbers: Sequence[bool],
    n_out: int,
    output: str,
    backend: Backend,
    i: int = 0,
    *,
    codes: Sequence[int] = (),
    edges: Edges | None = None,
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
    codes : sequence of int
        How many codes, from 0, each feature has, which become vectors; 0 for a feature that holds none. By default
        there are no codes.
    edges : list, optional
        What `find_bins` gives for these rows, where several networks are built for them; found here by default.

    Returns
    -------
    Network
    """
    seed = settings.seed + _SEEDS * i
    edges = find_bins(settings, x, numbers) if edges is None else edges
    own = settings.of_network(i)
    if not own.bins:
        edges = [None] * len(edges)
    first = _make_columns(edges, codes or (0,) * len(edges))
    how: dict[str, Any] = {
        "loss": own.loss, "dtype": settings.dtype, "precision": settings.precision, "backend": backend,
    }  # fmt: skip
    width = x.shape[1] if first is None else first.output_shape((x.shape[1],))[0]  # type: ignore[index] # a vector
    sizes = [width, *settings.hidden, n_out]
    perceptron = mlp(
        sizes, settings.activation, output, dropout=own.dropout if settings.hidden else 0.0, seed=seed, **how
    )
    return perceptron if first is None else Network([first, *perceptron.layers], seed=seed, **how)


def find_bins(settings: Settings, x: Array, numbers: Sequence[bool]) -> Edges:
    """Return the edges of the bins of each feature, by `find_edges`, and None where it is not put in bins."""
    bins = settings.bins
    return [find_edges(x[:, i], bins) if number and bins else None for i, number in enumerate(numbers)]


def _make_columns(edges: Edges, codes: Sequence[int]) -> Layer | None:
    """Return the layer that puts numbers in bins and makes vectors of codes; None where all features stay as they are.

    Neighbors of one kind share a layer, but each feature of codes has its own.
    """
    kinds = [
        ("codes", i) if n else ("numbers", 0) if edge is not None else ("", 0)
        for i, (edge, n) in enumerate(zip(edges, codes, strict=True))
    ]
    widths: list[int] = []
    layers: list[Layer] = []
    for (kind, _), run in groupby(range(len(kinds)), key=kinds.__getitem__):
        members = list(run)
        widths.append(len(members))
        if kind == "codes":
            n = codes[members[0]]
            layers.append(Embedding(n, choose_width(n)))
        elif kind == "numbers":
            several = [edge for i in members if (edge := edges[i]) is not None]
            layers.append(PiecewiseLinear(several, dense=True, height=_HEIGHT))
        else:
            layers.append(Identity())
    if all(isinstance(layer, Identity) for layer in layers):
        return None
    return layers[0] if len(layers) == 1 else Columns(widths, layers)


def choose_width(n: int) -> int:
    """Return how many numbers the vector of a code has, of n codes: ``min(50, ceil(1.6 n ** 0.56))``.

    Examples
    --------
    >>> from bpx.recipes.building import choose_width
    >>> [choose_width(n) for n in (2, 100, 1000)]
    [3, 22, 50]
    """
    return min(_WIDEST, math.ceil(1.6 * math.pow(n, 0.56)))


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
