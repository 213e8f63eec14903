"""What bpx asks of an array library beyond the array API standard: devices, data movement, loops, compilation.

A :class:`Backend` is one library on one device. Everything else in bpx computes with ``backend.xp`` (the standard's
functions) and with the arrays' own operators, so that no other module knows which library it is running on.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from itertools import repeat
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from bpx.arguments import check_choice
from bpx.backend.precision import MANTISSA_BITS, round_mantissa
from bpx.errors import BackendError
from bpx.optional import advise_install

Array = Any
"""An array of any library that follows the array API standard."""

FLOAT_DTYPES = ("float32", "float64")
"""The precisions that a network can compute in."""

Body = Callable[[Any, Any, Any], "tuple[Any, Array]"]
"""``body(carry, data, inputs) -> (carry, output)``, one step of a loop, see `Backend.loop`."""

_REAL_DTYPES = ("bool", "int", "uint", "float", "bfloat")
"""How the names of dtypes begin whose values are real numbers, in every library."""


class EveryStep(NamedTuple):
    """Numbers that are the same at every step, and so are no column of a loop's inputs."""

    row: Array


class StepRows(NamedTuple):
    """Rows of steps that were taken already, on a backend that deals them out to its devices.

    Attributes
    ----------
    groups : dict
        Samples, targets and weights (None where there are none), each (steps, rows, ...), by the rows of a step.
    """

    groups: dict[int, tuple[Array, Array, Array | None]]


class Backend(ABC):
    """One array library on one device.

    Attributes
    ----------
    name : str
        The library, as `get_backend` takes it: ``"numpy"``, ``"cupy"`` ...
    device : str
        The device, as the library writes it (``"cpu"``, ``"cuda:0"``, ``"device1"`` ...).
    xp : namespace
        The functions of the array API standard for this library.

    See Also
    --------
    get_backend : The backend of a name, a device or an array.
    register_backend : Add a backend of your own.

    Examples
    --------
    >>> import bpx
    >>> backend = bpx.get_backend("numpy")
    >>> backend.name, backend.device
    ('numpy', 'cpu')
    >>> float(backend.xp.sum(backend.xp.asarray([1.0, 2.0])))
    3.0
    """

    name: str = ""
    segment_start: ClassVar[int] = 8
    """How many training steps the first uninterrupted segment of a fit has (a compiling backend wants many)."""

    fuses: bool = False
    """Whether `fused` makes one pass over memory of a function's operations."""

    donates: ClassVar[bool] = False
    """Whether the arrays of a loop's ``carry`` cannot be read any more as soon as it has begun."""

    bound_to_thread: ClassVar[bool] = False
    """Whether work that one thread has put off cannot be done by another."""

    sums_inside: ClassVar[bool] = False
    """Whether its loop itself sums up over processes: each is given whole batches, and the same as the others."""

    deals_rows: ClassVar[bool] = False
    """Whether its loop takes `StepRows` as data, of which each process needs those of its own devices alone."""

    sums_in_place: bool = False
    """Whether NumPy can write into the memory of its arrays, so that MPI sums them up there."""

    sums_on_cards: ClassVar[bool] = False
    """Whether `open_sum` sums up over the cards of processes that MPI connects."""

    restore: ClassVar[Callable[..., Backend]]
    """Finds the backend of a spec when a pickle is read; `bpx.backend.selection` sets it."""

    device: str
    xp: Any

    @property
    def on_host(self) -> bool:
        """Whether its arrays lie in main memory, where NumPy reads them."""
        return self.device.split(":")[0].lower() in {"cpu", "cpu_device"}

    @property
    def spec(self) -> str:
        """The text that :func:`bpx.get_backend` turns into this backend."""
        return f"{self.name}:{self.device}"

    def __repr__(self) -> str:
        return f"Backend({self.spec!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Backend) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash(self.spec)

    def __reduce__(self) -> Any:
        return Backend.restore, (self.spec,)

    def __copy__(self) -> Backend:
        return self  # one library on one device: it holds nothing that changes

    def __deepcopy__(self, memo: dict[int, Any]) -> Backend:
        return self

    # -- data ---------------------------------------------------------------------------------------------

    @classmethod
    @abstractmethod
    def of(cls, array: Array) -> Backend:
        """Return the backend on which an array of this library lives."""

    @classmethod
    def find_fault(cls, array: Array) -> str:
        """Return why an array of this library holds no real numbers, one at each place; empty where it does.

        Half precision, bfloat16 and the floats of 8 bits are real numbers like others; complex numbers are not.
        """
        if name_dtype(array).startswith(_REAL_DTYPES):
            return ""
        dtype = str(array.dtype)
        hint = "; give real and imaginary parts as columns of their own" if "complex" in dtype else ""
        return f"must hold real numbers, got dtype {dtype}{hint}"

    @abstractmethod
    def asarray(self, data: Any, dtype: str | None = None) -> Array:
        """Return ``data`` as an array of this library on this device.

        Host data is moved once. An array that is already here, in this dtype, is returned as it is, and one of another
        library on the same device is taken over without a copy where that library can share it.
        """

    def adopt(self, host: np.ndarray) -> Array:
        """Return a host array, which nobody else holds, as an array of this library; its memory may be that one's."""
        return self.asarray(host)

    @abstractmethod
    def to_numpy(self, array: Array) -> np.ndarray:
        """Return an array of this library as a NumPy array on the host."""

    def copy(self, array: Array) -> Array:
        """Return a copy that shares no memory with ``array``."""
        return self.xp.asarray(array, copy=True)

    def complete(self, array: Array) -> Array:
        """Wait until an array is computed, and return it: what it was computed from may be overwritten then."""
        return array

    def hand_over(self, array: Array) -> Array:
        """Return a result as a caller may have it: it can be read in every thread."""
        return array

    def zeros_like(self, array: Array) -> Array:
        """Return zeros of an array's shape, dtype and device."""
        return self.xp.zeros_like(array)

    def all_finite(self, array: Array) -> bool:
        """Tell whether an array holds neither NaN nor infinity; its data is read once, unless its sum overflows.

        A finite sum has only finite terms, and libraries spread a sum over the whole device.
        """
        xp = self.xp
        return math.isfinite(float(xp.sum(array))) or bool(xp.all(xp.isfinite(array)))

    def require_dtype(self, dtype: str) -> None:
        """Raise unless arrays of this dtype can live on this device.

        Raises
        ------
        BackendError
            If the library or the device has no such precision. It is never replaced in silence.
        """
        return

    # -- precision of products ----------------------------------------------------------------------------

    def namespace(self, precision: str) -> Any:
        """Return `xp` with a ``matmul`` whose float32 operands are rounded to a precision; nothing else is.

        A sum of products that is to stay in float32, such as that of squares, is ``xp.vecdot``. Where an operand is
        better rounded once for several products, there is ``round_operand`` too, see `make_rounding`.
        """
        if precision == "float32":
            return self.xp
        products = {"matmul": self.make_matmul(precision), "round_operand": self.make_rounding(precision)}
        return SimpleNamespace(**{**vars(self.xp), **{name: f for name, f in products.items() if f is not None}})

    def make_matmul(self, precision: str) -> Callable[[Array, Array], Array]:
        """Return ``matmul`` of operands rounded to "tf32" or "bfloat16", summed up in float32."""
        multiply, round_to, bits = self.xp.matmul, self.round_mantissa, MANTISSA_BITS[precision]

        def matmul(a: Array, b: Array, /) -> Array:
            return multiply(round_to(a, bits), round_to(b, bits))

        return matmul

    def make_rounding(self, precision: str) -> Callable[[Array], Array] | None:
        """Return what rounds an operand for several products, to what ``matmul`` of the precision alone can read.

        None where each product rounds its operands on the way.
        """
        return None

    def round_mantissa(self, array: Array, bits: int) -> Array:
        """Return float32 numbers rounded to a mantissa of some bits: here by way of the host, which any library has."""
        return self.asarray(round_mantissa(self.to_numpy(array), bits))

    # -- execution ----------------------------------------------------------------------------------------

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which bpx computes: no autograd records, no floating-point warnings.

        Divergence is found by looking at the losses, so warnings of overflow in the middle of a pass add nothing.
        """
        return contextlib.nullcontext()

    def threads(self, work: int, updates: bool = False) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which products are computed on as many threads as they are worth.

        Parameters
        ----------
        work : int
            Multiplications of the largest of them, counted as if in float32. A training counts those of its full
            batches for the shorter ones too. It depends on nothing else, as the bits of a product may depend on it.
        updates : bool
            Whether they are those of a training step, between which weights are updated.
        """
        return contextlib.nullcontext()

    def synchronize(self) -> None:
        """Wait until the device has finished all work given to it; here there is nothing to wait for."""
        return

    def compile(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that computes the same, faster where the library can compile it."""
        return function

    def per_step(self, values: np.ndarray, dtype: str, constant: bool = False) -> Sequence[Any]:
        """Prepare host numbers, one row for each step, as :meth:`loop` hands them to the steps.

        Here they become tuples of Python numbers, which take no trip to the device and promote to no other dtype.
        ``constant`` says that the rows are the same in every segment of the training, not by chance in this one: a
        backend that compiles may then take them out of its loop, and still run one program however steps are grouped.
        """
        return [tuple(row) for row in values.tolist()]

    def rows_per_step(self, order: np.ndarray) -> Sequence[Any]:
        """Prepare sample numbers, ``(steps, batch)``, moved to the device once, as :meth:`loop` hands them out.

        They are what this backend's ``xp.take`` takes: a backend whose ``take`` knows slices may hand out `slices`.
        """
        rows = self.asarray(order)
        return [rows[i, ...] for i in range(order.shape[0])]

    @property
    def repeats(self) -> bool:
        """Whether `repeat` makes more of a function than it is."""
        return False

    def repeat(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function(params, state, *arrays)`` to call again and again with the same params and state.

        It writes into none of its arguments, and returns an array, or where the backend `repeats` a pair of an array,
        which may be None, and of numbers of the device: these come back as NumPy's. A backend may record what the
        device does in it; the arrays of a network are the same from call to call.
        """
        return function

    def loop(self, body: Body, pure: bool = False) -> Callable[..., tuple[Any, np.ndarray]]:
        """Return ``run(carry, data, inputs, length) -> (carry, outputs)``, which steps ``body`` through ``inputs``.

        ``body(carry, data, step_inputs) -> (carry, output)`` is one step; ``inputs`` is a tuple of sequences with one
        entry a step, or None for an input that no step has. The outputs are scalars on the device; they are fetched
        once, at the end, as one NumPy array. A step may overwrite the arrays of ``carry``, which
        JAX calls donating them: use the returned ones.

        ``pure`` says that ``body`` does the same to its arrays at every step, whatever is in them, and nothing else:
        NumPy may then do it again without calling ``body``. Libraries that compile or record take that for granted.

        ``body.agree``, where there is one, says that a step asks other processes, which make the same steps: a backend
        that records them does so on all or on none, see `bpx.backend.captured.CapturedLoop`.

        ``body.on_batch``, where there is one, is the same step on a batch whose rows are taken already: its ``data``
        are these rows, and the first of its inputs, which says what rows to take, is None. A backend may use it to take
        the rows of many steps at once.
        """

        def run(carry: Any, data: Any, inputs: tuple[Any, ...], length: int) -> tuple[Any, np.ndarray]:
            outputs: list[Array] = []
            append = outputs.append
            columns: Iterable[Any] = zip(*(repeat(None, length) if c is None else c for c in inputs), strict=True)
            for step_inputs in columns:
                carry, output = body(carry, data, step_inputs)
                append(output)
            return carry, self.fetch_scalars(outputs)

        return run

    def fetch_scalars(self, values: list[Array]) -> np.ndarray:
        """Return a list of scalars on the device as one float64 NumPy array, with one transfer."""
        return self.to_numpy(self.xp.stack(values)).astype(np.float64, copy=False)

    def gather(self, values: list[Array]) -> Array:
        """Return a list of scalars on the device as one array there."""
        return self.xp.stack(values)

    def elementwise(self, kernel: Callable[..., Any], like: Array, slots: int) -> Callable[..., tuple[Array, ...]]:
        """Return a function that applies an update, which works element by element and in place, to whole arrays.

        ``kernel(xp, *arrays, *numbers) -> arrays`` may write into its arrays: a parameter shaped like ``like``, its
        gradient and ``slots`` arrays of the optimizer. The function returned, ``apply(*arrays, *numbers) -> arrays``,
        may call it on pieces of them, as long as each element is met once: NumPy works through pieces that fit the
        processor's cache.
        """
        return partial(kernel, self.xp)

    def fused(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return ``apply(*arrays)`` for ``function(xp, *arrays)``, which works element by element.

        A backend that fuses makes one pass of its operations, which it calls ``name``. What is returned may be nested
        in tuples, and arrays that were given may be among it.
        """
        return partial(function, self.xp)

    def fused_update(self, kernel: Callable[..., Any], slots: int) -> Callable[..., bool] | None:
        """Return ``apply(params, grads, slots, numbers)``, which updates lists of arrays in place, all in one pass.

        It tells whether it could; where not, nothing was changed. None where the backend never can: then arrays are
        updated one after the other, by `elementwise`.
        """
        return None

    def fused_loss(self, loss: Any) -> Callable[..., tuple[Array, Array] | None] | None:
        """Return ``apply(z, y, weight) -> (value, dz)``, a loss forward and backward in one.

        It returns None for arrays that it cannot do so for. None where the backend never can.
        """
        return None

    def open_group(self) -> Any:
        """Return the library's own connection of the processes that its launcher started, or None if it has none.

        `bpx.distributed.communicator.Engine` says what it can do.
        """
        return None

    def open_sum(self, communicator: Any) -> Callable[[Array], Array] | None:
        """Return what sums up arrays where they lie, over processes that are connected; None: their connection does.

        It replaces an array by the sum of all processes' arrays, to the same bits on each, and returns it.

        Raises
        ------
        InputError
            On all processes, if their devices cannot be connected.
        """
        return None

    def spread(self) -> Backend | None:
        """Return the devices of this process that can share the rows of a batch out among them, or None."""
        return None

    def own_device(self) -> Backend:
        """Return one device of this process, where it can compute without the other processes."""
        return self

    def list_own_columns(self, rows: int) -> np.ndarray:
        """Return which of the rows of a step the devices of this process take, in ascending order."""
        return np.arange(rows)

    def deal(self, own: np.ndarray, columns: np.ndarray, rows: int) -> Array:
        """Return the rows of steps on the devices, of which this process has some.

        Parameters
        ----------
        own : array (steps, columns, ...)
            On the host; nobody writes into it any more.
        columns : array of int
            Which of the rows of each step these are: `list_own_columns`.
        rows : int
            Of a step.
        """
        return self.adopt(own)

    def out_of_memory(self, error: BaseException) -> bool:
        """Tell whether an exception of the library says that the device's memory ran out."""
        return isinstance(error, MemoryError)


def refuse_after_fork(cls: type[Backend]) -> None:
    """Have a backend's class refuse to work in processes that are forked off from now on.

    Its library computes in threads, which a forked process lacks: it would wait for them for ever.
    """
    if cls in _REFUSING or not hasattr(os, "register_at_fork"):
        return
    _REFUSING.add(cls)

    def refuse(backend: Backend, *_: Any, **__: Any) -> Any:
        raise BackendError(
            f"backend {backend.name!r} does not work in a process that was forked off after it was used, because "
            f"{backend.name}'s threads are not in it; start processes with multiprocessing.get_context('spawn')"
        )

    def mark() -> None:
        for name in ("asarray", "to_numpy", "computing"):
            setattr(cls, name, refuse)

    os.register_at_fork(after_in_child=mark)


_REFUSING: set[type[Backend]] = set()
"""The classes that `refuse_after_fork` was given."""


def slices(order: np.ndarray) -> list[slice] | None:
    """Return the rows of each step as a slice, if at every step they follow each other, and else None.

    Such rows need no copy: they are read where they lie.
    """
    if not order.size or not (order[:, 1:] - order[:, :-1] == 1).all():
        return None
    return [slice(first, first + order.shape[1]) for first in order[:, 0].tolist()]


CREATION = ("arange", "asarray", "empty", "eye", "full", "linspace", "ones", "zeros")
"""Functions of the standard that create arrays on a device of their own choice, unless they are told which."""


class BoundNamespace(SimpleNamespace):
    """The functions of an array API namespace, with ``device`` as the default of those that create arrays.

    Parameters
    ----------
    module : namespace
        A module that follows the array API standard.
    device : object
        The library's own device object.
    replaced : callable
        Functions that take the place of the module's, by name.
    """

    def __init__(self, module: Any, device: Any, **replaced: Any) -> None:
        functions = {name: getattr(module, name) for name in dir(module) if not name.startswith("__")}
        for name in CREATION:
            functions[name] = partial(functions[name], device=device)
        super().__init__(**{**functions, **replaced})


def name_dtype(array: Array) -> str:
    """Return a dtype's name without its library's: "float32", and ">f4" in the byte order of other machines."""
    dtype: Any = array.dtype
    kind: Any = type(dtype)
    try:
        return _shorten_dtype(kind, dtype)
    except TypeError:  # a library's dtype that does not hash
        return _shorten_dtype.__wrapped__(kind, dtype)


@lru_cache(maxsize=128)
def _shorten_dtype(kind: Any, dtype: Any) -> str:
    """Return a dtype's name, given its type too: dtypes of two libraries hash alike, and are not to be compared."""
    text = str(dtype)
    known = re.findall(r"complex\d+|bfloat\d+|float\d\w*|uint\d+|int\d+|bool", text)
    return known[-1] if known else text.rpartition(".")[2]


def device_of(array: Array) -> Any:
    """Return where an array lives, as functions that create arrays take it; None if its library does not say."""
    import array_api_compat

    try:
        return array_api_compat.device(array)
    except AttributeError:
        return None


def check_float_dtype(dtype: str) -> None:
    """Raise unless ``dtype`` names a precision that networks compute in."""
    check_choice("dtype", dtype, FLOAT_DTYPES)


def make_missing(library: str, extra: str) -> BackendError:
    """Return the error for a library that is not installed, with the line that installs it."""
    return BackendError(
        f"backend {library!r} cannot be used: {library} is not installed; install it with `{advise_install(extra)}`"
    )
