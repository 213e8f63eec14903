"""Any library that keeps the array API standard: what the standard leaves open is found out by looking, once."""

from __future__ import annotations

import contextlib
import copy
import gc
import importlib
import re
from collections.abc import Callable, Sequence
from functools import partial
from types import FunctionType, ModuleType
from typing import Any, ClassVar

import array_api_compat
import numpy as np

from bpx.backend.base import CREATION, Array, Backend, Body, device_of, name_dtype
from bpx.backend.numpy_backend import NumpyBackend
from bpx.backend.trees import list_leaves, rebuild
from bpx.errors import BackendError, MissingFunctionError

_ESSENTIAL = ("asarray", "zeros", "matmul", "sum", "exp", "where")
"""Functions without which a module is no namespace of the standard."""


class FoundNamespace:
    """The functions of a namespace, looked up when they are first asked for; one that is missing is an error.

    Parameters
    ----------
    module : namespace
    name : str
        The backend's, for errors.
    device : object or None
        What functions that create arrays are given as ``device``, unless the caller says; None: they take none.
    """

    def __init__(self, module: Any, name: str, device: Any = None) -> None:
        self._module, self._name, self._device = module, name, device

    def __getattr__(self, function: str) -> Any:
        if function.startswith("__"):
            raise AttributeError(function)
        found = _try(lambda: getattr(self._module, function))
        if found is None:
            raise MissingFunctionError(
                f"backend {self._name!r} lacks {function!r}: the array API standard has it, and bpx needs it for what "
                "was asked"
            )
        if function in CREATION:
            found = partial(found, device=self._device) if self._device is not None else _without_device(found)
        setattr(self, function, found)
        return found


def _without_device(function: Callable[..., Array]) -> Callable[..., Array]:
    """Return a function that creates arrays, for callers who name the device that the library has anyway."""

    def create(*arguments: Any, device: Any = None, **options: Any) -> Array:
        return function(*arguments, **options)

    return create


class GenericBackend(Backend):
    """Arrays of any library that keeps the array API standard, on one of its devices.

    A class for one library inherits from it, names the ``library`` and overrides what that library can do better.

    Parameters
    ----------
    device : str or None
        As `devices` lists them; None is the library's own choice.
    namespace : namespace or None
        The functions; None: those of the module ``library``.

    Attributes
    ----------
    library : str
        Name of the module that has the functions.
    native_device : object or None
        The library's own object for the device; None where it has none.
    kind : type
        Of the library's arrays.
    lazy : bool
        Whether arrays hold on to what they are to be made of, until somebody asks for their values.

    Raises
    ------
    BackendError
        If the module cannot be imported, is no namespace of the standard, or has arrays that bpx cannot compute with:
        they have no values yet, cannot be brought to the host, or refuse ``x *= y``.
    """

    library: ClassVar[str] = ""

    def __init__(self, device: str | None = None, namespace: Any = None) -> None:
        module = _import_namespace(self.library) if namespace is None else namespace
        self._namespace = find_functions(module, self.name)
        self._info = _find_info(self._namespace)
        self.native_device = self._find_device(device)
        self._dtypes = None if self._info is None else _try(lambda: self._info.dtypes(device=self.native_device))
        self._takes_device = _try(lambda: self._namespace.zeros((1,), device=self.native_device)) is not None
        self.xp = FoundNamespace(self._namespace, self.name, self.native_device if self._takes_device else None)
        sample = self._make_sample()
        self.kind = type(sample)
        self.device = name_device(self.native_device if self.native_device is not None else device_of(sample))
        self._read = self._find_reader(sample)
        self._host = self._read is _read_directly
        self._copies = True
        self._check_values()
        self.lazy = self._is_lazy()

    # -- what the standard leaves open, found out by looking -------------------------------------------------

    def _find_device(self, text: str | None) -> Any:
        """Return the library's own object for a device that a text names."""
        devices = {name_device(device): device for device in self._list_devices()}
        if text is None:
            return None if self._info is None else _try(self._info.default_device)
        named = text if text in devices else f"{text}:0"
        if named not in devices:
            raise BackendError(f"{self.name} has no device {text!r}; its devices are {', '.join(devices)}")
        return devices[named]

    def _list_devices(self) -> list[Any]:
        """Return the library's devices, those that it says it has and the one of its arrays."""
        listed = [] if self._info is None else list(_try(self._info.devices) or ())
        listed = [device for device in listed if device is not None]
        return listed or [device_of(self._namespace.asarray([0.0]))]

    def devices(self) -> tuple[str, ...]:
        """Return the names of the library's devices."""
        return tuple(map(name_device, self._list_devices()))

    def _make_sample(self) -> Array:
        try:
            return self._place(np.array([1.0, 2.0, 3.0], dtype=np.float32))
        except BackendError:
            raise
        except Exception as error:
            raise self._make_refusal(f"makes no array of numbers: {say(error)}") from error

    def _place(self, host: np.ndarray) -> Array:
        """Return a copy of host data on the device, by the first of the ways that the library has."""
        own, xp = np.array(host), self.xp
        kept = {"dtype": self._get_dtype(own.dtype.name)} if self._has_dtype(own.dtype.name) else {}
        ways = (
            lambda: xp.asarray(own, **kept),  # told the dtype, because MLX alone would make float32 of float64
            lambda: self._move(xp.from_dlpack(own)),
            lambda: xp.asarray(own.tolist(), **kept),
        )
        array = _take_first(ways)
        if kept and array.dtype != kept["dtype"]:
            raise self._make_refusal(f"makes {name_dtype(array)} of {own.dtype.name} in spite of being told the dtype")
        return array

    def _move(self, array: Array) -> Array:
        """Return an array of the library on this backend's device."""
        device = device_of(array)
        here = self.native_device
        if here is None or device is None or device == here or name_device(device) == name_device(here):
            return array
        return array_api_compat.to_device(array, self.native_device)

    def _find_reader(self, sample: Array) -> Callable[[Array], np.ndarray]:
        """Return the first of the ways to the host that gives a sample's numbers back."""
        on_host = [partial(_read_from, device) for device in self._list_devices() if device != self.native_device]
        ways: list[Callable[[Array], np.ndarray]] = [_read_directly, *on_host, _read_by_dlpack]
        samples = {"float32": sample}
        if self._has_dtype("float64"):
            samples["float64"] = self._place(np.array([0.1, 2.0, 3.0]))
        reasons = []
        for read in ways:
            try:
                found = {dtype: read(array) for dtype, array in samples.items()}
            except Exception as error:  # a library refuses in its own way
                reasons.append(say(error))
                continue
            if all(host.dtype == dtype and host.shape == (3,) for dtype, host in found.items()):
                return read
            reasons.append(f"came as {', '.join(f'{host.dtype} of {dtype}' for dtype, host in found.items())}")
        raise self._make_refusal(
            "has arrays whose values cannot be brought to the host, by NumPy, by DLPack or by a device of its own: "
            + "; ".join(dict.fromkeys(reasons))
        )

    def _check_values(self) -> None:
        """Raise unless arrays can be computed with: their values come out, and ``*=`` gives what ``*`` gives."""
        try:
            doubled = self._make_sample()
            doubled *= self._make_sample()
            total = float(self.xp.sum(doubled))
        except BackendError:
            raise
        except Exception as error:
            raise self._make_refusal(
                "has arrays that bpx cannot compute with: they must have values when asked for them, and `x *= y` must "
                "change x or make a new array (where arrays cannot be written to, a class without `__imul__` does so): "
                f"{say(error)}"
            ) from error
        if total != 14.0:
            raise self._make_refusal(f"computes 1 * 1 + 2 * 2 + 3 * 3 as {total}, by `x *= y`")
        first = self._make_sample()
        second = self.copy(first)
        second *= second
        self._copies = self._read(first).tolist() == [1.0, 2.0, 3.0]

    def _is_lazy(self) -> bool:
        """Tell whether the library puts work off: then a result holds on to what it is to be made of."""
        few, many = self._make_sample() + 1.0, self._make_sample()
        for _ in range(16):
            many = many + 1.0
        return hasattr(few, "persist") or _count_held(many) > _count_held(few)

    def _make_refusal(self, what: str) -> BackendError:
        return BackendError(f"backend {self.name!r} cannot be used: it {what}")

    # -- data ---------------------------------------------------------------------------------------------

    @classmethod
    def of(cls, array: Array) -> Backend:
        from bpx.backend.registry import create, create_of_array

        device = name_device(device_of(array))
        if cls.name:
            return create(f"{cls.name}:{device}")
        namespace = _find_namespace(array)
        return create_of_array(array, namespace, _name_namespace(namespace), device)

    @property
    def on_host(self) -> bool:
        return self._host

    @classmethod
    def find_fault(cls, array: Array) -> str:
        if hasattr(array, "nnz") or hasattr(array, "nse"):
            return f"is sparse ({type(array).__name__}), and a network takes all values: give x.todense()"
        return super().find_fault(array)

    def asarray(self, data: Any, dtype: str | None = None) -> Array:
        from bpx.backend.transfer import backend_of, host_array

        if type(data) is self.kind:
            return self._cast(self._move(data), dtype)
        source = backend_of(data)
        if source is not None and not source.on_host:
            try:
                return self._cast(self._move(self.xp.from_dlpack(data)), dtype)
            except Exception as error:
                raise BackendError(
                    f"{self.name} cannot take over an array that lies on {source.spec} ({say(error)}); move it to "
                    "the host first"
                ) from error
        host = host_array(data)
        if host.dtype == np.float64 and not self._has_dtype("float64"):
            if dtype is None:
                self.require_dtype("float64")
            host = host.astype(dtype)
        if host.dtype.kind in "iu" and not self._has_dtype(host.dtype.name):
            host = self._convert_integers(host)
        return self._cast(self._place(host), dtype)

    def _convert_integers(self, host: np.ndarray) -> np.ndarray:
        """Return integers in a dtype that the library has; refuse values that none of them holds."""
        for dtype in ("int64", "int32"):
            limits = np.iinfo(dtype)
            fits = not host.size or (int(host.min()) >= limits.min and int(host.max()) <= limits.max)
            if fits and self._has_dtype(dtype):
                return host.astype(dtype)
        raise BackendError(f"backend {self.spec!r} has no integers that hold the values of this {host.dtype} array")

    def _cast(self, array: Array, dtype: str | None) -> Array:
        if dtype is None or (self._has_dtype(dtype) and array.dtype == self._get_dtype(dtype)):
            return array
        self.require_dtype(dtype)
        cast = self.xp.astype(array, self._get_dtype(dtype))
        if cast.dtype != self._get_dtype(dtype):
            raise self._make_refusal(f"makes {name_dtype(cast)} of {name_dtype(array)} where {dtype} was asked for")
        return cast

    def to_numpy(self, array: Array) -> np.ndarray:
        return self._read(array)

    def copy(self, array: Array) -> Array:
        if self._copies:
            with contextlib.suppress(Exception):  # a library refuses in its own way
                return self.xp.asarray(array, copy=True)
        return self._place(self._read(array))

    def require_dtype(self, dtype: str) -> None:
        if not self._has_dtype(dtype):
            raise BackendError(f"backend {self.spec!r} has no {dtype}; use another dtype or device")

    def _has_dtype(self, dtype: str) -> bool:
        return dtype in self._dtypes if self._dtypes else _has(self._namespace, dtype)

    def _get_dtype(self, dtype: str) -> Any:
        """Return the library's own object for a dtype that it has."""
        return self._dtypes[dtype] if self._dtypes else getattr(self._namespace, dtype)

    def namespace(self, precision: str) -> Any:
        if precision == "float32":
            return self.xp
        rounding = copy.copy(self.xp)
        rounding.matmul = self.make_matmul(precision)
        return rounding

    # -- execution ----------------------------------------------------------------------------------------

    def computing(self) -> contextlib.AbstractContextManager[Any]:
        return NumpyBackend.computing(self)  # type: ignore[arg-type] # its arrays may be NumPy's underneath

    def fetch_scalars(self, values: list[Array]) -> np.ndarray:
        if _has(self._namespace, "stack"):
            return super().fetch_scalars(values)
        return np.array([float(value) for value in values])

    def synchronize(self) -> None:
        float(self.xp.sum(self.xp.zeros((1,))))

    def settle(self, arrays: list[Array]) -> list[Array]:
        """Return arrays that have been computed: they hold on to nothing that they were made of."""
        return [array.persist() if hasattr(array, "persist") else self._place(self._read(array)) for array in arrays]

    def loop(self, body: Body, pure: bool = False) -> Callable[..., tuple[Any, np.ndarray]]:
        if not self.lazy:
            return super().loop(body, pure)

        def settle_each(carry: Any, data: Any, inputs: Any) -> tuple[Any, Array]:
            carry, loss = body(carry, data, inputs)
            *arrays, loss = self.settle([*list_leaves(carry), loss])
            return rebuild(carry, iter(arrays)), loss

        return super().loop(settle_each, pure)


def name_device(device: Any) -> str:
    """Return a device's name without its class: "cpu" for ``Device('cpu')``, "gpu:0" for ``Device(gpu, 0)``."""
    text = "cpu" if device is None else str(device)
    within = re.fullmatch(r"[\w.]+\((.*)\)", text) or re.fullmatch(r"<[\w.]+ (.*)>", text)
    return re.sub(r"\s*,\s*", ":", (within[1] if within else text).replace("'", "").replace('"', "")).strip()


def is_standard(value: Any) -> bool:
    """Tell whether a value is an array of a library that keeps the standard, or that array-api-compat knows."""
    return bool(array_api_compat.is_array_api_obj(value))


def _find_namespace(array: Array) -> Any:
    """Return the namespace that an array names, or the one that array-api-compat has for it."""
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    return array_api_compat.array_namespace(array)


def is_namespace_of(module: Any, namespace: Any) -> bool:
    """Tell whether array-api-compat's functions for a module are those of a namespace."""
    return _try(lambda: find_functions(module, "")) is namespace


def is_namespace(value: Any) -> bool:
    """Tell whether a value has functions of the standard."""
    return all(_has(value, function) for function in _ESSENTIAL)


def _name_namespace(namespace: Any) -> str:
    """Return the name by which `bpx.get_backend` finds a namespace: that of its module."""
    name = getattr(namespace, "__name__", None) or type(namespace).__qualname__
    return str(name).removeprefix("array_api_compat.")


def _import_namespace(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:  # a library that is installed and broken raises what it likes
        raise BackendError(f"backend {name!r} cannot be used: it cannot be imported ({say(error)})") from error


def find_functions(module: Any, name: str) -> Any:
    """Return a module that keeps the standard, or what array-api-compat has for it."""
    if _has(module, "__array_namespace_info__") or _has(module, "__array_api_version__"):
        found = module
    else:
        sample = _try(lambda: module.asarray([0.0]))
        found = module if sample is None else _try(lambda: _find_namespace(sample)) or module
    missing = [function for function in _ESSENTIAL if not _has(found, function)]
    if missing:
        raise BackendError(
            f"backend {name!r} cannot be used: the module of this name is no namespace of the array API standard, it "
            f"has no {', '.join(missing)}"
        )
    return found


def _find_info(namespace: Any) -> Any:
    return _try(lambda: namespace.__array_namespace_info__())


def _read_directly(array: Array) -> np.ndarray:
    return np.asarray(array)


def _read_from(device: Any, array: Array) -> np.ndarray:
    return np.asarray(array_api_compat.to_device(array, device))


def _read_by_dlpack(array: Array) -> np.ndarray:
    return np.from_dlpack(array)


def _count_held(value: Any) -> int:
    """Return how many objects are reachable from a value, classes, modules and what functions see of these left out."""
    seen, waiting = {id(value)}, [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, FunctionType):
            held: Sequence[Any] = [*(each.__closure__ or ()), *(each.__defaults__ or ())]
        else:
            held = gc.get_referents(each)
        new = [one for one in held if id(one) not in seen and not isinstance(one, (type, ModuleType))]
        seen.update(map(id, new))
        waiting += new
    return len(seen)


def _has(namespace: Any, name: str) -> bool:
    """Tell whether a namespace has something of a name; None is nothing."""
    return _try(lambda: getattr(namespace, name)) is not None


def say(error: BaseException) -> str:
    """Return an exception of a library in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def _try(function: Callable[[], Any]) -> Any:
    """Return what a function returns, None where it raises: a library answers a question in its own way, or not."""
    with contextlib.suppress(Exception):
        return function()
    return None


def _take_first(ways: Any) -> Any:
    """Return what the first way returns that raises nothing; raise what the first raised if all do."""
    failures: list[Exception] = []
    for way in ways:
        try:
            return way()
        except Exception as error:
            failures.append(error)
    raise failures[0]
