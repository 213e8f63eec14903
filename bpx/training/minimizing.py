"""Epochs of L-BFGS: SciPy leads, and each of its iterations is recorded as an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpx.errors import InputError
from bpx.lbfgs import LBFGS, check_full_batch, minimize

if TYPE_CHECKING:
    from bpx.training.run import Run


def check_minimizable(run: Run) -> None:
    """Raise unless L-BFGS can do what is asked for.

    Raises
    ------
    InputError
        If there are batches, limits on gradients, layers that are random or keep statistics, or checkpoints.
    """
    check_full_batch(run.net, 1 if run.whole_set else 2, run.settings.clip)
    if run.keeper is not None:
        raise InputError(
            "optimizer 'lbfgs' cannot be resumed to the bit, because its estimate of the Hessian is inside SciPy; "
            "leave checkpoint and resume out"
        )


def minimize_epochs(run: Run) -> None:
    """Run the epochs of this call; fewer, where L-BFGS has converged."""
    optimizer = run.settings.optimizer
    assert isinstance(optimizer, LBFGS)
    assert run.source.whole is not None
    if run.done >= run.epochs:
        return
    outcome = minimize(
        run.net, run.source.whole, optimizer, run.epochs - run.done, run.settings.penalties, run.iterated
    )
    if not run.stop_reason and outcome.nit < run.epochs:
        run.stop(outcome.message)
