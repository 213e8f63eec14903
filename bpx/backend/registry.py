"""Which backends there are, which of them work here, and the way from a text such as ``"torch:cuda:0"`` to one.

Named backends know more of their library than the standard says. Others add theirs by `register_backend` or by an entry
point; any other name is taken for that of a module that keeps the standard.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from bpx.backend.base import Array, Backend
from bpx.errors import BackendError, InputError, unknown_name
from bpx.markup import make_table

if TYPE_CHECKING:
    from importlib import metadata  # loaded where it is needed: it takes a third of the time that NumPy takes

Factory = Callable[["str | None"], Any]
"""``factory(device) -> Backend``, or a namespace; a device of None is the library's own choice."""

_CLASSES = {
    "numpy": ("bpx.backend.numpy_backend", "NumpyBackend", ("numpy",)),
    "cupy": ("bpx.backend.cupy_backend", "CupyBackend", ("cupy-cuda12x", "cupy-cuda13x", "cupy-cuda11x", "cupy")),
    "torch": ("bpx.backend.torch_backend", "TorchBackend", ("torch",)),
    "jax": ("bpx.backend.jax_backend", "JaxBackend", ("jax",)),
    "mlx": ("bpx.backend.mlx_backend", "MlxBackend", ("mlx",)),
    "array-api-strict": ("bpx.backend.strict_backend", "StrictBackend", ("array-api-strict",)),
}

_NAME = r"[A-Za-z_][\w.-]*"
"""What the name of a backend of others looks like."""

BACKENDS = tuple(_CLASSES)
"""The names of the backends that come with bpx."""

GROUP = "bpx.backends"
"""The group of entry points by which a package brings a backend along."""

_registered: dict[str, Factory] = {}
_kinds: dict[type, type[Backend]] = {}
"""The backend of the arrays that backends of others have made, by the type of these arrays."""
_no_arrays: set[type] = set()
"""Types that were found to be no arrays: tables, among others."""
_made: dict[str, Backend] = {}
"""Backends of others, by library and device."""
_unnamed: dict[type, type[Backend]] = {}
"""The backends of arrays whose namespace is no module, by the type of the arrays."""

_ALIASES = {"mlx.core": "mlx"}
"""Modules of the libraries that bpx names, of which it knows what the module alone does not say."""


class BackendStatus(NamedTuple):
    """What a backend can do on this machine.

    Attributes
    ----------
    name : str
        The backend's name.
    available : bool
        Whether it works here.
    devices : tuple of str
        The devices that it works on, as the library writes them.
    version : str or None
        The installed library's version; None where it is not installed.
    reason : str
        Why it does not work here; empty where it does.

    See Also
    --------
    backends : What works on this machine.

    Examples
    --------
    >>> import bpx
    >>> status = bpx.backends()[0]
    >>> status.name, status.available, status.devices, status.reason
    ('numpy', True, ('cpu',), '')
    """

    name: str
    available: bool
    devices: tuple[str, ...]
    version: str | None
    reason: str


def register_backend(name: str, factory: Factory) -> None:
    """Make a backend known by a name, for `get_backend`, ``BPX_BACKEND`` and the command line's ``--backend``.

    A package that brings a backend along need not call it: an entry point of the group ``bpx.backends``, with this name
    and the factory, is found by itself.

    Parameters
    ----------
    name : str
        Letters, digits, ``.``, ``_`` and ``-``. A name that was registered before is given to the new factory.
    factory : callable
        ``factory(device) -> Backend``, called with the text behind the colon of ``"name:device"``, or with None. A
        class that inherits from `bpx.backend.generic.GenericBackend` is one. The backend's ``name`` must be this one.
        It may also return a namespace of the standard, a module or another object that has its functions.

    Raises
    ------
    InputError
        If the name cannot be one, or is that of a backend that comes with bpx; if the factory cannot be called.

    See Also
    --------
    get_backend : The backend of a name, a device or an array.
    bpx.backend.Backend : One array library on one device.

    Examples
    --------
    >>> import bpx
    >>> from bpx.backend.generic import GenericBackend
    >>> class Doubtful(GenericBackend):
    ...     name, library = "doubtful", "array_api_compat.numpy"
    >>> bpx.register_backend("doubtful", Doubtful)
    >>> bpx.mlp([2, 3, 1], loss="squared_error", backend="doubtful").backend
    Backend('doubtful:cpu')
    """
    if not isinstance(name, str) or not re.fullmatch(_NAME, name):
        raise InputError(f"a backend's name is made of letters, digits, '.', '_' and '-', got {name!r}")
    if name in (*_CLASSES, "auto"):
        raise InputError(f"the name {name!r} is that of a backend that comes with bpx; choose another")
    if not callable(factory):
        raise InputError(f"factory must be callable, as factory(device) -> Backend, got {factory!r}")
    _registered[name] = factory
    forget_found()


def forget_found() -> None:
    """Forget which libraries were met: what is registered or installed may have changed."""
    for found in (_kinds, _no_arrays, _made, _unnamed):
        found.clear()
    create.cache_clear()
    _list_entry_points.cache_clear()


@lru_cache(maxsize=8)
def backend_class(name: str) -> type[Backend]:
    """Return the class of a backend that comes with bpx, importing its module (and no other backend's)."""
    module, cls, _ = _CLASSES[name]
    return getattr(importlib.import_module(module), cls)  # type: ignore[no-any-return]


def class_of(array: Array) -> type[Backend] | None:
    """Return the class of the backend for an array of a library that bpx does not name; None for what is no array.

    A backend that was registered for it is found by the type of the arrays that it has made, or by the name of the
    module that the type comes from.
    """
    kind = type(array)
    if kind in _no_arrays:
        return None
    if kind not in _kinds:
        root = kind.__module__.partition(".")[0]
        for name in (name for name in (*_registered, *_list_entry_points()) if name.partition(".")[0] == root):
            with contextlib.suppress(BackendError, InputError):
                create(name)
    if kind not in _kinds:
        generic = _import_generic()
        if not generic.is_standard(array):
            _no_arrays.add(kind)
            return None
        _kinds[kind] = generic.GenericBackend
    return _kinds[kind]


def _import_generic() -> Any:
    """Return the module of unknown libraries, which is needed for these alone."""
    return importlib.import_module("bpx.backend.generic")


def find_factory(name: str) -> Factory:
    """Return what makes the backend of a name: bpx's own, a registered one, an entry point's, a module's.

    Raises
    ------
    InputError
        If nothing of this name is found.
    BackendError
        If an entry point of this name cannot be loaded.
    """
    if name in _CLASSES:
        return backend_class(name)
    if name in _registered:
        return _registered[name]
    _list_entry_points.cache_clear()  # something may have been installed
    entry = _list_entry_points().get(name)
    if entry is not None:
        return _load(entry)
    if not _is_importable(name):
        raise unknown_name("backend", name, [*_CLASSES, *_registered, *_list_entry_points(), "auto"])
    return make_generic_class(name)  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def make_generic_class(name: str) -> Any:
    """Return a class for a library of which nothing is known but the name of its module."""
    return type("GenericBackend", (_import_generic().GenericBackend,), {"name": name, "library": name})


@lru_cache(maxsize=1)
def _list_entry_points() -> dict[str, metadata.EntryPoint]:
    """Return the backends that installed packages bring along; names that are taken are not theirs."""
    from importlib import metadata

    taken = (*_CLASSES, *_registered, "auto")
    found = (entry for entry in metadata.entry_points(group=GROUP) if re.fullmatch(_NAME, entry.name))
    return {entry.name: entry for entry in found if entry.name not in taken}


def _load(entry: metadata.EntryPoint) -> Factory:
    try:
        factory = entry.load()
    except (Exception, SystemExit) as error:  # another package's module may raise anything
        raise BackendError(
            f"backend {entry.name!r} cannot be used: its entry point {entry.value!r} cannot be loaded "
            f"({_import_generic().say(error)})"
        ) from error
    if not callable(factory):
        raise BackendError(f"backend {entry.name!r} cannot be used: its entry point {entry.value!r} is not callable")
    return factory  # type: ignore[no-any-return]


def _is_importable(name: str) -> bool:
    """Tell whether a module has this name. Modules within packages are found by importing these."""
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    if name in sys.modules:
        return sys.modules[name] is not None
    try:
        return importlib.util.find_spec(name) is not None
    except (ModuleNotFoundError, ValueError, AttributeError):
        return False
    except (Exception, SystemExit):  # the package that it is in was imported, and says why it cannot be
        return True


@lru_cache(maxsize=64)
def create(spec: str) -> Backend:
    """Return the backend that a text names; the same object for the same library and device.

    Raises
    ------
    InputError
        If no backend has this name.
    BackendError
        If the backend cannot be used here; the message says which of three it is: not installed, no driver or
        device, a CUDA library missing.
    """
    if spec == "auto":
        return _auto()
    name, _, device = spec.partition(":")
    if name in _ALIASES:
        return create(f"{_ALIASES[name]}:{device}" if device else _ALIASES[name])
    factory = find_factory(name)
    if name == "numpy":
        if device not in ("", "cpu"):
            raise BackendError(f"numpy has the device 'cpu' only, not {device!r}")
        return factory()  # type: ignore[call-arg, no-any-return]
    if name not in _CLASSES:
        return _make_of_others(name, factory, device or None)
    backend = factory(device or None)
    return backend if backend.spec == spec else create(backend.spec)


def _make_of_others(name: str, factory: Factory, device: str | None) -> Backend:
    """Return the backend that a factory makes, the same for the same device; know its arrays from now on."""
    generic = _import_generic()
    try:
        made = factory(device)
        if not isinstance(made, Backend) and generic.is_namespace(made):
            made = type("GenericBackend", (generic.GenericBackend,), {"name": name})(device, made)
    except (BackendError, InputError):
        raise
    except (Exception, SystemExit) as error:  # another package's code may raise anything
        raise BackendError(f"backend {name!r} cannot be used: {generic.say(error)}") from error
    if not isinstance(made, Backend):
        raise BackendError(f"the factory of backend {name!r} must return a Backend or a namespace, got {made!r}")
    if made.name != name:
        raise BackendError(f"the factory of backend {name!r} returned one named {made.name!r}; give it that name")
    _kinds.setdefault(type(made.asarray([0.0], "float32")), type(made))
    return _made.setdefault(made.spec, made)


def create_of_array(array: Array, namespace: Any, name: str, device: str) -> Backend:
    """Return the backend of an array of an unknown library: of the module that its namespace is, if it is one."""
    generic = _import_generic()
    module = sys.modules.get(name)
    if module is namespace or (module is not None and generic.is_namespace_of(module, namespace)):
        with contextlib.suppress(BackendError, InputError):  # the name may be registered, and fail
            return create(f"{name}:{device}")
    kind = type(array)
    if kind not in _unnamed:
        taken = [*_CLASSES, *(cls.name for cls in _unnamed.values())]
        own = next(each for each in (name, *(f"{name}#{n}" for n in range(2, len(taken) + 3))) if each not in taken)
        _unnamed[kind] = type("GenericBackend", (generic.GenericBackend,), {"name": own})
    spec = f"{_unnamed[kind].name}:{device}"
    if spec not in _made:
        _made[spec] = _unnamed[kind](device, namespace)  # type: ignore[call-arg]
    return _made[spec]


def _auto() -> Backend:
    """Return CuPy where a CUDA device really works, else NumPy."""
    try:
        return create("cupy")
    except BackendError:
        return create("numpy")


def _find_version(name: str) -> str | None:
    """Return the version of the package that has a backend's library, or of the one that brings the backend along."""
    from importlib import metadata

    entry = _list_entry_points().get(name)
    if entry is not None and entry.dist is not None:
        return entry.dist.version
    for distribution in _CLASSES[name][2] if name in _CLASSES else (name.partition(".")[0].replace("_", "-"),):
        try:
            return metadata.version(distribution)
        except (metadata.PackageNotFoundError, ValueError):  # a name may be empty
            continue
    return None


def status(name: str) -> BackendStatus:
    """Return what one backend can do here; never raises for a known name."""
    version = _find_version(name)
    try:
        backend = create(name)
        devices = getattr(backend, "devices", lambda: (backend.device,))()
    except Exception as error:  # a broken installation may raise anything; the report says what
        return BackendStatus(name, False, (), version, str(error))
    library = getattr(backend, "library", "")
    return BackendStatus(name, True, tuple(devices), version or _find_version(library), "")


class BackendReport(tuple[BackendStatus, ...]):
    """What the backends can do, one after another; a notebook shows a table of them."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        rows = [
            (one.name, "yes" if one.available else "no", ", ".join(one.devices), one.version or "", one.reason)
            for one in self
        ]
        return make_table(("backend", "works here", "devices", "version", "why not"), rows)


def backends() -> tuple[BackendStatus, ...]:
    """Report every backend: whether it works here, on which devices, in which version, and why not.

    Returns
    -------
    tuple of BackendStatus
        One for each of numpy, cupy, torch, jax, mlx and array-api-strict, in this order, then for each that was added
        by `register_backend` or by an installed package. Notebooks show it as a table. Never raises.

    See Also
    --------
    BackendStatus : What a backend can do here.
    get_backend : The backend of a name, a device or an array.

    Examples
    --------
    >>> import bpx
    >>> bpx.backends()[0].name, bpx.backends()[0].available
    ('numpy', True)
    """
    _list_entry_points.cache_clear()
    return BackendReport(status(name) for name in (*BACKENDS, *_registered, *_list_entry_points()))
