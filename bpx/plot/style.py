"""What all pictures share: figures, axes, colors and marker shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpx.errors import InputError
from bpx.optional import import_optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a7a7a")
"""Okabe and Ito's palette, with gray for its yellow and black: distinct with any color vision, visible on white.

References
----------
M. Okabe, K. Ito, "Color universal design", 2008.
"""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
"""Of another number than the colors, so that the pairs of both repeat late."""

GRID, MUTED = "#e3e5e9", "#8a8f98"


def color(i: int) -> str:
    """Return the color of the i-th class or line."""
    return COLORS[i % len(COLORS)]


def marker(i: int) -> str:
    """Return the marker of the i-th class."""
    return MARKERS[i % len(MARKERS)]


def require_matplotlib() -> None:
    """Raise `bpx.InputError`, with the line that installs it, unless matplotlib is there."""
    import_optional("matplotlib.figure", "plots", "plot")


def make_plain_figure(size: tuple[float, float]) -> Figure:
    """Return a figure that no window belongs to, of a size in inches."""
    figure: Figure = import_optional("matplotlib.figure", "plots", "plot").Figure(figsize=size, layout="constrained")
    return figure


def make_figure(size: tuple[float, float]) -> Figure:
    """Return a figure that ``pyplot.show()`` shows, or a plain one where no window can be opened."""
    require_matplotlib()
    try:
        from matplotlib import pyplot

        figure: Figure = pyplot.figure(figsize=size, layout="constrained")
    except ImportError:  # a library of windows was asked for, and there is no display
        return make_plain_figure(size)
    return figure


def choose_axes(ax: Axes | None, size: tuple[float, float] = (6.4, 4.4)) -> Axes:
    """Return the axes given, or those of a new figure.

    Raises
    ------
    InputError
        If what is given is no axes, or matplotlib is not installed.
    """
    if ax is None:
        return make_figure(size).subplots()
    check_axes(ax)
    return ax


def check_axes(ax: Any) -> None:
    """Raise unless ``ax`` is a matplotlib Axes."""
    if not isinstance(ax, import_optional("matplotlib.axes", "plots", "plot").Axes):
        raise InputError(f"ax must be a matplotlib Axes, got {type(ax).__name__}")


def tidy_up(ax: Axes) -> None:
    """Take away what carries nothing: two sides of the frame; and put a faint grid behind the data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
