"""Measuring and predicting by several processes: each takes a part of the samples, and all get all of the results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bpx.backend.base import Array
from bpx.backend.transfer import host_array, library_of
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

    def place() -> list[int]:
        limit, given = check_limit(memory_limit), join_lists(net, x, y, weight)
        check_metrics(net, metrics, None)
        if is_larger(net, given[0], limit):
            mapped = MappedArrays(net, *given, limit)
            pieces.append(mapped.read_pieces(communicator.find_part(mapped.rows), communicator.size))
            return [mapped.rows]
        data = [None if each is None else _take_array(each) for each in given]
        lengths = [len(each) for each in data if each is not None]
        if len(set(lengths)) > 1:
            net.place(join(data[0]), join(data[1]), join(data[2]))  # which says what is wrong
        own, part = _find_own(communicator, lengths[0])
        parts = [None if each is None else each[own] for each in data]
        x_own, y_own, w_own = net.place(parts[0], parts[1], parts[2], whole=False)
        pieces.append([(x_own[part, ...], y_own[part, ...], None if w_own is None else w_own[part])])
        return lengths

    with communicator.guarding():
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

    def predict() -> int:
        limit = check_limit(memory_limit)
        samples, *_ = join_lists(net, x)
        if is_larger(net, samples, limit):
            span = communicator.find_part(len(samples))
            with backend.computing():
                found = predict_rows(net, samples, limit, span, communicator.size)
            made.append([backend.to_numpy(each) for each in found])
            return len(samples)
        samples = _take_array(samples)
        own, part = _find_own(communicator, len(samples) if samples.ndim else 0)
        with backend.computing():
            predictions = net.compute_predictions(net.place_samples(samples[own], look=True))
        made.append([backend.to_numpy(predictions[part, ...])])
        return len(samples)

    with communicator.guarding():
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


def _check_same(communicator: Communicator, said: list[Any]) -> None:
    """Raise, on all processes, unless they were given as many rows."""
    for rank, each in enumerate(said):
        if each != said[0]:
            error = InputError(f"rank {rank} was given other data than rank 0: {each} rows, and {said[0]} there")
            raise communicator.mark(error)
