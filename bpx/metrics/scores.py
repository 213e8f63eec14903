"""Metrics computed with NumPy alone, as scikit-learn defines them; used where scikit-learn is not installed.

``y`` holds what is true, ``weight`` one number for each sample or None.
"""

from __future__ import annotations

import numpy as np


def top_k_accuracy(y: np.ndarray, p: np.ndarray, k: int, weight: np.ndarray | None = None) -> float:
    """Return the share of samples whose class is among the k with the highest scores.

    Parameters
    ----------
    y : array of int (samples,)
        Classes.
    p : array (samples, n_classes)
        Scores; of equal ones the later class counts as higher.
    k : int
    weight : array (samples,) or None
    """
    own = np.take_along_axis(p, y[:, None], axis=1)
    later = np.arange(p.shape[1])[None, :] > y[:, None]
    higher = ((p > own) | ((p == own) & later)).sum(axis=1)
    return float(np.average(higher < k, weights=weight))


def macro_f1(y: np.ndarray, decided: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the mean over the classes of ``2 * hits / (truly of the class + decided for the class)``.

    Classes that neither occur nor are decided for do not count; a class without hits has 0.

    Parameters
    ----------
    y, decided : array of int (samples,), or of 0 and 1 (samples, n_labels)
        With two axes each column is a question of its own, and the mean is over the columns.
    weight : array (samples,) or None

    References
    ----------
    D. D. Lewis, R. E. Schapire, J. P. Callan, R. Papka, "Training algorithms for linear text classifiers", 1996,
    section 2.1.
    """
    if y.ndim == 2:
        pairs = [(y[:, i] == 1, decided[:, i] == 1) for i in range(y.shape[1])]
    else:
        pairs = [(y == c, decided == c) for c in np.union1d(y, decided)]
    w = np.ones(y.shape[0]) if weight is None else weight
    scores = []
    for true, said in pairs:
        total = float(w @ true + w @ said)
        scores.append(2.0 * float(w @ (true & said)) / total if total else 0.0)
    return float(np.mean(scores))


def roc_auc(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the probability that a sample of class 1 has a higher score than one of class 0 (a tie counts half).

    Parameters
    ----------
    y : array of 0 and 1 (samples,)
        Both must occur.
    p : array (samples,)
        Scores.
    weight : array (samples,) or None

    References
    ----------
    J. A. Hanley, B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
    1982, eq. 1.
    """
    w = np.ones(y.shape[0]) if weight is None else weight
    _, place = np.unique(p, return_inverse=True)
    ones = np.bincount(place, weights=w * (y == 1))
    zeros = np.bincount(place, weights=w * (y != 1))
    below = np.cumsum(zeros) - zeros
    return float(ones @ (below + 0.5 * zeros) / (ones.sum() * zeros.sum()))


def r2(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return ``1 - sum((y - p)**2) / sum((y - mean(y))**2)``, the mean over the outputs.

    An output whose target is constant has 1 if it is met exactly and 0 otherwise.

    Parameters
    ----------
    y, p : array (samples,) or (samples, n_out)
    weight : array (samples,) or None

    References
    ----------
    S. Wright, "Correlation and causation", 1921, p. 557 (the coefficient of determination).
    """
    y, p = y.reshape(len(y), -1).astype(np.float64), p.reshape(len(p), -1).astype(np.float64)
    w = (np.ones(len(y)) if weight is None else weight)[:, None]
    error = (w * (y - p) ** 2).sum(axis=0)
    spread = (w * (y - np.average(y, axis=0, weights=weight)) ** 2).sum(axis=0)
    scores = np.where(error == 0.0, 1.0, 0.0)
    np.divide(error, spread, out=error, where=spread > 0.0)
    return float(np.where(spread > 0.0, 1.0 - error, scores).mean())


def mean_absolute_error(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the mean of ``|y - p|`` over samples and outputs, in units of y.

    Parameters
    ----------
    y, p : array (samples,) or (samples, n_out)
    weight : array (samples,) or None
    """
    distance = np.abs(y.astype(np.float64) - p).reshape(len(y), -1)
    return float(np.average(distance, axis=0, weights=weight).mean())
