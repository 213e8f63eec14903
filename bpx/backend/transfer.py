"""Arrays of any library: which library, which device, and the way to and from the host."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from bpx.backend.base import Array, Backend, name_dtype
from bpx.errors import BackendError, InputError

_LIBRARY_OF_MODULE = {
    "numpy": "numpy",
    "cupy": "cupy",
    "torch": "torch",
    "jax": "jax",
    "jaxlib": "jax",
    "mlx": "mlx",
    "array_api_strict": "array-api-strict",
}


def library_of(value: Any) -> str | None:
    """Return the name of the backend whose arrays ``value`` is one of, or None (lists, tables, numbers)."""
    kind = type(value)  # asked first: PyTorch's nested tensors raise where they are asked for a shape
    if not (hasattr(kind, "shape") or hasattr(value, "shape")):
        return None
    return _library_of_type(kind) or _find_other(value)  # type: ignore[arg-type]


@lru_cache(maxsize=256)
def _library_of_type(kind: type) -> str | None:
    """Return the name of the backend of bpx that a type comes from, itself or by inheritance."""
    modules = (cls.__module__.partition(".")[0] for cls in kind.__mro__)
    found = next((_LIBRARY_OF_MODULE[module] for module in modules if module in _LIBRARY_OF_MODULE), None)
    return None if found == "numpy" and not issubclass(kind, (np.ndarray, np.generic)) else found  # a mixin is neither


def _find_other(value: Any) -> str | None:
    """Return the name of the backend of an array whose library bpx does not name."""
    from bpx.backend.registry import class_of

    cls = class_of(value)
    return None if cls is None else cls.name or cls.of(value).name


def find_class(array: Array) -> type[Backend] | None:
    """Return the class of an array's backend, or None for what is no array."""
    from bpx.backend.registry import backend_class, class_of

    library = _library_of_type(type(array))  # type: ignore[arg-type]
    return class_of(array) if library is None else backend_class(library)


def backend_of(array: Array) -> Backend | None:
    """Return the backend on which an array lives, or None for what is no array (lists, tables, numbers)."""
    if library_of(array) is None:
        return None
    cls = find_class(array)
    return None if cls is None else cls.of(array)


def to_numpy(array: Any) -> np.ndarray:
    """Return an array of any backend and device as a NumPy array on the host.

    Parameters
    ----------
    array : array, or anything that ``numpy.asarray`` takes
        Of any library that keeps the standard, on any device.

    Returns
    -------
    numpy.ndarray
        The same shape, dtype and values; shares memory where the library allows it. PyTorch's bfloat16 and its floats
        of 8 bits, which NumPy has not, come as float32.

    See Also
    --------
    get_backend : The backend of a name, a device or an array.
    Network.to : Move a network to another device.

    Examples
    --------
    >>> import bpx
    >>> bpx.to_numpy([[1.0, 2.0]])
    array([[1., 2.]])
    """
    backend = backend_of(array)
    if backend is None:
        return np.asarray(array)
    return backend.to_numpy(array)


def host_array(data: Any) -> np.ndarray:
    """Return host data (lists, tables, arrays in main memory) as a NumPy array; refuse an array on another device.

    Raises
    ------
    BackendError
        If ``data`` lies on a GPU or another device that is not the host: moving it back is the caller's decision.
    InputError
        If ``data`` is ragged or otherwise no array of numbers.
    """
    backend = backend_of(data)
    if backend is None:
        try:
            if isinstance(data, (list, tuple)) and data and library_of(data[0]) not in (None, "numpy"):
                data = [host_array(row) for row in data]
            return _common(np.asarray(data))
        except (ValueError, TypeError, RuntimeError) as error:
            raise InputError(f"expected an array of numbers, got {type(data).__name__}: {error}") from error
    if not backend.on_host:
        raise BackendError(
            f"the array lies on {backend.spec}, the network on the host; move the network with "
            f"net.to({backend.spec!r}), or the array with bpx.to_numpy(array)"
        )
    return _common(backend.to_numpy(data))


def _common(host: np.ndarray) -> np.ndarray:
    """Return an array in a dtype that every library has: in this machine's byte order, floats of 32 or 64 bits."""
    size = host.dtype.itemsize
    if host.dtype.kind in "iub" or (host.dtype.kind == "f" and size in (4, 8)):  # a dtype's name takes a microsecond
        host = host if host.dtype.isnative else host.astype(host.dtype.newbyteorder("="))
        return host.view(f"{host.dtype.kind}{size}") if host.dtype.char in "qQ" else host  # PyTorch knows "l" alone
    name = host.dtype.name
    if name.startswith(("float", "bfloat")) and size not in (4, 8):
        return host.astype(np.float32 if size < 4 else np.float64)
    if name in ("int2", "int4", "uint2", "uint4"):
        return host.astype(np.int8)
    return host


def check_real(name: str, data: Any) -> None:
    """Raise unless what is given may be an array of real numbers, one at each place, as far as its kind tells.

    Parameters
    ----------
    name : str
        What it is called in errors.
    data : array_like
        Of any library; lists are looked at for masks alone, and tables and objects not at all.

    Raises
    ------
    InputError
        If it is complex, sparse, quantized, nested or of another dtype without numbers, or if values are masked.
    """
    cls = find_class(data)
    if cls is None and (hasattr(data, "nnz") or hasattr(data, "nse")):
        raise InputError(f"{name} is sparse ({type(data).__name__}), and a network takes all values: {_DENSE}")
    if cls is None or isinstance(data, np.ndarray):
        if _has_masked(data):
            raise InputError(
                f"{name} has masked values, which are no numbers to compute with; drop these rows, or fill them in, "
                "with filled(value) for example"
            )
    else:
        fault = cls.find_fault(data)
        if fault:
            raise InputError(f"{name} {fault}")


def read_real(name: str, data: Any) -> np.ndarray:
    """Return real numbers of any library and device as a NumPy array on the host.

    Raises
    ------
    InputError
        If it is anything else: complex, text, objects, sparse, masked, ragged.
    """
    check_real(name, data)
    try:
        host = _common(to_numpy(data))
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"{name} cannot be read as numbers: {error}") from error
    if host.dtype.kind not in "biuf":
        raise InputError(f"{name} must hold real numbers, got dtype {host.dtype}")
    return host


_DENSE = "give x.toarray(), x.todense() or x.to_dense(), a batch at a time where that is too large"


def _has_masked(data: Any) -> bool:
    """Tell whether a value is masked in a `numpy.ma.MaskedArray`, or in one that lies in a list, at any depth."""
    if isinstance(data, np.ma.MaskedArray):
        return bool(np.ma.getmaskarray(data).any()) if data.dtype.names is None else False
    if not isinstance(data, (list, tuple)):
        return False
    kinds = set(map(type, data))
    return any(issubclass(kind, (list, tuple, np.ma.MaskedArray)) for kind in kinds) and any(map(_has_masked, data))


def keep(backend: Backend, array: Array, source: Any) -> Array:
    """Return ``array``, which a backend made of ``source``, such that it outlives what is written into ``source``.

    It is copied where the two may lie in the same memory, and only there.
    """
    return backend.complete(backend.copy(array) if may_share_memory(backend, array, source) else array)


def may_share_memory(backend: Backend, array: Array, source: Any) -> bool:
    """Tell whether ``array``, which a backend made of ``source``, may lie in its memory.

    Between arrays of the host NumPy looks at the addresses. On a device the answer is yes where nothing was moved or
    converted, and so it is for tables and buffers, because what they give to NumPy may be their own memory.
    """
    if type(source) in (list, tuple):
        return False
    origin = backend_of(source)
    if origin is None:
        return True
    if name_dtype(source) != name_dtype(array):
        return False
    if origin.on_host and backend.on_host:
        return np.may_share_memory(origin.to_numpy(source), backend.to_numpy(array))
    return origin.on_host == backend.on_host and (origin == backend or origin.name != backend.name)


def convert_like(source: Any, result: Array, backend: Backend) -> Array:
    """Return ``result``, an array of ``backend``, as an array of the library and device that ``source`` came from."""
    if type(source) is type(result) is np.ndarray:  # a prediction of a few rows takes 20 us, and to find out takes 2
        return result
    target = backend_of(source)
    if target is None:
        return backend.to_numpy(result)
    if target == backend:
        return backend.hand_over(result)
    if target.on_host or backend.on_host:
        return target.asarray(backend.to_numpy(result))
    return target.asarray(result)
