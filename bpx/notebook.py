"""The notebook that bpx starts from: a 2-2-1 network and XOR, as published and with its biases trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.arguments import check_count, check_number
from bpx.backend.selection import BackendSpec
from bpx.datasets import xor
from bpx.errors import InputError
from bpx.layers import Linear, Sigmoid
from bpx.losses import SquaredError
from bpx.network import Network
from bpx.optimizers import SGD

__all__ = ["NotebookXor", "notebook_network", "notebook_xor"]

EPOCHS = 10_000
LEARNING_RATE = 0.5
_SEEDS = 2**32


@dataclass(frozen=True, eq=False)
class NotebookXor:
    """What a run of the notebook's recipe ended with.

    Attributes
    ----------
    predictions : numpy.ndarray, shape (4,), float64
        The outputs for 00, 01, 10, 11 in the last epoch's forward pass, before its update, as the notebook prints them.
    losses : list of float
        The loss of each epoch, half the sum of the squared errors, before the epoch's update.
    seconds : float
        Time of the training.
    as_published : bool
        Whether the biases stayed as they were drawn.
    seed : int
        Seed of the draws.
    network : Network
        The trained network, the last update included.

    See Also
    --------
    bpx.notebook.notebook_xor : Train the notebook's network.

    Examples
    --------
    >>> from bpx.notebook import notebook_xor
    >>> run = notebook_xor(epochs=20)
    >>> len(run.losses), run.loss == run.losses[-1], run.solved, run.as_published
    (20, True, False, False)
    """

    predictions: np.ndarray[Any, np.dtype[np.float64]]
    losses: list[float]
    seconds: float
    as_published: bool
    seed: int
    network: Network

    @property
    def loss(self) -> float:
        """The loss of `predictions`."""
        return self.losses[-1]

    @property
    def solved(self) -> bool:
        """Whether each of the four predictions is on its target's side of one half."""
        return bool(((self.predictions > 0.5) == (xor().y[:, 0] > 0.5)).all())

    @property
    def explanation(self) -> str:
        """Why the recipe as published learns or does not learn XOR from here; empty if the biases were trained."""
        if not self.as_published:
            return ""
        hidden, output = (self.network.params[i]["bias"] for i in (0, 2))
        answer = 1.0 / (1.0 + np.exp(-self.network.backend.to_numpy(hidden)))
        fixed = (
            "It draws them once and then trains the weights alone, so no unit can shift its threshold. At input 00 "
            "every weight of the hidden layer is multiplied by zero: the hidden units answer sigmoid(b1) = "
            f"({answer[0]:.3f}, {answer[1]:.3f}) there in the first epoch and in the last. The output unit, its own "
            f"bias fixed at {float(output[0]):+.3f}, can push 00 below one half through its two weights only, and "
            "these act on the other three rows as well."
        )
        if self.solved:
            return (
                f"The notebook's recipe never updates its biases. {fixed} The biases drawn from seed {self.seed} "
                "happen to suit, so that all four rows end on the right side of one half; of the seeds 0 to 29, 7 are "
                "so lucky in 10,000 epochs, and 25 with the biases trained too."
            )
        rows = zip(("00", "01", "10", "11"), xor().y[:, 0], self.predictions, strict=True)
        wrong = ", ".join(f"{row} at {p:.3f}" for row, y, p in rows if (p > 0.5) != (y > 0.5))
        return (
            f"The notebook's recipe cannot learn XOR from here because it never updates its biases. {fixed} Weights "
            "that solve XOR beside these biases exist, but gradient descent does not come to them from this start: it "
            f"leaves {wrong}, on the wrong side of one half."
        )


def notebook_network(*, as_published: bool = False, seed: int = 0, backend: BackendSpec = None) -> Network:
    """Return the notebook's network as it is before the first epoch.

    Parameters
    ----------
    as_published, seed, backend
        As for `notebook_xor`.

    Returns
    -------
    Network
        2-2-1 units with sigmoids, loss ``sum((p - y)**2) / 2``, float64; its biases frozen if ``as_published``.

    Raises
    ------
    InputError
        If the seed is not one of NumPy's legacy generator.
    BackendError
        If the backend cannot be used here, or has no float64.

    See Also
    --------
    bpx.notebook.notebook_xor : Train the notebook's network.
    bpx.datasets.xor : The truth table of XOR.

    Examples
    --------
    >>> from bpx.notebook import notebook_network
    >>> notebook_network().params[0]["weight"].round(3).tolist()
    [[0.549, 0.715], [0.603, 0.545]]
    """
    if check_count("seed", seed, 0) >= _SEEDS:
        raise InputError(f"seed must be below 2**32 for NumPy's legacy generator, got {seed}")
    frozen = ("bias",) if as_published else ()
    network = Network(
        [Linear(2, 2, frozen=frozen), Sigmoid(), Linear(2, 1, frozen=frozen), Sigmoid()],
        loss=SquaredError(reduction="sum"),
        dtype="float64",
        backend=backend,
    )
    draw = np.random.RandomState(seed).uniform
    w1, w2, b1, b2 = (draw(size=shape) for shape in ((2, 2), (2, 1), (1, 2), (1, 1)))
    network.params = [{"weight": w1, "bias": b1[0]}, {}, {"weight": w2, "bias": b2[0]}, {}]
    return network


def notebook_xor(
    *,
    as_published: bool = False,
    epochs: int = EPOCHS,
    seed: int = 0,
    learning_rate: float = LEARNING_RATE,
    backend: BackendSpec = None,
) -> NotebookXor:
    """Train the notebook's network on XOR, from the notebook's start.

    Forward: ``h = sigmoid(x @ w1 + b1)``, ``p = sigmoid(h @ w2 + b2)``; loss ``sum((p - y)**2) / 2``. Each epoch is one
    step of gradient descent on all four rows, in float64. On NumPy, as published, the result equals that of the
    notebook's own loop to the bit.

    Parameters
    ----------
    as_published : bool
        Whether the biases stay as they were drawn, as in the notebook, or are trained too.
    epochs : int
        Steps of gradient descent, at least 1.
    seed : int
        Of NumPy's legacy generator, 0 to 2**32 - 1. Uniform numbers in [0, 1) become w1 (2, 2), w2 (2, 1), b1 (1, 2)
        and b2 (1, 1), in this order. The global state of ``numpy.random`` is neither read nor moved.
    learning_rate : float
        Above 0.
    backend : str, Backend or None
        As for `bpx.get_backend`; it must have float64.

    Returns
    -------
    NotebookXor

    Raises
    ------
    InputError
        If an argument has a value that it cannot have.
    BackendError
        If the backend cannot be used here, or has no float64.
    DivergenceError
        If the loss turns NaN or infinite.

    See Also
    --------
    bpx.notebook.notebook_network : The notebook's network before its first epoch.
    bpx.notebook.NotebookXor : What a run ended with.
    diagnose : Find what keeps a network from learning.

    Notes
    -----
    Two hidden units can get stuck: with the biases trained, 25 of the seeds 0 to 29 solve XOR in 10,000 epochs. As
    published, 7 do. It is gradient descent that fails there, not the form of the network: beside any biases there are
    weights that solve XOR to any precision. Let one hidden unit be a steep OR, weights (a, a) with a large, and the
    other a gentle slope, weights (u, u). With ``s(t) = sigmoid(b1[1] + t)`` and ``m = (s(u) + s(2 * u)) / 2``, choose u
    so small that ``sigmoid(b1[0]) * m < s(0)``. With output weights ``(v * m - b2, -v)`` the four logits are below,
    above, above and below 0, by margins that grow with v.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning internal representations by error propagation", 1986,
    section "The XOR problem", where a run that got stuck is shown.

    Examples
    --------
    >>> from bpx.notebook import notebook_xor
    >>> run = notebook_xor(as_published=True, epochs=10)
    >>> run.predictions.round(3).tolist(), run.solved
    ([0.7, 0.695, 0.696, 0.692], False)
    """
    epochs = check_count("epochs", epochs)
    rate = check_number("learning_rate", learning_rate, above=0.0)
    network = notebook_network(as_published=as_published, seed=seed, backend=backend)
    x, y = xor()
    histories = []
    if epochs > 1:
        histories.append(network.fit(x, y, epochs=epochs - 1, optimizer=SGD(rate)))
    predictions = network.predict(x)[:, 0]
    histories.append(network.fit(x, y, epochs=1, optimizer=SGD(rate)))
    losses = [loss for history in histories for loss in history.loss]
    return NotebookXor(predictions, losses, sum(history.seconds for history in histories), as_published, seed, network)
