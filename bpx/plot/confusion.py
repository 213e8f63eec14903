"""The confusion matrix: which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.arguments import check_number
from bpx.backend.transfer import to_numpy
from bpx.errors import InputError
from bpx.metrics.scores import count_confusions
from bpx.plot.labels import check_names, find_labels, list_names, read_array, show_names
from bpx.plot.style import MUTED, choose_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMES, FEWER_NAMES = 60, 30
"""With more classes than the first, not every one is named, but about as many as the second."""

MANY = 20
"""With more classes, the figure grows with them, names are short, and cells without samples are empty."""

ROOM = 0.3
"""Inches of the side of a figure for each of many classes."""

LONGEST = 16
"""Characters of the name of one of many classes."""

SMALLEST, LARGEST = 4.5, 11.0
"""Sizes of a cell's number in points; cells that are too small for it have a color alone."""

LONG = 4
"""Names with more characters stand upright below the matrix."""


def confusion_matrix(
    y_true: Any = None,
    y_pred: Any = None,
    ax: Axes | None = None,
    *,
    matrix: Any = None,
    class_names: Sequence[Any] | None = None,
    baseline: float | None = None,
) -> Axes:
    """Draw how many samples of each class, a row, were taken for which class, a column.

    A cell's color is its share of the true class, its number the count of samples. With more than 20 classes, cells
    without samples have no number; up to 60 all are named.

    Parameters
    ----------
    y_true, y_pred : array_like (samples,), (samples, 1) or (samples, classes), or None
        Classes as numbers from 0 or as texts; one-hot rows; for y_pred also probabilities, as of ``net.predict``.
    ax : matplotlib.axes.Axes or None
        Where to draw; None makes a figure, larger for more classes.
    matrix : array_like (classes, classes) or None
        Counts that are there already, true classes in rows, in place of y_true and y_pred.
    class_names : sequence or None
        One name for each class, in the order of their numbers. Where y_true and y_pred are texts, these texts in the
        order wanted; None sorts them.
    baseline : float or None
        Accuracy of an answer that looks at no input, to be said beside that of the predictions.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If both or neither of the matrix and the two arrays are given, they do not fit each other or the names, or
        matplotlib is not installed.

    See Also
    --------
    bpx.plot.training_report : A training on one page.
    bpx.plot.predictions : Predicted against true numbers.

    Examples
    --------
    >>> import bpx
    >>> ax = bpx.plot.confusion_matrix([0, 1, 1, 0], [0, 1, 0, 0], class_names=["no", "yes"])
    >>> ax.get_title()
    'accuracy 75.0%, 3 of 4'
    """
    if baseline is not None:
        check_number("baseline", baseline)
    if (matrix is None) == (y_true is None and y_pred is None) or (y_true is None) != (y_pred is None):
        raise InputError("give y_true and y_pred, or matrix alone")
    counts, names = _count(y_true, y_pred, class_names) if matrix is None else _given(matrix, class_names)
    names = show_names(names)
    n = len(names)
    many = MANY < n <= MOST_NAMES
    side = max(float(np.clip(3.2 + 0.42 * n, 4.6, 11.0)), ROOM * n if many else 0.0)
    ax = choose_axes(ax, (side + 0.9, side))
    totals = counts.sum(axis=1, keepdims=True)
    shares = counts / np.where(totals > 0, totals, 1)
    image = ax.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)
    step = 1 if n <= MOST_NAMES else -(-n // FEWER_NAMES)
    if many:
        names = [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names]
    upright = max(map(len, names[::step])) > LONG
    ax.set_xticks(range(0, n, step), names[::step], rotation=90 if upright else 0)
    ax.set_yticks(range(0, n, step), names[::step])
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    ax.spines[:].set_visible(False)
    right, total = int(np.trace(counts)), int(counts.sum())
    beside = "" if baseline is None else f" (baseline {baseline:.1%})"
    ax.set_title(f"accuracy {right / total:.1%}, {right:,} of {total:,}{beside}")
    if many:
        _fit_names(ax, n)
    _write_counts(ax, counts, shares)
    return ax


def _measure_cell(ax: Axes, n: int) -> float:
    """Return the side of a cell in points."""
    box = ax.get_window_extent()
    return float(72.0 * min(box.width, box.height) / ax.figure.dpi / n)


def _fit_names(ax: Axes, n: int) -> None:
    """Make names as small as the cells that they stand beside, once the figure is laid out."""
    figure: Any = ax.get_figure(root=True)
    figure.draw_without_rendering()
    ax.tick_params(labelsize=min(10.0, 0.75 * _measure_cell(ax, n)))
    figure.draw_without_rendering()


def _count(y_true: Any, y_pred: Any, class_names: Sequence[Any] | None) -> tuple[np.ndarray, list[str]]:
    """Return counts and names from the labels of the samples."""
    true, predicted = find_labels("y_true", y_true), find_labels("y_pred", y_pred)
    if true.shape != predicted.shape:
        raise InputError(f"y_true has {true.size} samples, y_pred {predicted.size}; they must be the same samples")
    if (true.dtype.kind == "U") != (predicted.dtype.kind == "U"):
        raise InputError("y_true and y_pred must both hold numbers or both hold texts")
    if true.dtype.kind == "U":
        names = list_names("class_names", np.unique([*true, *predicted]) if class_names is None else class_names) or []
        number = {name: i for i, name in enumerate(names)}
        unknown = sorted({str(label) for label in (*true, *predicted)} - number.keys())
        if unknown:
            raise InputError(f"class_names lacks {unknown[0]!r}, which the samples hold")
        true, predicted = (np.array([number[label] for label in array]) for array in (true, predicted))
    else:
        if min(true.min(), predicted.min()) < 0:
            raise InputError(f"class numbers start at 0, got {min(true.min(), predicted.min())}")
        widths = [to_numpy(y).shape[1] for y in (y_true, y_pred) if to_numpy(y).ndim == 2]
        highest = max(true.max(), predicted.max()) + 1
        given = list_names("class_names", class_names)
        n_classes = max([int(highest), len(given) if given else 2, *(w for w in widths if w > 1)])
        names = check_names(given or None, n_classes)
    return count_confusions(true, predicted, len(names)), names


def _given(matrix: Any, class_names: Sequence[Any] | None) -> tuple[np.ndarray, list[str]]:
    """Return counts and names of a matrix that was counted elsewhere."""
    counts = read_array("matrix", matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise InputError(f"matrix must be square, (classes, classes), got shape {counts.shape}")
    if counts.dtype.kind not in "fiu" or not np.isfinite(counts).all() or (counts < 0).any() or not counts.any():
        raise InputError("matrix must hold counts: numbers of at least 0, not all 0")
    if (counts != np.round(counts)).any():
        raise InputError("matrix must hold counts of samples, got fractions; shares are computed here")
    return counts.astype(np.int64), check_names(class_names, len(counts))


def _write_counts(ax: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    """Write each count into its cell, where it fits: white on dark cells, faint where there is none."""
    cell = _measure_cell(ax, len(counts))
    size = min(0.4 * cell, 1.4 * cell / len(str(counts.max())), LARGEST)
    if size < SMALLEST:
        return
    for (i, j), n in np.ndenumerate(counts):
        if not n and len(counts) > MANY:
            continue
        ink = "white" if shares[i, j] > 0.55 else "black" if n else MUTED
        ax.text(j, i, f"{n}", ha="center", va="center", color=ink, fontsize=size)
