"""NumPy by hand: the loop an expert would write for this network, in place where that is natural."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.tasks import Array, Layers, Task


class NumpyTrainer:
    """A ReLU network with a softmax cross-entropy, trained by SGD or Adam."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.loss = float("nan")
        self.x, self.y = task.data()
        self.layers = task.start()
        self.rng = np.random.default_rng(task.seed)
        self.update: Callable[[Layers], None] = self._sgd if task.optimizer == "sgd" else self._adam
        self.moments = [tuple(np.zeros_like(p) for p in (w, w, b, b)) for w, b in self.layers]
        self.steps = 0

    def train(self, epochs: int) -> None:
        """Train and record the mean loss of each epoch."""
        rows, batch = self.task.rows, self.task.batch
        for _ in range(epochs):
            total = 0.0
            order = self.rng.permutation(rows) if self.task.shuffle else None
            for start in range(0, rows, batch):
                pick = slice(start, start + batch) if order is None else order[start : start + batch]
                x, y = self.x[pick], self.y[pick]
                total += self._step(x, y) * len(x)
            self.loss = total / rows

    def _step(self, x: Array, y: Array) -> float:
        inputs = [x]
        for w, b in self.layers[:-1]:
            z = inputs[-1] @ w
            z += b
            inputs.append(np.maximum(z, 0, out=z))
        w, b = self.layers[-1]
        logits = inputs[-1] @ w
        logits += b
        logits -= logits.max(axis=1, keepdims=True)
        rows = np.arange(len(y))
        chosen = logits[rows, y]
        d = np.exp(logits, out=logits)
        norm = d.sum(axis=1, keepdims=True)
        loss = (np.log(norm).sum() - chosen.sum()) / len(y)
        d /= norm
        d[rows, y] -= 1
        d /= len(y)
        grads: Layers = []
        for depth in range(len(self.layers) - 1, -1, -1):
            grads.append((inputs[depth].T @ d, d.sum(axis=0)))
            if depth:
                d = d @ self.layers[depth][0].T
                d *= inputs[depth] > 0
        self.update(grads[::-1])
        return float(loss)

    def _sgd(self, grads: Layers) -> None:
        for parameters, gradients in zip(self.layers, grads, strict=True):
            for p, g in zip(parameters, gradients, strict=True):
                g *= self.task.learning_rate
                p -= g

    def _adam(self, grads: Layers, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8) -> None:
        self.steps += 1
        rate = self.task.learning_rate / (1 - b1**self.steps)
        root = (1 - b2**self.steps) ** 0.5
        for (w, b), (dw, db), (mw, vw, mb, vb) in zip(self.layers, grads, self.moments, strict=True):
            for p, g, m, v in ((w, dw, mw, vw), (b, db, mb, vb)):
                m *= b1
                v *= b2
                scratch = g * (1 - b1)
                m += scratch
                np.multiply(g, g, out=g)
                g *= 1 - b2
                v += g
                np.sqrt(v, out=g)
                g /= root
                g += eps
                np.divide(m, g, out=scratch)
                scratch *= rate
                p -= scratch

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer."""
        return [p for layer in self.layers for p in layer]


def predictor(task: Task) -> Callable[[Array], Array]:
    """Return a function from rows to class probabilities."""
    layers = task.start()

    def predict(x: Array) -> Array:
        for w, b in layers[:-1]:
            x = x @ w
            x += b
            np.maximum(x, 0, out=x)
        w, b = layers[-1]
        p: Array = x @ w
        p += b
        p -= p.max(axis=1, keepdims=True)
        np.exp(p, out=p)
        p /= p.sum(axis=1, keepdims=True)
        return p

    return predict
