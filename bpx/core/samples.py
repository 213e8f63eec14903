"""Samples, targets and weights on their way in: checked with clear errors, moved to the network's device once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from bpx.backend.base import Array, Backend
from bpx.backend.numpy_functions import all_finite, numpy_namespace
from bpx.backend.transfer import backend_of, check_real, host_array
from bpx.errors import InputError
from bpx.layers.base import Shape
from bpx.losses import Loss, one_hot

_NO_NUMBERS = (str, bytes, complex, np.complexfloating, np.datetime64, np.timedelta64)

CHECKED_ON_HOST = 65_536
"""Numbers up to which host data is checked before it is moved: to ask a device takes longer (JAX on a CPU: 0.2 ms)."""


def place_features(backend: Backend, x: Any, shape: Shape | None, dtype: str, look: bool = True) -> Array:
    """Return samples on the device in the network's dtype.

    Parameters
    ----------
    backend : Backend
        Where the network lives.
    x : array_like (samples, ...)
        Numbers; NaN and infinity are refused.
    shape : tuple of int or None
        Shape of one sample that the network expects; None where any will do.
    dtype : str
        The network's dtype.
    look : bool
        Whether the values are looked at now; otherwise whoever calls does it, by `look_at_features`.

    Raises
    ------
    InputError
        If x has the wrong rank or number of features, is empty, is no array of numbers, or holds NaN or infinity.
    """
    x = _check_numbers("x", x)
    wanted = "(samples, ...)" if shape is None else f"(samples, {', '.join(map(str, shape))})"
    rank = None if shape is None else len(shape) + 1
    if x.ndim < 2 or (rank is not None and x.ndim != rank):
        hint = "; a single sample is x[None, :]" if x.ndim == 1 else ""
        raise InputError(f"x must have shape {wanted}, got {tuple(x.shape)}{hint}")
    if shape is not None and tuple(x.shape[1:]) != shape:
        raise InputError(f"x must have shape {wanted}, got {tuple(x.shape)}: the network takes {shape[0]} features")
    if 0 in x.shape:
        raise InputError(f"x is empty: shape {tuple(x.shape)}")
    return _move(backend, "x", x, dtype, look)


def look_at_features(xp: Any, x: Array) -> Array:
    """Return a number of the device that `judge_features` judges: one of many on the way to the host."""
    return xp.sum(x)


def judge_features(backend: Backend, x: Array, total: float) -> None:
    """Raise if there is NaN or infinity among samples, given what `look_at_features` found.

    Raises
    ------
    InputError
        If there is.
    """
    if not math.isfinite(total) and not backend.all_finite(x):
        _report_not_finite(backend.xp, "x", x)


def place_targets(backend: Backend, y: Any, loss: Loss, rows: int, n_out: int | None, dtype: str, room: int) -> Array:
    """Return targets on the device, as the loss takes them.

    Integer classes become one-hot rows where these take no more than ``room`` columns; the loss takes both.

    Raises
    ------
    InputError
        If y has the wrong rank or length, does not fit the outputs, holds NaN or infinity, class ids out of range,
        fractions as class ids, or numbers outside what the loss takes.
    """
    xp, y = backend.xp, bring_targets(backend, y, loss, rows, n_out, dtype)
    judge_targets([float(number) for number in look_at_targets(xp, y, loss, dtype)], backend, y, loss, n_out)
    return encode_targets(xp, y, loss, n_out, dtype, room)


def bring_targets(backend: Backend, y: Any, loss: Loss, rows: int, n_out: int | None, dtype: str) -> Array:
    """Return targets on the device as they came, integer classes (rows,) or numbers; their values were not looked at.

    Raises
    ------
    InputError
        If y has the wrong rank or length, does not fit the outputs, or is no array of numbers.
    """
    y = _check_numbers("y", y)
    n_targets = None if n_out is None else loss.count_targets(n_out)
    if y.ndim == 0 or y.shape[0] != rows:
        got = "a single number" if y.ndim == 0 else f"{y.shape[0]}"
        raise InputError(f"y must have one row for each of the {rows} samples of x, got {got}")
    if loss.targets == "classes" and y.ndim == 2 and y.shape[1] == 1 and n_out != 1:
        y = y[:, 0]
    if loss.targets == "classes" and y.ndim == 1:
        whole = not isinstance(y, np.ndarray) or y.dtype.kind in "biu"  # before a backend changes the dtype
        ids = backend.asarray(y) if whole else y
        if not (whole and backend.xp.isdtype(ids.dtype, ("bool", "integral"))):
            raise InputError(
                f"class ids must be whole numbers of an integer dtype, got {ids.dtype}; use y.astype(int), "
                "or one-hot rows for probabilities"
            )
        return ids
    if y.ndim == 1 and n_targets in (1, None):
        y = y[:, None]
    if y.ndim < 2 or (n_targets is not None and tuple(y.shape[1:]) != (n_targets,)):
        why = "as the network's outputs do" if n_targets == n_out else f"one target for all {n_out} outputs"
        raise InputError(f"y must have shape ({rows}, {n_targets}), {why}, got {tuple(y.shape)}")
    return _move(backend, "y", y, dtype, look=False)


def look_at_targets(xp: Any, y: Array, loss: Loss, dtype: str) -> list[Array]:
    """Return numbers of the device that `judge_targets` judges."""
    if _are_ids(y, loss):
        real = xp.astype(y, getattr(xp, dtype))  # not every library takes the minimum of unsigned integers
        return [xp.min(real), xp.max(real)]
    numbers = [xp.sum(y)]
    if loss.targets != "values":
        numbers += [xp.min(y), xp.max(y)]
    if loss.targets == "classes":
        numbers.append(xp.max(xp.abs(xp.sum(y, axis=1) - 1.0)))
    return numbers


def judge_targets(numbers: Sequence[float], backend: Backend, y: Array, loss: Loss, n_out: int | None) -> None:
    """Raise unless targets are within what the loss takes, given what `look_at_targets` found.

    Raises
    ------
    InputError
        If they hold NaN or infinity, class ids out of range, or numbers outside what the loss takes.
    """
    if _are_ids(y, loss):
        low, high = int(numbers[0]), int(numbers[1])
        if low < 0 or (n_out is not None and high >= n_out):
            top = "" if n_out is None else f" to {n_out - 1}, one for each output of the network"
            raise InputError(f"class ids must be from 0{top}; y holds {low if low < 0 else high}")
        return
    if not math.isfinite(numbers[0]) and not backend.all_finite(y):
        _report_not_finite(backend.xp, "y", y)
    if loss.targets == "values":
        return
    if numbers[1] < 0.0:
        raise InputError(f"{loss.name} takes targets of at least 0, y holds {numbers[1]:g}")
    if loss.targets in ("probabilities", "classes") and numbers[2] > 1.0:
        raise InputError(f"{loss.name} takes targets from 0 to 1, y holds {numbers[2]:g}")
    if loss.targets == "classes" and numbers[3] > 1e-3:
        raise InputError(f"{loss.name} takes one-hot rows, or probabilities that sum to 1; rows of y do not")


def encode_targets(xp: Any, y: Array, loss: Loss, n_out: int | None, dtype: str, room: int) -> Array:
    """Return targets as the loss takes them: class ids as one-hot rows of up to ``room`` columns, or as they are."""
    if not _are_ids(y, loss):
        return y
    ids = xp.astype(y, xp.int32)
    if n_out is None or n_out > max(room, 16):
        return ids
    return one_hot(xp, ids, n_out, getattr(xp, dtype))


def _are_ids(y: Array, loss: Loss) -> bool:
    """Tell whether targets that were brought to the device are classes by number."""
    return loss.targets == "classes" and y.ndim == 1


def place_weights(backend: Backend, weight: Any, rows: int, dtype: str, whole: bool = True) -> Array | None:
    """Return sample weights on the device, or None where there are none.

    Parameters
    ----------
    backend : Backend
    weight : array_like (rows,) or None
    rows : int
    dtype : str
        The network's.
    whole : bool
        Whether these are all samples, so that one of them must count; False for one batch of many.

    Raises
    ------
    InputError
        If there is not one weight for each sample, one is negative, NaN or infinite, all are zero, or their sum is too
        large or too small for the dtype.
    """
    if weight is None:
        return None
    weight = _check_numbers("sample_weight", weight)
    if tuple(weight.shape) != (rows,):
        raise InputError(f"sample_weight must have shape ({rows},), one for each sample, got {tuple(weight.shape)}")
    weight = _move(backend, "sample_weight", weight, dtype)
    if float(backend.xp.min(weight)) < 0.0:
        raise InputError("sample_weight must be at least 0 everywhere")
    check_mass("sample_weight", float(backend.xp.sum(weight)), dtype, whole)
    return weight


def check_mass(name: str, mass: float, dtype: str, whole: bool = True) -> None:
    """Raise unless a loss can be divided by the sum of weights: divided by infinity it is 0, and nothing is learned.

    The inverse of the sum must be a normal number of the dtype too: XLA multiplies by it, and takes smaller ones as 0.

    Parameters
    ----------
    name : str
        What the weights are called in errors.
    mass : float
        Their sum.
    dtype : str
    whole : bool
        Whether these are all weights, so that their sum must be above 0.
    """
    low = float(np.finfo(dtype).tiny)
    high = 0.5 / low
    if not mass <= high:
        raise InputError(
            f"the sum of {name} is above {high:.1e}, and no loss in {dtype} can be divided by it; divide all weights "
            "by one number"
        )
    if whole and mass <= 0.0:
        raise InputError(f"{name} is 0 for every sample: there is nothing to learn from")
    if 0.0 < mass < low:
        raise InputError(
            f"the sum of {name} is {mass:.1e}, and no loss in {dtype} can be divided by what is below {low:.1e}; "
            "multiply all weights by one number"
        )


def check_together(**arrays: Any) -> None:
    """Raise unless all arrays are of one library on one device; host data of several libraries is one."""
    places = {}
    for name, array in arrays.items():
        if array is not None and type(array) is not np.ndarray:
            check_real(name, array)
        backend = None if array is None else backend_of(array)
        if backend is not None:
            places[name] = backend.spec
    kinds = {spec.split(":")[0] if spec != "numpy" else spec for spec in places.values()}
    if len(set(places.values())) > 1:
        what = "two libraries" if len(kinds) > 1 else "two devices"
        listed = ", ".join(f"{name} is on {spec}" for name, spec in places.items())
        raise InputError(f"arrays of {what} are mixed: {listed}; bring them to one, with bpx.to_numpy for example")


def _check_numbers(name: str, data: Any) -> Any:
    """Return ``data`` as an array of numbers: on the host as NumPy's, on a device as it is."""
    if type(data) is np.ndarray and data.dtype.char in "fd" and data.dtype.isnative:
        return data
    if data is None:
        raise InputError(f"{name} is missing: got None")
    check_real(name, data)
    backend = backend_of(data)
    if backend is not None and not backend.on_host:
        return data
    if backend is not None and backend.name != "numpy":
        return data
    host = host_array(data)
    if host.dtype == np.bool_:
        return host.astype(np.int8)
    if host.dtype.kind == "O":
        strange = next((value for value in host.flat if isinstance(value, _NO_NUMBERS)), None)
        if strange is not None:  # NumPy would read text, drop imaginary parts, and count days
            raise InputError(f"{name} must hold numbers, got objects: {strange!r} among them")
        try:
            host = host.astype(np.float64)
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise InputError(f"{name} must hold numbers, got objects: {error}") from error
    if host.dtype.kind not in "iuf":
        raise InputError(f"{name} must hold real numbers, got dtype {host.dtype}")
    return host


def _move(backend: Backend, name: str, data: Any, dtype: str, look: bool = True) -> Array:
    """Return numbers on the device; raise if NaN or infinity is among them, as far as that is seen without asking it.

    With ``look`` it is asked.
    """
    if backend.name != "numpy" and isinstance(data, np.ndarray) and data.size <= CHECKED_ON_HOST:
        with np.errstate(over="ignore", invalid="ignore"):
            data = data.astype(dtype, copy=False)
            if not all_finite(data):
                _report_not_finite(numpy_namespace(), name, data)
        return backend.asarray(data, dtype)
    array = backend.asarray(data, dtype)
    if look and not backend.all_finite(array):
        _report_not_finite(backend.xp, name, array)
    return array


def _report_not_finite(xp: Any, name: str, array: Array) -> NoReturn:
    """Raise for an array that holds NaN or infinity."""
    bad = int(xp.sum(xp.astype(~xp.isfinite(array), xp.int32)))
    what, these = ("1 value that is", "this value") if bad == 1 else (f"{bad} values that are", "these values")
    raise InputError(f"{name} holds {what} NaN or infinite (as {array.dtype}); remove or replace {these} first")
