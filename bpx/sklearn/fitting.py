"""The two ways to fit an estimator's network: batch by batch, and by L-BFGS on the whole set."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.optimize import _check_optimize_result

from bpx.layers import Params
from bpx.optimizers.quasi_newton import LBFGS
from bpx.regularization import L2
from bpx.sklearn.architecture import EstimatorNetwork
from bpx.sklearn.monitor import EpochMonitor, ValidationCurves
from bpx.sklearn.run import EstimatorRun, MinimizingRun
from bpx.sklearn.samples import Samples
from bpx.sklearn.splitting import split

if TYPE_CHECKING:
    from bpx.sklearn.estimator import MultilayerPerceptron

CURVES = ("loss_curve_", "best_loss_", "validation_scores_", "validation_loss_curve_", "best_validation_score_")
"""The attributes that a training by batches appends to."""


def fit_by_batches(
    e: MultilayerPerceptron, net: EstimatorNetwork, samples: Samples, validation: Samples | None, incremental: bool
) -> list[Params] | None:
    """Train by "sgd" or "adam"; return the best weights where early stopping decides, None otherwise."""
    if e.early_stopping and validation is None:
        samples, validation = _set_aside(e, net, samples)
    rows = samples.x.shape[0]
    _begin_curves(e, validation is not None)
    batch_size = _batch_size(e.batch_size, rows)
    solver = e._session.use_solver(e.__dict__)
    best = e._session.resume(net, keep=e.early_stopping)
    monitor = EpochMonitor(e, rows, validation, best)
    run = EstimatorRun(
        net, samples, e._session, shuffle=e.shuffle, validated=validation is not None, tolerant=e.early_stopping,
        epochs=1 if incremental else e.max_iter, batch_size=batch_size, optimizer=solver.optimizer,
        callbacks=[monitor, *_callbacks(e)], penalties=_penalties(e), progress=e.progress,
    )  # fmt: skip
    run.training.rate_scale = solver.rate_scale
    e.n_iter_ = 0
    try:
        run.train()
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=5)
    e.history_ = run.history
    if e.n_iter_ == e.max_iter and not incremental and not run.stop_reason:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({e.max_iter}) reached and the optimization hasn't converged "
            "yet.",
            ConvergenceWarning,
            stacklevel=5,
        )
    return monitor.best


def fit_by_lbfgs(
    e: MultilayerPerceptron, net: EstimatorNetwork, samples: Samples, validation: Samples | None, incremental: bool
) -> None:
    """Train by L-BFGS on the whole set."""
    e._session.resume(net, keep=False)
    curves = []
    if validation is not None:
        e.validation_scores_, e.validation_loss_curve_ = [], []
        curves.append(ValidationCurves(e, validation))
    run = MinimizingRun(
        net, samples, e._session, shuffle=False, validated=validation is not None, tolerant=False, epochs=e.max_iter,
        batch_size=None, optimizer=LBFGS(gradient_tolerance=e.tol, max_evaluations=e.max_fun),
        callbacks=[*curves, *_callbacks(e)], penalties=_penalties(e), progress=e.progress,
    )  # fmt: skip
    run.train()
    e.history_, e.loss_ = run.history, run.outcome.fun
    e.n_iter_ = run.outcome.nit if run.stop_reason else _check_optimize_result("lbfgs", run.outcome, e.max_iter)


def _callbacks(e: MultilayerPerceptron) -> list[Any]:
    """Return the user's callbacks as a list."""
    callbacks = e.callbacks
    return [] if callbacks is None else list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]


def _penalties(e: MultilayerPerceptron) -> tuple[L2, ...]:
    return (L2(float(e.alpha), per_sample=True),) if e.alpha else ()


def _batch_size(batch_size: Any, rows: int) -> int:
    """Return the number of samples of a step."""
    if batch_size == "auto":
        return min(200, rows)
    if batch_size > rows:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=6
        )
    return int(min(batch_size, rows))


def _set_aside(e: MultilayerPerceptron, net: EstimatorNetwork, samples: Samples) -> tuple[Samples, Samples]:
    """Return the samples to train on, and those that early stopping validates on."""
    column = samples.y if e.out_activation_ == "logistic" and e.n_outputs_ == 1 else None
    rows = samples.x.shape[0]
    train, validate = split(net.backend, rows, column, e.validation_fraction, e._session.split_draws())
    return samples.take(net.backend.xp, train), samples.take(net.backend.xp, validate)


def _begin_curves(e: MultilayerPerceptron, validated: bool) -> None:
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
