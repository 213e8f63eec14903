"""Which backend is meant: the argument, then the with-block, then ``set_backend``, then ``BPX_BACKEND``, then NumPy."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar

from bpx.backend.base import Backend
from bpx.backend.registry import create
from bpx.errors import BackendError, InputError

BackendSpec = str | Backend | None
"""What names a backend: a text such as ``"torch:cuda:0"``, a Backend, or None for the default."""

_in_block: ContextVar[Backend | None] = ContextVar("bpx_backend", default=None)
_of_process: Backend | None = None


def get_backend(spec: BackendSpec = None) -> Backend:
    """Return the backend that ``spec`` names.

    Parameters
    ----------
    spec : str, Backend or None
        ``"numpy"``, ``"cupy"``, ``"cupy:1"``, ``"torch"``, ``"torch:cuda:0"``, ``"torch:mps"``, ``"jax"``,
        ``"jax:gpu:0"``, ``"mlx"``, ``"mlx:gpu"``, ``"array-api-strict"``, ``"array-api-strict:device1"``; one added by
        `register_backend` or by an installed package; any module that keeps the array API standard, such as
        ``"dask.array"``; or ``"auto"``: CuPy where a CUDA device really works, else NumPy. None is the default: the
        innermost ``with use_backend(...)``, then `set_backend`, then the environment variable ``BPX_BACKEND``, then
        NumPy.

    Returns
    -------
    Backend
        The library on its device.

    Raises
    ------
    InputError
        If no backend and no module has this name.
    BackendError
        If the backend cannot be used here, or the module is no namespace of the standard. It is never replaced by NumPy
        in silence.

    See Also
    --------
    backends : What works on this machine.
    use_backend : Choose the backend of a block.
    set_backend : Choose the backend of this process.

    Examples
    --------
    >>> import bpx
    >>> bpx.get_backend("numpy")
    Backend('numpy')
    """
    if isinstance(spec, Backend):
        return spec
    if spec is None:
        return _find_chosen() or create("numpy")
    if not isinstance(spec, str):
        raise InputError(f"a backend is named by a text such as 'numpy' or 'cupy:0', got {type(spec).__name__}")
    return create(spec.strip())


def _find_chosen() -> Backend | None:
    """Return the default that was chosen: by a with-block, for the process, or by ``BPX_BACKEND``."""
    named = os.environ.get("BPX_BACKEND")
    return _in_block.get() or _of_process or (create(named) if named else None)


def restore_backend(spec: str, dtype: str | None = None) -> Backend:
    """Return the backend of something that was pickled: the same, or where that cannot be used, the chosen default.

    Parameters
    ----------
    spec : str
    dtype : str or None
        Of its arrays; a backend that lacks it cannot be used.

    Raises
    ------
    BackendError
        If it cannot be used here and no default was chosen. It is never replaced by NumPy in silence.
    """
    try:
        return _require(create(spec), dtype)
    except (BackendError, InputError) as error:
        why = str(error)
    try:
        chosen = _find_chosen()
        if chosen is not None:
            return _require(chosen, dtype)
    except (BackendError, InputError) as error:
        why = f"{why}; nor can the default that was chosen: {error}"
    raise BackendError(
        f"this was pickled on {spec}, which cannot be used here ({why}); choose where it is to live by "
        "`with bpx.use_backend(...)`, bpx.set_backend(...) or the environment variable BPX_BACKEND"
    )


def _require(backend: Backend, dtype: str | None) -> Backend:
    if dtype is not None:
        backend.require_dtype(dtype)
    return backend


Backend.restore = staticmethod(restore_backend)


def set_backend(spec: BackendSpec) -> None:
    """Set the default backend of this process; None goes back to ``BPX_BACKEND`` or NumPy.

    Parameters
    ----------
    spec : str, Backend or None
        As for `get_backend`.

    See Also
    --------
    use_backend : Choose the backend of a block.
    get_backend : The backend of a name, a device or an array.

    Examples
    --------
    >>> import bpx
    >>> bpx.set_backend("numpy")
    >>> bpx.set_backend(None)
    """
    global _of_process
    _of_process = None if spec is None else get_backend(spec)


@contextlib.contextmanager
def use_backend(spec: BackendSpec) -> Iterator[Backend]:
    """Make a backend the default within a ``with`` block (of this thread or task).

    Parameters
    ----------
    spec : str, Backend or None
        As for `get_backend`.

    See Also
    --------
    set_backend : Choose the backend of this process.
    get_backend : The backend of a name, a device or an array.

    Examples
    --------
    >>> import bpx
    >>> with bpx.use_backend("numpy") as backend:
    ...     backend
    Backend('numpy')
    """
    token = _in_block.set(get_backend(spec))
    try:
        yield get_backend(None)
    finally:
        _in_block.reset(token)
