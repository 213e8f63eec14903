"""Predicted numbers against the true ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.arguments import check_number
from bpx.errors import InputError
from bpx.plot.labels import list_names, read_array, show_names
from bpx.plot.style import MUTED, choose_axes, color, marker, tidy_up

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def predictions(
    y_true: Any,
    y_pred: Any,
    ax: Axes | None = None,
    *,
    names: Sequence[Any] | None = None,
    baseline: float | None = None,
) -> Axes:
    """Draw what a regression predicts over what is true; on the diagonal, both are equal.

    Parameters
    ----------
    y_true, y_pred : array_like (samples,) or (samples, outputs)
    ax : matplotlib.axes.Axes or None
        Where to draw; None makes a figure.
    names : sequence or None
        One name for each output. That of a single one is at the axes, those of several in the legend.
    baseline : float or None
        What an answer that looks at no input always is: of a single output a line, and how far off it is on average.

    Returns
    -------
    matplotlib.axes.Axes
        Each output's coefficient of determination, ``R² = 1 - sum((y_true - y_pred)**2) / sum((y_true - mean)**2)``, is
        in the legend, or in the title where there is one output.

    Raises
    ------
    InputError
        If the arrays are not of one shape, hold NaN or infinity, or matplotlib is not installed.

    See Also
    --------
    bpx.plot.confusion_matrix : Which classes are taken for which.
    bpx.plot.training_report : A training on one page.

    Examples
    --------
    >>> import bpx
    >>> ax = bpx.plot.predictions([1.0, 2.0, 3.0], [1.1, 1.9, 3.0])
    >>> ax.get_title()
    'R² 0.990'
    """
    true, predicted = _read_columns("y_true", y_true), _read_columns("y_pred", y_pred)
    if true.shape != predicted.shape:
        raise InputError(f"y_true has shape {true.shape}, y_pred {predicted.shape}; they must be the same")
    n_outputs = true.shape[1]
    given = list_names("names", names)
    if given is not None and len(given) != n_outputs:
        raise InputError(f"names must hold one name for each of the {n_outputs} outputs, got {len(given)}")
    if baseline is not None:
        check_number("baseline", baseline)
    ax = choose_axes(ax, (5.4, 4.8))
    ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
    ax.plot(ends, ends, color="#303030", linewidth=1.0, linestyle="--", zorder=1)
    titles = []
    for i in range(n_outputs):
        name = f"output {i}" if given is None else show_names(given)[i]
        score = _compute_determination(true[:, i], predicted[:, i])
        titles.append("" if score is None else f"R² {score:.3f}")
        ax.scatter(
            true[:, i], predicted[:, i], s=18, color=color(i), marker=marker(i), linewidths=0.0, zorder=2,
            alpha=float(np.clip(600.0 / len(true), 0.15, 0.8)), label=f"{name}, {titles[-1]}".removesuffix(", "),
        )  # fmt: skip
    what = "value" if given is None or n_outputs > 1 else show_names(given)[0]
    ax.set_xlabel(f"true {what}")
    ax.set_ylabel(f"predicted {what}")
    tidy_up(ax)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter("{x:,.10g}")
    if n_outputs == 1 and baseline is not None:
        off, off_always = np.abs(predicted - true).mean(), np.abs(baseline - true).mean()
        ax.axhline(baseline, color=MUTED, linestyle=":", linewidth=1.4, zorder=1,
                   label=f"always {_write(baseline)}: off by {_write(off_always)} on average")  # fmt: skip
        ax.set_title(", ".join(part for part in (titles[0], f"off by {_write(off)} on average") if part))
        ax.legend(handles=ax.get_lines()[-1:], frameon=False, loc="upper left")
    elif n_outputs == 1:
        ax.set_title(titles[0])
    else:
        ax.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(1.01, 1.0))
    return ax


def _write(value: float) -> str:
    """Write a number of four digits that count, thousands set apart."""
    return f"{float(f'{value:.4g}'):,.10g}"


def _read_columns(name: str, data: Any) -> np.ndarray:
    """Return numbers as float64 with a column for each output."""
    array = read_array(name, data)
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2) or not array.size:
        raise InputError(
            f"{name} must hold numbers of shape (samples,) or (samples, outputs), "
            f"got {array.dtype} of shape {array.shape}"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise InputError(f"{name} holds NaN or infinity")
    return array.reshape(len(array), -1)


def _compute_determination(true: np.ndarray, predicted: np.ndarray) -> float | None:
    """Return R², or None where all true values are equal, which leaves nothing to explain."""
    spread = float(((true - true.mean()) ** 2).sum())
    return None if spread == 0.0 else 1.0 - float(((true - predicted) ** 2).sum()) / spread
