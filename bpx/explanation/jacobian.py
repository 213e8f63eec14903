"""Local derivatives of one layer, found by asking its own backward pass.

A backward pass turns dL/dy into dL/dx, whatever dL/dy is. Fed a one in a single place and zeros elsewhere, it returns
the derivatives of that one output with respect to every input and parameter. So each factor of the chain rule comes
from the code that training runs, for any layer.

Here a unit is a place in a sample, counted in C order where samples have several axes.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from bpx.backend.base import Array, Backend
from bpx.explanation.watch import LayerRecord


class LocalDerivatives:
    """The derivatives of a layer's outputs with respect to its inputs and parameters, at what a step put in.

    Parameters
    ----------
    backend : Backend
    record : LayerRecord
    """

    def __init__(self, backend: Backend, record: LayerRecord) -> None:
        self.backend, self.record = backend, record
        self.samples = int(record.y.shape[0])
        self.n_in = int(np.prod(record.x.shape[1:]))
        self.n_out = int(np.prod(record.y.shape[1:]))
        self.dtype = np.dtype(str(record.y.dtype).rpartition(".")[2])
        self._rows: dict[tuple[int, int | None], np.ndarray] = {}

    def pull_back(self, dy: np.ndarray) -> tuple[np.ndarray, dict[str, Array]]:
        """Return dx (samples, n_in) on the host, and the parameters' gradients, for a dy of shape (samples, n_out)."""
        backend = self.backend
        with backend.computing():
            placed = backend.asarray(dy.reshape(self.record.y.shape).astype(self.dtype))
            dx, grads = self.record.pull_back(backend.xp, placed)
        return backend.to_numpy(dx).astype(np.float64).reshape(self.samples, self.n_in), grads

    def unit_vector(self, unit: int, sample: int | None = None) -> np.ndarray:
        """Return a dy of zeros with a one at a unit, of one sample or of every sample."""
        dy = np.zeros((self.samples, self.n_out))
        dy[slice(None) if sample is None else sample, unit] = 1.0
        return dy

    def _random(self) -> np.ndarray:
        """Return a dy with no zero in it, the same at each call."""
        dy = np.random.default_rng(0).uniform(1.0, 2.0, (self.samples, self.n_out))
        return dy.astype(self.dtype).astype(np.float64)

    @cached_property
    def slopes(self) -> np.ndarray | None:
        """The derivatives (samples, units) of a layer that works on each element alone; None for any other layer.

        A layer is such a one if its dx for random dy is dy times its dx for ones. Where that is 0 throughout, a layer
        without parameters (ReLUs, all of them off) is taken for one, and a layer with them (weights of zero) is not.
        """
        if self.n_in != self.n_out:
            return None
        at_ones, _ = self.pull_back(np.ones((self.samples, self.n_out)))
        if self.record.params and not at_ones.any():
            return None
        dy = self._random()
        dx, _ = self.pull_back(dy)
        near = np.abs(dx - dy * at_ones) <= 16 * np.finfo(self.dtype).eps * np.abs(dx)
        return at_ones if bool(near.all()) else None

    @cached_property
    def mixes_samples(self) -> bool:
        """Whether a sample's outputs depend on the other samples' inputs, as batch normalization's do in training."""
        if self.samples == 1 or self.slopes is not None:
            return False
        dy = self._random()
        dy[1:] = 0.0
        return bool(np.any(self.pull_back(dy)[0][1:] != 0.0))

    def row(self, unit: int, sample: int) -> np.ndarray:
        """Return what one output depends on: row n holds the derivatives with respect to the inputs of sample n.

        Where the layer does not mix samples, row n is about the output of sample n instead of ``sample``.
        """
        key = (unit, sample if self.mixes_samples else None)
        if key not in self._rows:
            self._rows[key], _ = self.pull_back(self.unit_vector(*key))
        return self._rows[key]

    @cached_property
    def jacobian(self) -> np.ndarray:
        """The derivatives (samples, n_out, n_in) of a layer that does not mix samples."""
        return np.stack([self.row(unit, 0) for unit in range(self.n_out)], axis=1)

    def of_parameter(self, name: str, index: tuple[int, ...]) -> dict[int, np.ndarray]:
        """Return the derivatives of the outputs with respect to one parameter: for each unit that it feeds, (samples,).

        A parameter whose last axis is the layer's outputs feeds the unit of its last index, also where the derivative
        is 0; it feeds another unit where a derivative is not.
        """
        fed = [unit for unit in range(self.n_out) if self._feeds(unit, name, index)]
        found = {}
        for unit in fed:
            values = [self._at(self.unit_vector(unit, n), name, index) for n in range(self.samples)]
            found[unit] = np.array(values)
        return found

    def _feeds(self, unit: int, name: str, index: tuple[int, ...]) -> bool:
        if self.record.params[name].shape[-1] == self.n_out and unit == index[-1]:
            return True
        dy = self._random()
        dy[:, np.arange(self.n_out) != unit] = 0.0
        return self._at(dy, name, index) != 0.0

    def _at(self, dy: np.ndarray, name: str, index: tuple[int, ...]) -> float:
        """Return one element of a parameter's gradient for a dy."""
        return float(self.pull_back(dy)[1][name][index])
