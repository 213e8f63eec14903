"""What every recording of a device's work has in common: how it is made, when it is refused, and what it reads.

A recording always reads and writes the same memory, so everything that changes from one run to the next lies in
buffers. While one is made, nothing may be allocated or freed beside it, not by the garbage collector either.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from bpx.backend.base import Array, Backend, EveryStep

_refusals = count(1)


class CaptureError(Exception):
    """The library cannot record what it is given."""


@contextmanager
def hold_off_collection() -> Iterator[None]:
    """Keep the garbage collector from running in the block: a free in the middle of a recording would break it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def record(capture: Callable[..., Any], work: Callable[[], None], what: str, where: str) -> Callable[[], None] | None:
    """Record some work of the device; where that is refused, warn and return None.

    Python shows a warning of one text once. Refusals are numbered, so that none of them is silent.

    Parameters
    ----------
    capture : callable
        As `bpx.backend.captured.CapturingBackend.capture`.
    work : callable
        Gives the device the work, which is not done.
    what, where : str
        What the work is called, and the backend's spec, for the warning.
    """
    try:
        with hold_off_collection():
            return capture(work)  # type: ignore[no-any-return]
    except CaptureError as error:
        warnings.warn(
            f"{what} cannot be recorded on {where} and runs call by call: {error} (refusal {next(_refusals)} in this "
            "process; the next fit tries again)",
            RuntimeWarning,
            stacklevel=3,
        )
        return None


class RecordedStep:
    """A step that is made plainly once, recorded then, and started with one call from there on.

    Parameters
    ----------
    backend : CapturingBackend
    step : callable
        Gives the device the work of a step; what changes from one to the next lies in buffers. It is let go of as soon
        as it is recorded, for it may hold the arrays of a caller.
    agree : callable or None
        As for `bpx.backend.captured.CapturedLoop`: what one process cannot record, none does.

    Attributes
    ----------
    refused : bool
        Whether it could not be recorded, and so is made call by call.
    """

    def __init__(self, backend: Any, step: Callable[[], None], agree: Callable[[int], int] | None = None) -> None:
        self._backend, self._agree = backend, agree
        self._step: Callable[[], None] | None = step
        self._launch: Callable[[], None] = step
        self.refused = False

    def repeat(self, times: int) -> None:
        """Make the step some times, at least once."""
        if self._step is not None:
            step, self._step = self._step, None
            step()
            times -= 1
            launch = record(self._backend.capture, step, "the training step", self._backend.spec)
            if self._agree is not None and not self._agree(launch is not None):
                launch = None
            self.refused = launch is None
            self._launch = launch or step
        for _ in range(times):
            self._launch()

    @property
    def nbytes(self) -> int:
        """Bytes of the memory that the recorded step works in, as far as the library counts it."""
        return int(getattr(self._launch, "nbytes", 0))


def count_bytes(arrays: Iterable[Array]) -> int:
    """Return how many bytes arrays take."""
    return sum(int(array.nbytes) for array in arrays)


def find_kind(column: Any) -> Any:
    """Return what must not change for a recording to fit a column of inputs; of `EveryStep`, the numbers too."""
    if isinstance(column, EveryStep):
        return column.row.tobytes()
    return None if column is None else column.shape[1:]


def move_column(backend: Backend, column: Any) -> Any:
    """Return a column of inputs on the device."""
    if isinstance(column, EveryStep):
        return EveryStep(backend.asarray(column.row))
    return None if column is None else backend.asarray(column)


def take_row(column: Any, i: int) -> Any:
    """Return one step's row of a column on the device."""
    if isinstance(column, EveryStep):
        return column.row
    return None if column is None else column[i, ...]
