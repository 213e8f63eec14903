"""Samples on their way to a network's device: placed, split, and sparse where they came so."""

from __future__ import annotations

import copy
import datetime
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.model_selection import train_test_split

from bpx.backend.base import Array, Backend
from bpx.backend.numpy_backend import NumpyBackend
from bpx.backend.precision import MANTISSA_BITS, check_precision
from bpx.backend.transfer import check_real, host_array, library_of
from bpx.errors import BackendError, InputError
from bpx.tables.messages import shown


@dataclass
class Samples:
    """Samples on the network's device.

    Attributes
    ----------
    x, y : array
    weight : array or None
        What each sample counts in the loss.
    score_weight : array or None
        What each counts in a score: the same without the weights of classes.
    given : array
        The samples as they came, whose library and device results are to have.
    """

    x: Array
    y: Array
    weight: Array | None
    score_weight: Array | None
    given: Any

    def take(self, xp: Any, rows: Array) -> Samples:
        """Return some of the samples."""
        arrays = (self.x, self.y, self.weight, self.score_weight)
        x, y, weight, score_weight = (None if a is None else xp.take(a, rows, axis=0) for a in arrays)
        return Samples(x, y, weight, score_weight, self.given)


def check_given(name: str, data: Any) -> Any:
    """Return what a user gives, its mask and its imaginary part looked at before scikit-learn makes an array of it.

    Where scikit-learn is not told to compute with arrays of other libraries, these come to the host here: bfloat16,
    and tensors that require a gradient, are numbers too.
    """
    if data is None or is_sparse(data):
        return data
    check_real(name, data)
    if library_of(data) in (None, "numpy") or get_config()["array_api_dispatch"]:
        return data
    return host_array(data)


def check_on_host(name: str, data: Any) -> Any:
    """Return what a user gives, checked as by `check_given`, on the host whatever scikit-learn is told."""
    data = check_given(name, data)
    return data if data is None or library_of(data) in (None, "numpy") else host_array(data)


def place(backend: Backend, X: Any, dtype: str) -> Array:
    """Return samples on a device; sparse ones stay sparse on NumPy alone."""
    if is_sparse(X) and backend.name != "numpy":
        X = X.toarray()
    return backend.asarray(X, dtype)


def require_dtype(backend: Backend, dtype: str) -> None:
    """Raise unless a backend has a dtype, which is that of the samples."""
    try:
        backend.require_dtype(dtype)
    except BackendError as error:
        raise BackendError(f"{error} (an estimator computes in the dtype of X: give X as float32)") from None


def require_precision(precision: str, dtype: str) -> None:
    """Raise unless products of a dtype, which is that of the samples, can have a precision."""
    try:
        check_precision(precision, dtype)
    except InputError as error:
        if precision not in MANTISSA_BITS:
            raise
        raise InputError(f"{error} (an estimator computes in the dtype of X: give X as float32)") from None


def refuse_times(y: Any) -> None:
    """Raise if there are dates or durations among targets: what number stands for one depends on how it is stored.

    Raises
    ------
    InputError
    """
    first = None
    if isinstance(y, np.ndarray) and y.dtype.kind in "OmM":
        first = next((target for target in y.reshape(-1) if isinstance(target, _TIMES)), None)
    if isinstance(first, np.timedelta64 | datetime.timedelta):
        raise InputError(
            f"expected y to be numbers, got durations such as {shown(first)}; count them in a unit, as "
            "y / numpy.timedelta64(1, 'h') does"
        )
    if first is not None:
        raise InputError(
            f"expected y to be numbers, got dates or times such as {shown(first)}; count from one of them in a unit, "
            "as (y - y.min()) / numpy.timedelta64(1, 'D') does"
        )


_TIMES = (np.datetime64, np.timedelta64, datetime.date, datetime.time, datetime.timedelta)
"""What no number stands for without a unit."""


def draw_dropout_seed(random_state: np.random.RandomState) -> int:
    """Return a seed for dropout masks that takes nothing from the stream."""
    return int(copy.deepcopy(random_state).randint(np.iinfo(np.int32).max))


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


class SparseNumpyBackend(NumpyBackend):
    """NumPy on the CPU, whose samples may be sparse: a batch is some rows, and only the first layer ever meets it."""

    def __init__(self) -> None:
        super().__init__()
        dense = self.xp

        def take(x: Any, indices: Any, /, *, axis: int | None = None) -> Any:
            return dense.take(x, indices, axis=axis) if isinstance(x, np.ndarray) else x[indices]

        def matmul(a: Any, b: np.ndarray, /) -> Any:
            return dense.matmul(a, b) if isinstance(a, np.ndarray) else a @ b

        self.xp = SimpleNamespace(**{**vars(dense), "take": take, "matmul": matmul})

    def __reduce__(self) -> Any:
        return get_sparse_numpy, ()

    def round_mantissa(self, array: Any, bits: int) -> Any:
        if isinstance(array, np.ndarray):
            return super().round_mantissa(array, bits)
        rounded = array.copy()
        rounded.data = super().round_mantissa(array.data, bits)
        return rounded

    def asarray(self, data: Any, dtype: str | None = None) -> Array:
        if is_sparse(data):
            return data.tocsr() if dtype is None else data.tocsr().astype(dtype, copy=False)
        return super().asarray(data, dtype)


@lru_cache(maxsize=1)
def get_sparse_numpy() -> SparseNumpyBackend:
    """Return the one backend of this kind."""
    return SparseNumpyBackend()


def is_sparse(data: Any) -> bool:
    """Tell whether data is a SciPy sparse matrix or array."""
    from scipy.sparse import issparse

    return bool(issparse(data))
