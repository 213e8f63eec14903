"""Splitting rows into training and held-out ones, the same way on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpx.errors import InputError
from bpx.tables.messages import counted, shown

__all__ = ["order_rows", "split", "split_classes"]

Array = np.ndarray[Any, Any]


def split(n: int, fraction: float, seed: int, stratify: Any = None, *, strict: bool = False) -> tuple[Array, Array]:
    """Split n rows at random into training and held-out rows.

    The order comes from the raw bits of PCG64, which NumPy keeps from version to version, so one seed gives one split.

    Parameters
    ----------
    n : int
        How many rows there are.
    fraction : float
        The part to hold out, more than 0 and less than 1. ``round(n * fraction)`` rows are held out, at least one.
    seed : int
        The seed, 0 or more.
    stratify : array, shape (n,), optional
        The class of each row. Each class is then held out in proportion, and has at least one row in either part. A
        class of one row stays with the training rows, and where too few rows are held out for one of each class, the
        rare ones do too.
    strict : bool
        Whether such classes are refused.

    Returns
    -------
    train, held_out : array of int64
        Row indices, each in ascending order.

    Raises
    ------
    InputError
        If the fraction is not between 0 and 1, the seed is negative, there are fewer than two rows, ``stratify`` has
        another shape or no class of two rows; with ``strict``, if a class has one row only, or a part is too small to
        hold every class.

    See Also
    --------
    bpx.tables.prepare : Split a table and encode both parts.

    Examples
    --------
    >>> from bpx.tables import split
    >>> train, held_out = split(6, 1 / 3, seed=0, stratify=["a", "a", "a", "b", "b", "b"])
    >>> len(train), len(held_out)
    (4, 2)
    """
    order = _draw_order(n, fraction, seed)
    if stratify is None:
        return _part(n, order[: _count_held_out(n, fraction)])
    classes = np.asarray(stratify)
    if classes.shape != (n,):
        raise InputError(f"expected the class of each row, shape ({n},), got shape {classes.shape}")
    labels, ids = np.unique(classes, return_inverse=True)
    return split_classes(ids, labels, fraction, seed, strict)


def split_classes(ids: Array, labels: Any, fraction: float, seed: int, strict: bool) -> tuple[Array, Array]:
    """Split rows as `split` does with ``stratify``, given the number of each row's class.

    Parameters
    ----------
    ids : array of int, shape (n,)
        From 0; each class has a row.
    labels : array or list
        The classes, in the order in which `split` would number them, for the messages.
    fraction, seed, strict
        As for `split`.

    Returns
    -------
    train, held_out : array of int64
        As from `split`.

    Raises
    ------
    InputError
        As from `split`.
    """
    n = len(ids)
    order, size = _draw_order(n, fraction, seed), _count_held_out(n, fraction)
    counts = np.bincount(ids)
    quota = _quota(counts, size, labels) if strict or _holds_all(counts, size) else _spare_rare(counts, size)
    small = ids.astype(np.min_scalar_type(len(counts)))  # which NumPy sorts by their bits
    order = order[np.argsort(small[order], kind="stable")]  # by class, at random within each
    place = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    return _part(n, order[place < np.repeat(quota, counts)])


def order_rows(seed: int, n: int) -> Array:
    """Return an order of n rows, of NumPy's raw bits, which no version of it changes.

    It is of a stream of its own: were it that of ``np.random.default_rng(seed)``, a table whose first column was drawn
    from there would be split along this column.

    Examples
    --------
    >>> from bpx.tables.splitting import order_rows
    >>> sorted(order_rows(0, 4).tolist())
    [0, 1, 2, 3]
    """
    bits = np.random.PCG64(np.random.SeedSequence([seed, SPLIT]))
    return np.argsort(bits.random_raw(n), kind="stable")


SPLIT = 3
"""Behind those of `bpx.rng`, so that weights and shuffles share no numbers with a split of the same seed."""


def _draw_order(n: int, fraction: float, seed: int) -> Array:
    """Draw an order of rows, after a look at the arguments of `split`."""
    if not 0.0 < fraction < 1.0:
        raise InputError(f"expected a fraction to hold out between 0 and 1, got {fraction!r}")
    if seed < 0:
        raise InputError(f"expected a seed of 0 or more, got {seed!r}")
    if n < 2:
        raise InputError(f"expected two or more rows to hold some out, got {n}")
    return order_rows(seed, n)


def _count_held_out(n: int, fraction: float) -> int:
    return min(max(round(n * fraction), 1), n - 1)


def _part(n: int, held_out: Array) -> tuple[Array, Array]:
    """Give the rows that are not held out, and those that are, each in ascending order."""
    chosen = np.zeros(n, dtype=bool)
    chosen[held_out] = True
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _holds_all(counts: Array, size: int) -> bool:
    """Tell whether either part can have a row of every class."""
    return bool(counts.min() >= 2 and min(size, int(counts.sum()) - size) >= len(counts))


def _spare_rare(counts: Array, size: int) -> Array:
    """Share held-out rows among the classes in proportion, but leave a row of each to train on."""
    size = min(size, int((counts - 1).sum()))
    if size == 0:
        raise InputError("each class has one row only, so that none can be held out; hold nothing out (--validation 0)")
    ideal = counts * (size / counts.sum())
    quota = np.minimum(np.floor(ideal).astype(np.int64), counts - 1)
    several = counts >= 2
    if size >= int(np.maximum(quota, several).sum()):
        quota = np.maximum(quota, several)
    while (missing := size - int(quota.sum())) > 0:  # at most one round for each class and row of difference
        free = quota < counts - 1
        quota[np.where(free, ideal - quota, -np.inf).argmax()] += min(missing, 1)
    return np.asarray(quota)


def _quota(counts: Array, size: int, labels: Array) -> Array:
    """Share ``size`` held-out rows among the classes: in proportion, but one row of each in either part."""
    n, n_classes = int(counts.sum()), len(counts)
    if counts.min() < 2:
        label = labels[counts.argmin()].item() if isinstance(labels[0], np.generic) else labels[counts.argmin()]
        raise InputError(
            f"class {shown(label)} has one row only, expected two or more, to train on one and hold out one; "
            "add rows, take the class out, or hold nothing out"
        )
    if min(size, n - size) < n_classes:
        raise InputError(
            f"holding out {size} of {counted(n, 'row')} leaves a part without some of the {n_classes} classes; "
            f"hold out at least {n_classes / n:.3g} and at most {1 - n_classes / n:.3g} of the rows"
        )
    ideal = counts * (size / n)
    quota = np.clip(np.floor(ideal).astype(np.int64), 1, counts - 1)
    while (missing := size - int(quota.sum())) != 0:  # at most one round for each class and row of difference
        step = 1 if missing > 0 else -1
        free = quota < counts - 1 if step > 0 else quota > 1
        quota[np.where(free, step * (ideal - quota), -np.inf).argmax()] += step
    return quota
