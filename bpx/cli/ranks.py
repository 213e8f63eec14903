"""``bpx train`` started by mpirun, srun or torchrun: all ranks train, and rank 0 prints and writes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, TypeVar

from bpx.cli.group import choose_backend
from bpx.distributed.launchers import find_launch

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator

__all__ = ["Ranks"]

Result = TypeVar("Result")


class Ranks:
    """The processes that run a command together, or this one alone.

    Parameters
    ----------
    communicator : Communicator or None
        None where it is alone.
    """

    def __init__(self, communicator: Communicator | None) -> None:
        self._communicator = communicator

    @classmethod
    def find(cls, backend: str | None, threads: int | None) -> Ranks:
        """Return those that a launcher's variables speak of, connected for networks on a backend.

        Raises
        ------
        InputError, BackendError
            If they cannot be connected.
        """
        if find_launch() is None:
            return cls(None)
        from bpx.distributed.communicator import connect

        return cls(connect(choose_backend(backend, threads), "bpx train"))

    @property
    def leads(self) -> bool:
        """Whether this process prints and writes."""
        return self._communicator is None or self._communicator.rank == 0

    @property
    def note(self) -> str:
        """The line that says so; empty for one process."""
        if self._communicator is None:
            return ""
        return f"{self._communicator.size} processes train together, over {self._communicator.name}"

    @property
    def fit_options(self) -> dict[str, Any]:
        """What ``fit`` is told."""
        return {} if self._communicator is None else {"distributed": True}

    def lead(self, function: Callable[[], None]) -> None:
        """Do something on rank 0 alone; what it raises is raised on all."""
        if self._communicator is None:
            function()
        else:
            self._communicator.lead(function)

    def together(self, function: Callable[[], Result]) -> Result:
        """Do something on every rank, and return what it returns here; what it raises on one is raised on all."""
        if self._communicator is None:
            return function()
        results: list[Result] = []
        self._communicator.together(lambda: results.append(function()))
        return results[0]

    def calling(self) -> AbstractContextManager[None]:
        """Begin with all ranks; what is raised in the block on one rank alone ends all."""
        return (
            contextlib.nullcontext()
            if self._communicator is None
            else self._communicator.calling("bpx train", works=False)
        )
