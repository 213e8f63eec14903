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
        key = _load_key(path)
        if key is None and make:
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_key(path)
            key = _load_key(path)
    except (OSError, RuntimeError):  # a home that cannot be written, or none at all
        return None
    return key


def _load_key(path: Path) -> bytes | None:
    """Return the key in a file; None where there is no file, or it holds no whole key."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        return None
    return key if len(key) == _KEY_BYTES else None


def _make_key(path: Path) -> None:
    """Write a new key, which is there whole or not at all; of several processes that do so the first one's stays."""
    part = path.with_name(f"{path.name}-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        if path.exists() and _load_key(path) is None:
            os.replace(part, path)  # what a crash has left there seals nothing
        elif os.name == "nt":
            os.rename(part, path)  # fails where another one was first
        else:
            os.link(part, path)
    except FileExistsError:
        return
    finally:
        part.unlink(missing_ok=True)
