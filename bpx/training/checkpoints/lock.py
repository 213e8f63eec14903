"""The owner of a folder of checkpoints: one training at a time, by a lock that ends with its process.

The lock is the system's, on the file ``.lock`` in the folder: ``flock`` where there is one, on Windows a locked byte.
The file says who has the lock; it goes with its owner, and one that was killed leaves it to the next.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

from bpx.errors import CheckpointWarning, InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["FolderLock"]

NAME = ".lock"

_FAR = 1 << 30
"""The byte that is locked on Windows, where nobody can read a locked one: behind the text."""


@dataclass
class _Held:
    """A lock that this process has: its open file, the thread that took it, and how often it did."""

    file: int
    thread: int
    times: int = 1


_held: dict[tuple[int, int], _Held] = {}
_guard = threading.Lock()


class FolderLock:
    """The lock of a folder that is there; a thread that has it may take it again.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key: tuple[int, int] | None = None

    def __enter__(self) -> FolderLock:
        self.acquire()
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock; warn where the folder cannot be locked.

        Raises
        ------
        InputError
            If another training has it: says which process, on which machine.
        """
        with _guard:
            while self._key is None:
                try:
                    file = _open(self.folder / NAME)
                except OSError as error:
                    self._warn(error)
                    return
                key, thread = _identify(os.fstat(file)), threading.get_ident()
                mine = _held.get(key)
                if mine is not None:
                    os.close(file)
                    if mine.thread != thread:
                        raise self._describe_owner(f"another thread of this process, {os.getpid()},")
                    mine.times += 1
                    self._key = key
                elif self._lock(file):
                    _held[key] = _Held(file, thread)
                    self._key = key

    def release(self) -> None:
        """Give the lock back; nothing happens where it is not held."""
        with _guard:
            mine = None if self._key is None else _held.get(self._key)
            if mine is not None and self._key is not None:
                mine.times -= 1
                if not mine.times:
                    del _held[self._key]
                    self._remove(mine.file)
            self._key = None

    def _lock(self, file: int) -> bool:
        """Lock an open file and write into it whose it is now; False if its owner has removed it meanwhile."""
        try:
            if not _try_to_lock(file):
                owner = os.read(file, 200).decode("utf-8", "replace").strip()
                os.close(file)
                raise self._describe_owner(owner or "another process")
            if not self._is_there(file):
                os.close(file)
                return False
            os.ftruncate(file, 0)
            os.write(file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        except OSError as error:
            self._warn(error)  # a file system without locks, or a full disk, which the first checkpoint will tell of
        return True

    def _is_there(self, file: int) -> bool:
        """Tell whether an open file is the one that the folder has."""
        try:
            return _identify(os.stat(self.folder / NAME)) == _identify(os.fstat(file))
        except FileNotFoundError:
            return False

    def _remove(self, file: int) -> None:
        """Remove the file and close it, which unlocks it: who waits for it sees that it is gone, and makes another."""
        if fcntl is not None:
            with contextlib.suppress(OSError):
                if self._is_there(file):
                    os.unlink(self.folder / NAME)
        os.close(file)
        if fcntl is None:  # Windows removes no open file, and refuses where somebody else has it open by now
            with contextlib.suppress(OSError):
                os.unlink(self.folder / NAME)

    def _describe_owner(self, owner: str) -> InputError:
        shown = owner if owner.isprintable() else repr(owner)
        return InputError(
            f"{self.folder} is in use: {shown} trains there; wait for its end, end it, or give another folder"
        )

    def _warn(self, error: OSError) -> None:
        warnings.warn(
            f"{self.folder} cannot be locked ({error.strerror or error}): see to it that nothing else trains there",
            CheckpointWarning,
            stacklevel=3,
        )


def _identify(found: os.stat_result) -> tuple[int, int]:
    """Return what tells a file from every other."""
    return found.st_dev, found.st_ino


def _open(path: Path) -> int:
    """Open the file to lock, and make it if there is none; a link, or anything but a file, is an OSError."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    file = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(f"{path} is no file")
    return file


def _try_to_lock(file: int) -> bool:
    """Lock an open file if nobody has; tell whether that is so.

    Raises
    ------
    OSError
        If the file system has no locks.
    """
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            os.lseek(file, _FAR, os.SEEK_SET)
            try:
                msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(file, 0, os.SEEK_SET)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _forget() -> None:
    """Close, in a process that was forked off, what its parent has locked: the lock ends with the parent then."""
    global _guard
    _guard = threading.Lock()
    for held in _held.values():
        with contextlib.suppress(OSError):
            os.close(held.file)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
