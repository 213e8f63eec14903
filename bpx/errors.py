"""The exceptions that bpx raises, and the message for an unknown name.

Each exception also derives from the built-in one that callers would expect, so that code which catches
``ValueError`` catches `InputError` too. Messages say what was expected, what came, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = [
    "BackendError",
    "BpxError",
    "BusyError",
    "CheckpointWarning",
    "DivergenceError",
    "FileFormatError",
    "FileWarning",
    "FixedAttributeError",
    "InputError",
    "Interrupted",
    "LostRankError",
    "UnknownArgumentError",
    "unknown_name",
]


class BpxError(Exception):
    """Base of every exception that bpx raises on purpose."""


class InputError(BpxError, ValueError):
    """An argument or an array is not what the call needs; raised before any work is done."""


class UnknownArgumentError(InputError, TypeError):
    """A call was given an argument that it does not have."""


class FixedAttributeError(InputError, AttributeError):
    """An attribute was assigned to that is fixed when its object is made."""


class BackendError(BpxError, RuntimeError):
    """A backend was asked for and cannot be used here: not installed, no device, or a library missing."""


class MissingFunctionError(BackendError, AttributeError):
    """The library of a backend lacks a function of the array API standard that is needed for what was asked."""


class BusyError(BpxError, RuntimeError):
    """A network was to be trained, changed or read while another call is training it, and that cannot be done then."""


class DivergenceError(BpxError, ArithmeticError):
    """Training stopped because the loss became NaN or infinite."""


class FileFormatError(BpxError, ValueError):
    """A file is truncated, of another format or version, or does not fit the network it describes."""


class LostRankError(BpxError, RuntimeError):
    """Another process ended in the middle of what this one does with it; what happened is said there."""


class FileWarning(UserWarning):
    """A file was read or written, and there is something to know about it."""


class CheckpointWarning(FileWarning):
    """A checkpoint could not be written, or a damaged one was skipped; training continues."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a training after the batch it was in; the message has the line that resumes it.

    Attributes
    ----------
    checkpoint : str or None
        The file from which training can be resumed; None where no checkpoint was asked for or it could not be written.
    """

    def __init__(self, message: str, checkpoint: str | None = None) -> None:
        super().__init__(message)
        self.checkpoint = checkpoint


def unknown_name(kind: str, given: object, known: Iterable[str]) -> InputError:
    """Build the error for a name that is not among the known ones.

    Parameters
    ----------
    kind : str
        What the name stands for, as a reader would say it ("activation", "dataset").
    given : object
        What came.
    known : iterable of str
        The valid names.

    Returns
    -------
    InputError
        To be raised by the caller. Its message lists the valid names and, where one is close, the nearest.

    Examples
    --------
    >>> from bpx.errors import unknown_name
    >>> print(unknown_name("dataset", "moon", ["circles", "moons"]))
    unknown dataset 'moon'; did you mean 'moons'? Valid: 'circles', 'moons'
    """
    import difflib  # only needed on the way to an error

    names = sorted(known)
    close = difflib.get_close_matches(given.lower(), names, n=1) if isinstance(given, str) else []
    hint = f"did you mean {close[0]!r}? Valid" if close else "valid"
    return InputError(f"unknown {kind} {given!r}; {hint}: {', '.join(map(repr, names))}")
