"""One figure of a training: how it went, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.arguments import check_number
from bpx.errors import InputError
from bpx.layers.stack import find_code_columns
from bpx.markup import escape_controls
from bpx.network import Network
from bpx.plot.boundary import decision_boundary
from bpx.plot.confusion import MANY, MOST_NAMES, ROOM, confusion_matrix
from bpx.plot.curves import VALIDATION, learning_curves
from bpx.plot.labels import check_network, decides, list_names, read_array
from bpx.plot.predictions import predictions
from bpx.plot.style import make_plain_figure
from bpx.training.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def training_report(
    net: Network,
    history: History,
    x: Any,
    y: Any,
    *,
    class_names: Sequence[Any] | None = None,
    feature_names: Sequence[Any] | None = None,
    output_names: Sequence[Any] | None = None,
    decode: Callable[[Any], Any] | None = None,
    title: str | None = None,
    baseline: float | None = None,
) -> Figure:
    """Draw the learning curves of a training beside what the network makes of some samples, in one figure.

    Beside the losses, and the metrics below them where there are any, stands for a network that decides for classes its
    decision boundary, if it has two inputs, and else its confusion matrix; for a regression, the predictions over the
    true values. Where outputs are several questions of yes and no, the curves are all.

    Parameters
    ----------
    net : Network
    history : History
        Of ``net.fit``.
    x, y : array_like
        Samples and targets to judge the network by, the validation data if there is any.
    class_names, feature_names, output_names : sequence or None
        Names of the classes, of the inputs (used where there are two), and of a regression's outputs.
    decode : callable or None
        Turns a regression's targets and predictions into what is drawn, such as numbers in their own units.
    title : str or None
        Above all.
    baseline : float or None
        How good the answer is that looks at no input: of classes its accuracy, of a regression the number that it
        always is, as ``decode`` gives numbers.

    Returns
    -------
    matplotlib.figure.Figure
        One that no window belongs to: `bpx.plot.save` writes it, and a notebook shows it.

    Raises
    ------
    InputError
        If net is no network, the history is none or empty, samples, targets and names do not fit, or matplotlib is not
        installed.

    See Also
    --------
    bpx.plot.learning_curves : Loss and metrics by the epoch.
    bpx.plot.save : Write a picture to a file.

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.xor()
    >>> net = bpx.mlp([2, 3, 1], loss="binary_cross_entropy")
    >>> figure = bpx.plot.training_report(net, net.fit(x, y, epochs=2), x, y)
    >>> len(figure.axes)
    2
    """
    check_network(net)
    if not isinstance(history, History):
        raise InputError(f"history must be what net.fit returned, a bpx.History, got {type(history).__name__}")
    if baseline is not None:
        check_number("baseline", baseline)
    targets, width = read_array("y", y), read_array("x", x).shape[1:]
    feature_names = list_names("feature_names", feature_names)
    classes = decides(net, targets)
    questions = not classes and net.loss.targets == "probabilities"
    n_classes = net.output_shape[-1] if classes and net.output_shape else 1
    height = float(np.clip(3.4 + 0.28 * n_classes, 4.9, 10.0))
    widths = (1.0, 1.12)
    if MANY < n_classes <= MOST_NAMES:
        height = max(height, ROOM * n_classes)
        widths = (1.0, height / 7.5)
    figure = make_plain_figure((6.4, 4.6) if questions else (7.5 + height, height))
    parts = [figure] if questions else figure.subfigures(1, 2, squeeze=False, width_ratios=widths)[0]
    metrics = _list_drawable_metrics(history)
    above, *below = parts[0].subplots(2 if metrics else 1, 1, squeeze=False)[:, 0]
    learning_curves(history, above)
    for ax in below:
        known = {"accuracy": baseline} if classes and baseline is not None else None
        learning_curves(history, ax, names=metrics, baselines=known)
    if not questions:
        ax = parts[1].subplots()
        if classes and width == (2,) and not find_code_columns(net.layers):
            names = feature_names if feature_names is not None and len(feature_names) == 2 else None
            decision_boundary(net, x, y, ax, class_names=class_names, feature_names=names)
        elif classes:
            confusion_matrix(y, net.predict(x), ax, class_names=class_names, baseline=baseline)
        else:
            pair = (targets, net.predict(x))
            actual, found = pair if decode is None else map(decode, pair)
            predictions(actual, found, ax, names=output_names, baseline=baseline)
    if title is not None and str(title):
        figure.suptitle(escape_controls(str(title), keep="\n"))
    return figure


def _list_drawable_metrics(history: History) -> list[str]:
    """Return the names of the metrics that were recorded, those on training and validation data beside each other."""
    curves = history.curves()
    names = dict.fromkeys(name.removeprefix(VALIDATION) for name in curves)
    return [c for name in names for c in (name, f"{VALIDATION}{name}") if c in curves and name != "loss"]
