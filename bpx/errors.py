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
    "MissingFunctionError",
    "UnknownArgumentError",
    "unknown_name",
]


class BpxError(Exception):
    """Base of every exception that bpx raises on purpose.

    See Also
    --------
    InputError : An argument or array is not what is needed.
    BackendError : A backend cannot be used here.

    Examples
    --------
    >>> import bpx
    >>> try:
    ...     bpx.mlp([2, 0, 1])
    ... except bpx.BpxError as error:
    ...     print(error)
    a size must be at least 1, got 0
    """


class InputError(BpxError, ValueError):
    """An argument or an array is not what the call needs; raised before any work is done.

    See Also
    --------
    BpxError : Base of all exceptions of bpx.

    Examples
    --------
    >>> import bpx
    >>> try:  # doctest: +ELLIPSIS
    ...     bpx.mlp([2, 2, 1], activation="rellu")
    ... except bpx.InputError as error:
    ...     print(error)
    unknown activation 'rellu'; did you mean 'relu'? Valid: ...
    """


class UnknownArgumentError(InputError, TypeError):
    """A call was given an argument that it does not have."""


class FixedAttributeError(InputError, AttributeError):
    """An attribute was assigned to that is fixed when its object is made."""


class BackendError(BpxError, RuntimeError):
    """A backend was asked for and cannot be used here: not installed, no device, or a library missing.

    See Also
    --------
    backends : What works on this machine.
    get_backend : The backend of a name, a device or an array.

    Examples
    --------
    >>> import bpx
    >>> try:
    ...     bpx.get_backend("numpy:gpu")
    ... except bpx.BackendError as error:
    ...     print(error)
    numpy has the device 'cpu' only, not 'gpu'
    """


class MissingFunctionError(BackendError, AttributeError):
    """The library of a backend lacks a function of the array API standard that is needed for what was asked."""


class BusyError(BpxError, RuntimeError):
    """A network cannot be trained, changed or read while another call is training it.

    See Also
    --------
    Network.fit : Train a network.

    Examples
    --------
    >>> import bpx
    >>> class Again(bpx.Callback):
    ...     def on_epoch_end(self, run):
    ...         run.net.fit(x, y, epochs=1)
    >>> x, y = bpx.datasets.xor()
    >>> net = bpx.mlp([2, 2, 1], loss="binary_cross_entropy")
    >>> try:  # doctest: +ELLIPSIS
    ...     net.fit(x, y, epochs=1, callbacks=[Again()])
    ... except bpx.BusyError as error:
    ...     print(error)
    a training cannot begin: this network is in the middle of a training, and the call comes from inside that ...
    """


class DivergenceError(BpxError, ArithmeticError):
    """Training stopped because the loss became NaN or infinite.

    See Also
    --------
    ClipNorm : Limit the norm of all gradients together.
    diagnose : Find what keeps a network from learning.

    Examples
    --------
    >>> import bpx
    >>> x, y = bpx.datasets.xor()
    >>> net = bpx.mlp([2, 2, 1], loss="squared_error", seed=0)
    >>> try:  # doctest: +ELLIPSIS
    ...     net.fit(x, y * 1e30, epochs=50, optimizer=bpx.SGD(1e30))
    ... except bpx.DivergenceError as error:
    ...     print(error)
    the loss became inf in epoch 1, batch 1 of 1; try a lower learning rate, inputs and targets scaled to ...
    """


class FileFormatError(BpxError, ValueError):
    """A file is truncated, of another format or version, or does not fit the network it describes.

    See Also
    --------
    load : Read a network from its file.
    FileWarning : There is something to know about a file.

    Examples
    --------
    >>> import bpx, os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "notes.txt")
    >>> with open(path, "w") as file:
    ...     count = file.write("not a network")
    >>> try:
    ...     bpx.load(path)
    ... except bpx.FileFormatError as error:
    ...     print("no whole safetensors file" in str(error))
    True
    """


class LostRankError(BpxError, RuntimeError):
    """Another process has ended, and this one waits for it, or was in the middle of what they do together.

    Attributes
    ----------
    ranks : tuple of int
        Those that have ended, as far as it is known.
    told : bool
        Whether one of them has told people why.
    """

    ranks: tuple[int, ...] = ()
    told: bool = False


class FileWarning(UserWarning):
    """A file was read or written, and there is something to know about it.

    See Also
    --------
    CheckpointWarning : A checkpoint was not written, or skipped.
    FileFormatError : A file is damaged or of another kind.

    Examples
    --------
    >>> import bpx, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", bpx.FileWarning)  # of checkpoints too
    >>> issubclass(bpx.FileWarning, UserWarning)
    True
    """


class CheckpointWarning(FileWarning):
    """A checkpoint could not be written, or a damaged one was skipped; training continues.

    See Also
    --------
    FileWarning : There is something to know about a file.
    Network.fit : Train a network.

    Examples
    --------
    >>> import bpx, warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", bpx.CheckpointWarning)  # the training goes on without a word
    >>> issubclass(bpx.CheckpointWarning, bpx.FileWarning)
    True
    """


class Interrupted(KeyboardInterrupt):
    """Ctrl-C ended a training after the batch it was in; the message has the line that resumes it.

    Attributes
    ----------
    checkpoint : str or None
        The file from which training can be resumed; None where no checkpoint was asked for or it could not be written.

    See Also
    --------
    Network.fit : Train a network.
    Checkpoint : Keep the best or the newest network as a file.

    Examples
    --------
    >>> import bpx
    >>> error = bpx.Interrupted("stopped after epoch 3", checkpoint="run/last.ckpt")
    >>> error.checkpoint
    'run/last.ckpt'
    >>> isinstance(error, KeyboardInterrupt)
    True
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
