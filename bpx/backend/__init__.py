"""Array libraries and their devices behind one small class, :class:`bpx.backend.base.Backend`."""

from bpx.backend.base import Array, Backend
from bpx.backend.registry import BackendStatus, backends, register_backend
from bpx.backend.selection import BackendSpec, get_backend, set_backend, use_backend
from bpx.backend.transfer import to_numpy

__all__ = [
    "Array",
    "Backend",
    "BackendSpec",
    "BackendStatus",
    "backends",
    "get_backend",
    "register_backend",
    "set_backend",
    "to_numpy",
    "use_backend",
]
