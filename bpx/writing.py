"""The one way in which bpx writes a file that somebody may be reading: beside, synchronized, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from bpx.errors import FileWarning, InputError

_PART = re.compile(r"\.bpx-[0-9a-f]{16}\.part")
"""What an unfinished file is called: a random name, in the folder of the file that it is to become."""

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

_ABANDONED = 24 * 3600.0
"""Seconds after which an unfinished file counts as left over where no lock can say so."""


def check_path(name: str, value: Any, what: str = "a path") -> Path:
    """Return ``value`` as a path; refuse what cannot be one: no text, an empty text, or one that no system takes.

    Parameters
    ----------
    name : str
        What the path is for, as the message begins.
    value : str or path
    what : str
        What is expected: "a path" (of a file), "a folder".
    """
    try:
        text = os.fsdecode(value)
        os.fsencode(text)
    except (TypeError, ValueError):  # ValueError: half of a character
        text = ""
    if not text or "\0" in text:
        raise InputError(f"{name} must be {what}, got {value!r}")
    if what == "a path" and text.endswith(tuple(filter(None, (os.sep, os.altsep)))):
        raise InputError(f"{name} must be {what} of a file, got {value!r}, which names a folder")
    return Path(text)


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that it is there whole or not at all; see `open_whole`.

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
    with open_whole(path) as file:
        file.write(content)


@contextlib.contextmanager
def open_whole(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name when the block ends well, whole, and vanishes otherwise.

    What is written goes to a file of a random name in the same folder, which is synchronized with the disk and then
    renamed; so several writers of one name never meet, and the last one's file stays. It has the permissions of the
    file that it replaces; a new one has those that the umask leaves. Where the path is a symbolic link, the file that
    it points to is replaced. Unfinished files of writers that were killed are removed.

    Parameters
    ----------
    path : path

    Yields
    ------
    binary file

    Raises
    ------
    InputError
        If the file cannot be written there, or something else than a file has this name; whatever was there before is
        still there.

    Warns
    -----
    FileWarning
        If the file is written but its folder cannot be synchronized.
    """
    named = check_path("the name of a file", path)
    part: Path | None = None
    file: BinaryIO | None = None
    inside = False
    try:
        replaced = _look_at(named)
        target = Path(os.path.realpath(named))
        remove_parts(target.parent)
        part, file = _create_part(target.parent, 0o666 if replaced is None else 0o600)
        inside = True
        yield file
        inside = False
        file.flush()
        if replaced is not None:
            _take_over_permissions(file.fileno(), part, replaced)
        os.fsync(file.fileno())
        if fcntl is None:
            file.close()  # Windows renames no open file
        os.replace(part, target)
        part = None
        _synchronize_folder(target.parent)
    except OSError as error:
        if inside and error.filename is not None:  # the block opened something else: writing names no file
            raise
        raise InputError(f"cannot write {named}: {error.strerror or error}") from error
    finally:  # after Ctrl-C too
        if file is not None:
            with contextlib.suppress(OSError):  # what could not be written is not written by closing either
                file.close()
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()


def remove_parts(folder: Path) -> None:
    """Remove the unfinished files of a folder whose writers are gone."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for path in [entry.path for entry in entries if _PART.fullmatch(entry.name)]:
            with contextlib.suppress(OSError):
                _remove_if_left(path)


def _look_at(path: Path) -> os.stat_result | None:
    """Return what is known of the file that is to be replaced, None where there is none; refuse what is no file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"cannot write {path}: it is a folder; name a file in it")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"cannot write {path}: it is a device or a pipe, which cannot be replaced; name a file")
    return found


def _create_part(folder: Path, mode: int) -> tuple[Path, BinaryIO]:
    """Create an unfinished file, which belongs to this writer as long as it is open."""
    while True:
        part = folder / f".bpx-{secrets.token_hex(8)}.part"
        try:
            file = os.fdopen(os.open(part, _FLAGS, mode), "w+b")
            if _lock(file.fileno()) is not False and part.exists():
                return part, file
            file.close()  # somebody took it for left over, between its creation and the lock
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink()
            raise


def _lock(descriptor: int) -> bool | None:
    """Lock an open file until it is closed, by its process's death too; None where the system has no locks.

    False: another one has it.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def _remove_if_left(path: str) -> None:
    """Remove an unfinished file unless its writer lives: nobody has it locked then, or it is a day old."""
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        left = _lock(descriptor)
        if left is None:
            left = time.time() - os.fstat(descriptor).st_mtime > _ABANDONED
        if left and fcntl is not None:
            os.unlink(path)
    finally:
        os.close(descriptor)
    if left and fcntl is None:
        os.unlink(path)  # Windows removes no open file


def _take_over_permissions(descriptor: int, part: Path, replaced: os.stat_result) -> None:
    """Give the new file the permissions of the one that it replaces, and its owner where that is allowed."""
    mode = stat.S_IMODE(replaced.st_mode)
    if not hasattr(os, "fchown"):
        os.chmod(part, mode)
        return
    own = os.fstat(descriptor)
    if (own.st_uid, own.st_gid) != (replaced.st_uid, replaced.st_gid):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, replaced.st_uid, replaced.st_gid)
    os.fchmod(descriptor, mode)


def _synchronize_folder(folder: Path) -> None:
    """Have the disk know a folder's entries, where the system can: a renamed file outlives a power failure then."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        entries = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(entries)
        finally:
            os.close(entries)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOTSUP):  # some network file systems have nothing to do here
            return
        warnings.warn(
            f"the files in {folder} are written, but the folder cannot be synchronized with the disk "
            f"({error.strerror or error}): a power failure may bring back the older ones",
            FileWarning,
            stacklevel=5,
        )
