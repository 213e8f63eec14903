"""Training steps that the device repeats by itself: recorded once, then started with one call each.

A small step on a GPU is dozens of kernels that the host starts one by one, and starting takes longer than computing.
Where the library can record what a step gives the device to do (a CUDA graph), the loop here does so after some steps
made plainly. A recording always reads and writes the same memory, so everything that changes from step to step lies in
buffers: a counter says which row of the inputs is read and where the loss is written.
"""

from __future__ import annotations

import weakref
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import numpy as np

from bpx.backend.base import Array, Backend, Body, EveryStep
from bpx.backend.buffered import BufferedCall, BufferedLoop
from bpx.backend.recording import RecordedStep, count_bytes, find_kind, move_column, take_row
from bpx.backend.trees import are_same, list_leaves, overwrite, rebuild

BUFFERED_STEPS = 256
"""Steps whose inputs and losses the buffers hold: so many run between two transfers."""

PLAIN_STEPS = 8
"""Steps of one kind made plainly before one is recorded: a short training is not worth it, and kernels get compiled."""


class CapturingBackend(Backend):
    """A backend whose library can record the device's work of a step.

    Attributes
    ----------
    captures : bool
        Whether it can on this device; where it cannot, steps are made call by call.
    """

    captures: bool = True

    @abstractmethod
    def capture(self, step: Callable[[], None]) -> Callable[[], None]:
        """Record what ``step`` gives the device to do, without doing it, and return a function that has it done.

        Memory that the step allocates belongs to the recording and lives as long as that function, which may have an
        attribute ``nbytes`` that counts it.

        Raises
        ------
        CaptureError
            If something in the step cannot be recorded, such as waiting for the device.
        """

    def per_step(self, values: np.ndarray, dtype: str, constant: bool = False) -> Any:
        if not self.captures:
            return super().per_step(values, dtype, constant)
        rows = np.asarray(values, dtype=dtype)
        return EveryStep(rows[0]) if constant else rows

    def rows_per_step(self, order: np.ndarray) -> Any:
        return order if self.captures else super().rows_per_step(order)

    def loop(self, body: Body, pure: bool = False) -> Callable[..., tuple[Any, np.ndarray]]:
        if not self.captures:
            return super().loop(body, pure)
        on_data, on_batch = CapturedLoop(self, body, getattr(body, "agree", None)), getattr(body, "on_batch", None)
        return BufferedLoop(self, body, on_batch, on_data) if on_batch else on_data

    def gather(self, values: list[Array]) -> Array:
        numbers = self.xp.zeros(len(values), dtype=values[0].dtype)
        for i, number in enumerate(values):  # a stack of them may be moved by way of the host, which no recording can
            numbers[i] = number
        return numbers

    @property
    def repeats(self) -> bool:
        return self.captures

    def repeat(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return BufferedCall(self, function) if self.repeats else function


class Way(IntEnum):
    """How steps are made; of several processes all take the least that one of them would."""

    PLAINLY = 0
    """Call by call."""

    RECORDING = 1
    """By a recording that is made now."""

    REPEATING = 2
    """By one that was made before."""


class CapturedLoop:
    """The loop over steps: plainly at first, then by recordings, one for each shape that the inputs have.

    A recording is dropped as soon as other arrays are trained, or trained on. It keeps none of them alive.

    Parameters
    ----------
    backend : CapturingBackend
    body : callable
        As for `Backend.loop`.
    agree : callable or None
        ``agree(number)`` returns the least number of all processes that make these steps together; None: there is one.

    Notes
    -----
    Where a step has sums over processes in it, NCCL asks that a sum be recorded on all or on none, and that all repeat
    recordings that were made together. Processes may see different reasons to record, such as another number of rows,
    an array that lies on another card, or memory that is full on one. So each says which way it would go, and all go
    the same: once a call, and once more when a recording was made or refused. When the training ends, the recordings
    are dropped: a connection of NCCL does not close as long as one of them lives.
    """

    def __init__(self, backend: CapturingBackend, body: Body, agree: Callable[[int], int] | None = None) -> None:
        self._backend = backend
        self._body = body
        self._agree = agree
        self._arrays: list[weakref.ref[Any]] = []
        self._recordings: dict[Any, _Recording] = {}
        self._made: Counter[Any] = Counter()
        self._refused = False

    def __call__(self, carry: Any, data: Any, inputs: tuple[Any, ...], length: int) -> tuple[Any, np.ndarray]:
        arrays = [*list_leaves(carry), *list_leaves(data)]
        if not are_same(arrays, [ref() for ref in self._arrays]):
            self.drop()
            self._arrays = [weakref.ref(array) for array in arrays]
        kind = tuple(find_kind(column) for column in inputs)
        recording = self._recordings.get(kind)
        way = Way.RECORDING if recording is None else Way.REPEATING
        if self._refused or self._made[kind] + length <= PLAIN_STEPS:
            way = Way.PLAINLY
        if self._agree is not None:
            way = Way(self._agree(way))
        if way == Way.PLAINLY:
            self._made[kind] += length
            return carry, self._run_plainly(carry, data, inputs, length)
        if recording is None or way == Way.RECORDING:
            recording = _Recording(self._backend, self.step, carry, data, inputs, self._agree)
            self._recordings[kind] = recording
        losses = recording.run(inputs, length)
        if recording.refused:
            self._refused = True
            self._recordings.clear()
        return carry, losses

    def release(self) -> None:
        """Be ready for the next fit, which tries again where a recording was refused."""
        self._refused = False
        if self._agree is not None:
            self.drop()

    def drop(self) -> None:
        """Let go of the recordings and of their memory."""
        self._recordings.clear()
        self._made.clear()
        self._arrays = []

    @property
    def nbytes(self) -> int:
        """Bytes that the recordings hold."""
        return sum(recording.nbytes for recording in list(self._recordings.values()))

    def step(self, carry: Any, data: Any, inputs: tuple[Any, ...]) -> Array:
        """Make one step, with its results written into the arrays of ``carry``; return the loss."""
        before = list_leaves(carry)
        after, loss = self._body(rebuild(carry, iter(before)), data, inputs)
        overwrite(before, list_leaves(after))
        return loss

    def _run_plainly(self, carry: Any, data: Any, inputs: tuple[Any, ...], length: int) -> np.ndarray:
        columns = [move_column(self._backend, column) for column in inputs]
        losses = [self.step(carry, data, tuple(take_row(column, i) for column in columns)) for i in range(length)]
        return self._backend.fetch_scalars(losses)


class _Recording:
    """One recorded step and its buffers.

    Parameters
    ----------
    backend : CapturingBackend
    step : callable
        ``step(carry, data, inputs) -> loss``, which writes into the arrays of ``carry``.
    carry, data
        Arrays that the recording reads and writes.
    inputs : tuple
        One column for each input: their shapes and types are those of every later run.
    agree : callable or None
        As for `CapturedLoop`.
    """

    def __init__(
        self,
        backend: CapturingBackend,
        step: Callable[..., Array],
        carry: Any,
        data: Any,
        inputs: tuple[Any, ...],
        agree: Callable[[int], int] | None,
    ) -> None:
        self._backend, xp = backend, backend.xp
        self._counter = backend.asarray(np.zeros(1, dtype=np.int64))
        self._losses = xp.zeros(BUFFERED_STEPS, dtype=[*list_leaves(carry), *list_leaves(data)][0].dtype)
        self._buffers = [
            backend.asarray(np.zeros((BUFFERED_STEPS, *column.shape[1:]), dtype=column.dtype))
            if isinstance(column, np.ndarray)
            else move_column(backend, column)
            for column in inputs
        ]

        def buffered_step() -> None:
            rows = [
                xp.take(buffer, self._counter, axis=0)[0, ...]
                if isinstance(column, np.ndarray)
                else take_row(buffer, 0)
                for buffer, column in zip(self._buffers, inputs, strict=True)
            ]
            self._losses[self._counter] = step(carry, data, tuple(rows))
            self._counter += 1

        self._step = RecordedStep(backend, buffered_step, agree)

    def run(self, inputs: tuple[Any, ...], length: int) -> np.ndarray:
        """Make some steps and return their losses."""
        losses = np.empty(length)
        for start in range(0, length, BUFFERED_STEPS):
            stop = min(start + BUFFERED_STEPS, length)
            for buffer, column in zip(self._buffers, inputs, strict=True):
                if isinstance(column, np.ndarray):
                    buffer[: stop - start, ...] = self._backend.asarray(column[start:stop])
            self._counter[...] = 0
            self._step.repeat(stop - start)
            losses[start:stop] = self._backend.to_numpy(self._losses[: stop - start])
        return losses

    @property
    def refused(self) -> bool:
        """Whether the step could not be recorded."""
        return self._step.refused

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers, and of the memory that the recorded step works in as far as the library counts it."""
        buffers = [self._counter, self._losses, *list_leaves(self._buffers)]
        return count_bytes(buffers) + self._step.nbytes
