"""What an estimator does after each epoch: it keeps the curves, watches for improvement, and ends the training."""

from __future__ import annotations

from collections.abc import Callable as Function
from typing import TYPE_CHECKING, Any, Protocol

from bpx.backend.base import Array
from bpx.core.model import Model
from bpx.sklearn.architecture import Weights, copy_weights
from bpx.sklearn.internals import Tasks
from bpx.sklearn.ranks import compute_outputs_together
from bpx.sklearn.samples import Samples
from bpx.sklearn.session import Session
from bpx.training.callback import Callback, Run

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator


class Estimator(Protocol):
    """What the training of an estimator reads of its parameters, and the attributes that it sets."""

    solver: Any
    alpha: float
    batch_size: Any
    max_iter: int
    max_fun: int
    tol: float
    learning_rate: Any
    shuffle: bool
    verbose: Any
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: float
    callbacks: Any
    progress: bool | None

    loss_: float
    loss_curve_: list[float]
    best_loss_: Any
    validation_scores_: Any
    validation_loss_curve_: Any
    best_validation_score_: Any
    history_: Any
    n_iter_: int
    n_outputs_: int
    out_activation_: str
    t_: int
    _no_improvement_count: int
    _session: Session

    def score_outputs(self, net: Any, z: Array, samples: Samples) -> float:
        """Return the score of a network's outputs for samples: accuracy or R²."""


class ValidationCurves(Callback):
    """Measure loss and score on samples of their own after each epoch.

    Parameters
    ----------
    estimator : MultilayerPerceptron
        Gets ``validation_loss_curve_`` and ``validation_scores_``.
    samples : Samples
    communicator : Communicator or None
        The processes that share the samples out among them; the first one's numbers are those of all.
    """

    def __init__(self, estimator: Estimator, samples: Samples, communicator: Communicator | None = None) -> None:
        self.estimator = estimator
        self.samples = samples
        self.communicator = communicator

    def on_epoch_end(self, run: Run) -> None:
        e = self.estimator
        loss, score = self._measure(run.net)
        e.validation_loss_curve_.append(loss)
        e.validation_scores_.append(score)
        run.logs["validation_loss"] = loss
        run.history.validation_loss.append(loss)

    def _measure(self, net: Any) -> tuple[float, float]:
        """Return loss and score."""
        held = self.samples
        if self.communicator is None:
            return self._judge(net, net.compute_outputs(held.x))
        z = compute_outputs_together(net, held.x, self.communicator)
        return self.communicator.lead(lambda: self._judge(net, z))

    def _judge(self, net: Any, z: Array) -> tuple[float, float]:
        """Return loss and score of outputs."""
        held = self.samples
        loss = float(net.loss.forward(net.backend.xp, z, held.y, held.score_weight)[0])
        return loss, self.estimator.score_outputs(net, z, held)


class TaskTeller(Callback):
    """Tell scikit-learn's callbacks of each epoch; the last of a training's callbacks, which knows whether it ends.

    Parameters
    ----------
    tasks : Tasks
    make_fitted : callable
        ``make_fitted(net)`` returns the attributes of the estimator as if its training had ended now.
    name : str
        What an epoch is called.
    """

    def __init__(self, tasks: Tasks, make_fitted: Function[[Any], dict[str, Any]], name: str = "epoch") -> None:
        self.tasks, self.make_fitted, self.name = tasks, make_fitted, name

    def on_train_begin(self, run: Run) -> None:
        self.tasks.begin_step(self.name)

    def on_epoch_end(self, run: Run) -> None:
        if self.tasks.end_step(lambda: self.make_fitted(run.net)):
            run.stop("a callback of scikit-learn asked for it")
        if not run.stop_reason and run.done < run.epochs:
            self.tasks.begin_step(self.name)

    def on_train_end(self, run: Run) -> None:
        self.tasks.drop_step()


class EpochMonitor(Callback):
    """Keep an estimator's curves and stop its training, by scikit-learn's rules.

    Parameters
    ----------
    estimator : MultilayerPerceptron
    samples : int
        How many an epoch sees.
    validation : Samples or None
        Measured after each epoch.
    best : Weights or None
        The best weights so far, where the validation's score decides; None where the training loss does.
    communicator : Communicator or None
        The processes that train together; each has a monitor, and the first one prints.
    """

    def __init__(
        self,
        estimator: Estimator,
        samples: int,
        validation: Samples | None,
        best: Weights | None,
        communicator: Communicator | None = None,
    ) -> None:
        self.estimator = estimator
        self.samples = samples
        self.curves = None if validation is None else ValidationCurves(estimator, validation, communicator)
        self.verbose = estimator.verbose if communicator is None or communicator.rank == 0 else False
        self.early_stopping = best is not None
        self.best = best

    def on_epoch_end(self, run: Run) -> None:
        e, solver = self.estimator, self.estimator._session.solver
        assert solver is not None
        e.loss_ = run.logs["loss"]
        e.n_iter_ += 1
        e.t_ += self.samples
        e.loss_curve_.append(e.loss_)
        if self.verbose:
            print(f"Iteration {e.n_iter_}, loss = {e.loss_:.8f}")
        if run.whole_set and e.shuffle:
            e._session.next_order(self.samples)  # scikit-learn shuffles here too: the stream stays the same
        if self.curves is not None:
            self.curves.on_epoch_end(run)
            if self.verbose:
                print(f"Validation score: {e.validation_scores_[-1]:f}")
        e._no_improvement_count = 0 if self._improves(run.net) else e._no_improvement_count + 1
        solver.end_epoch(e.t_)
        if e._no_improvement_count > e.n_iter_no_change:
            what = "Validation score" if self.early_stopping else "Training loss"
            why = f"{what} did not improve more than tol={e.tol:f} for {e.n_iter_no_change} consecutive epochs."
            if solver.stops(why, self.verbose):
                run.stop(why)
            else:
                e._no_improvement_count = 0
        if solver.moves_rate:  # else it is the callbacks' to scale
            run.training.rate_scale = solver.rate_scale

    def _improves(self, net: Model) -> bool:
        """Tell whether the epoch is better than the best one by ``tol``, and remember the best.

        NaN counts as better, as in scikit-learn: it ends no training.
        """
        e = self.estimator
        if not self.early_stopping:
            improves = not e.loss_ > e.best_loss_ - e.tol
            e.best_loss_ = min(e.best_loss_, e.loss_)
            if self.curves is not None:
                e.best_validation_score_ = max(e.best_validation_score_, e.validation_scores_[-1])
            return improves
        score = e.validation_scores_[-1]
        improves = not score < e.best_validation_score_ + e.tol
        if score > e.best_validation_score_:
            e.best_validation_score_ = score
            self.best = copy_weights(net)
        return improves
