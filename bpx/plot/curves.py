"""Learning curves: what a training recorded, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bpx.arguments import check_number
from bpx.errors import InputError, unknown_name
from bpx.plot.labels import list_names, show_names
from bpx.plot.style import MUTED, choose_axes, color, tidy_up
from bpx.training.history import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDE = 30.0
"""From this ratio of the largest to the smallest value on, the axis of the values is logarithmic."""

VALIDATION = "validation_"


def learning_curves(
    history: History,
    ax: Axes | None = None,
    *,
    names: Sequence[str] | None = None,
    baselines: Mapping[str, float] | None = None,
) -> Axes:
    """Draw the losses of a training, or its metrics, over the epochs.

    Curves of validation data are dashed, and the epoch with the lowest validation loss is marked. The axis is
    logarithmic where all values are positive and far apart.

    Parameters
    ----------
    history : History
        Of ``net.fit``.
    ax : matplotlib.axes.Axes or None
        Where to draw; None makes a figure.
    names : sequence of str or None
        What to draw: "loss", "validation_loss", and the names of metrics, with ``"validation_"`` before them for those
        on the validation data. None draws the losses.
    baselines : mapping of str to float, or None
        By the name of a loss or metric, what an answer that looks at no input comes to: a dotted line.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If the history holds no epochs, or not what is to be drawn, or matplotlib is not installed.

    See Also
    --------
    History : The numbers of each epoch.
    bpx.plot.training_report : A training on one page.

    Examples
    --------
    >>> import bpx
    >>> history = bpx.mlp([2, 2, 1], loss="squared_error").fit(*bpx.datasets.xor(), epochs=3)
    >>> ax = bpx.plot.learning_curves(history)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('epoch', 'loss')
    """
    if not isinstance(history, History):
        raise InputError(f"history must be what net.fit returned, a bpx.History, got {type(history).__name__}")
    curves = history.curves()
    if not curves.get("loss"):
        raise InputError("the history holds no epochs, so there is nothing to draw")
    if names is None:
        names = [name for name in ("loss", "validation_loss") if name in curves]
    elif isinstance(names, str) or not (names := list_names("names", names)):
        raise InputError(f"names must be a sequence of names such as ['loss'], got {names!r}")
    for name in names:
        if name not in curves:
            raise unknown_name("curve", name, curves)
    if not isinstance(baselines, Mapping | None):
        raise InputError(f"baselines must be a dict such as {{'accuracy': 0.5}}, got {type(baselines).__name__}")
    for value in (baselines or {}).values():
        check_number("a baseline", value)
    ax = choose_axes(ax)
    from matplotlib.ticker import MaxNLocator

    kinds = show_names(list(dict.fromkeys(name.removeprefix(VALIDATION) for name in names)))
    shown = []
    for i, name in enumerate(names):
        values = np.asarray(curves[name], dtype=np.float64)
        shown.append(values)
        on = "validation" if name.startswith(VALIDATION) else "training"
        ax.plot(
            history.epoch, values, color=color(i), linestyle="--" if on == "validation" else "-", linewidth=1.8,
            marker="o" if len(values) == 1 else None,
            label=on if len(kinds) == 1 else show_names([name.replace("_", " ")])[0],
        )  # fmt: skip
        if name == "validation_loss":
            _mark_best(ax, history.epoch, values, color(i))
    for kind in dict.fromkeys(name.removeprefix(VALIDATION) for name in names):
        if baselines is not None and kind in baselines:
            value = float(baselines[kind])
            ax.axhline(value, color=MUTED, linestyle=":", linewidth=1.4, label=f"baseline: {value:.3g}")
    everything = np.concatenate(shown)
    if everything.min() > 0.0 and everything.max() > WIDE * everything.min():
        ax.set_yscale("log")
    ax.set_xlabel("epoch")
    ax.set_ylabel(kinds[0].replace("_", " ") if len(kinds) == 1 else "")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    tidy_up(ax)
    if len(ax.get_lines()) > 1:
        ax.legend(frameon=False)
    return ax


def _mark_best(ax: Axes, epochs: Sequence[int], losses: np.ndarray, its_color: str) -> None:
    """Mark the epoch with the lowest validation loss."""
    best = int(np.argmin(losses))
    ax.plot(
        [epochs[best]], [losses[best]], linestyle="", marker="o", markersize=8, markerfacecolor="white",
        markeredgecolor=its_color, markeredgewidth=1.8, label=f"lowest: {losses[best]:.3g}, epoch {epochs[best]}",
    )  # fmt: skip
