"""One network trained by several processes, on the engine that the cluster has: MPI, torch.distributed, or JAX's mesh.

bpx starts no process: ``mpirun``, ``srun`` or ``torchrun`` do, and each runs the same script with the same data.
``net.fit(..., distributed=True)`` then shares the rows of each batch out among them. A process of these is a *rank*.
"""

from __future__ import annotations

import sys

from bpx.distributed.launchers import find_launch

__all__ = ["rank", "size"]


def rank() -> int:
    """Return the number of this process among those that were started together, from 0; alone it is 0.

    Returns
    -------
    int

    Raises
    ------
    InputError
        If srun started several processes that know nothing of each other, a variable holds no number, or the variables
        do not say it and mpi4py is not installed.

    See Also
    --------
    bpx.distributed.size : how many there are.
    bpx.Network.fit : trains a network by all of them, with ``distributed=True``.

    Notes
    -----
    It is read from the variables of ``mpirun``, ``srun`` or ``torchrun``; mpi4py is imported only where these do not
    say all. Of processes that ``jax.distributed.initialize`` connects it is known from the first call with
    ``distributed=True`` on; before it, ask ``jax.process_index()``.

    What every rank does, such as printing, is done once under ``if bpx.distributed.rank() == 0``; a call with
    ``distributed=True`` belongs outside of such a block, for it waits until all ranks have come to it.

    Examples
    --------
    >>> import bpx
    >>> bpx.distributed.rank()
    0
    """
    return _find_place()[0]


def size() -> int:
    """Return how many processes were started together; without a launcher it is 1.

    Returns
    -------
    int

    Raises
    ------
    InputError
        As for `rank`.

    See Also
    --------
    bpx.distributed.rank : which one this is.

    Examples
    --------
    >>> import bpx
    >>> bpx.distributed.size()
    1
    """
    return _find_place()[1]


def _find_place() -> tuple[int, int]:
    communicators = sys.modules.get("bpx.distributed.communicator")  # not imported: nothing is connected yet
    place = None if communicators is None else communicators.find_place()
    if place is not None:
        return place  # type: ignore[no-any-return]
    launch = find_launch()
    if launch is None:
        return 0, 1
    if launch.rank is not None and launch.size is not None:
        return launch.rank, launch.size
    from bpx.distributed.mpi import import_mpi

    world = import_mpi().COMM_WORLD
    return int(world.Get_rank()), int(world.Get_size())
