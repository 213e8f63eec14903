"""Who of the processes that were started together has come to a call, waits in it, or has ended without calling it.

A process that ends quietly while others wait for it is seen by nobody: MPI, gloo and XLA wait for ever. So each leaves
word when it ends, and a call with ``distributed=True`` begins with a wait that looks for such words.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from bpx.distributed.launchers import find_launch
from bpx.errors import LostRankError

Found = TypeVar("Found")

CAME, LEFT, FAILED = "came", "left", "failed"
"""The words of a process that has come to its first call, of one that has ended, and of one that ends all."""

SPIN_SECONDS = 0.001
"""How long it is waited without sleeping: usually the others come within this time."""

FIRST_PAUSE, LONGEST_PAUSE = 1e-5, 0.005
"""Seconds of sleep between two looks, which double from the first to the longest: that much a long wait adds."""

LOOK_SECONDS = 0.25
"""How often the words of the others are read."""

WORD_SECONDS = 1.0
"""When a process that waits says so to the others, so that whoever is missed can be named."""

WARNING_SECONDS = 10.0
"""When a wait is told to people for the first time; then whenever it has become `WARNING_FACTOR` times as long."""

WARNING_FACTOR = 6.0

LISTENERS = (0, 1)
"""Ranks that hear the words of all others, and tell people: a word to each would take connections between all pairs."""

GRACE_SECONDS = 0.5
"""How long it is waited, once a process has ended, for others that do so too."""

NAMED = 8
"""How many ranks a sentence names."""


class Board(Protocol):
    """Where processes leave a word for the others, who may read it when they like."""

    def post(self, word: str) -> None:
        """Leave a word in place of the last one."""

    def read(self) -> dict[int, str]:
        """Return the last words of the others that have left one, by their ranks."""


class FolderBoard:
    """Words as files in the folder that Open MPI's launcher makes on each machine for a run, and removes behind it.

    Before MPI has connected the processes there is no other way: its start waits for all of them, in C, and a process
    that has ended without it is missed by nobody.

    Parameters
    ----------
    folder : path
    run : str
        Name of the run, which may share the folder with others.
    rank : int
    """

    def __init__(self, folder: str | os.PathLike[str], run: str, rank: int) -> None:
        self._stem = Path(folder) / f"bpx-{run}-"
        self._rank = rank

    def post(self, word: str) -> None:
        """Leave a word in place of the last one."""
        with contextlib.suppress(OSError):  # a folder that cannot be written has no words
            draft = Path(f"{self._stem}draft-{self._rank}")
            draft.write_text(word, "utf-8")
            draft.replace(f"{self._stem}{self._rank}")

    def read(self) -> dict[int, str]:
        """Return the last words of the others that have left one, by their ranks."""
        words = {}
        with contextlib.suppress(OSError):
            for path in self._stem.parent.iterdir():
                name = path.name.removeprefix(self._stem.name)
                if name.isdigit() and path.name != name and int(name) != self._rank:
                    words[int(name)] = path.read_text("utf-8")
        return words


class Attendance:
    """A wait for the other processes that sees who has ended, and tells people when it takes long.

    Parameters
    ----------
    board : Board
    rank : int
    size : int
        How many there are.
    call : str
        What is waited in.
    word : str
        What those say that wait in it too.
    """

    def __init__(self, board: Board, rank: int, size: int, call: str, word: str) -> None:
        self._board, self._rank, self._size, self._call, self._word = board, rank, size, call, word

    def wait(self, find: Callable[[], Found | None]) -> Found:
        """Return what a function finds, as soon as it is not None.

        Raises
        ------
        LostRankError
            As soon as another process has left word that it has ended.
        """
        began = looked = time.monotonic()
        pause, said, warning = FIRST_PAUSE, False, WARNING_SECONDS
        while (found := find()) is None:
            now = time.monotonic()
            waited = now - began
            if waited < SPIN_SECONDS:
                _give_way()
                continue
            if now - looked > LOOK_SECONDS:
                looked = now
                self.look()
                if waited > WORD_SECONDS and not said:
                    self._board.post(self._word)
                    said = True
                if waited > warning:
                    warning *= WARNING_FACTOR
                    self._warn(waited)
            time.sleep(pause)
            pause = min(2.0 * pause, LONGEST_PAUSE)
        return found

    def look(self) -> None:
        """Raise `LostRankError` if another process has left word that it has ended."""
        if self._list_lost():
            time.sleep(GRACE_SECONDS)  # others may be ending as well, and each is named
            error = make_loss(self._list_lost(), self._call, self._rank)
            error.told = FAILED in self._board.read().values()
            raise error

    def _list_lost(self) -> list[int]:
        return sorted(rank for rank, word in self._board.read().items() if word in (LEFT, FAILED))

    def _warn(self, waited: float) -> None:
        """Tell people who is waited for: rank 0 does so, or rank 1 where it waits for that one."""
        others = [rank for rank in range(self._size) if rank != self._rank]
        if self._rank not in LISTENERS:
            return
        words = self._board.read()
        missing = [rank for rank in others if words.get(rank) != self._word]
        if any(rank < self._rank for rank in others if rank not in missing):
            return
        with contextlib.suppress(OSError, ValueError):  # a terminal that has gone
            who = name_ranks(missing) or "another rank"
            sys.stderr.write(
                f"bpx: rank {self._rank} of {self._size} has waited {waited:.0f} s in {self._call} for {who}: all "
                "ranks have to come to the same distributed calls\n"
            )
            sys.stderr.flush()


def make_loss(ranks: list[int], call: str, rank: int) -> LostRankError:
    """Return the exception for ranks that have ended while another one waits for them in a call."""
    have = "has" if len(ranks) == 1 else "have"
    error = LostRankError(
        f"{name_ranks(ranks)} {have} ended without calling {call}, for which rank {rank} waits: all "
        "ranks have to come to the same distributed calls"
    )
    error.ranks = tuple(ranks)
    return error


def name_ranks(ranks: list[int]) -> str:
    """Return how some ranks are named in a sentence."""
    shown = ", ".join(map(str, ranks[:NAMED]))
    if len(ranks) > NAMED:
        shown += f" and {len(ranks) - NAMED} more"
    return f"rank{'s' if len(ranks) > 1 else ''} {shown}" if ranks else ""


def _give_way() -> None:
    """Let another process have this core, if one wants it."""
    if hasattr(os, "sched_yield"):
        os.sched_yield()
    else:
        time.sleep(0)


# -- before they are connected ------------------------------------------------------------------------------------


def wait_for_first_call(call: str) -> None:
    """Wait until all processes have come to their first call; of those on several machines, the ones on this.

    Raises
    ------
    LostRankError
        If one of them has ended without a call.
    """
    launch, board = find_launch(), _open_board()
    if board is None or launch is None or launch.rank is None or launch.size is None:
        return
    expected = int(os.environ["OMPI_COMM_WORLD_LOCAL_SIZE"]) if launch.kind == "mpi" else launch.size
    attendance = Attendance(board, launch.rank, launch.size, call, CAME)
    board.post(CAME)

    def find() -> bool | None:
        time.sleep(LONGEST_PAUSE)
        come = len(board.read())
        attendance.look()  # afterwards: whoever has ended is not counted among those that have come
        return come >= expected - 1 or None

    attendance.wait(find)


def watch_end() -> None:
    """Have this process leave word when it ends, in case it ends without a call and the others wait for it."""
    if _is_started_by_launcher():
        atexit.register(_tell_end)


def leave_it_to_the_engine() -> None:
    """Leave no such word any more: the process is connected now, and its end is said over the connection."""
    atexit.unregister(_tell_end)


def _tell_end() -> None:
    with contextlib.suppress(Exception):  # nothing that fails here may trouble a program that ends
        board = _open_board()
        if board is not None:
            board.post(FAILED if hasattr(sys, "last_value") else LEFT)  # Python has printed what nobody caught


def _open_board() -> Board | None:
    """Return where processes that are not connected yet leave words, or None where their launcher has no such place."""
    launch = find_launch()
    if launch is None or launch.rank is None or launch.size is None or launch.size == 1:
        return None
    if launch.kind == "torchrun":
        from bpx.backend.torch_group import open_store_board

        return open_store_board(launch.rank, launch.size)
    folder, run = os.environ.get("PMIX_SERVER_TMPDIR", ""), os.environ.get("PMIX_NAMESPACE", "")
    if "OMPI_COMM_WORLD_LOCAL_SIZE" not in os.environ or not os.path.isdir(folder):
        return None
    return FolderBoard(folder, run.replace(os.sep, "_"), launch.rank)


def _is_started_by_launcher() -> bool:
    """Tell whether the launcher started this process itself.

    What a rank or a shell script starts inherits the launcher's variables, and when it ends, the rank lives on.
    """
    try:
        variables = Path(f"/proc/{os.getppid()}/environ").read_bytes()
    except PermissionError:
        return True  # of another user: a daemon of the cluster
    except OSError:
        return False  # it cannot be known here
    names = {line.partition(b"=")[0] for line in variables.split(b"\0")}
    return not names & {b"OMPI_COMM_WORLD_RANK", b"PMIX_RANK", b"TORCHELASTIC_RUN_ID"}
