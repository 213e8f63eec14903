"""Ctrl-C during a training: noted at once, acted upon after the batch."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from bpx.errors import Interrupted
from bpx.training.checkpoints.checkpointer import Checkpointer
from bpx.training.fit_run import FitRun


class Interrupts:
    """Note SIGINT instead of raising ``KeyboardInterrupt`` in the middle of a step; a second one raises.

    Only in the main thread, and only where Python's own handler is in place: a handler of the user's own stays.

    Attributes
    ----------
    caught : bool
        Whether Ctrl-C was pressed.
    """

    def __init__(self) -> None:
        self.caught = False
        self._replaced: Any = None

    def __enter__(self) -> Interrupts:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._replaced = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._replaced is not None:
            signal.signal(signal.SIGINT, self._replaced)
            self._replaced = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.caught:
            raise KeyboardInterrupt
        self.caught = True


def make_interrupted(run: FitRun, checkpointer: Checkpointer | None) -> Interrupted:
    """Write a checkpoint, where they are asked for, and return the exception with the line that resumes."""
    where = f"interrupted after epoch {run.epoch}"
    if run.position:
        where = f"interrupted in epoch {run.epoch + 1}, after {run.position} of its batches"
    if checkpointer is None:
        return Interrupted(f"{where}; the network holds what it has learned (with checkpoint= it could be resumed)")
    saved = checkpointer.save(run)
    if checkpointer.last is None:
        return Interrupted(f"{where}; no checkpoint could be written")
    what = "saved" if saved else "not saved, the last checkpoint is"
    line = f"fit(..., resume={str(checkpointer.folder)!r})"
    return Interrupted(f"{where}; {what} {checkpointer.last}; go on with {line}", str(checkpointer.last))
