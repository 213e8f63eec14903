"""Histograms of a network's weights and gradients, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.backend.transfer import to_numpy
from bpx.errors import InputError
from bpx.files.pytorch import Entry, list_entries
from bpx.markup import escape_controls
from bpx.network import Network
from bpx.plot.labels import check_network
from bpx.plot.style import check_axes, color, make_figure, require_matplotlib, tidy_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes


COLUMNS = 3
"""Panels beside each other."""

FEWEST_BINS, MOST_BINS = 6, 40
"""Twice the root of the number of values, within these bounds."""

TOP = 1.4
"""Of the axis, to leave room for the legend above the bars, which end at 1."""


def weight_histograms(net: Network, axes: Sequence[Axes] | Axes | None = None) -> np.ndarray:
    """Draw how the parameters of each layer are distributed.

    One panel for each layer that has parameters, those inside a `Residual` with a panel of their own. Each array has
    bins of its own, whose heights are relative to its fullest, so that a few biases can be seen beside many weights;
    the legend has its standard deviation. An array whose values are all equal is a line.

    Parameters
    ----------
    net : Network
    axes : sequence of matplotlib.axes.Axes, one Axes, or None
        Where to draw, one for each panel; None makes a figure.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        One for each panel, from input to output.

    Raises
    ------
    InputError
        If net is no network or has no parameters, there are not as many axes as panels, a value is NaN or infinite, or
        matplotlib is not installed.

    See Also
    --------
    bpx.plot.gradient_histograms : How large each layer's gradients are.
    diagnose : Find what keeps a network from learning.

    Examples
    --------
    >>> import bpx
    >>> axes = bpx.plot.weight_histograms(bpx.mlp([2, 8, 3]))
    >>> [ax.get_title() for ax in axes]
    ['0: Linear(2, 8)', '2: Linear(8, 3)']
    """
    check_network(net)
    return _draw_histograms(net, net.params, "parameter", axes)


def gradient_histograms(net: Network, x: Any, y: Any, axes: Sequence[Axes] | Axes | None = None) -> np.ndarray:
    """Draw how the gradients of each layer's parameters are distributed, for a batch.

    Panels whose values are orders of magnitude below those of the panels after them show a gradient that fades on its
    way back; each panel has a scale of its own.

    Parameters
    ----------
    net : Network
    x, y : array_like
        The batch, as for ``net.gradients``, which computes the gradients as at prediction: without dropout.
    axes : sequence of matplotlib.axes.Axes, one Axes, or None
        Where to draw, one for each panel; None makes a figure.

    Returns
    -------
    numpy.ndarray of matplotlib.axes.Axes
        One for each panel, from input to output.

    Raises
    ------
    InputError
        As for `weight_histograms`, and if the batch does not fit the network.

    See Also
    --------
    bpx.plot.weight_histograms : How large each layer's weights are.
    diagnose : Find what keeps a network from learning.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 8, 1], loss="binary_cross_entropy")
    >>> axes = bpx.plot.gradient_histograms(net, *bpx.datasets.xor())
    >>> axes[0].get_xlabel()
    'gradient'
    """
    require_matplotlib()
    check_network(net)
    return _draw_histograms(net, net.gradients(x, y)[1], "gradient", axes)


def _draw_histograms(
    net: Network, parts: Sequence[Mapping[str, Any]], what: str, axes: Sequence[Axes] | Axes | None
) -> np.ndarray:
    """Draw the arrays of each layer into a panel of its own."""
    require_matplotlib()
    panels: dict[str, list[tuple[str, np.ndarray]]] = {}
    for entry in list_entries(net.layers):
        if entry.kind == "params":
            array = to_numpy(parts[entry.layer][entry.name]).astype(np.float64).reshape(-1)
            if not np.isfinite(array).all():
                raise InputError(f"the {what} {entry.key} holds NaN or infinity: there is no histogram of that")
            panels.setdefault(_write_title(entry), []).append((entry.key.rpartition(".")[2], array))
    if not panels:
        raise InputError("the network has no parameters, so there is nothing to draw")
    where = _make_panels(axes, len(panels))
    for ax, (title, arrays) in zip(where, panels.items(), strict=True):
        _draw(ax, arrays, what)
        ax.set_title(escape_controls(title, keep="\n"), fontsize="medium")
    return where


def _write_title(entry: Entry) -> str:
    """Return the position of a layer, as in ``"3.0"``, and what it is."""
    kind = type(entry.owner).__name__
    sizes = [getattr(entry.owner, name) for name in ("n_in", "n_out", "n_features") if hasattr(entry.owner, name)]
    return f"{entry.key.rpartition('.')[0]}: {kind}({', '.join(map(str, sizes))})"


def _make_panels(axes: Sequence[Axes] | Axes | None, n: int) -> np.ndarray:
    """Return one axes for each panel."""
    if axes is None:
        columns = min(COLUMNS, n)
        rows = math.ceil(n / columns)
        figure = make_figure((0.6 + 3.6 * columns, 0.4 + 2.6 * rows))
        grid: np.ndarray = figure.subplots(rows, columns, squeeze=False).reshape(-1)
        for ax in grid[n:]:
            ax.remove()
        return grid[:n]
    given = np.array([axes] if hasattr(axes, "plot") else axes, dtype=object).reshape(-1)
    if len(given) != n:
        raise InputError(f"axes must hold one matplotlib Axes for each of the {n} panels, got {len(given)}")
    for ax in given:
        check_axes(ax)
    return given


def _draw(ax: Axes, arrays: Sequence[tuple[str, np.ndarray]], what: str) -> None:
    """Draw the arrays of one layer over each other: the first filled, others as outlines, equal values as a line."""
    for i, (name, array) in enumerate(arrays):
        low, high = float(array.min()), float(array.max())
        if high - low <= 1e-9 * max(abs(low), abs(high)):
            ax.axvline(low, ymax=1.0 / TOP, color=color(i), linewidth=2.4, label=f"{name}, all {low:.3g}")
            continue
        counts, edges = np.histogram(array, int(np.clip(2.0 * array.size**0.5, FEWEST_BINS, MOST_BINS)))
        ax.stairs(
            counts / counts.max(), edges, color=color(i), label=f"{name}, std {array.std():.2g}", fill=i == 0,
            alpha=0.55 if i == 0 else 1.0, linewidth=0.0 if i == 0 else 1.6, linestyle="-" if i < 2 else "--",
        )  # fmt: skip
    ax.margins(x=0.05)
    ax.set_ylim(0.0, TOP)
    ax.set_yticks([0.0, 0.5, 1.0])
    ax.set_xlabel(what)
    ax.set_ylabel("share of fullest bin")
    ax.locator_params(axis="x", nbins=5)
    tidy_up(ax)
    ax.legend(frameon=False, fontsize="small", loc="upper right")
