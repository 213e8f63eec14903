"""A learning-rate range test: the loss over the rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bpx.errors import InputError
from bpx.plot.style import MUTED, choose_axes, color, tidy_up
from bpx.training.range_test import RangeTest

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOM = 0.15
"""Share of the range of the smoothed losses up to the highest before they fall that is left free above and below."""


def learning_rates(found: RangeTest, ax: Axes | None = None) -> Axes:
    """Draw the losses of a learning-rate range test over the rates, and mark the rate that is suggested.

    The losses of the batches are faint dots, the smoothed ones a line. What rises far above the losses of the start,
    where the rate is too high, is cut off.

    Parameters
    ----------
    found : RangeTest
        Of `bpx.find_learning_rate`.
    ax : matplotlib.axes.Axes or None
        Where to draw; None makes a figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If it is no range test, or matplotlib is not installed.

    See Also
    --------
    find_learning_rate : Make a range test.
    bpx.plot.learning_curves : Loss and metrics by the epoch.

    Examples
    --------
    >>> import bpx
    >>> net = bpx.mlp([2, 8, 1], loss="binary_cross_entropy", seed=0)
    >>> ax = bpx.plot.learning_rates(bpx.find_learning_rate(net, *bpx.datasets.moons(400, seed=0)))
    >>> ax.get_xlabel(), ax.get_xscale()
    ('learning rate', 'log')
    """
    if not isinstance(found, RangeTest):
        raise InputError(f"found must be what bpx.find_learning_rate returned, got {type(found).__name__}")
    ax = choose_axes(ax)
    ax.scatter(found.rates, found.losses, s=10, color=MUTED, alpha=0.5, linewidths=0.0, label="loss of a batch")
    ax.plot(found.rates, found.smoothed, color=color(0), linewidth=1.8, label="smoothed")
    if found.suggested is not None:
        ax.axvline(found.suggested, color=color(1), linestyle="--", linewidth=1.4)
        height = float(np.interp(np.log(found.suggested), np.log(found.rates), found.smoothed))
        ax.plot(
            [found.suggested], [height], linestyle="", marker="o", markersize=8, markerfacecolor="white",
            markeredgecolor=color(1), markeredgewidth=1.8, label=f"suggested: {found.suggested:.3g}",
        )  # fmt: skip
    ax.set_xscale("log")
    low = float(found.smoothed.min())
    high = float(found.smoothed[: int(found.smoothed.argmin()) + 1].max())
    room = ROOM * (high - low) or 1.0
    ax.set_ylim(low - room, high + 2.0 * room)
    ax.set_xlabel("learning rate")
    ax.set_ylabel("loss")
    tidy_up(ax)
    ax.legend(frameon=False)
    return ax
