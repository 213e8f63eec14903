"""The part of the samples that early stopping sets aside, drawn as scikit-learn draws it."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import train_test_split

from bpx.backend.base import Array, Backend


def split(
    backend: Backend, rows: int, column: Array | None, fraction: float, random_state: np.random.RandomState
) -> tuple[Array, Array]:
    """Return the numbers of the samples to train on and of those to validate on, on the device.

    Parameters
    ----------
    backend : Backend
    rows : int
        How many samples there are.
    column : array (rows, 1) or None
        Targets of two classes, 0 or 1, whose shares are to be the same in both parts; None draws freely.
    fraction : float
        Share of the samples to validate on.
    random_state : RandomState

    Raises
    ------
    ValueError
        If either part, or a class of it, would be too small.

    Notes
    -----
    Only the count of each class leaves the device: samples sorted by class are split on the host, and the numbers found
    are those of the sorted samples.
    """
    xp = backend.xp
    sorted_classes = order = None
    if column is not None:
        ones = int(xp.sum(column))
        sorted_classes = np.repeat([False, True], [rows - ones, ones])[:, None]
        order = xp.argsort(column[:, 0], stable=True)
    train, validation = train_test_split(
        np.arange(rows), random_state=random_state, test_size=fraction, stratify=sorted_classes
    )
    if len(validation) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    parts = backend.asarray(train), backend.asarray(validation)
    return parts if order is None else (xp.take(order, parts[0], axis=0), xp.take(order, parts[1], axis=0))
