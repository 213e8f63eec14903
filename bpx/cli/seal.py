"""A seal on the files that a run's folder names: it says that this user named them, not whoever made the folder.

The seal is an HMAC of the names under a key of the user's own, which is made when it is first needed and lies where
programs keep their state: ``$XDG_STATE_HOME/bpx/key``, on Windows ``%LOCALAPPDATA%``.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

__all__ = ["is_sealed", "make_seal"]

_KEY_BYTES = 32


def make_seal(names: Mapping[str, str | None]) -> str | None:
    """Return the seal of some names; None where no key can be kept."""
    key = _read_key(make=True)
    return None if key is None else _sign(key, names)


def is_sealed(names: Mapping[str, str | None], seal: object) -> bool:
    """Tell whether this user sealed these names."""
    key = _read_key(make=False)
    if key is None or not isinstance(seal, str):
        return False
    return hmac.compare_digest(_sign(key, names).encode(), seal.encode(errors="replace"))


def _sign(key: bytes, names: Mapping[str, str | None]) -> str:
    return hmac.new(key, json.dumps(dict(names), sort_keys=True).encode(), hashlib.sha256).hexdigest()


def _read_key(*, make: bool) -> bytes | None:
    """Return the user's key; None where there is none, or none can be kept."""
    try:
        state = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_STATE_HOME")
        path = (Path(state) if state else Path.home() / ".local" / "state") / "bpx" / "key"
        if make and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
        with path.open("rb") as file:
            key = file.read(_KEY_BYTES)
    except (OSError, RuntimeError):  # a home that cannot be written, or none at all
        return None
    return key if len(key) == _KEY_BYTES else None
