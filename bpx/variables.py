"""The arrays of a network: what training changes, on one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bpx.backend.base import Array, Backend
from bpx.backend.selection import BackendSpec, get_backend
from bpx.backend.transfer import to_numpy
from bpx.errors import InputError
from bpx.layers.base import Layer, Params
from bpx.rng import WEIGHTS, generator

if TYPE_CHECKING:
    from bpx.training.state import TrainingState


class Variables:
    """Parameters, running statistics and optimizer state of some layers, in one dtype on one backend.

    Attributes
    ----------
    layers : tuple of Layer
    dtype : str
    seed : int
        Of the first weights.
    backend : Backend
        Where the arrays live.
    training : TrainingState or None
        The optimizer's arrays and all counters; None before the first training.
    """

    layers: tuple[Layer, ...]
    dtype: str
    seed: int
    backend: Backend
    training: TrainingState | None
    _params: list[Params]
    _state: list[Params]
    _programs: dict[Any, Any]

    def reset(self) -> Self:
        """Start over: the first weights, no optimizer state, the first shuffle. Returns the network."""
        draw = generator(self.seed, WEIGHTS)
        self._params = [self._placed(layer.init(draw)) for layer in self.layers]
        self._state = [self._placed(layer.init_state()) for layer in self.layers]
        self.training = None
        return self

    def _placed(self, arrays: Params) -> Params:
        """Return arrays on the network's device in its dtype, none of them shared with the caller."""
        cast = {name: np.array(array, dtype=self.dtype, order="C") for name, array in arrays.items()}
        return {name: self.backend.asarray(array) for name, array in cast.items()}

    @property
    def params(self) -> list[Params]:
        """The parameters, one dict a layer; Linear: ``{"weight": (n_in, n_out), "bias": (n_out,)}``.

        These are the network's own arrays: training overwrites them. Assigning a list of the same shapes copies it.
        """
        return self._params

    @params.setter
    def params(self, value: Sequence[Params]) -> None:
        self._params = self._replaced("params", self._params, value)

    @property
    def state(self) -> list[Params]:
        """The running statistics, one dict a layer; BatchNorm: ``{"running_mean": (n,), "running_var": (n,)}``."""
        return self._state

    @state.setter
    def state(self, value: Sequence[Params]) -> None:
        self._state = self._replaced("state", self._state, value)

    def _replaced(self, kind: str, old: list[Params], new: Sequence[Params]) -> list[Params]:
        if len(new) != len(old):
            raise InputError(f"{kind} must be a list of {len(old)} dicts, one for each layer, got {len(new)}")
        arrays = [{name: to_numpy(array) for name, array in part.items()} for part in new]
        for i, (mine, theirs) in enumerate(zip(old, arrays, strict=True)):
            shapes = {name: tuple(array.shape) for name, array in mine.items()}
            got = {name: tuple(array.shape) for name, array in theirs.items()}
            if shapes != got:
                raise InputError(f"{kind} of layer {i} ({self.layers[i]!r}) must have shapes {shapes}, got {got}")
        return [self._placed(part) for part in arrays]

    @property
    def n_params(self) -> int:
        """How many numbers the parameters hold."""
        return sum(int(np.prod(array.shape)) for part in self._params for array in part.values())

    def to(self, backend: BackendSpec) -> Self:
        """Move the network, with its optimizer state, to another backend or device. Returns the network.

        Parameters
        ----------
        backend : str, Backend or None
            As for `get_backend`.

        Raises
        ------
        BackendError
            If the backend cannot be used here, or has not the network's dtype; the network stays where it was.
        """
        source, target = self.backend, get_backend(backend)
        target.require_dtype(self.dtype)

        def moved(array: Array) -> Array:
            return target.asarray(np.array(source.to_numpy(array)))

        params, state = (
            [{n: moved(a) for n, a in part.items()} for part in old] for old in (self._params, self._state)
        )
        if self.training is not None:
            self.training.move(moved)
        self.backend, self._params, self._state, self._programs = target, params, state, {}
        return self
