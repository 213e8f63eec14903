"""Several JAX devices of one process as one: XLA shares the rows of each batch out among them, and sums up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bpx.backend.base import Array, Body
from bpx.backend.jax_backend import JaxBackend
from bpx.backend.trees import are_same, list_leaves, rebuild


class _Rows(np.ndarray):
    """Row numbers of steps, (steps, batch), beside other columns of inputs."""


class JaxMesh(JaxBackend):
    """All devices of a kind: arrays lie on each of them, and the rows of a batch are dealt out.

    The step is that of one device, and so is its program, but for where the arrays lie: XLA finds that products of rows
    can be computed where the rows are, and that their sums are taken over the devices. A batch whose rows the devices
    do not divide is computed on each of them.

    Parameters
    ----------
    first : JaxBackend
        One of the devices.
    """

    def __init__(self, first: JaxBackend) -> None:
        self._jax = first._jax
        self.device = first.device
        sharding, devices = self._jax.sharding, self._jax.local_devices(backend=first.platform)
        mesh = sharding.Mesh(np.array(devices), ("rows",))
        self.n_devices = len(devices)
        self.platform = first.platform
        self._device = sharding.NamedSharding(mesh, sharding.PartitionSpec())
        self._dealt = sharding.NamedSharding(mesh, sharding.PartitionSpec("rows"))
        self._dealt_columns = sharding.NamedSharding(mesh, sharding.PartitionSpec(None, "rows"))
        self.xp = self._bind()

    def spread(self) -> JaxMesh | None:
        return None

    def rows_per_step(self, order: np.ndarray) -> Any:
        return super().rows_per_step(order).view(_Rows)

    def loop(self, body: Body, pure: bool = False) -> Callable[..., tuple[Any, np.ndarray]]:
        constrain = self._jax.lax.with_sharding_constraint
        given: list[Array] = []
        dealt: list[Array] = []

        def body_everywhere(carry: Any, data: Any, inputs: Any) -> tuple[Any, Array]:
            carry, output = body(carry, data, inputs)
            arrays = [constrain(array, self._device) for array in list_leaves(carry)]
            return rebuild(carry, iter(arrays)), output

        run = super().loop(body_everywhere, pure)

        def run_dealt(carry: Any, data: Any, inputs: tuple[Any, ...], length: int) -> tuple[Any, np.ndarray]:
            if inputs[0] is None:  # each step takes all rows
                leaves = list_leaves(data)
                if not are_same(leaves, given):
                    given[:], dealt[:] = leaves, [self._deal(array) for array in leaves]
                data = rebuild(data, iter(dealt))
            return run(carry, data, inputs, length)

        return run_dealt

    def _deal(self, array: Array) -> Array:
        """Return an array whose rows are dealt out, where the devices divide them."""
        if array.shape[0] % self.n_devices:
            return array
        return self._jax.device_put(array, self._dealt)

    def _pad(self, column: np.ndarray, room: int) -> Array:
        if not isinstance(column, _Rows) or column.shape[1] % self.n_devices:
            return super()._pad(column, room)
        rows = np.zeros((room, *column.shape[1:]), dtype=column.dtype)
        rows[: column.shape[0]] = column
        return self._jax.device_put(rows, self._dealt_columns)
