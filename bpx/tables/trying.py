"""Reading a file in a process of its own first, because what is damaged may end the process that reads it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from bpx.errors import InputError
from bpx.tables.messages import shown

__all__ = ["limit_memory", "try_apart"]

_TRIAL = (
    "import sys; sys.path[:] = sys.argv[4:]; "
    f"from {__name__} import limit_memory; from {{module}} import {{decode}} as decode; "
    "limit_memory(int(sys.argv[3])); decode(*sys.argv[1:3])"
)
"""What that process does."""


def try_apart(path: Path, kind: str, module: str, decode: str, *, part: str = "", memory: int = 0) -> None:
    """Have a process of its own read a file.

    Asked for more memory than there is, polars and its kin abort, which is no exception. An error that they can report
    is met again by who reads the file next.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    kind : str
        Its format with an article, for the message.
    module, decode : str
        A module, and its function that reads a file, given its path and ``part``.
    part : str
        What of the file it is to read.
    memory : int
        Bytes that the process may take for it, where the system can limit them; 0 for any.

    Raises
    ------
    InputError
        If that process was ended.
    """
    if not sys.executable or getattr(sys, "frozen", False):  # inside another program there is none to start
        return
    trial = _TRIAL.format(module=module, decode=decode)
    command = [sys.executable, "-c", trial, str(path.absolute()), part, str(memory), *sys.path]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if ended.returncode not in (0, 1):  # 1: an exception
        said = ended.stderr.decode(errors="replace").strip().splitlines()
        reason = shown(said[0]) if said else f"exit code {ended.returncode}"
        raise InputError(
            f"{path}: not {kind} that can be read: it is damaged, or larger than the memory "
            f"(a process that tried it was ended: {reason})"
        )


def limit_memory(size: int) -> None:
    """Let this process take no more than so many bytes beyond what it has, where the system can limit it (Linux)."""
    if not size:
        return
    with contextlib.suppress(ImportError, OSError, ValueError, AttributeError):
        import resource

        taken = int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_DATA, (taken + size, taken + size))
