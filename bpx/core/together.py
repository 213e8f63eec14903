"""Measuring and predicting by several processes: each takes a part of the samples, and all get all of the results."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.backend.base import Array
from bpx.backend.transfer import host_array, library_of
from bpx.backend.trees import list_leaves
from bpx.core.evaluation import check_metrics, measure
from bpx.core.file_rows import FileRows, MappedArrays, check_limit, is_larger, join, join_lists, predict_rows
from bpx.core.model import Data, Model
from bpx.errors import InputError
from bpx.metrics import Metric

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator


def measure_together(
    net: Model,
    communicator: Communicator,
    x: Any,
    y: Any,
    weight: Any,
    metrics: Sequence[Metric],
    memory_limit: int | None = None,
) -> dict[str, float]:
    """Return loss and metrics of samples of which each process takes a part; of files that is all it reads.

    Raises
    ------
    InputError
        On all of them, if the data is not what the network takes, or not the same on all.
    """
    pieces: list[Iterable[Data]] = []

    def place() -> dict[str, Any]:
        limit, given = check_limit(memory_limit), join_lists(net, x, y, weight)
        check_metrics(net, metrics, None)
        data = [None if each is None else _take_array(each) for each in given]
        if is_larger(net, given[0], limit):
            mapped = MappedArrays(net, *given, limit)
            pieces.append(mapped.read_pieces(communicator.find_part(mapped.rows), communicator.size))
        else:
            lengths = [len(each) for each in data if each is not None]
            if len(set(lengths)) > 1:
                net.place(join(data[0]), join(data[1]), join(data[2]))  # which says what is wrong
            own, part = _find_own(communicator, lengths[0])
            parts = [None if each is None else each[own] for each in data]
            x_own, y_own, w_own = net.place(parts[0], parts[1], parts[2], whole=False)
            pieces.append([(x_own[part, ...], y_own[part, ...], None if w_own is None else w_own[part])])
        found = {name: _describe_array(array) for name, array in zip(("x", "y", "sample_weight"), data, strict=True)}
        return {**found, "metrics": [metric.name for metric in metrics], **_describe_network(net)}

    with communicator.calling("evaluate"):
        _check_same(communicator, communicator.together(place))
        return measure(net, pieces[0], metrics, communicator)


def predict_together(net: Model, communicator: Communicator, x: Any, memory_limit: int | None = None) -> Array:
    """Return the predictions of samples of which each process takes a part; all get all, on the device.

    Of samples in files it reads its part alone, those of many rows piece by piece.

    Raises
    ------
    InputError
        On all of them, if the samples are not what the network takes, or not the same on all.
    """
    backend = net.backend
    made: list[Any] = []

    def predict() -> dict[str, Any]:
        limit = check_limit(memory_limit)
        samples, *_ = join_lists(net, x)
        if is_larger(net, samples, limit):
            span = communicator.find_part(len(samples))
            with backend.computing():
                found = predict_rows(net, samples, limit, span, communicator.size)
            made.append([backend.to_numpy(each) for each in found])
        else:
            samples = _take_array(samples)
            own, part = _find_own(communicator, len(samples) if samples.ndim else 0)
            with backend.computing():
                predictions = net.compute_predictions(net.place_samples(samples[own], look=True))
            made.append([backend.to_numpy(predictions[part, ...])])
        return {"x": _describe_array(samples), **_describe_network(net)}

    with communicator.calling("predict"):
        _check_same(communicator, communicator.together(predict))
        parts = communicator.gather(made[0])
        return backend.xp.concat([backend.asarray(piece) for part in parts for piece in part])


def _take_array(data: Any) -> Any:
    """Return data whose rows can be counted and taken: arrays as they are, lists as arrays of the host."""
    if isinstance(data, FileRows) or (hasattr(data, "shape") and library_of(data) is not None):
        return data
    return host_array(data)


def _find_own(communicator: Communicator, rows: int) -> tuple[slice, slice]:
    """Return the rows to read of some rows, at least one, and which of those are this process's, perhaps none."""
    first, end = communicator.find_part(rows)
    if first < end:
        return slice(first, end), slice(None)
    return slice(0, 1), slice(0, 0)


def _describe_array(array: Any) -> str:
    """Return what an array is, without a look at its numbers: each process reads its own rows only."""
    return "nothing" if array is None else f"{array.dtype} of shape {tuple(array.shape)}"


def _describe_network(net: Model) -> dict[str, Any]:
    """Return what must be the same of a network that several processes compute with."""
    layers = [type(layer).__name__ for layer in net.layers]
    return {"the layers": layers, "the loss": type(net.loss).__name__, "the parameters' hash": hash_parameters(net)}


def hash_parameters(net: Model) -> str:
    """Return a hash of the bits of a network's parameters and running statistics."""
    digest = hashlib.blake2b(digest_size=8)
    for array in list_leaves([net.params, net.state]):
        digest.update(np.ascontiguousarray(net.backend.to_numpy(array)).tobytes())
    return digest.hexdigest()


def _check_same(communicator: Communicator, said: list[dict[str, Any]]) -> None:
    """Raise, on all processes, unless they were given data of the same kind, and the same network."""
    for rank, each in enumerate(said):
        names = [name for name in each if each[name] != said[0][name]]
        if names:
            found = "; ".join(f"{name}: {each[name]}, and {said[0][name]} there" for name in names)
            raise communicator.mark(InputError(f"rank {rank} was given something else than rank 0; {found}"))
