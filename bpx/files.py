"""Networks in files: architecture and weights as safetensors, which holds numbers and text and runs no code."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.backend.selection import BackendSpec
from bpx.errors import FileFormatError, InputError
from bpx.layers import layer_from_config
from bpx.losses import loss_from_config

if TYPE_CHECKING:
    from bpx.network import Network

FORMAT, VERSION = "bpx", "1"
"""What the file says of itself; a file of another version is refused."""

TRAINING = "training."
"""Start of the names of a checkpoint's further arrays, which `load` passes over."""


def save(net: Network, path: str | os.PathLike[str], extra: dict[str, Any] | None = None) -> None:
    """Write a network's architecture, weights and running statistics to a safetensors file.

    Parameters
    ----------
    net : Network
    path : path
        Written beside and renamed, so that an older file stays whole until the new one is.
    extra : dict or None
        Plain data (JSON) to keep with the network; `load_extra` reads it.

    Raises
    ------
    InputError
        If the file cannot be written there.
    """
    from safetensors.numpy import save as to_bytes

    metadata, arrays = contents(net)
    if extra is not None:
        metadata["extra"] = json.dumps(extra)
    write_whole(path, to_bytes(arrays, metadata=metadata))


def contents(net: Network) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return what a file says of a network: its architecture, as metadata, and its arrays by name."""
    architecture = {
        "layers": [layer.config() for layer in net.layers],
        "loss": net.loss.config(),
        "dtype": net.dtype,
        "seed": net.seed,
    }
    arrays = {
        f"{kind}.{i}.{name}": np.ascontiguousarray(net.backend.to_numpy(array))
        for kind, parts in (("params", net.params), ("state", net.state))
        for i, part in enumerate(parts)
        for name, array in part.items()
    }
    return {"format": FORMAT, "version": VERSION, "network": json.dumps(architecture)}, arrays


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that it is there whole or not at all: beside, synchronised, then renamed.

    Raises
    ------
    InputError
        If the file cannot be written there; whatever was there before is still there.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        _synchronize_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error


def _synchronize_folder(folder: Path) -> None:
    """Have the disk know a folder's entries, where the system can: a renamed file outlives a power failure then."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    entries = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(entries)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems have nothing to do here
            raise
    finally:
        os.close(entries)


def load(path: str | os.PathLike[str], backend: BackendSpec = None) -> Network:
    """Read a network from a file that `Network.save` wrote.

    Parameters
    ----------
    path : path
    backend : str, Backend or None
        Where the network is to live, as for `get_backend`; the file does not say.

    Returns
    -------
    Network
        With the saved weights; its optimizer starts anew. A checkpoint of ``fit`` is read like any other file of a
        network; to go on with its training, use ``fit(..., resume=path)``.

    Raises
    ------
    FileFormatError
        If the file is truncated, is no safetensors file, holds another format or version, or arrays that do not fit the
        architecture.
    InputError
        If there is no such file.

    Examples
    --------
    >>> import os, tempfile, bpx
    >>> path = os.path.join(tempfile.mkdtemp(), "net.safetensors")
    >>> bpx.mlp([2, 3]).save(path)
    >>> bpx.load(path).n_params
    9
    """
    from bpx.network import Network

    metadata, arrays = read(path)
    try:
        architecture = json.loads(metadata["network"])
        layers = [layer_from_config(config) for config in architecture["layers"]]
        loss = loss_from_config(architecture["loss"])
        dtype, seed = architecture["dtype"], architecture["seed"]
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: the description of the network cannot be read: {error}") from error
    try:
        net = Network(layers, loss=loss, dtype=dtype, seed=seed, backend=backend)
    except InputError as error:
        raise FileFormatError(f"{path}: the network it describes cannot be built: {error}") from error
    for kind in ("params", "state"):
        parts = [
            {name: _taken(path, arrays, f"{kind}.{i}.{name}") for name in part}
            for i, part in enumerate(getattr(net, kind))
        ]
        try:
            setattr(net, kind, parts)
        except InputError as error:
            raise FileFormatError(f"{path}: the arrays do not fit the network: {error}") from error
    left = sorted(name for name in arrays if not name.startswith(TRAINING))
    if left:
        raise FileFormatError(f"{path}: holds arrays that the network has no place for: {', '.join(left)}")
    return net


def load_extra(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Return the plain data kept with a network in a file, or None."""
    extra = read(path)[0].get("extra")
    try:
        return None if extra is None else dict(json.loads(extra))
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: the data kept with the network cannot be read: {error}") from error


def read(path: str | os.PathLike[str]) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return the metadata and the arrays of a bpx file.

    Raises
    ------
    FileFormatError, InputError
        As for `load`.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise InputError(f"there is no file {path}" if not Path(path).exists() else f"{path} is a folder, not a file")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError) as error:
        raise FileFormatError(f"{path} is no whole safetensors file: {error}") from error
    if metadata.get("format") != FORMAT:
        raise FileFormatError(f"{path} is a safetensors file, but bpx did not write it (no format {FORMAT!r} in it)")
    if metadata.get("version") != VERSION:
        raise FileFormatError(
            f"{path} has format version {metadata.get('version')!r}, this bpx reads {VERSION!r}; use the bpx that "
            "wrote it"
        )
    return metadata, arrays


def _taken(path: Any, arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    if name not in arrays:
        raise FileFormatError(f"{path}: the array {name!r} is missing")
    return arrays.pop(name)
