"""A file that grows while a training runs, by pieces that are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import warnings
from pathlib import Path
from typing import IO

from bpx.errors import CheckpointWarning, InputError


class GrowingFile:
    """A file that pieces are appended to; where one cannot be written, it waits, and a warning says so once.

    Parameters
    ----------
    path : Path
    keep : bool
        Whether an older file is added to instead of replaced.

    Attributes
    ----------
    length : int
        Bytes that the file holds.
    waiting : bytes
        What could not be written yet.

    Raises
    ------
    InputError
        If the file cannot be opened.
    """

    def __init__(self, path: Path, keep: bool) -> None:
        self.path = path
        try:
            self._file: IO[bytes] = path.open("ab" if keep else "wb", buffering=0)
            self.length = os.fstat(self._file.fileno()).st_size
        except OSError as error:
            raise InputError(f"cannot write the log {path}: {error.strerror or error}") from error
        self.waiting = b""
        self._failing = False

    def append(self, piece: bytes) -> None:
        """Write a piece, after those that wait: all of that or, where the disk takes only a part, nothing."""
        self.waiting += piece
        written = 0
        try:
            while written < len(self.waiting):
                written += self._file.write(self.waiting[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.truncate(self.length)
                self._file.seek(self.length)
            self._report_failure(error)
            return
        self.length += written
        self.waiting, self._failing = b"", False

    def cut(self, length: int, waiting: bytes) -> None:
        """Go back to where the file held so many bytes, and others waited."""
        self.length, self.waiting = min(length, self.length), waiting
        self._file.truncate(self.length)
        self._file.seek(0, os.SEEK_END)

    def synchronize(self) -> None:
        """Have the disk know what the file holds."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):  # a pipe or a terminal has no disk
                self._report_failure(error)

    def close(self) -> None:
        """Try once more to write what waits, and close the file."""
        self.append(b"")
        with contextlib.suppress(OSError):
            self._file.close()

    def _report_failure(self, error: OSError) -> None:
        """Warn about a log that cannot be written, once until it can be again."""
        if not self._failing:
            warnings.warn(
                f"cannot write the log {self.path}: {error.strerror or error}; training goes on, and what is missing "
                "is written as soon as that is possible",
                CheckpointWarning,
                stacklevel=2,
            )
        self._failing = True
