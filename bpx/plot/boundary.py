"""Decision boundaries: which class a network gives to each point of the plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.arguments import check_count
from bpx.backend.transfer import to_numpy
from bpx.errors import InputError
from bpx.network import Network
from bpx.plot.labels import (
    check_names,
    check_network,
    compute_class_probabilities,
    decides,
    find_labels,
    list_names,
    read_array,
    show_names,
)
from bpx.plot.style import choose_axes, color, marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MARGIN = 0.15
"""Of the data's range, shown beyond it on each side."""

FAINTEST, STRONGEST = 0.1, 0.42
"""How much of a class's color a point has where the network is undecided, and where it is certain."""


def decision_boundary(
    net: Network,
    x: Any,
    y: Any,
    ax: Axes | None = None,
    *,
    class_names: Sequence[Any] | None = None,
    feature_names: Sequence[Any] | None = None,
    resolution: int = 200,
) -> Axes:
    """Draw the class that a network with two inputs gives to each point, and the samples on top.

    The ground has the color of the class with the largest probability, stronger where it is larger; lines run where two
    classes are equally likely. Samples have the color and the marker of their true class; those that the network gives
    to another one are crossed out.

    Parameters
    ----------
    net : Network
        With two inputs, and outputs that decide for a class: cross_entropy, binary_cross_entropy with one output, a
        last layer `Softmax`, or one output whose targets are 0 and 1, as in XOR.
    x : array_like (samples, 2)
    y : array_like (samples,), (samples, 1) or (samples, classes)
        Classes as numbers from 0, or one-hot rows.
    ax : matplotlib.axes.Axes or None
        Where to draw; None makes a figure.
    class_names : sequence or None
        One name for each class.
    feature_names : sequence or None
        Names of the two inputs.
    resolution : int
        Points along each axis at which the network is asked.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If net is no network, x or the network has not two features, the network does not decide for classes, y does not
        fit, or matplotlib is not installed.

    See Also
    --------
    bpx.datasets.moons : Two half moons.
    bpx.plot.training_report : A training on one page.

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.xor()
    >>> net = bpx.mlp([2, 3, 1], activation="tanh", loss="binary_cross_entropy")
    >>> ax = bpx.plot.decision_boundary(net, x, y, resolution=20)
    >>> [text.get_text() for text in ax.get_legend().get_texts()][:2]
    ['0', '1']
    """
    check_network(net)
    points = read_array("x", x)
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"a decision boundary is drawn in a plane: x must have shape (samples, 2), got {points.shape}")
    if net.input_shape not in ((2,), None):
        raise InputError(f"a decision boundary needs a network with 2 inputs, this one has {net.input_shape[0]}")
    if not decides(net, read_array("y", y)):
        raise InputError(
            "a decision boundary needs a network that decides for classes; this one has the loss "
            f"{net.loss.name!r} and outputs of shape {net.output_shape}"
        )
    true = find_labels("y", y)
    if true.dtype.kind == "U" or true.size != len(points):
        raise InputError(f"y must hold one class number for each of the {len(points)} samples, got {to_numpy(y).shape}")
    check_count("resolution", resolution, 2)
    axis_names = list_names("feature_names", feature_names) or ["first input", "second input"]
    if len(axis_names) != 2:
        raise InputError(f"feature_names must be two names, got {len(axis_names)}")
    at_samples = compute_class_probabilities(net, points)
    n_classes = at_samples.shape[1]
    if true.min() < 0 or true.max() >= n_classes:
        raise InputError(f"class numbers must be from 0 to {n_classes - 1}, y holds {true.min()} to {true.max()}")
    names, axis_names = show_names(check_names(class_names, n_classes)), show_names(axis_names)
    ax = choose_axes(ax, (6.6, 4.8))
    _draw_ground(ax, net, points, resolution)
    size = 70.0 if len(points) <= 20 else 28.0 if len(points) <= 400 else 16.0
    _draw_samples(ax, points, true, at_samples.argmax(axis=1), names, size)
    ax.set_xlabel(axis_names[0])
    ax.set_ylabel(axis_names[1])
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, markerscale=(40.0 / size) ** 0.5)
    return ax


def _draw_ground(ax: Axes, net: Network, points: np.ndarray, resolution: int) -> None:
    """Color the plane by the network's decision and draw the lines between."""
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    spread = np.where(high > low, high - low, 1.0)
    low, high = low - MARGIN * spread, high + MARGIN * spread
    us, vs = (np.linspace(low[i], high[i], resolution) for i in (0, 1))
    grid = np.stack(np.meshgrid(us, vs), axis=-1).reshape(-1, 2)
    p = compute_class_probabilities(net, grid)
    n_classes = p.shape[1]
    from matplotlib.colors import to_rgb

    colors = np.array([to_rgb(color(i)) for i in range(n_classes)])
    certainty = np.clip((p.max(axis=1) - 1.0 / n_classes) / (1.0 - 1.0 / n_classes), 0.0, 1.0)
    strength = (FAINTEST + (STRONGEST - FAINTEST) * certainty)[:, None]
    ground = (1.0 - strength) + strength * colors[p.argmax(axis=1)]
    half = (high - low) / (resolution - 1) / 2.0
    extent = (low[0] - half[0], high[0] + half[0], low[1] - half[1], high[1] + half[1])
    ground = ground.reshape(resolution, resolution, 3)
    ax.imshow(ground, origin="lower", extent=extent, aspect="auto", interpolation="bilinear")
    for i in range(n_classes if n_classes > 2 else 1):
        lead = (p[:, i] - np.delete(p, i, axis=1).max(axis=1)).reshape(resolution, resolution)
        if lead.min() < 0.0 < lead.max():
            ax.contour(us, vs, lead, levels=[0.0], colors="#303030", linewidths=1.0)
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(low[1], high[1])


def _draw_samples(
    ax: Axes, points: np.ndarray, true: np.ndarray, given: np.ndarray, names: Sequence[str], size: float
) -> None:
    """Draw the samples of each class, and crosses on those that are given to another one; size is in square points."""
    for i, name in enumerate(names):
        mine = points[true == i]
        ax.scatter(
            mine[:, 0], mine[:, 1], s=size, color=color(i), marker=marker(i), edgecolors="white", linewidths=0.5,
            label=name, zorder=3,
        )  # fmt: skip
    wrong = points[true != given]
    if len(wrong):
        ax.scatter(
            wrong[:, 0], wrong[:, 1], s=1.6 * size, color="black", marker="x", linewidths=1.1, zorder=4,
            label=f"wrong: {len(wrong)} of {len(points)}",
        )  # fmt: skip
