"""Networks in files: architecture and weights as safetensors, which holds numbers and text and runs no code."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from bpx.core.model import Model
from bpx.errors import FileFormatError, InputError
from bpx.layers import LAYERS, layer_from_config
from bpx.losses import loss_from_config
from bpx.writing import write_whole

FORMAT, VERSION = "bpx", "1"
"""What the file says of itself; a file of another version is refused."""

KINDS = "of classes"
"""How classes are named in files: a user's by their own name. Files without it are of a time when some had others."""

TRAINING = "training."
"""Start of the names of a checkpoint's further arrays, which `bpx.load` passes over."""


def save(net: Model, path: str | os.PathLike[str], extra: dict[str, Any] | None = None) -> None:
    """Write a network's architecture, weights and running statistics to a safetensors file.

    Parameters
    ----------
    net : Model
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

    metadata, arrays = describe_network(net)
    if extra is not None:
        metadata["extra"] = json.dumps(extra)
    write_whole(path, to_bytes(arrays, metadata=metadata))


def describe_network(net: Model) -> tuple[dict[str, str], dict[str, np.ndarray]]:
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
    return {"format": FORMAT, "version": VERSION, "kinds": KINDS, "network": json.dumps(architecture)}, arrays


def update_kinds(net: Model, metadata: dict[str, str], architecture: Any) -> Any:
    """Return the architecture that a file describes, with classes named as today where it is an older file.

    Older files call a loss of the user's by its or its parent's ``name``, or not at all, and a layer of the user's by
    its name even where bpx has that name. Where ``net`` has such a class in that place, it is taken for the one meant.
    """
    if metadata.get("kinds") == KINDS:
        return architecture
    try:
        layers = [
            {**config, "kind": layer.kind} if config["kind"] == type(layer).__name__ else config
            for layer, config in zip(net.layers, architecture["layers"], strict=True)
        ]
        loss = architecture["loss"]
        classes = type(net.loss).__mro__
        before = next((vars(c)["name"] for c in classes if vars(c).get("name") not in (None, "", c.__name__)), "")
        if loss["kind"] == before:
            loss = {**loss, "kind": net.loss.kind}
        return {**architecture, "layers": layers, "loss": loss}
    except (KeyError, TypeError, ValueError):
        return architecture


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


def read_architecture(path: str | os.PathLike[str], metadata: dict[str, str]) -> dict[str, Any]:
    """Return layers, loss, dtype and seed of the network that a file describes, as the arguments of `bpx.Network`.

    Raises
    ------
    FileFormatError
        If the description cannot be read, or names a layer or loss whose class is not known.
    """
    try:
        architecture = json.loads(metadata["network"])
        if metadata.get("kinds") != KINDS:
            warn_of_rivals(path, architecture["layers"])
        return {
            "layers": [layer_from_config(config) for config in architecture["layers"]],
            "loss": loss_from_config(architecture["loss"]),
            "dtype": architecture["dtype"],
            "seed": architecture["seed"],
        }
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: the description of the network cannot be read: {error}") from error


def warn_of_rivals(path: str | os.PathLike[str], layers: list[dict[str, Any]]) -> None:
    """Warn where an older file names a layer that bpx has and a user's class is called, too: it may mean that."""
    for config in layers:
        rivals = LAYERS.find_rivals(config["kind"])
        if rivals:
            warnings.warn(
                f"{path} was written before classes of users had names of their own in files: {config['kind']!r} is "
                f"read as bpx's, not as {rivals[0]}; if that is meant, rename the class, and give a network of it "
                "these weights by new.params = net.params",
                stacklevel=5,
            )


def fill(path: str | os.PathLike[str], net: Model, arrays: dict[str, np.ndarray]) -> None:
    """Give a network the arrays of its file.

    Raises
    ------
    FileFormatError
        If one is missing, has another shape than the network's, or there are others.
    """
    left = {name for name in arrays if not name.startswith(TRAINING)}
    for kind in ("params", "state"):
        parts = []
        for i, part in enumerate(getattr(net, kind)):
            names = {name: f"{kind}.{i}.{name}" for name in part}
            missing = [name for name in names.values() if name not in arrays]
            if missing:
                raise FileFormatError(f"{path}: the array {missing[0]!r} is missing")
            left -= set(names.values())
            parts.append({name: arrays[key] for name, key in names.items()})
        try:
            setattr(net, kind, parts)
        except InputError as error:
            raise FileFormatError(f"{path}: the arrays do not fit the network: {error}") from error
    if left:
        raise FileFormatError(f"{path}: holds arrays that the network has no place for: {', '.join(sorted(left))}")
