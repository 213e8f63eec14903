"""The one way in which bpx writes a file that somebody may be reading: beside, synchronized, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from bpx.errors import InputError


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that it is there whole or not at all.

    Parameters
    ----------
    path : path
        An older file of this name stays until the new one is complete.
    content : bytes

    Raises
    ------
    InputError
        If the file cannot be written there; whatever was there before is still there.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _synchronize_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def _synchronize_folder(folder: Path) -> None:
    """Have the disk know a folder's entries, where the system can: a renamed file outlives a power failure then."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    entries = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(entries)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems have nothing to do here
            raise
    finally:
        os.close(entries)
