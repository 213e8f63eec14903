"""The metrics by name, what each needs of a network and its data, and functions of the user's own as metrics.

Accuracy is counted on the device. The others are given NumPy arrays of what is true and what is predicted. All but
top-k accuracy are scikit-learn's where it is installed, and `bpx.metrics.scores` elsewhere, which the tests hold to the
same numbers.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.arguments import check_choice
from bpx.errors import InputError
from bpx.metrics import scores

Compute = Callable[[np.ndarray, np.ndarray, "np.ndarray | None"], Any]
"""``compute(y_true, y_pred, weight) -> number``."""


@dataclass(frozen=True)
class Metric:
    """A number that says how good predictions are.

    Attributes
    ----------
    name : str
        What it is called in ``History.metrics``.
    compute : callable or None
        ``compute(y_true, y_pred, weight)`` with NumPy arrays; None for accuracy, which is counted on the device.
    kind : str
        What the targets must be: "classes", "values" or "any".
    greater_is_better : bool or None
        None where that was not said.
    check : callable or None
        ``check(y_true)`` raises `InputError` if the metric is not defined for these targets.

    See Also
    --------
    bpx.metrics.get_metric : Return the metric of a name or a function.
    Network.fit : Train a network.

    Examples
    --------
    >>> from bpx.metrics import METRICS
    >>> metric = METRICS["r2"]
    >>> metric.kind, metric.greater_is_better
    ('values', True)
    >>> metric.compute([1.0, 2.0, 3.0], [1.0, 2.0, 2.0], None)
    0.5
    """

    name: str
    compute: Compute | None
    kind: str
    greater_is_better: bool | None
    check: Callable[[np.ndarray], None] | None = None


def _scikit_learn(function: str) -> Any:
    """Return a function of ``sklearn.metrics``, or None where scikit-learn is not installed."""
    try:
        import sklearn.metrics
    except ImportError:
        return None
    return getattr(sklearn.metrics, function)


def _decide(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Return the classes that scores decide for."""
    decided = np.argmax(p, axis=1) if y.ndim == 1 and p.ndim == 2 else p > 0.5
    return np.asarray(decided, dtype=np.int64)


def _macro_f1(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None) -> float:
    theirs, decided = _scikit_learn("f1_score"), _decide(y, p)
    if theirs is None:
        return scores.macro_f1(y, decided, weight)
    return float(theirs(y, decided, average="macro", sample_weight=weight, zero_division=0.0))


def _balanced_accuracy(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None) -> float:
    return _average_columns("balanced_accuracy_score", scores.balanced_accuracy, y, _decide(y, p), weight)


def _matthews_corrcoef(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None) -> float:
    return _average_columns("matthews_corrcoef", scores.matthews_corrcoef, y, _decide(y, p), weight)


def _average_columns(theirs: str, own: Any, y: np.ndarray, decided: np.ndarray, weight: np.ndarray | None) -> float:
    """Return a score of what is decided; where each output is a question of its own, the mean over these."""
    function, columns = _scikit_learn(theirs), [(y, decided)]
    if y.ndim == 2:
        columns = list(zip(y.T, decided.T, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", UserWarning
        )  # that classes are decided for which do not occur, or only one does
        found = [
            own(t, d, weight) if function is None else float(function(t, d, sample_weight=weight)) for t, d in columns
        ]
    return float(np.mean(found))


def _split_classes(y: np.ndarray, p: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return targets of yes and no with their scores: of two classes once, of more each class against the rest."""
    if y.ndim == 1 and p.ndim == 1:
        return [(y, p)]
    if y.ndim == 1 and p.shape[1] == 2:
        return [(y, p[:, 1])]
    columns = [(y == i if y.ndim == 1 else y[:, i], p[:, i]) for i in range(p.shape[1])]
    return [(t, s) for t, s in columns if t.any()]  # those that occur


def _roc_auc(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None) -> float:
    score = _scikit_learn("roc_auc_score") or scores.roc_auc
    return float(np.mean([score(t, s, sample_weight=weight) for t, s in _split_classes(y, p)]))


def _average_precision(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None) -> float:
    score = _scikit_learn("average_precision_score") or scores.average_precision
    return float(np.mean([score(t, s, sample_weight=weight) for t, s in _split_classes(y, p)]))


def _log_loss(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None) -> float:
    theirs = _scikit_learn("log_loss")
    if theirs is None:
        return scores.log_loss(y, p, weight)
    if y.ndim == 2:
        each = [theirs(t, s, labels=(0, 1), sample_weight=weight) for t, s in zip(y.T, p.T, strict=True)]
        return float(np.mean(each))
    return float(theirs(y, p, labels=range(_count_classes(p)), sample_weight=weight))


def _brier_score(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None) -> float:
    theirs = _scikit_learn("brier_score_loss")
    if theirs is None:
        return scores.brier_score(y, p, weight)
    if y.ndim == 2:
        each = [theirs(t, s, labels=(0, 1), sample_weight=weight) for t, s in zip(y.T, p.T, strict=True)]
        return float(np.mean(each))
    return float(theirs(y, p, labels=range(_count_classes(p)), sample_weight=weight))


def _count_classes(p: np.ndarray) -> int:
    return 2 if p.ndim == 1 else int(p.shape[1])


def _r2(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None) -> float:
    theirs = _scikit_learn("r2_score")
    return scores.r2(y, p, weight) if theirs is None else float(theirs(y, p, sample_weight=weight))


def _mean_absolute_error(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None) -> float:
    theirs = _scikit_learn("mean_absolute_error")
    return scores.mean_absolute_error(y, p, weight) if theirs is None else float(theirs(y, p, sample_weight=weight))


def _need_both(name: str) -> Callable[[np.ndarray], None]:
    """Return a check that there are two classes (and, where each output is a question of its own, both answers)."""

    def check(y: np.ndarray) -> None:
        for i, column in enumerate(y.T if y.ndim == 2 else [y]):
            if np.unique(column).size < 2:
                where = f" in output {i}" if y.ndim == 2 else ""
                raise InputError(f"{name} needs samples of at least two classes, y holds one only{where}")

    return check


def _needs_two(y: np.ndarray) -> None:
    """Raise unless there are two samples."""
    if y.shape[0] < 2:
        raise InputError("r2 needs at least two samples, got one")


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", None, "classes", True),
        Metric("macro_f1", _macro_f1, "classes", True),
        Metric("balanced_accuracy", _balanced_accuracy, "classes", True),
        Metric("matthews_corrcoef", _matthews_corrcoef, "classes", True),
        Metric("roc_auc", _roc_auc, "classes", True, _need_both("roc_auc")),
        Metric("average_precision", _average_precision, "classes", True, _need_both("average_precision")),
        Metric("log_loss", _log_loss, "classes", False),
        Metric("brier_score", _brier_score, "classes", False),
        Metric("r2", _r2, "values", True, _needs_two),
        Metric("mean_absolute_error", _mean_absolute_error, "values", False),
    )
}
"""The metrics by name; "top_3_accuracy" and the like come on top."""


def get_metric(metric: Any) -> Metric:
    """Return the metric of a name, or of a function ``f(y_true, y_pred)``.

    Parameters
    ----------
    metric : str, callable, or pair (str, callable)
        A function is named after itself; the pair names it otherwise.

    Raises
    ------
    InputError
        If no metric has this name, or it is neither a name nor a function with one.

    See Also
    --------
    bpx.metrics.Metric : A number that says how good predictions are.
    bpx.metrics.list_metrics : Return several metrics.

    Examples
    --------
    >>> import numpy as np
    >>> from bpx.metrics import get_metric
    >>> def worst(y_true, y_pred):
    ...     return float(np.max(np.abs(y_true - y_pred)))
    >>> get_metric(worst).name, get_metric(("largest error", worst)).name
    ('worst', 'largest error')
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        top = re.fullmatch(r"top_([1-9][0-9]*)_accuracy", metric)
        if top:
            return _top_k(metric, int(top[1]))
        return METRICS[check_choice("metric", metric, [*METRICS, "top_3_accuracy", "top_5_accuracy"])]
    name, function = metric if isinstance(metric, tuple) and len(metric) == 2 else (None, metric)
    if not callable(function) or isinstance(function, type):
        raise InputError(f"a metric is a name, a function f(y_true, y_pred) or a pair (name, function), got {metric!r}")
    name = name or getattr(function, "__name__", "<lambda>")
    if not isinstance(name, str) or name == "<lambda>":
        raise InputError(f"a metric needs a name; give the pair ('name', function) instead of {function!r}")
    return Metric(name, lambda y, p, weight: function(y, p), "any", None)


def _top_k(name: str, k: int) -> Metric:
    def compute(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None) -> float:
        return scores.top_k_accuracy(y, p, k, weight)

    return Metric(name, compute, "one of several", True)


def list_metrics(metrics: Any) -> tuple[Metric, ...]:
    """Return metrics as a tuple; a single one may stand alone.

    Raises
    ------
    InputError
        As for `get_metric`, or if two have the same name.

    See Also
    --------
    bpx.metrics.get_metric : Return the metric of a name or a function.
    bpx.metrics.Metric : A number that says how good predictions are.

    Examples
    --------
    >>> from bpx.metrics import list_metrics
    >>> [metric.name for metric in list_metrics("r2")], [metric.name for metric in list_metrics(["r2", "accuracy"])]
    (['r2'], ['r2', 'accuracy'])
    """
    alone = isinstance(metrics, (str, Metric)) or callable(metrics)
    if not alone and not isinstance(metrics, Iterable):
        raise InputError(f"metrics must be a sequence, got {metrics!r}")
    given: Iterable[Any] = (metrics,) if alone else metrics
    chosen = tuple(get_metric(metric) for metric in given)
    names = [metric.name for metric in chosen]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"there are two metrics named {name!r}; give one of them another name: ('name', function)")
        if name == "loss":
            raise InputError("a metric cannot be named 'loss', which is always recorded")
    return chosen
