"""ndonnx: arrays of the standard that compute nothing and record what is done to them, as an ONNX graph.

It is no backend to live on, and `bpx.get_backend` does not know it: files for other runtimes are made with it, by
running layers, losses and optimizers as they are on arrays that have a shape and a dtype but no numbers.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from bpx.backend.base import Array, Backend
from bpx.optional import import_optional

BATCH = "batch"
"""What an axis of any length is called in a file."""


class NdonnxBackend(Backend):
    """ndonnx's arrays.

    Parameters
    ----------
    purpose : str
        What needs them, as the start of the error's sentence.

    Raises
    ------
    InputError
        If ndonnx is not installed.
    """

    name = "ndonnx"
    device = "graph"

    def __init__(self, purpose: str = "recorded ONNX graphs") -> None:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "onnxruntime is not installed", UserWarning)
            self.library = import_optional("ndonnx", purpose, "onnx")
        self.xp = NdonnxFunctions(self.library)

    @classmethod
    def of(cls, array: Array) -> Backend:
        return cls()

    def asarray(self, data: Any, dtype: str | None = None) -> Array:
        return self.library.asarray(data, dtype=None if dtype is None else self._find_dtype(dtype))

    def to_numpy(self, array: Array) -> np.ndarray:
        raise TypeError("an array of a recorded graph has no numbers")

    def _find_dtype(self, name: str) -> Any:
        return getattr(self.library, name)

    def make_argument(self, shape: tuple[int | str | None, ...], dtype: str) -> Array:
        """Return an array that is given when the graph runs; a text in its shape names an axis of any length."""
        return self.library.argument(shape=shape, dtype=self._find_dtype(dtype))

    @contextlib.contextmanager
    def tracing(self, x: Array) -> Iterator[None]:
        """Return the context in which a length that is None stands for that of the first axis of ``x``."""
        self.xp.batch = x.dynamic_shape[:1]
        try:
            yield
        finally:
            self.xp.batch = None

    def check_recorded(self, value: Any, dtype: str) -> Array:
        """Return what a traced function returned, in a dtype.

        Raises
        ------
        TypeError
            If it is no array of the graph.
        """
        if not isinstance(value, self.library.Array):
            raise TypeError(f"{type(value).__module__}.{type(value).__qualname__} was returned, no array of the graph")
        return self.library.astype(value, self._find_dtype(dtype), copy=False)

    def build(self, inputs: Mapping[str, Array], outputs: Mapping[str, Array]) -> Any:
        """Return the operations between arrays as an ONNX model; inputs that they do not use are left out."""
        return self.library.build(dict(inputs), dict(outputs), drop_unused=True)


class NdonnxFunctions:
    """The standard's functions for ndonnx's arrays, some by operators that it has no use for.

    ndonnx writes reductions and products such that they do on arrays without elements what the standard says, which
    takes a branch for each, and hides their shapes; here an array has elements. Its ``logaddexp`` overflows. A length
    that is None, as that of a batch of any size is, may stand in a shape.

    Parameters
    ----------
    library : module
        ndonnx.

    Attributes
    ----------
    batch : array (1,) or None
        The length of the batch, which stands for None in a shape.
    """

    def __init__(self, library: ModuleType) -> None:
        self._library = library
        self._operators = import_optional("spox.opset.ai.onnx.v21", "recorded ONNX graphs", "onnx")
        self.batch: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return getattr(self._library, name)
        except AttributeError:
            raise AttributeError(f"ndonnx has no {name!r}") from None

    # -- by operators ---------------------------------------------------------------------------------------

    def _apply(self, name: str, *arrays: Array, **attributes: Any) -> Array:
        operator = getattr(self._operators, name)
        return self._library.asarray(operator(*(array.unwrap_spox() for array in arrays), **attributes))

    def _is_float(self, *arrays: Any) -> bool:
        kinds = (self._library.float32, self._library.float64)
        return all(getattr(array, "dtype", None) in kinds for array in arrays)

    def matmul(self, x1: Array, x2: Array, /) -> Array:
        if self._is_float(x1, x2) and x1.dtype == x2.dtype:
            return self._apply("matmul", x1, x2)
        return self._library.matmul(x1, x2)

    def vecdot(self, x1: Array, x2: Array, /, *, axis: int = -1) -> Array:
        if self._is_float(x1, x2) and x1.dtype == x2.dtype and x1.ndim == x2.ndim == 1:
            return self._apply("matmul", x1, x2)
        return self._library.vecdot(x1, x2, axis=axis)

    def _reduce(self, name: str, x: Array, axis: Any, keepdims: bool) -> Array:
        if not self._is_float(x) or axis == () or not x.ndim:
            return getattr(self._library, name)(x, axis=axis, keepdims=keepdims)
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        reduced = [i % x.ndim for i in axes]
        number = self._operators.const(np.array(reduced, dtype=np.int64))
        operator = getattr(self._operators, f"reduce_{name}")
        return self._library.asarray(operator(x.unwrap_spox(), number, keepdims=int(keepdims)))

    def mean(self, x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        return self._reduce("mean", x, axis, keepdims)

    def max(self, x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        return self._reduce("max", x, axis, keepdims)

    def min(self, x: Array, /, *, axis: Any = None, keepdims: bool = False) -> Array:
        return self._reduce("min", x, axis, keepdims)

    def cos(self, x: Array, /) -> Array:
        return self._apply("cos", x) if self._is_float(x) else self._library.cos(x)

    def logaddexp(self, x1: Array, x2: Array, /) -> Array:
        """``max(x1, x2) + log1p(exp(-|x1 - x2|))``, which overflows nowhere."""
        xp = self._library
        return xp.maximum(x1, x2) + xp.log1p(xp.exp(-xp.abs(x1 - x2)))

    def bitwise_right_shift(self, x1: Array, x2: Any, /) -> Array:
        """Shift; of negative numbers by way of ``~(~x >> n)``: ONNX shifts unsigned integers alone."""
        xp = self._library
        unsigned = {xp.int32: xp.uint32, xp.int64: xp.uint64}.get(x1.dtype)
        if unsigned is None or not isinstance(x2, int):
            return xp.bitwise_right_shift(x1, x2)
        sign = xp.where(x1 < 0, xp.asarray(-1, dtype=x1.dtype), xp.asarray(0, dtype=x1.dtype))
        shifted = xp.astype(x1 ^ sign, unsigned) >> x2
        return xp.astype(shifted, x1.dtype) ^ sign

    # -- by shapes ------------------------------------------------------------------------------------------

    def _shape(self, shape: Any) -> Any:
        """Return a shape as ndonnx takes it: where a length is None, as an array."""
        lengths = (shape,) if isinstance(shape, int) or shape is None else tuple(shape)
        if None not in lengths:
            return shape
        if self.batch is None:
            raise ValueError(f"the shape {lengths} has a length that is not known")
        parts = [self.batch if n is None else self._library.asarray([n], dtype=self._library.int64) for n in lengths]
        return self._library.concat(parts)

    def reshape(self, x: Array, /, shape: tuple[int | None, ...], *, copy: bool | None = None) -> Array:
        lengths = tuple(shape)
        if lengths.count(None) == 1:
            if -1 in lengths:  # what is left of one sample
                if x.shape.count(None) != 1:
                    raise ValueError(f"an array of shape {x.shape} cannot become {lengths}: two lengths are not known")
                size = math.prod(n for n in x.shape if n is not None)
                rest = math.prod(n for n in lengths if n is not None and n != -1)
                lengths = tuple(size // rest if n == -1 else n for n in lengths)
            lengths = tuple(-1 if n is None else n for n in lengths)
        return self._library.reshape(x, self._shape(lengths))

    def broadcast_to(self, x: Array, /, shape: Any) -> Array:
        return self._library.broadcast_to(x, self._shape(shape))

    def full(self, shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Array:
        return self._library.full(self._shape(shape), fill_value, dtype=dtype)

    def zeros(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
        return self.full(shape, 0.0, dtype=dtype)

    def ones(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
        return self.full(shape, 1.0, dtype=dtype)

    def empty(self, shape: Any, *, dtype: Any = None, device: Any = None) -> Array:
        return self.zeros(shape, dtype=dtype)

    def take(self, x: Array, indices: Array, /, *, axis: int | None = None) -> Array:
        return self._library.take(x, self._library.astype(indices, self._library.int64), axis=axis)


class RecordedNumbers(NDArrayOperatorsMixin):
    """An array that NumPy's own functions record: what is plain NumPy on the host becomes part of a graph as it stands.

    Learning-rate schedules and the coefficients of optimizers are written for the host. On an array of this class,
    NumPy's element-wise functions and some others do what they do on its own arrays, dtypes included.

    Parameters
    ----------
    xp : NdonnxFunctions
    array : array
        Of ndonnx.
    """

    def __init__(self, xp: NdonnxFunctions, array: Array) -> None:
        self.xp, self.array = xp, array

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype.unwrap_numpy()  # type: ignore[no-any-return]

    def __array__(self, *arguments: Any, **options: Any) -> Any:
        raise TypeError("an array of the graph has no numbers that NumPy could take")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> RecordedNumbers:
        parts = key if isinstance(key, tuple) else (key,)
        whole = parts if any(part is Ellipsis for part in parts) else (*parts, ...)
        return RecordedNumbers(self.xp, self.array[whole])

    def astype(self, dtype: Any, copy: bool = True) -> RecordedNumbers:
        """Return the array in another of NumPy's dtypes."""
        kind = np.dtype(dtype)
        return (
            self
            if kind == self.dtype
            else RecordedNumbers(self.xp, self.xp.astype(self.array, getattr(self.xp, kind.name)))
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        function = self._find(_UFUNCS.get(ufunc.__name__, ufunc.__name__))
        if method != "__call__" or options or ufunc.nout != 1 or function is None:
            return NotImplemented
        wanted = ufunc.resolve_dtypes((*map(_find_kind, inputs), None))
        arrays = [self._convert(x, dtype) for x, dtype in zip(inputs, wanted, strict=False)]
        return RecordedNumbers(self.xp, function(*arrays))

    def __array_function__(self, function: Any, types: Any, arguments: Any, options: Any) -> Any:
        implement = _FUNCTIONS.get(function.__name__)
        if implement is None or not function.__module__.startswith("numpy"):
            return NotImplemented
        return implement(self, *arguments, **options)

    def _find(self, name: str) -> Callable[..., Any] | None:
        return getattr(self.xp, name, None)

    def _convert(self, x: Any, dtype: Any) -> Array:
        """Return an array, or a number, as ndonnx's of a dtype."""
        if isinstance(x, RecordedNumbers):
            return x.astype(dtype).array
        return self.xp.asarray(np.asarray(x, dtype=dtype))

    def _join(self, function: Callable[..., Array], arrays: Any, axis: int) -> RecordedNumbers:
        kind = np.result_type(*map(_find_kind, arrays))
        return RecordedNumbers(self.xp, function([self._convert(array, kind) for array in arrays], axis=axis))

    def _where(self, condition: Any, x: Any, y: Any) -> RecordedNumbers:
        kind = np.result_type(*(value if type(value) in (int, float) else _find_kind(value) for value in (x, y)))
        chosen = self.xp.where(self._convert(condition, np.bool_), self._convert(x, kind), self._convert(y, kind))
        return RecordedNumbers(self.xp, chosen)


def _find_kind(x: Any) -> Any:
    """Return the dtype by which NumPy promotes a value; of a Python number, its type."""
    if type(x) in (int, float):
        return type(x)
    return x.dtype if isinstance(x, RecordedNumbers) else np.asarray(x).dtype


_UFUNCS = {
    "absolute": "abs", "arccos": "acos", "arcsin": "asin", "arctan": "atan", "conjugate": "conj",
    "fabs": "abs", "float_power": "pow", "invert": "bitwise_invert", "left_shift": "bitwise_left_shift",
    "power": "pow", "right_shift": "bitwise_right_shift", "fmax": "maximum", "fmin": "minimum",
}  # fmt: skip
"""NumPy's element-wise functions that the standard calls otherwise."""


def _clip(like: RecordedNumbers, x: Any, a_min: Any = None, a_max: Any = None) -> Any:
    x = x if a_min is None else np.maximum(x, a_min)
    return x if a_max is None else np.minimum(x, a_max)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "clip": _clip,
    "concatenate": lambda like, arrays, axis=0: like._join(like.xp.concat, arrays, axis),
    "full_like": lambda like, x, fill_value: np.full(x.shape, fill_value, dtype=x.dtype),
    "ones_like": lambda like, x: np.ones(x.shape, dtype=x.dtype),
    "stack": lambda like, arrays, axis=0: like._join(like.xp.stack, arrays, axis),
    "where": RecordedNumbers._where,
    "zeros_like": lambda like, x: np.zeros(x.shape, dtype=x.dtype),
}
"""NumPy's other functions that schedules and coefficients are made of."""
