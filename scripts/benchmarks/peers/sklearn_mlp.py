"""scikit-learn's multilayer perceptron, started from the given weights and kept from stopping early."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.tasks import XOR_LEARNING_RATE, XOR_X, XOR_Y, Array, Layers, Task, xor_start


def classifier(layers: Layers, classes: int, **options: Any) -> MLPClassifier:
    """Return a classifier that has the given weights and goes on from them when fitted."""
    hidden = tuple(b.shape[0] for _, b in layers[:-1])
    plain = {"alpha": 0.0, "momentum": 0.0, "nesterovs_momentum": False, "tol": 0.0, "n_iter_no_change": 10**9}
    network = MLPClassifier(hidden, warm_start=True, random_state=0)
    n_in, dtype = layers[0][0].shape[0], layers[0][0].dtype
    network.partial_fit(np.zeros((classes, n_in), dtype), np.arange(classes), classes=np.arange(classes))
    network.set_params(**plain, **options)
    network.coefs_ = [w.copy() for w, _ in layers]
    network.intercepts_ = [b.copy() for _, b in layers]
    return network


class SklearnTrainer:
    """``fit`` with a warm start, all epochs of a call in one fit."""

    def __init__(self, task: Task) -> None:
        if task.optimizer != "sgd":
            raise ValueError("a warm start of scikit-learn forgets Adam's moments: no comparison by the step")
        self.loss = float("nan")
        self.x, self.y = task.data()
        self.network = classifier(
            task.start(),
            task.sizes[-1],
            solver="sgd",
            batch_size=task.batch,
            learning_rate_init=task.learning_rate,
            shuffle=task.shuffle,
        )

    def train(self, epochs: int) -> None:
        """Train and record the mean loss of each epoch."""
        self.network.max_iter = epochs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.network.fit(self.x, self.y)
        self.loss = float(self.network.loss_curve_[-1])

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer."""
        return [p for pair in zip(self.network.coefs_, self.network.intercepts_, strict=True) for p in pair]


class SklearnXor(SklearnTrainer):
    """The same layers and batches; log loss, for scikit-learn has no sigmoid output with a squared error."""

    def __init__(self) -> None:
        self.loss = float("nan")
        self.x, self.y = XOR_X, XOR_Y[:, 0].astype(int)
        self.network = classifier(
            xor_start(),
            2,
            solver="sgd",
            activation="logistic",
            batch_size=4,
            learning_rate_init=XOR_LEARNING_RATE,
            shuffle=False,
        )

    def train(self, epochs: int) -> None:
        """Train on the four rows at once; its loss is another one, and so it is not kept."""
        super().train(epochs)
        self.loss = float("nan")


def predictor(task: Task) -> Callable[[Array], Array]:
    """Return a function from rows to class probabilities."""
    predict: Callable[[Array], Array] = classifier(task.start(), task.sizes[-1]).predict_proba
    return predict
