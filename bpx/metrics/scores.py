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


def balanced_accuracy(y: np.ndarray, decided: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the mean over the classes that occur of ``hits / truly of the class``.

    Parameters
    ----------
    y, decided : array of int (samples,)
    weight : array (samples,) or None

    References
    ----------
    K. H. Brodersen, C. S. Ong, K. E. Stephan, J. M. Buhmann, "The balanced accuracy and its posterior distribution",
    2010, eq. 1.
    """
    w = np.ones(y.shape[0]) if weight is None else weight
    sizes = [(float(w @ (y == c)), float(w @ ((y == c) & (decided == c)))) for c in np.unique(y)]
    return float(np.mean([hits / size for size, hits in sizes if size]))


def matthews_corrcoef(y: np.ndarray, decided: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the correlation of what is true and what is decided, from -1 to 1; 0 where either is one class alone.

    With s samples, c of them right, t_k truly of class k and d_k decided for it:
    ``(c * s - sum(t * d)) / sqrt((s**2 - sum(t * t)) * (s**2 - sum(d * d)))``.

    Parameters
    ----------
    y, decided : array of int (samples,)
    weight : array (samples,) or None

    References
    ----------
    B. W. Matthews, "Comparison of the predicted and observed secondary structure of T4 phage lysozyme", 1975.
    J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", 2004, eq. 8.
    """
    w = np.ones(y.shape[0]) if weight is None else weight
    classes = np.union1d(y, decided)
    t, d = (np.array([w @ (labels == c) for c in classes], np.float64) for labels in (y, decided))
    s, c = float(w.sum()), float(w @ (y == decided))
    spread = (s * s - t @ t) * (s * s - d @ d)
    return float((c * s - t @ d) / np.sqrt(spread)) if spread > 0.0 else 0.0


def average_precision(y: np.ndarray, p: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Return the precision at each threshold, weighted by what the recall gains there: ``sum((R_n - R_{n-1}) P_n)``.

    Parameters
    ----------
    y : array of 0 and 1 (samples,)
        1 must occur.
    p : array (samples,)
        Scores; each different one is a threshold, from the highest down.
    sample_weight : array (samples,) or None

    References
    ----------
    E. M. Voorhees, D. K. Harman (editors), "TREC: experiment and evaluation in information retrieval", 2005, section
    3.2.
    """
    w = np.ones(y.shape[0]) if sample_weight is None else sample_weight
    _, place = np.unique(-p, return_inverse=True)
    hits = np.bincount(place, weights=w * (y == 1))
    chosen = np.cumsum(np.bincount(place, weights=w))
    precision = np.divide(np.cumsum(hits), chosen, out=np.zeros_like(chosen), where=chosen > 0.0)
    return float(hits @ precision / hits.sum())


def log_loss(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the mean of ``-log(p of the true class)``, in nats; where each output is a question, over these too.

    Probabilities are kept within [eps, 1 - eps] first, eps being the precision of their dtype.

    Parameters
    ----------
    y : array of int (samples,), or of 0 and 1 (samples, n_labels)
    p : array (samples,), (samples, n_classes) or (samples, n_labels)
        Probabilities: of class 1, or of each class or label.
    weight : array (samples,) or None

    References
    ----------
    I. J. Good, "Rational decisions", 1952, section 8.
    """
    eps = np.finfo(p.dtype).eps
    p = np.clip(p, eps, 1 - eps)
    if y.ndim == 1 and p.ndim == 2:
        truth = np.take_along_axis(p, y[:, None], axis=1)
    else:
        truth = np.where(y == 1, p, 1 - p).reshape(len(y), -1)
    return float(np.average(-np.log(truth).mean(axis=1), weights=weight))


def brier_score(y: np.ndarray, p: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the mean squared error of probabilities: ``(p - y)**2``; of three or more classes its sum over these.

    Where each output is a question of its own, the mean over these.

    Parameters
    ----------
    y : array of int (samples,), or of 0 and 1 (samples, n_labels)
    p : array (samples,), (samples, n_classes) or (samples, n_labels)
        Probabilities: of class 1, or of each class or label.
    weight : array (samples,) or None

    References
    ----------
    G. W. Brier, "Verification of forecasts expressed in terms of probability", 1950, eq. 2.
    """
    p = p.astype(np.float64)
    if y.ndim == 1 and p.ndim == 2:
        errors = ((p - np.eye(p.shape[1])[y]) ** 2).sum(axis=1) / (2.0 if p.shape[1] == 2 else 1.0)
    else:
        errors = ((p - y) ** 2).reshape(len(y), -1).mean(axis=1)
    return float(np.average(errors, weights=weight))


def roc_auc(y: np.ndarray, p: np.ndarray, sample_weight: np.ndarray | None = None) -> float:
    """Return the probability that a sample of class 1 has a higher score than one of class 0 (a tie counts half).

    Parameters
    ----------
    y : array of 0 and 1 (samples,)
        Both must occur.
    p : array (samples,)
        Scores.
    sample_weight : array (samples,) or None

    References
    ----------
    J. A. Hanley, B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
    1982, eq. 1.
    """
    w = np.ones(y.shape[0]) if sample_weight is None else sample_weight
    _, place = np.unique(p, return_inverse=True)
    ones = np.bincount(place, weights=w * (y == 1))
    zeros = np.bincount(place, weights=w * (y != 1))
    below = np.cumsum(zeros) - zeros
    return float(ones @ (below + 0.5 * zeros) / (ones.sum() * zeros.sum()))


def count_confusions(actual: np.ndarray, decided: np.ndarray, n: int) -> np.ndarray:
    """Return how many samples of each class, a row of the matrix, were taken for each class, a column.

    Parameters
    ----------
    actual, decided : array of int (samples,)
        Numbers of classes.
    n : int
        Classes; the matrix is (n, n).
    """
    return np.bincount(actual * n + decided, minlength=n * n).reshape(n, n)


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
