"""What an estimator keeps between two calls, so that the next one continues exactly where the last one ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bpx.backend.base import Array, Backend
from bpx.backend.transfer import convert_like, to_numpy
from bpx.core.step import keep_moving_weights
from bpx.layers import Layer, Linear, Params
from bpx.losses import Loss
from bpx.network import Network
from bpx.sklearn.architecture import Weights, copy_weights, is_normalization, make_weights
from bpx.sklearn.solvers import Solver


class Session:
    """A network in training, and all that its next epoch depends on.

    Parameters
    ----------
    random_state : RandomState
        The stream of the shuffles to come.
    seed : int
        Seed of the dropout masks.

    Attributes
    ----------
    net : Network or None
        None before its first use, and after it was unpickled: it is made again on the backend at hand then.
    solver : Solver or None
        Set by a stochastic solver's first training.
    """

    def __init__(self, random_state: np.random.RandomState, seed: int) -> None:
        self.random_state = random_state
        self.seed = seed
        self.net: Network | None = None
        self.solver: Solver | None = None
        self._order: np.ndarray | None = None
        self._split_state: Any = None
        self._handed: list[Array] | None = None
        self._last: Weights | None = None
        self._training: Any = None

    # -- random draws -------------------------------------------------------------------------------------

    def next_order(self, rows: int) -> np.ndarray:
        """Return the order of the next epoch: the last one's, shuffled."""
        if self._order is None or len(self._order) != rows:
            self._order = np.arange(rows)
        shuffled = np.arange(rows)
        self.random_state.shuffle(shuffled)
        self._order = self._order[shuffled]
        return self._order

    def split_draws(self) -> np.random.RandomState:
        """Return the generator of the validation set: the stream at first, later one that draws the same again."""
        if self._split_state is None:
            self._split_state = self.random_state.get_state()
            return self.random_state
        again = np.random.RandomState()
        again.set_state(self._split_state)
        return again

    def describe_draws(self) -> bytes:
        """Return what the draws to come depend on, the same in processes that draw alike."""
        kind, keys, *more = self.random_state.get_state(legacy=True)
        order = np.arange(0) if self._order is None else self._order.astype(np.int64)
        return repr((kind, more)).encode() + np.asarray(keys).tobytes() + order.tobytes()

    # -- the solver and the network ------------------------------------------------------------------------

    def use_solver(self, settings: Mapping[str, Any]) -> Solver:
        """Return the solver of an estimator's parameters: the one there is, unless they have changed."""
        if self.solver is None or not self.solver.follows(settings):
            self.solver = Solver(settings)
        return self.solver

    def network(
        self,
        layers: Sequence[Layer],
        loss: Loss,
        coefs: Sequence[Array],
        intercepts: Sequence[Array],
        normalizations: Sequence[Params],
        backend: Backend,
        precision: str,
    ) -> Network:
        """Return the network of these layers and this loss on a backend, computing with these weights.

        Arrays on the backend's device are shared with it, not copied: training changes them.
        """
        net, weights = self.net, _list_arrays(coefs, intercepts, normalizations)
        if net is not None and (net.layers != tuple(layers) or net.loss != loss):
            self._training, self._last, net = net.training, None, None
        new = net is None or net.backend != backend
        if net is None:
            dtype = str(to_numpy(coefs[0][:1, :1]).dtype)
            net = Network(layers, loss=loss, dtype=dtype, seed=self.seed, backend=backend, precision=precision)
            net.training, self._training = self._training, None
            if net.training is not None:
                net.training.convert(lambda array: _move(array, backend))
        elif new or net.precision != precision:
            net.to(backend, precision=precision)
        replaced = self._handed is not None and not _same(weights, self._handed)
        if replaced:
            self._last = None
        elif new and self._last is not None:
            self._last = self._convert_last(lambda array: _move(array, backend))
        if new or replaced:
            net.adopt(*make_weights(net, coefs, intercepts, normalizations))
        if replaced and net.training is not None:
            keep_moving_weights(net, net.training)
        self.net, self._handed = net, weights
        return net

    def resume(self, net: Network, keep: bool) -> Weights | None:
        """Make the network ready to continue from the weights of its last step.

        Parameters
        ----------
        net : Network
        keep : bool
            Whether to return the weights that it computes with now: the best ones, where early stopping found some.
        """
        best = None
        if self._last is not None:
            best = Weights(net.params, net.state)
            net.adopt(*self._last)
            self._last = None
        elif keep:
            best = copy_weights(net)
        for part in (*net.params, *net.state):
            for name, array in part.items():
                if isinstance(array, np.ndarray) and not array.flags.writeable:
                    part[name] = np.array(array)
        return best if keep else None

    def hand_out(self, net: Network, best: Weights | None, x: Any) -> tuple[list[Array], list[Array], list[Params]]:
        """Return weights, biases and normalizations for the estimator's attributes, as arrays of the samples' library.

        Parameters
        ----------
        net : Network
        best : Weights or None
            To go by from now on; those of the last step are kept for the next training.
        x : array
            The samples as they came.
        """
        if best is not None:
            self._last = Weights(net.params, net.state)
            net.adopt(*best)
        arrays = list_weights(net, Weights(net.params, net.state), x)
        self._handed = _list_arrays(*arrays)
        if not net.backend.on_host:
            for array in self._handed:
                if isinstance(array, np.ndarray):
                    array.flags.writeable = False  # a copy: writing into it would change nothing
        return arrays

    def make_snapshot(self, net: Network, x: Any) -> dict[str, Any]:
        """Return an estimator's attributes as if its training had ended now, sharing no array with the training."""
        names = ("coefs_", "intercepts_", "normalizations_")
        arrays = dict(zip(names, list_weights(net, copy_weights(net), x), strict=True))
        return {**arrays, "_session": Session(np.random.RandomState(self.seed), self.seed)}

    def _convert_last(self, convert: Callable[[Array], Array]) -> Weights | None:
        """Return what a function makes of the arrays of the last step."""
        if self._last is None:
            return None
        return Weights(*([{name: convert(a) for name, a in part.items()} for part in parts] for parts in self._last))

    # -- keeping ------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        """Return everything as objects of the host; the weights themselves are the estimator's attributes."""
        state = vars(self) | {"net": None, "_handed": None}
        training = self._training if self.net is None else self.net.training
        if training is not None:
            slots = [[to_numpy(array) for array in arrays] for arrays in training.slots]
            state["_training"] = dataclasses.replace(training, slots=slots)
        state["_last"] = self._convert_last(to_numpy)
        if self._order is not None:
            state["_order"] = self._order.astype(np.uint32 if len(self._order) < 2**32 else np.int64)
        return state


def list_weights(net: Network, weights: Weights, x: Any) -> tuple[list[Array], list[Array], list[Params]]:
    """Return a network's weights, biases, and arrays of normalizations, as arrays of the samples' library."""
    coefs, intercepts, normalizations = [], [], []
    for layer, params, state in zip(net.layers, *weights, strict=True):
        arrays = {name: convert_like(x, array, net.backend) for name, array in {**params, **state}.items()}
        if isinstance(layer, Linear):
            coefs.append(arrays["weight"])
            intercepts.append(arrays["bias"])
        elif is_normalization(layer):
            normalizations.append(arrays)
    return coefs, intercepts, normalizations


def _list_arrays(coefs: Sequence[Array], intercepts: Sequence[Array], normalizations: Sequence[Params]) -> list[Array]:
    """Return all arrays of an estimator."""
    return [*coefs, *intercepts, *(array for part in normalizations for array in part.values())]


def _move(array: Array, backend: Backend) -> Array:
    """Return a copy of an array on a backend."""
    return backend.asarray(np.array(to_numpy(array)))


def _same(arrays: Sequence[Array], others: Sequence[Array]) -> bool:
    """Tell whether two sequences hold the same objects."""
    return len(arrays) == len(others) and all(a is b for a, b in zip(arrays, others, strict=True))
