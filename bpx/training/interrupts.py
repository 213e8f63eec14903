"""Ctrl-C during a training: noted at once, acted upon after the batch; a program may ask for the same."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from bpx.errors import Interrupted
from bpx.training.checkpoints.checkpointer import Checkpointer
from bpx.training.fit_run import FitRun

_running: list[Interrupts] = []
"""Those of the trainings in the main thread, the innermost last."""


def ask_to_end() -> bool:
    """Have the training in the main thread end as after Ctrl-C; False if there is none, or it was asked before.

    For handlers of signals, which a program may install and ``fit`` does not.
    """
    if not _running or _running[-1].caught:
        return False
    _running[-1].caught = True
    return True


class Interrupts:
    """Note SIGINT instead of raising ``KeyboardInterrupt`` in the middle of a step; a second one raises.

    Only in the main thread, and only where Python's own handler is in place: a handler of the user's own stays.

    Parameters
    ----------
    terminations : bool
        Whether SIGTERM, by which launchers end the processes that they started, and SIGHUP, of a terminal that has
        gone, are noted in the same way.

    Attributes
    ----------
    caught : bool
        Whether Ctrl-C was pressed.
    """

    def __init__(self, terminations: bool = False) -> None:
        self.caught = False
        self._noted: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler}
        if terminations:
            self._noted[signal.SIGTERM] = signal.SIG_DFL
            if hasattr(signal, "SIGHUP"):
                self._noted[signal.SIGHUP] = signal.SIG_DFL
        self._replaced: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        main = threading.current_thread() is threading.main_thread()
        if main:
            _running.append(self)
        for number, usual in self._noted.items():
            if main and signal.getsignal(number) is usual:
                self._replaced[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        if self in _running:
            _running.remove(self)
        while self._replaced:
            signal.signal(*self._replaced.popitem())

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.caught:
            raise KeyboardInterrupt
        self.caught = True


def note_way_back(error: KeyboardInterrupt, checkpointer: Checkpointer | None) -> None:
    """Add to a second Ctrl-C, which does not wait, the line that resumes."""
    if checkpointer is not None and checkpointer.last is not None and not isinstance(error, Interrupted):
        line = f"fit(..., resume={str(checkpointer.folder)!r})"
        error.add_note(f"interrupted at once; the last checkpoint is {checkpointer.last}; go on with {line}")


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
