"""Classes out of what people have of them: numbers, texts, one-hot rows, probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from bpx.backend.transfer import to_numpy
from bpx.errors import InputError
from bpx.layers import Sigmoid, Softmax
from bpx.markup import escape_controls
from bpx.network import Network


def check_network(net: Any) -> None:
    """Raise unless ``net`` is a network.

    Raises
    ------
    InputError
        If it is anything else.
    """
    if not isinstance(net, Network):
        kind = f"the class {net.__name__}" if isinstance(net, type) else f"an object of the class {type(net).__name__}"
        raise InputError(f"net must be a bpx.Network, got {kind}")


def read_array(name: str, data: Any) -> np.ndarray:
    """Return data of any backend as an array on the host.

    Raises
    ------
    InputError
        If its rows are of different lengths.
    """
    try:
        return to_numpy(data)
    except ValueError as error:
        raise InputError(f"{name} must be an array, and this {type(data).__name__} is none: {error}") from error


def list_names(name: str, names: Any) -> list[str] | None:
    """Return names as a list of text; None as it is.

    Raises
    ------
    InputError
        If they are no sequence.
    """
    if names is None:
        return None
    if isinstance(names, (Mapping, Set)) or not isinstance(names, Iterable):
        raise InputError(f"{name} must be a sequence of names such as ['no', 'yes'], got {type(names).__name__}")
    return [str(one) for one in names]


def show_names(names: Sequence[str]) -> list[str]:
    """Return names as a picture shows them: control characters escaped, which no font has, and XML must not hold."""
    return [escape_controls(name) for name in names]


def find_labels(name: str, data: Any) -> np.ndarray:
    """Return one label for each sample.

    Parameters
    ----------
    name : str
        What the data is called, for errors.
    data : array_like
        (samples,) or (samples, 1): labels, or probabilities of yes; (samples, classes): one-hot rows or probabilities.
        Arrays of any backend.

    Returns
    -------
    numpy.ndarray (samples,)
        Texts as they are; whole numbers as int64; 0 or 1 for probabilities of yes.

    Raises
    ------
    InputError
        If the shape is another, or there are no samples.
    """
    array = read_array(name, data)
    if array.ndim not in (1, 2) or not array.size:
        raise InputError(
            f"{name} must be one label for each sample, (samples,), or one row of probabilities, (samples, classes), "
            f"got shape {array.shape}"
        )
    if array.ndim == 2 and array.shape[1] > 1:
        classes: np.ndarray = np.argmax(array, axis=1)
        return classes
    array = array.reshape(-1)
    if array.dtype.kind not in "fiub":
        return array.astype(str)
    if array.dtype.kind == "f" and not (array == np.round(array)).all():
        if not (np.isfinite(array).all() and array.min() >= 0.0 and array.max() <= 1.0):
            raise InputError(f"{name} must hold labels, or probabilities from 0 to 1, got other fractions")
        return (array > 0.5).astype(np.int64)
    return array.astype(np.int64)


def check_names(class_names: Sequence[Any] | None, n_classes: int) -> list[str]:
    """Return the names of the classes; their numbers where none are given.

    Raises
    ------
    InputError
        If they are no sequence, or not as many as classes.
    """
    names = list_names("class_names", class_names)
    if names is None:
        return [str(i) for i in range(n_classes)]
    if len(names) != n_classes:
        raise InputError(f"class_names must hold one name for each of the {n_classes} classes, got {len(names)}")
    return names


def decides(net: Network, y: np.ndarray | None = None) -> bool:
    """Tell whether the network's outputs decide for one class of several, or for yes or no.

    One output without a sigmoid and without a cross-entropy does if all targets are 0 or 1.
    """
    last, targets = net.layers[-1], net.loss.targets
    if targets == "classes" or isinstance(last, Softmax):
        return True
    if net.output_shape not in ((1,), None):
        return False
    if targets == "probabilities" or isinstance(last, Sigmoid):
        return True
    return targets == "values" and y is not None and y.dtype.kind in "fiub" and bool(np.isin(y, (0, 1)).all())


def compute_class_probabilities(net: Network, x: np.ndarray) -> np.ndarray:
    """Return a row for each sample with a column for each class, of a network that decides; they sum to 1."""
    p = to_numpy(net.predict(x)).astype(np.float64)
    return np.hstack([1.0 - p, p]) if p.shape[1] == 1 else p
