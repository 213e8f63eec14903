"""The two ways to fit an estimator's network: batch by batch, and by L-BFGS on the whole set."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from bpx.core.regularization import L2
from bpx.network import Network
from bpx.optimizers import LBFGS, Optimizer
from bpx.sklearn.architecture import Weights
from bpx.sklearn.internals import Tasks, check_optimize_result
from bpx.sklearn.loop import EstimatorBatches, EstimatorLoop
from bpx.sklearn.monitor import EpochMonitor, Estimator, TaskTeller, ValidationCurves
from bpx.sklearn.samples import Samples, split
from bpx.training.callback import Callback
from bpx.training.fit_run import FitRun
from bpx.training.settings import check_settings

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator

CURVES = ("loss_curve_", "best_loss_", "validation_scores_", "validation_loss_curve_", "best_validation_score_")
"""The attributes that a training by batches appends to."""


def _make_loop(
    e: Estimator, net: Network, samples: Samples, *, epochs: int, batch_size: int | None, optimizer: Optimizer,
    monitors: list[Callback], shuffle: bool, validated: bool, tasks: Tasks, communicator: Communicator | None = None,
) -> EstimatorLoop:  # fmt: skip
    """Return the loop of one training; ``validated`` says whether a monitor measures "validation_loss"."""
    rows = samples.x.shape[0]
    tellers = [TaskTeller(tasks, lambda net: e._session.make_snapshot(net, samples.given))] if tasks.listened else []
    callbacks = [*_list_callbacks(e), *tellers]
    settings = check_settings(
        epochs=epochs, batch_size=batch_size, optimizer=optimizer, metrics=(),
        callbacks=callbacks if communicator is not None else [*monitors, *callbacks],
        shuffle=(lambda epoch: e._session.next_order(rows)) if shuffle else False, progress=e.progress,
        penalties=(L2(float(e.alpha), per_sample=True),) if e.alpha else (), clip=None, class_weight=None,
    )  # fmt: skip
    data = (samples.x, samples.y, samples.weight)
    if communicator is None:
        loop = EstimatorLoop(FitRun(net, EstimatorBatches(net, data, settings), None, settings))
    else:
        from bpx.sklearn.sharing import SharedBatches, SharedEstimatorLoop, SharedEstimatorRun

        source = SharedBatches(net, data, settings)
        run = SharedEstimatorRun(e, net, source, settings, communicator, monitors)
        loop = SharedEstimatorLoop(run, None, communicator)
        loop.agree()
    if validated:
        loop.run.log_names = (*loop.run.log_names, "validation_loss")
    return loop


def fit_by_batches(
    e: Estimator, net: Network, samples: Samples, validation: Samples | None, incremental: bool, tasks: Tasks,
    communicator: Communicator | None = None,
) -> Weights | None:  # fmt: skip
    """Train by a solver that takes batches; return the best weights where early stopping decides, None otherwise."""
    if e.early_stopping and validation is None:
        samples, validation = _set_aside(e, net, samples)
    rows = samples.x.shape[0]
    _begin_curves(e, validation is not None)
    batch_size = _choose_batch_size(e.batch_size, rows, communicator)
    solver = e._session.use_solver(e.__dict__)
    best = e._session.resume(net, keep=e.early_stopping)
    monitor = EpochMonitor(e, rows, validation, best, communicator)
    loop = _make_loop(
        e, net, samples, epochs=1 if incremental else e.max_iter, batch_size=batch_size, optimizer=solver.optimizer,
        monitors=[monitor], shuffle=e.shuffle, validated=validation is not None, tasks=tasks, communicator=communicator,
    )  # fmt: skip
    loop.tolerant, run = e.early_stopping, loop.run
    if solver.moves_rate:
        run.training.rate_scale = solver.rate_scale
    e.n_iter_ = 0
    try:
        loop.train()
    except KeyboardInterrupt:
        if communicator is not None:
            raise  # which ends all ranks
        warnings.warn("Training interrupted by user.", stacklevel=6)
    e.history_ = run.history
    if e.n_iter_ == e.max_iter and not incremental and not run.stop_reason:
        _warn(
            f"Stochastic Optimizer: Maximum iterations ({e.max_iter}) reached and the optimization hasn't converged "
            "yet.",
            ConvergenceWarning,
            communicator,
            stacklevel=6,
        )
    return monitor.best


def fit_by_lbfgs(
    e: Estimator, net: Network, samples: Samples, validation: Samples | None, incremental: bool, tasks: Tasks,
    communicator: Communicator | None = None,
) -> None:  # fmt: skip
    """Train by L-BFGS on the whole set; several processes cannot."""
    e._session.resume(net, keep=False)
    given = isinstance(e.solver, LBFGS)
    optimizer = e.solver if given else LBFGS(gradient_tolerance=e.tol, max_evaluations=e.max_fun)
    curves: list[Callback] = []
    if validation is not None:
        e.validation_scores_, e.validation_loss_curve_ = [], []
        curves.append(ValidationCurves(e, validation))
    loop = _make_loop(
        e, net, samples, epochs=e.max_iter, batch_size=None, shuffle=False, monitors=curves,
        optimizer=optimizer, validated=validation is not None, tasks=tasks,
    )  # fmt: skip
    loop.train()
    e.history_, e.loss_ = loop.run.history, loop.outcome.fun
    e.n_iter_ = loop.outcome.nit if loop.run.stop_reason else check_optimize_result("lbfgs", loop.outcome, e.max_iter)


def _warn(message: str, category: type[Warning], communicator: Communicator | None, stacklevel: int) -> None:
    """Warn as ``warnings.warn`` does; of several processes the first one does, and all raise what becomes of it."""
    if communicator is None:
        warnings.warn(message, category, stacklevel=stacklevel + 1)
    else:
        communicator.lead(lambda: warnings.warn(message, category, stacklevel=stacklevel + 3))


def _list_callbacks(e: Estimator) -> list[Any]:
    """Return the user's callbacks as a list."""
    callbacks = e.callbacks
    return [] if callbacks is None else list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def _choose_batch_size(batch_size: Any, rows: int, communicator: Communicator | None) -> int:
    """Return the number of samples of a step."""
    if batch_size == "auto":
        return min(200, rows)
    if batch_size > rows:
        message = "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped"
        _warn(message, UserWarning, communicator, stacklevel=7)
    return int(min(batch_size, rows))


def _set_aside(e: Estimator, net: Network, samples: Samples) -> tuple[Samples, Samples]:
    """Return the samples to train on, and those that early stopping validates on."""
    column = samples.y if e.out_activation_ == "logistic" and e.n_outputs_ == 1 else None
    rows = samples.x.shape[0]
    train, validate = split(net.backend, rows, column, e.validation_fraction, e._session.split_draws())
    parts = samples.take(net.backend.xp, train), samples.take(net.backend.xp, validate)
    for part, weight in ((parts[0], parts[0].weight), (parts[1], parts[1].score_weight)):
        if weight is not None and not float(net.backend.xp.sum(weight)):
            what = "to train on" if part is parts[0] else "set aside by early_stopping to validate on"
            raise ValueError(f"All samples {what} have a weight of 0: change random_state or validation_fraction.")
    return parts


def _begin_curves(e: Estimator, validated: bool) -> None:
    """Make the curves that this training appends to, where an earlier one has not."""
    if not hasattr(e, "loss_curve_"):
        e.loss_curve_ = []
        e._no_improvement_count = 0
    for name in CURVES:
        if not hasattr(e, name):
            setattr(e, name, None)
    if validated and e.validation_scores_ is None:
        e.validation_scores_, e.validation_loss_curve_, e.best_validation_score_ = [], [], -np.inf
    if e.early_stopping:
        e.best_loss_ = None
    elif e.best_loss_ is None:
        e.best_loss_ = np.inf
