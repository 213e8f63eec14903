"""JAX: the training steps of bpx, unchanged, compiled by XLA into one loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np

from bpx.backend.base import (
    CREATION,
    Array,
    Backend,
    Body,
    BoundNamespace,
    EveryStep,
    StepRows,
    make_missing,
    refuse_after_fork,
)
from bpx.backend.trees import are_same, list_leaves, rebuild
from bpx.errors import BackendError


class JaxBackend(Backend):
    """JAX arrays on one device (``"cpu:0"``, ``"gpu:0"``, ``"tpu:0"``)."""

    name = "jax"
    segment_start: ClassVar[int] = 1024
    donates: ClassVar[bool] = True

    def __init__(self, device: str | None = None) -> None:
        try:
            import jax
        except ImportError as error:
            raise make_missing("jax", "jax") from error
        self._jax = jax
        self._device = self._find_device(jax, device)
        refuse_after_fork(JaxBackend)
        self.device = _name_device(self._device)
        self.platform: str = self._device.platform
        self.xp = self._bind()
        if jax.distributed.is_initialized():
            from bpx.backend.jax_group import watch_end

            watch_end(jax)

    def _bind(self) -> BoundNamespace:
        return BoundNamespace(self._jax.numpy, self._device)

    def spread(self) -> Backend | None:
        """Return all devices of this one's kind, in all processes, as one backend; None where there is no other."""
        return None if len(self._jax.devices(self.platform)) < 2 else JaxMesh(self)

    def open_group(self) -> Any:
        if self._jax.process_count() == 1:
            return None
        from bpx.backend.jax_group import JaxGroup

        return JaxGroup(self._jax)

    @staticmethod
    def _find_device(jax: Any, text: str | None) -> Any:
        if text is None:
            return jax.local_devices()[0]
        platform, _, index = text.partition(":")
        try:
            found = jax.local_devices(backend={"cuda": "gpu"}.get(platform, platform))
        except RuntimeError as error:
            raise BackendError(
                f"backend 'jax:{text}' cannot be used: no driver or device ({error}); "
                f"usable here: {', '.join('jax:' + d for d in JaxBackend.devices())}"
            ) from error
        named = {str(each.id): each for each in found}  # of several processes each counts on where another one ended
        if index and index not in named:
            whose = " in this process" if jax.process_count() > 1 else ""
            raise BackendError(
                f"jax has no device {text!r}{whose}; usable here: {', '.join('jax:' + d for d in JaxBackend.devices())}"
            )
        return named[index] if index else found[0]

    @staticmethod
    def devices() -> tuple[str, ...]:
        """Return the devices that this process's JAX can use."""
        import jax

        platforms = {d.platform for d in jax.local_devices()} | {"cpu"}
        return tuple(_name_device(d) for p in sorted(platforms) for d in jax.local_devices(backend=p))

    @classmethod
    def find_fault(cls, array: Array) -> str:
        import jax

        if isinstance(array, jax.core.Tracer):
            return "is traced by JAX, and has no values yet; call bpx outside of jax.jit, jax.grad and jax.vmap"
        if not isinstance(array, jax.Array):
            return f"is sparse ({type(array).__name__}), and a network takes all values: give x.todense()"
        return super().find_fault(array)

    @classmethod
    def of(cls, array: Array) -> Backend:
        import jax

        device = min((d for d in array.devices() if d.process_index == jax.process_index()), key=lambda d: d.id)
        from bpx.backend.registry import create

        return create(f"jax:{_name_device(device)}")

    def asarray(self, data: Any, dtype: str | None = None) -> Array:
        from bpx.backend.transfer import backend_of, host_array, library_of

        if library_of(data) == self.name:
            array = self._put(data, self._device)
            return array if dtype is None else array.astype(dtype)
        source = backend_of(data)
        if source is not None and not source.on_host:
            array = self._put(self._jax.dlpack.from_dlpack(data), self._device)
            return array if dtype is None else array.astype(dtype)
        host = np.asarray(host_array(data), dtype=dtype)
        if host.dtype == np.float64 and not self._jax.config.jax_enable_x64:
            self.require_dtype("float64")
        if host.dtype in (np.int64, np.uint64) and not self._jax.config.jax_enable_x64:
            host = _narrow(host)
        # A copy, always: XLA may take over host memory as it is, and the caller may write into it later.
        return self._put(np.array(host), self._device)

    def _put(self, data: Any, place: Any) -> Array:
        """Return data on a device, or where a sharding says."""
        return self._jax.device_put(data, place)

    def adopt(self, host: np.ndarray) -> Array:
        return self._put(host, self._device)

    def to_numpy(self, array: Array) -> np.ndarray:
        return np.asarray(array)

    def copy(self, array: Array) -> Array:
        return self.xp.array(array, copy=True)

    def complete(self, array: Array) -> Array:
        return array.block_until_ready()

    def require_dtype(self, dtype: str) -> None:
        if dtype == "float64" and not self._jax.config.jax_enable_x64:
            raise BackendError(
                "backend 'jax' computes in float32 unless told otherwise; for float64 call "
                "jax.config.update('jax_enable_x64', True) first, or set JAX_ENABLE_X64=1, or use dtype='float32'"
            )

    def make_matmul(self, precision: str) -> Callable[[Array, Array], Array]:
        if self.platform == "cpu":
            return super().make_matmul(precision)
        presets = self._jax.lax.DotAlgorithmPreset
        algorithm = {"tf32": presets.TF32_TF32_F32, "bfloat16": presets.BF16_BF16_F32}[precision]
        return partial(self._jax.numpy.matmul, precision=algorithm)

    def round_mantissa(self, array: Array, bits: int) -> Array:
        return self._jax.lax.reduce_precision(array, exponent_bits=8, mantissa_bits=bits)

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which bpx computes: float32 is float32, where JAX left alone takes TF32 or bfloat16."""
        if self.platform == "cpu" or self._jax.config.jax_default_matmul_precision is not None:
            return contextlib.nullcontext()
        return self._jax.default_matmul_precision("highest")  # type: ignore[no-any-return]

    def synchronize(self) -> None:
        self._put(np.zeros(()), self._device).block_until_ready()

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return self._jax.jit(function)  # type: ignore[no-any-return]

    def per_step(self, values: np.ndarray, dtype: str, constant: bool = False) -> Any:
        rows = np.asarray(values, dtype=dtype)
        return EveryStep(rows[0]) if constant else rows

    def rows_per_step(self, order: np.ndarray) -> Any:
        return order.astype(np.int32)

    def loop(self, body: Body, pure: bool = False) -> Callable[..., tuple[Any, np.ndarray]]:
        jax = self._jax

        def steps(carry: Any, data: Any, same: Any, columns: Any, length: Any, room: int) -> tuple[Any, Array]:
            def step(i: Any, state: tuple[Any, Array]) -> tuple[Any, Array]:
                carry, outputs = state
                inputs = tuple(s if c is None else c[i] for s, c in zip(same, columns, strict=True))
                carry, output = body(carry, data, inputs)
                return carry, outputs.at[i].set(output)

            outputs = self.xp.zeros(room, dtype=jax.tree.leaves((carry, data))[0].dtype)
            return jax.lax.fori_loop(0, length, step, (carry, outputs))  # type: ignore[no-any-return]

        compiled = jax.jit(steps, donate_argnums=(0,), static_argnums=(5,))

        def run(carry: Any, data: Any, inputs: tuple[Any, ...], length: int) -> tuple[Any, np.ndarray]:
            # The number of steps is an argument of the compiled loop and its buffers grow by powers of two, so that
            # segments of other lengths find the same program. A buffer of one row would be no buffer to XLA, and that
            # program's last bits would be others.
            room = max(2, 1 << (length - 1).bit_length())
            same = tuple(c.row if isinstance(c, EveryStep) else None for c in inputs)
            columns = tuple(self._pad(c, room) if isinstance(c, np.ndarray) else None for c in inputs)
            after, outputs = compiled(carry, data, same, columns, length, room)
            carry = rebuild(carry, iter(list_leaves(after)))  # JAX sorts dicts by their names
            return carry, np.asarray(outputs, dtype=np.float64)[:length]

        return run

    def _pad(self, column: np.ndarray, room: int) -> Array:
        """Move a column of step inputs to the device, lengthened to ``room`` rows."""
        rows = np.zeros((room, *column.shape[1:]), dtype=column.dtype)
        rows[: column.shape[0]] = column
        return self._put(rows, self._device)

    def out_of_memory(self, error: BaseException) -> bool:
        return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)


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

    sums_inside = True
    deals_rows: ClassVar[bool] = True

    def __init__(self, first: JaxBackend) -> None:
        self._jax = first._jax
        self._first = first
        self.device = first.device
        sharding, devices = self._jax.sharding, self._jax.devices(first.platform)
        mesh = sharding.Mesh(np.array(devices), ("rows",))
        self.n_devices = len(devices)
        self.platform = first.platform
        self._device = sharding.NamedSharding(mesh, sharding.PartitionSpec())
        self._dealt = sharding.NamedSharding(mesh, sharding.PartitionSpec("rows"))
        self._dealt_columns = sharding.NamedSharding(mesh, sharding.PartitionSpec(None, "rows"))
        self.xp = self._bind()

    def _bind(self) -> BoundNamespace:
        if self._device.is_fully_addressable:
            return super()._bind()
        numpy = self._jax.numpy
        created = {name: partial(self._create, getattr(numpy, name)) for name in CREATION}
        return BoundNamespace(numpy, self._device, **created)

    def _create(self, function: Callable[..., Array], *args: Any, device: Any = None, **options: Any) -> Array:
        """Return what a function of the namespace creates, on all devices.

        Outside of compiled code ``device=`` would ask the other processes whether they have created the same, and wait
        for ever where one has come upon an error before.
        """
        if isinstance(self._jax.numpy.zeros(()), self._jax.core.Tracer):
            return function(*args, device=self._device, **options)
        return self._put(function(*args, **options), self._device)

    def spread(self) -> JaxMesh | None:
        return None

    def _put(self, data: Any, place: Any) -> Array:
        if place.is_fully_addressable or getattr(data, "sharding", None) == place:
            return super()._put(data, place)
        host = np.asarray(data)  # device_put would ask the other processes, which may have nothing to put there
        return self._jax.make_array_from_callback(host.shape, place, lambda index: host[index])

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

        def body_of_step(carry: Any, data: Any, inputs: Any) -> tuple[Any, Array]:
            step, *others = inputs
            return body_everywhere(carry, tuple(None if a is None else a[step] for a in data), (None, *others))

        run, run_steps = super().loop(body_everywhere, pure), super().loop(body_of_step, pure)

        def run_dealt(carry: Any, data: Any, inputs: tuple[Any, ...], length: int) -> tuple[Any, np.ndarray]:
            if isinstance(data, StepRows):
                rows = np.asarray(inputs[0])  # the number of the step, for each of its rows
                return run_steps(carry, data.groups[rows.shape[1]], (rows[:, 0], *inputs[1:]), length)
            if inputs[0] is None:  # each step takes all rows
                leaves = list_leaves(data)
                if not are_same(leaves, given):
                    given[:], dealt[:] = leaves, [self._deal(array) for array in leaves]
                data = rebuild(data, iter(dealt))
            return run(carry, data, inputs, length)

        return run_dealt

    def own_device(self) -> JaxBackend:
        return self._first

    def list_own_columns(self, rows: int) -> np.ndarray:
        taken = np.zeros(rows, dtype=bool)
        for _, columns in self._place_steps(rows).addressable_devices_indices_map((1, rows)).values():
            taken[columns] = True
        return np.flatnonzero(taken)

    def deal(self, own: np.ndarray, columns: np.ndarray, rows: int) -> Array:
        def take(index: Any) -> np.ndarray:
            start, stop, _ = index[1].indices(rows)
            first = int(np.searchsorted(columns, start))
            return own[:, first : first + stop - start]

        shape = (own.shape[0], rows, *own.shape[2:])
        return self._jax.make_array_from_callback(shape, self._place_steps(rows), take)

    def _place_steps(self, rows: int) -> Any:
        """Return where rows of steps (steps, rows, ...) lie: dealt out, where the devices divide them."""
        return self._device if rows % self.n_devices else self._dealt_columns

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
        return self._put(rows, self._dealt_columns)


def _name_device(device: Any) -> str:
    return f"{device.platform}:{device.id}"


def _narrow(host: np.ndarray) -> np.ndarray:
    """Return 64-bit integers as 32-bit ones where their values allow it (JAX without x64 has no others)."""
    if host.size and (host.max() > np.iinfo(np.int32).max or host.min() < np.iinfo(np.int32).min):
        raise BackendError("JAX without x64 has 32-bit integers only, and the data holds larger ones")
    return host.astype(np.int32)
