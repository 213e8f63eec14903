"""Which launcher started this process, as its environment variables say; nothing is imported to find out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from bpx.errors import InputError

_MPI = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # Open MPI's mpirun
    ("PMI_RANK", "PMI_SIZE"),  # MPICH, Intel MPI, and srun --mpi=pmi2
    ("PMIX_RANK", "SLURM_STEP_NUM_TASKS"),  # srun --mpi=pmix
)
"""Variables in which launchers of MPI programs say a process's number, and how many there are."""


class Launch(NamedTuple):
    """How this process was started among others.

    Attributes
    ----------
    kind : str
        "mpi" (mpirun, srun) or "torchrun".
    rank, size : int or None
        Number of the process, and of all; None where the variables do not say.
    """

    kind: str
    rank: int | None
    size: int | None


def find_launch(environment: Mapping[str, str] | None = None) -> Launch | None:
    """Return how this process was started among others, or None where it was started alone.

    Parameters
    ----------
    environment : mapping or None
        The variables; None: those of this process.

    Raises
    ------
    InputError
        If a variable holds no number, or srun started several processes that know nothing of each other.
    """
    variables = os.environ if environment is None else environment
    if "TORCHELASTIC_RUN_ID" in variables:
        return Launch("torchrun", _read(variables, "RANK"), _read(variables, "WORLD_SIZE"))
    for rank, size in _MPI:
        if rank in variables:
            return Launch("mpi", _read(variables, rank), _read(variables, size))
    tasks = _read(variables, "SLURM_STEP_NUM_TASKS")
    if tasks is not None and tasks > 1:
        raise InputError(_describe_strangers(tasks, 1))
    return None


def check_slurm(size: int) -> None:
    """Raise if srun started more processes than MPI has: then it started so many that are alone.

    Raises
    ------
    InputError
    """
    tasks = None if "OMPI_COMM_WORLD_SIZE" in os.environ else _read(os.environ, "SLURM_STEP_NUM_TASKS")
    if tasks is not None and tasks > size:
        raise InputError(_describe_strangers(tasks, size))


def _describe_strangers(tasks: int, size: int) -> str:
    return (
        f"srun started {tasks} processes, but MPI knows of {size}: each would train by itself on all of the data; "
        "choose a plugin that this MPI has (srun --mpi=list names them, srun --mpi=pmix is Open MPI's), or start the "
        "program by mpirun or torchrun"
    )


def _read(variables: Mapping[str, str], name: str) -> int | None:
    """Return the number in a variable, or None where there is none."""
    text = variables.get(name)
    if text is None:
        return None
    if not text.strip().isdigit():
        raise InputError(f"the variable {name} should hold a whole number, as the launcher sets it, got {text!r}")
    return int(text)
