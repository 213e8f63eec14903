"""XOR by hand in NumPy: as the notebook has it, with biases and losses, and the latter tuned to the last call."""

from __future__ import annotations

import numpy as np

from benchmarks.tasks import XOR_LEARNING_RATE, XOR_X, XOR_Y, Array, xor_start


def sigmoid(z: Array) -> Array:
    """Return 1/(1+exp(-z))."""
    p: Array = 1 / (1 + np.exp(-z))
    return p


def sigmoid_factor(p: Array) -> Array:
    """Return the derivative of the sigmoid from its value."""
    slope: Array = p * (1 - p)
    return slope


class _Xor:
    def __init__(self) -> None:
        self.loss = float("nan")
        (self.w1, b1), (self.w2, b2) = xor_start()
        self.b1, self.b2 = b1[None, :], b2[None, :]
        self.losses: list[float] = []

    def parameters(self) -> list[Array]:
        """Return weight and bias of each layer."""
        return [self.w1, self.b1[0], self.w2, self.b2[0]]


class NotebookXor(_Xor):
    """The published loop: biases drawn and never updated, no loss recorded."""

    def train(self, epochs: int) -> None:
        """Train on the four rows at once; the loss is worked out once, at the end."""
        x, y, lr = XOR_X, XOR_Y, XOR_LEARNING_RATE
        w1, b1, w2, b2 = self.w1, self.b1, self.w2, self.b2
        for _ in range(epochs):
            h = sigmoid(np.dot(x, w1) + b1)
            p = sigmoid(np.dot(h, w2) + b2)
            error = y - p
            d2 = error * sigmoid_factor(p)
            d1 = d2.dot(w2.T) * sigmoid_factor(h)
            w2 += h.T.dot(d2) * lr
            w1 += x.T.dot(d1) * lr
        self.loss = float(0.5 * np.sum(error**2))


class NumpyXor(_Xor):
    """The same work as bpx: biases trained too, and the loss ½Σ(p-y)² recorded each epoch.

    As somebody writes it who knows NumPy: in place where an array is the loop's own, sums over rows and the sum of
    squares as products, which take half the time of ``np.sum`` here.
    """

    def train(self, epochs: int) -> None:
        """Train on the four rows at once."""
        x, y, lr, ones = XOR_X, XOR_Y, XOR_LEARNING_RATE, np.ones(len(XOR_X))
        w1, b1, w2, b2 = self.w1, self.b1[0], self.w2, self.b2[0]
        for _ in range(epochs):
            z = x.dot(w1)
            z += b1
            h = 1 / (1 + np.exp(-z))
            z = h.dot(w2)
            z += b2
            p = 1 / (1 + np.exp(-z))
            d2 = p - y
            self.losses.append(0.5 * float(np.vdot(d2, d2)))
            d2 *= p * (1 - p)
            d1 = d2.dot(w2.T)
            d1 *= h * (1 - h)
            w2 -= lr * h.T.dot(d2)
            b2 -= lr * ones.dot(d2)
            w1 -= lr * x.T.dot(d1)
            b1 -= lr * ones.dot(d1)
        self.loss = self.losses[-1]


class TunedXor(_Xor):
    """The same work with every known trick: sums as products, constants as arrays, results into kept arrays."""

    def train(self, epochs: int) -> None:
        """Train on the four rows at once."""
        w1, b1, w2, b2 = self.w1, self.b1[0], self.w2, self.b2[0]
        x, y, lr, one, rows = XOR_X, XOR_Y, np.asarray(XOR_LEARNING_RATE), np.asarray(1.0), np.ones(4)
        xt, w2t = x.T, w2.T
        exp, add, subtract, matmul = np.exp, np.add, np.subtract, np.matmul
        h, p, factor, slope = np.empty((4, 2)), np.empty((4, 1)), np.empty((4, 2)), np.empty((4, 1))
        ht = h.T
        for _ in range(epochs):
            add(matmul(x, w1, h), b1, h)
            np.divide(one, add(exp(np.negative(h, h), h), one, h), h)
            add(matmul(h, w2, p), b2, p)
            np.divide(one, add(exp(np.negative(p, p), p), one, p), p)
            d2 = p - y
            self.losses.append(0.5 * float(np.vdot(d2, d2)))
            d2 *= np.multiply(p, subtract(one, p, slope), slope)
            d1 = d2 @ w2t
            d1 *= np.multiply(h, subtract(one, h, factor), factor)
            w2 -= (ht @ d2) * lr
            b2 -= (rows @ d2) * lr
            w1 -= (xt @ d1) * lr
            b1 -= (rows @ d1) * lr
        self.loss = self.losses[-1]
