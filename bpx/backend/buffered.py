"""Recordings that belong to a network: they read buffers, and so fit every call whose arrays have the same shapes.

`bpx.backend.captured.CapturedLoop` records a step on the arrays that a fit was given, and again for the next fit. Here
the rows of many batches are gathered into a buffer at once, and the recorded step takes its batch from there. What a
recording holds are the network's own arrays, and as soon as one of them is replaced it is dropped.
"""

from __future__ import annotations

import threading
import weakref
from collections import Counter
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from bpx.backend.base import Array, Backend, EveryStep
from bpx.backend.recording import RecordedStep, count_bytes, find_kind, move_column, record, take_row
from bpx.backend.trees import are_same, list_leaves, overwrite, rebuild

BUFFERED_STEPS = 256
"""Steps whose numbers and losses the buffers hold."""

BATCHES_BYTES = 32 * 1024 * 1024
"""Memory of the batches that are gathered at once; a single batch may be larger."""

WHOLE_SET_BYTES = 64 * 1024 * 1024
"""Data up to which a step on the whole set reads a copy of it; of more, the recording is made on the data itself."""

CALL_BYTES = 64 * 1024 * 1024
"""Arguments up to which a prediction is recorded: with more rows the device computes for longer than starting takes."""

PLAIN_STEPS = 8
"""Steps of one kind made plainly before one is recorded, over all fits: kernels get compiled, and memory pools warm."""

PLAIN_CALLS = 2
"""Predictions of one shape made plainly before one is recorded."""

MOST_RECORDINGS = 4
"""Recordings that a program keeps, those used last."""

_clock = count(1)


class _Kept:
    """Recordings by kind: dropped as soon as one of the network's arrays that they read is replaced or gone."""

    def __init__(self) -> None:
        self._owned: list[weakref.ref[Any]] = []
        self._recordings: dict[Any, Any] = {}
        self._made: Counter[Any] = Counter()
        self._refused: set[Any] = set()
        self.last_used = 0

    def release(self) -> None:
        """Be ready for the next fit, which tries again where a recording was refused."""
        self._refused.clear()

    def drop(self) -> None:
        """Let go of the recordings and of their memory."""
        self._owned = []
        self._recordings.clear()
        self._made.clear()

    @property
    def nbytes(self) -> int:
        """Bytes that the recordings hold."""
        return sum(recording.nbytes for recording in list(self._recordings.values()))

    def _own(self, arrays: list[Array]) -> None:
        """Drop what reads other arrays than these."""
        self.last_used = next(_clock)
        if not are_same(arrays, [ref() for ref in self._owned]):
            self.drop()
            recordings = self._recordings
            self._owned = [weakref.ref(array, lambda _: recordings.clear()) for array in arrays]

    def _find(self, kind: Any, make: Callable[[], Any]) -> Any:
        """Return the recording of a kind, the newest from now on; the oldest makes room."""
        recording = self._recordings.pop(kind, None) or make()
        self._recordings[kind] = recording
        while len(self._recordings) > MOST_RECORDINGS:
            del self._recordings[next(iter(self._recordings))]
        return recording

    def _refuse(self, kind: Any) -> None:
        self._refused.add(kind)
        self._recordings.pop(kind, None)


class BufferedLoop(_Kept):
    """The loop over steps by recordings that outlive a fit, one for each shape that a batch has.

    Parameters
    ----------
    backend : CapturingBackend
    body, on_batch : callable
        As for `Backend.loop`.
    on_data : CapturedLoop
        The loop for what is too large to copy.
    """

    def __init__(self, backend: Any, body: Callable[..., Any], on_batch: Callable[..., Any], on_data: Any) -> None:
        super().__init__()
        self._backend, self._body, self._on_batch, self._on_data = backend, body, on_batch, on_data

    def __call__(self, carry: Any, data: Any, inputs: tuple[Any, ...], length: int) -> tuple[Any, np.ndarray]:
        rows, *others = inputs
        arrays = list_leaves(data)
        if rows is None and count_bytes(arrays) > WHOLE_SET_BYTES:
            return self._on_data(carry, data, inputs, length)  # type: ignore[no-any-return]
        self._own(list_leaves(carry))
        batch = arrays[0].shape[0] if rows is None else rows.shape[1]
        shapes = tuple((batch, *array.shape[1:], str(array.dtype)) for array in arrays)
        columns = tuple(c.row.shape if isinstance(c, EveryStep) else find_kind(c) for c in others)
        kind = (rows is None, shapes, columns)
        plainly = kind not in self._recordings and self._made[kind] + length <= PLAIN_STEPS
        if plainly or kind in self._refused:
            self._made[kind] += length
            return carry, self._run_plainly(carry, data, inputs, length)
        recording = self._find(kind, lambda: _BufferedSteps(self._backend, self._step, carry, data, inputs))
        losses = recording.run(data, inputs, length)
        if recording.refused:
            self._refuse(kind)
        return carry, losses

    def drop(self) -> None:
        super().drop()
        self._on_data.drop()

    def release(self) -> None:
        super().release()
        self._on_data.release()

    @property
    def nbytes(self) -> int:
        """Bytes that the recordings hold."""
        return super().nbytes + int(self._on_data.nbytes)

    def _step(self, carry: Any, data: Any, inputs: tuple[Any, ...], body: Callable[..., Any] | None = None) -> Array:
        """Make one step on a batch, with its results written into the arrays of ``carry``; return the loss."""
        before = list_leaves(carry)
        after, loss = (body or self._on_batch)(rebuild(carry, iter(before)), data, inputs)
        overwrite(before, list_leaves(after))
        return loss

    def _run_plainly(self, carry: Any, data: Any, inputs: tuple[Any, ...], length: int) -> np.ndarray:
        columns = [move_column(self._backend, column) for column in inputs]
        losses = [
            self._step(carry, data, tuple(take_row(column, i) for column in columns), self._body) for i in range(length)
        ]
        return self._backend.fetch_scalars(losses)  # type: ignore[no-any-return]


class _BufferedSteps:
    """One recorded step on a batch, and its buffers.

    Parameters
    ----------
    backend : CapturingBackend
    step : callable
        ``step(carry, batch, inputs) -> loss``, which writes into the arrays of ``carry``.
    carry
        The network's arrays.
    data, inputs
        Those of a run: their shapes and types are those of every later one.
    """

    def __init__(
        self, backend: Any, step: Callable[..., Array], carry: Any, data: Any, inputs: tuple[Any, ...]
    ) -> None:
        self._backend, xp = backend, backend.xp
        rows, *others = inputs
        arrays = list_leaves(data)
        self._gathers = rows is not None
        batch = rows.shape[1] if self._gathers else arrays[0].shape[0]
        size = batch * count_bytes(arrays) // arrays[0].shape[0]
        self._steps = max(1, min(BUFFERED_STEPS, BATCHES_BYTES // size)) if self._gathers else BUFFERED_STEPS
        depth = self._steps if self._gathers else 1
        self._batches = [xp.zeros((depth, batch, *array.shape[1:]), dtype=array.dtype) for array in arrays]
        self._counter = backend.asarray(np.zeros(1, dtype=np.int64))
        self._losses = xp.zeros(self._steps, dtype=arrays[0].dtype)
        self._columns: list[Any] = [
            backend.asarray(np.zeros((self._steps, *column.shape[1:]), dtype=column.dtype))
            if isinstance(column, np.ndarray)
            else EveryStep(backend.copy(backend.asarray(column.row)))
            if isinstance(column, EveryStep)
            else None
            for column in others
        ]
        self._rows_set: list[Any] = [column.row if isinstance(column, EveryStep) else None for column in others]
        kinds = [isinstance(column, np.ndarray) for column in others]

        def buffered_step() -> None:
            taken = [
                xp.take(buffer, self._counter, axis=0)[0, ...] if depth > 1 else buffer[0, ...]
                for buffer in self._batches
            ]
            numbers = [
                xp.take(buffer, self._counter, axis=0)[0, ...] if changes else take_row(buffer, 0)
                for buffer, changes in zip(self._columns, kinds, strict=True)
            ]
            self._losses[self._counter] = step(carry, rebuild(data, iter(taken)), (None, *numbers))
            self._counter += 1

        data = rebuild(data, iter(range(len(arrays))))  # its form alone: no array of a caller's stays alive
        self._step = RecordedStep(backend, buffered_step)

    def run(self, data: Any, inputs: tuple[Any, ...], length: int) -> np.ndarray:
        """Make some steps and return their losses, which are fetched once."""
        rows, *others = inputs
        arrays, parts = list_leaves(data), []
        for i, column in enumerate(others):
            if isinstance(column, EveryStep) and column.row.tobytes() != self._rows_set[i].tobytes():
                self._columns[i].row[...] = self._backend.asarray(column.row)
                self._rows_set[i] = column.row
        if not self._gathers:
            for buffer, array in zip(self._batches, arrays, strict=True):
                buffer[0, ...] = array
        for start in range(0, length, self._steps):
            stop = min(start + self._steps, length)
            if self._gathers:
                self._gather(arrays, rows[start:stop])
            for buffer, column in zip(self._columns, others, strict=True):
                if isinstance(column, np.ndarray):
                    buffer[: stop - start, ...] = self._backend.asarray(column[start:stop])
            self._counter[...] = 0
            self._step.repeat(stop - start)
            part = self._losses[: stop - start]
            parts.append(part if stop == length else self._backend.copy(part))
        together = parts[0] if len(parts) == 1 else self._backend.xp.concat(parts)
        return self._backend.to_numpy(together).astype(np.float64)  # type: ignore[no-any-return]

    def _gather(self, arrays: list[Array], rows: np.ndarray) -> None:
        """Bring the rows of some batches into the buffers: in one piece, where they follow each other."""
        xp, order = self._backend.xp, np.ascontiguousarray(rows).reshape(-1)
        piece = (order[1:] - order[:-1] == 1).all()
        numbers = None if piece else self._backend.asarray(order)
        for buffer, array in zip(self._batches, arrays, strict=True):
            taken = array[int(order[0]) : int(order[-1]) + 1, ...] if piece else xp.take(array, numbers, axis=0)
            buffer[: rows.shape[0], ...] = xp.reshape(taken, (rows.shape[0], *buffer.shape[1:]))

    @property
    def refused(self) -> bool:
        """Whether the step could not be recorded."""
        return self._step.refused

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers, and of the memory that the recorded step works in as far as the library counts it."""
        buffers = [self._counter, self._losses, *self._batches, *list_leaves(self._columns)]
        return count_bytes(buffers) + self._step.nbytes


class BufferedCall(_Kept):
    """A function of a network's arrays and of others, by recordings: one for each shape of the others.

    Parameters
    ----------
    backend : CapturingBackend
    function : callable
        As for `Backend.repeat`.
    """

    def __init__(self, backend: Backend, function: Callable[..., Any]) -> None:
        super().__init__()
        self._backend, self._function = backend, function
        self._lock = threading.Lock()

    def __call__(self, params: Any, state: Any, *arrays: Array) -> Any:
        if count_bytes(arrays) > CALL_BYTES or not self._lock.acquire(blocking=False):
            return self._call_plainly(params, state, *arrays)  # the buffers are another thread's for the moment
        try:
            self._own(list_leaves((params, state)))
            kind = tuple((tuple(array.shape), array.dtype) for array in arrays)
            if kind in self._refused or (kind not in self._recordings and self._made[kind] < PLAIN_CALLS):
                self._made[kind] += 1
                return self._call_plainly(params, state, *arrays)
            call = self._find(kind, lambda: _RecordedCall(self._backend, self._function, params, state, arrays))
            result = call.run(arrays)
            if call.refused:
                self._refuse(kind)
            return result
        finally:
            self._lock.release()

    def _call_plainly(self, *arguments: Any) -> Any:
        result = self._function(*arguments)
        return (result[0], self._backend.to_numpy(result[1])) if isinstance(result, tuple) else result


class _RecordedCall:
    """A recorded call with buffers for its arguments; the array that it returns is copied for the caller."""

    def __init__(
        self, backend: Any, function: Callable[..., Any], params: Any, state: Any, arrays: tuple[Array, ...]
    ) -> None:
        self._backend = backend
        self._buffers = [backend.copy(array) for array in arrays]
        self._result: Any = None

        def buffered_call() -> None:
            self._result = function(params, state, *self._buffers)

        launch = record(backend.capture, buffered_call, "the prediction", backend.spec)
        self.refused = launch is None
        self._launch = launch or buffered_call

    def run(self, arrays: tuple[Array, ...]) -> Any:
        """Return what the function makes of some arrays."""
        for buffer, array in zip(self._buffers, arrays, strict=True):
            buffer[...] = array
        self._launch()
        if not isinstance(self._result, tuple):
            return self._backend.copy(self._result)
        array, numbers = self._result
        copied = None if array is None else self._backend.copy(array)
        return copied, self._backend.to_numpy(numbers)  # which waits for the device, and so comes last

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers, and of the memory that the recorded call works in as far as the library counts it."""
        return count_bytes(self._buffers) + int(getattr(self._launch, "nbytes", 0))
