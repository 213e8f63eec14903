"""L-BFGS: full-batch minimization by SciPy, on gradients from the network's own backend."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.backend.base import Array
from bpx.core.backpropagation import make_gradients
from bpx.core.model import Data, Model
from bpx.core.regularization import Penalty, make_penalize
from bpx.core.step import list_trained
from bpx.errors import DivergenceError, InputError
from bpx.layers.base import Params
from bpx.optimizers import LBFGS
from bpx.optional import import_optional


@dataclass(frozen=True)
class Outcome:
    """How a minimization ended.

    Attributes
    ----------
    nit, nfev : int
        Iterations, and evaluations of loss and gradient.
    status : int
        0: converged; 1: a limit of iterations or evaluations was met; others: SciPy's.
    message : str
        Why it ended, in SciPy's words.
    fun : float
        The last loss.
    """

    nit: int
    nfev: int
    status: int
    message: str
    fun: float


def check_full_batch(net: Model, batches: int, clip: Any) -> None:
    """Raise unless a network can be trained by L-BFGS as asked.

    Raises
    ------
    InputError
        If there is more than one batch, a limit on gradients, or a layer that is random or keeps running statistics.
    """
    if batches != 1:
        raise InputError("optimizer 'lbfgs' takes the whole set at each step; leave batch_size out, and accumulate")
    if not list_trained(net):
        raise InputError("optimizer 'lbfgs' needs parameters to train, and this network has none")
    if clip is not None:
        raise InputError(f"optimizer 'lbfgs' needs the loss's own gradients; clip must be None, got {clip!r}")
    for layer in net.layers:
        if layer.n_keys or layer.stateful:
            raise InputError(f"optimizer 'lbfgs' needs the same loss at each evaluation, which {layer!r} changes")


def minimize(
    net: Model,
    data: Data,
    optimizer: LBFGS,
    iterations: int,
    penalties: Sequence[Penalty] = (),
    after: Callable[[float], bool] | None = None,
    tolerant: bool = False,
) -> Outcome:
    """Minimize the loss of data over the network's parameters.

    Parameters
    ----------
    net : Model
        Its parameters are replaced after each iteration.
    data : tuple (x, y, weight)
        On the network's device.
    optimizer : LBFGS
    iterations : int
        At most.
    penalties : sequence of Penalty
    after : callable or None
        ``after(loss) -> bool`` is called after each iteration; True ends the minimization.
    tolerant : bool
        Whether to return, instead of raising, where the end is not finite.

    Raises
    ------
    DivergenceError
        If the loss, or a parameter, is NaN or infinite at the end, and ``tolerant`` is False.
    InputError
        If SciPy is not installed.
    """
    optimize = import_optional("scipy.optimize", "trainings by L-BFGS", "sklearn")
    backend, vector = net.backend, _Vector(net)
    compute = backend.compile(_make_objective(net, vector, penalties))

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = compute(backend.asarray(flat, net.dtype), net.params, *data)
        return float(value), backend.to_numpy(gradient).astype(np.float64, copy=False)

    def note_iteration(intermediate_result: Any) -> None:
        vector.store(intermediate_result.x)
        if after is not None and after(float(intermediate_result.fun)):
            raise StopIteration

    options = {
        "maxcor": optimizer.memory, "gtol": optimizer.gradient_tolerance, "ftol": optimizer.loss_tolerance,
        "maxfun": optimizer.max_evaluations, "maxiter": iterations,
    }  # fmt: skip
    with backend.computing(), backend.threads(net.count_work(data[0].shape[0]), updates=True):
        result = optimize.minimize(
            objective, vector.load(), method="L-BFGS-B", jac=True, callback=note_iteration, options=options
        )
    vector.store(result.x)
    if not (tolerant or (math.isfinite(result.fun) and np.isfinite(result.x).all())):
        raise DivergenceError(
            f"the loss became {float(result.fun)} after {result.nit} iterations of L-BFGS; try inputs scaled to zero "
            "mean and unit variance"
        )
    return Outcome(int(result.nit), int(result.nfev), int(result.status), str(result.message), float(result.fun))


class _Vector:
    """The trained parameters of a network as one vector: the weight matrices, then the rest."""

    def __init__(self, net: Model) -> None:
        self.net = net
        self.places = sorted(list_trained(net), key=lambda place: place[1] not in net.layers[place[0]].weight_names)
        self.shapes = [tuple(net.params[i][name].shape) for i, name in self.places]
        self.ends = np.cumsum([0, *(math.prod(shape) for shape in self.shapes)]).tolist()

    def load(self) -> np.ndarray:
        """Return the network's parameters as a new vector in float64 on the host."""
        parts = [self.net.backend.to_numpy(self.net.params[i][name]).reshape(-1) for i, name in self.places]
        return np.concatenate(parts).astype(np.float64)

    def store(self, flat: np.ndarray) -> None:
        """Put a copy of a vector on the host into the network's parameters."""
        for (i, name), part in zip(self.places, self._split(np, flat.astype(self.net.dtype)), strict=True):
            self.net.params[i][name] = self.net.backend.asarray(part)

    def params(self, xp: Any, flat: Array, others: Sequence[Params]) -> list[Params]:
        """Return a vector on the device as parameters; frozen ones are the others'."""
        params = [dict(part) for part in others]
        for (i, name), part in zip(self.places, self._split(xp, flat), strict=True):
            params[i][name] = part
        return params

    def gradient(self, xp: Any, grads: Sequence[Params]) -> Array:
        """Return gradients as a vector on the device."""
        return xp.concat([xp.reshape(grads[i][name], (-1,)) for i, name in self.places])

    def _split(self, xp: Any, flat: Any) -> list[Any]:
        spans = zip(self.ends[:-1], self.ends[1:], self.shapes, strict=True)
        return [xp.reshape(flat[start:end], shape) for start, end, shape in spans]


def _make_objective(net: Model, vector: _Vector, penalties: Sequence[Penalty]) -> Callable[..., tuple[Array, Array]]:
    """Return ``objective(flat, params, x, y, weight) -> (loss, gradient)``, all on the device."""
    xp = net.xp
    gradients = make_gradients(xp, net.layers, net.loss, net.first_trained)
    contexts = net.make_contexts(True, (), ())
    penalize = make_penalize(xp, penalties, net.layers) if penalties else None

    def objective(flat: Array, others: Any, x: Array, y: Array, weight: Array | None) -> tuple[Array, Array]:
        params = vector.params(xp, flat, others)
        value, grads, _ = gradients(params, contexts, x, y, weight)
        if penalize is not None:
            mass = x.shape[0] if weight is None else xp.sum(weight)
            value = value + penalize(params, grads, mass)
        return value, vector.gradient(xp, grads)

    return objective
