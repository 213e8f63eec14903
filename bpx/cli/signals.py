"""SIGTERM and SIGHUP end a command as Ctrl-C does: a training finishes its batch and writes a checkpoint first."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from types import FrameType

__all__ = ["Ended", "Signals"]

INTERRUPTED = 130
"""The exit code after Ctrl-C; that of another signal is 128 and its number, as a shell has it."""


class Ended(KeyboardInterrupt):
    """A signal ended a command; the message is the line to end with, where there is more to say than that."""


class Signals:
    """Take SIGTERM and SIGHUP while a command runs, where nobody else has; one that is ignored (nohup) stays ignored.

    A training that runs is asked to end after its batch; where none does, or it was asked already, `Ended` is raised.

    Attributes
    ----------
    number : int or None
        The signal that came last; None where it was Ctrl-C alone.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._taken: list[int] = []

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for name in ("SIGTERM", "SIGHUP"):
                number = getattr(signal, name, None)  # Windows has no SIGHUP
                if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                    signal.signal(number, self._end)
                    self._taken.append(number)
        return self

    def __exit__(self, *exception: object) -> None:
        for number in self._taken:
            with contextlib.suppress(ValueError):
                signal.signal(number, signal.SIG_DFL)
        self._taken = []

    @property
    def exit_code(self) -> int:
        """The exit code of the process that the signal ends."""
        return INTERRUPTED if self.number is None else 128 + self.number

    def describe(self) -> str:
        """Return what ended the command."""
        return "interrupted" if self.number is None else f"ended by {signal.Signals(self.number).name}"

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.number = number
        trainings = sys.modules.get("bpx.training.interrupts")  # not imported: nothing can be training
        if trainings is None or not trainings.ask_to_end():
            raise Ended
