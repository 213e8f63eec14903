"""Search for an architecture and a learning rate with Optuna, and stop trials that go badly early.

Each trial trains a `bpx.sklearn.NetworkClassifier`; a bpx callback reports the loss on held-out rows after every epoch,
and Optuna's pruner ends trials that are worse than the median of the others. Needs the extra ``sklearn`` and optuna::

    python optuna_search.py --trials 30
"""

from __future__ import annotations

import argparse
from typing import Any

import optuna
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import bpx
from bpx.sklearn import NetworkClassifier


def build(n_features: int, n_outputs: int, *, width: int, depth: int, dropout: float, seed: int = 0) -> bpx.Network:
    """Build a perceptron of some hidden layers of one width."""
    return bpx.mlp([n_features, *[width] * depth, n_outputs], "silu", dropout=dropout, seed=seed)


class Pruning(bpx.Callback):
    """Report the loss on held-out rows to a trial after each epoch, and end the training if it is to be pruned.

    Parameters
    ----------
    trial : optuna.Trial
    """

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial = trial

    def on_epoch_end(self, run: Any) -> None:
        self.trial.report(run.logs["validation_loss"], run.epoch)
        if self.trial.should_prune():
            run.stop("pruned by Optuna")


def search(trials: int, epochs: int = 30, seed: int = 0) -> optuna.Study:
    """Search, and return the study; its best trial has the least loss on the held-out rows."""
    x, y = load_digits(return_X_y=True)
    x_train, x_held, y_train, y_held = train_test_split(x / 16.0, y, random_state=0, stratify=y)

    def objective(trial: optuna.Trial) -> float:
        model = NetworkClassifier(
            build,
            build_args={
                "width": trial.suggest_int("width", 8, 128, log=True),
                "depth": trial.suggest_int("depth", 1, 3),
                "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            },
            optimizer=bpx.AdamW(bpx.CosineDecay(trial.suggest_float("rate", 1e-4, 1e-1, log=True), length=epochs)),
            max_iter=epochs,
            random_state=seed,
            callbacks=[Pruning(trial)],
        )
        model.fit(x_train, y_train, validation_data=(x_held, y_held))
        if model.history_.stop_reason:
            raise optuna.TrialPruned
        return min(model.history_.validation_loss)

    pruner = optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=3)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner)
    study.optimize(objective, n_trials=trials)
    return study


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args()
    found = search(options.trials, options.epochs)
    pruned = sum(trial.state is optuna.trial.TrialState.PRUNED for trial in found.trials)
    print(f"{len(found.trials)} trials, {pruned} pruned; the best: loss {found.best_value:.4f}, {found.best_params}")
