"""Networks in files: architecture and weights as safetensors, which holds numbers and text and runs no code."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from bpx.core.model import Model
from bpx.errors import FileFormatError, FileWarning, InputError
from bpx.files.array_file import CHECKSUM, ArrayFile, StoredArray, describe_fault, to_bytes
from bpx.layers import LAYERS, layer_from_config
from bpx.layers.base import Layer, Shape, find_shapes
from bpx.losses import loss_from_config
from bpx.writing import write_whole

FORMAT, VERSION, EARLIER = "bpx", "2", "1"
"""What the file says of itself; a file of another version is refused.

Networks of version 1 have no checksum, and do not always call classes of the user's own by their names.
"""

TRAINING = "training."
"""Start of the names of a checkpoint's further arrays, which `bpx.load` passes over."""

LARGEST_CARD = 1_000_000
"""Characters of a model card."""

LARGEST_DESCRIPTION = 4 * 2**20
"""Characters that the description of a network may take: some ten thousand layers."""


CARD = "card"
"""The metadata's key of the model card."""


def save(
    net: Model, path: str | os.PathLike[str], extra: dict[str, Any] | None = None, card: str | None = None
) -> None:
    """Write a network's architecture, weights and running statistics to a safetensors file.

    Parameters
    ----------
    net : Model
    path : path
        Written beside and renamed, so that an older file stays whole until the new one is.
    extra : dict or None
        Plain data (JSON) to keep with the network; `load_extra` reads it.
    card : str or None
        Text for people, such as a model card; `read_card` reads it.

    Raises
    ------
    InputError
        If the file cannot be written there, the network has more layers than a file describes, or the card is no text
        or longer than `LARGEST_CARD`.

    References
    ----------
    M. Mitchell et al., "Model cards for model reporting", 2019.
    """
    if card is not None:
        _check_card(card)
    metadata, arrays = describe_network(net)
    if card is not None:
        metadata[CARD] = card
    if extra is not None:
        metadata["extra"] = json.dumps(extra)
    write_whole(path, to_bytes(metadata, arrays))


def _check_card(card: Any) -> None:
    """Raise unless a model card is text that a file holds."""
    if not isinstance(card, str):
        raise InputError(f"card must be text, got {type(card).__name__}")
    if len(card) > LARGEST_CARD:
        raise InputError(f"card has {len(card):,} characters; a file holds up to {LARGEST_CARD:,}")
    try:
        card.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"card holds what is no text: {error.reason}") from None


def read_card(path: str | os.PathLike[str]) -> str | None:
    """Return the model card of a file, or None where it has none; the arrays are not read.

    Raises
    ------
    InputError, FileFormatError
        As for `bpx.load`.
    """
    with open_network(path) as file:
        return file.metadata.get(CARD)


def describe_network(net: Model) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return what a file says of a network: its architecture, as metadata, and its arrays by name."""
    architecture = {
        "layers": [layer.config() for layer in net.layers],
        "loss": net.loss.config(),
        "dtype": net.dtype,
        "seed": net.seed,
        **({} if net.precision == "float32" else {"precision": net.precision}),
    }
    text = json.dumps(architecture)
    if len(text) > LARGEST_DESCRIPTION:
        raise InputError(f"a network of {len(net.layers):,} layers is larger than a file can describe")
    arrays = {
        f"{kind}.{i}.{name}": np.ascontiguousarray(net.backend.to_numpy(array))
        for kind, parts in (("params", net.params), ("state", net.state))
        for i, part in enumerate(parts)
        for name, array in part.items()
    }
    return {"format": FORMAT, "version": VERSION, "network": text}, arrays


def update_kinds(net: Model, architecture: Any) -> Any:
    """Return the architecture that a file of version 1 describes, with classes named as today.

    Such files call a loss of the user's by its or its parent's ``name``, or not at all, and a layer of the user's by
    its name even where bpx has that name. Where ``net`` has such a class in that place, it is taken for the one meant.
    """
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
    """Return the plain data kept with a network in a file, or None.

    Raises
    ------
    FileFormatError, InputError
        As for `bpx.load`.
    """
    with open_network(path) as file:
        for _ in file.read_arrays(wanted=lambda name: False):
            pass  # the checksum is over the arrays too
        return read_extra(file)


def read_extra(file: ArrayFile) -> dict[str, Any] | None:
    """Return the plain data kept with a network in an open file, or None."""
    if "extra" not in file.metadata:
        return None
    extra = file.read_json("extra", "the data kept with the network")
    if not isinstance(extra, dict):
        raise describe_fault(file.path, f": the data kept with the network cannot be read: it is {extra!r}")
    return extra


def open_network(path: str | os.PathLike[str]) -> ArrayFile:
    """Open a file that holds a network, a checkpoint too, and look at what it says of itself.

    Raises
    ------
    InputError
        If there is no such file.
    FileFormatError
        If it is none of bpx's, of another version, or without the checksum that its version has.

    Warns
    -----
    FileWarning
        If it was written by an earlier bpx, without a checksum.
    """
    file = ArrayFile(path)
    try:
        check_format(file)
        check_checksum(file)
    except BaseException:
        file.close()
        raise
    return file


def check_format(file: ArrayFile) -> None:
    """Raise FileFormatError unless a file is one of bpx's, of a version that is read here."""
    if file.metadata.get("format") != FORMAT:
        raise FileFormatError(
            f"{file.path} is a safetensors file, but bpx did not write it (no format {FORMAT!r} in it)"
        )
    version = file.metadata.get("version")
    if version not in (VERSION, EARLIER):
        raise describe_fault(
            file.path, f" has format version {version!r}, this bpx reads {VERSION!r}; use the bpx that wrote it"
        )


def check_checksum(file: ArrayFile) -> None:
    """Raise FileFormatError if a file has no checksum, or warn where files of its version have none."""
    if CHECKSUM in file.metadata:
        return
    if file.metadata["version"] == VERSION or "training" in file.metadata:  # checkpoints of version 1 have one
        raise FileFormatError(f"{file.path} is damaged: its checksum is missing")
    warnings.warn(
        f"{file.path} was written by an earlier bpx, without a checksum: damage to it would not be noticed; save the "
        "network again to give it one",
        FileWarning,
        stacklevel=5,
    )


def read_architecture(file: ArrayFile) -> dict[str, Any]:
    """Return layers, loss, dtype and seed of the network that a file describes, as the arguments of `bpx.Network`.

    Raises
    ------
    FileFormatError
        If the description cannot be read, or names a layer or loss whose class is not known.
    """
    what = "the description of the network"
    if len(file.metadata.get("network", "")) > LARGEST_DESCRIPTION:
        raise FileFormatError(f"{file.path}: {what} is larger than any that bpx writes")
    described = file.read_json("network", what)
    try:
        architecture = {
            "layers": [layer_from_config(config) for config in described["layers"]],
            "loss": loss_from_config(described["loss"]),
            "dtype": described["dtype"],
            "seed": described["seed"],
            "precision": described.get("precision", "float32"),  # files of a network that rounds nothing do not say
        }
        if file.metadata["version"] == EARLIER:
            warn_of_rivals(file.path, described["layers"])
        if architecture["seed"] is None:
            raise FileFormatError("seed must be a whole number, got None")
    except Exception as error:  # settings of any type reach classes of the user's own too
        raise describe_fault(file.path, f": {what} cannot be read: {error}") from error
    return architecture


def warn_of_rivals(path: str | os.PathLike[str], layers: list[dict[str, Any]]) -> None:
    """Warn where a file of version 1 names a layer that bpx has and a user's class is called, too: it may mean that."""
    for config in layers:
        rivals = LAYERS.find_rivals(config["kind"])
        if rivals:
            warnings.warn(
                f"{path} was written before classes of users had names of their own in files: {config['kind']!r} is "
                f"read as bpx's, not as {rivals[0]}; if that is meant, rename the class, and give a network of it "
                "these weights by new.params = net.params",
                stacklevel=5,
            )


def check_arrays(file: ArrayFile, layers: tuple[Layer, ...]) -> None:
    """Raise unless a file holds the arrays that layers have, in their shapes; nothing is allocated for it.

    Raises
    ------
    FileFormatError
        If one is missing, has another shape or no floating-point numbers, or there are others.
    """
    left = {name for name in file.arrays if not name.startswith(TRAINING)}
    for i, layer in enumerate(layers):
        try:
            found = find_shapes(layer)
        except Exception as error:  # a class of the user's own draws its arrays, of the sizes that the file says
            raise describe_fault(file.path, f": layer {i} cannot be built: {error}") from error
        for kind, shapes in zip(("params", "state"), found, strict=True):
            names = {name: f"{kind}.{i}.{name}" for name in shapes}
            missing = [name for name in names.values() if name not in file.arrays]
            if missing:
                raise describe_fault(file.path, f": the array {missing[0]!r} is missing")
            left -= set(names.values())
            _check_layer(
                file, f"{kind} of layer {i} ({layer!r})", shapes, {n: file.arrays[k] for n, k in names.items()}
            )
    if left:
        listed = ", ".join(sorted(left))
        raise describe_fault(file.path, f": holds arrays that the network has no place for: {listed}")


def _check_layer(file: ArrayFile, which: str, shapes: Mapping[str, Shape], stored: Mapping[str, StoredArray]) -> None:
    """Raise unless the arrays of one layer have their shapes, and are made of floating-point numbers."""
    got = {name: array.shape for name, array in stored.items()}
    if got != shapes:
        fault = f"{which} must have shapes {shapes}, got {got}"
    elif any(array.dtype.kind != "f" for array in stored.values()):
        fault = f"{which} must hold floating-point numbers, got {[str(array.dtype) for array in stored.values()]}"
    else:
        return
    raise describe_fault(file.path, f": the arrays do not fit the network: {fault}")


def fill(file: ArrayFile, net: Model) -> None:
    """Give a network the arrays of its file, which `check_arrays` has looked at, one after the other.

    Raises
    ------
    FileFormatError
        If the file is damaged.
    """
    found: dict[str, list[dict[str, Any]]] = {kind: [{} for _ in net.layers] for kind in ("params", "state")}
    for key, array in file.read_arrays(wanted=lambda name: not name.startswith(TRAINING)):
        kind, layer, name = key.split(".", 2)
        found[kind][int(layer)][name] = net.backend.adopt(array.astype(net.dtype, copy=False))
        del array  # on a device it is there now, and the next one needs the memory
    net.adopt(found["params"], found["state"])
