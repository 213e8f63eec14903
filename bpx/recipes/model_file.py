"""A trained network in a file, with the preprocessing of its data and how it was trained."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from bpx.backend import Backend
from bpx.errors import FileFormatError
from bpx.files import save
from bpx.network import Network, load_with_extra
from bpx.tables import Preprocessor

__all__ = ["Model", "load_model", "load_model_or_network", "save_model"]

Array = np.ndarray[Any, Any]

FORMAT, VERSION = "bpx-train", 1
"""What the data kept with the network says of itself."""


@dataclass(frozen=True)
class Model:
    """A network and what it takes to use it.

    Attributes
    ----------
    network : Network
    preprocessor : Preprocessor
        From a table to the network's inputs, and from its outputs to labels or numbers.
    training : dict
        How it was trained, as plain data.
    """

    network: Network
    preprocessor: Preprocessor
    training: dict[str, Any]

    def encode_targets(self, y: Array) -> Array:
        """Return encoded targets as the network's loss takes them."""
        if self.preprocessor.task == "regression" or self.network.loss.targets == "classes":
            return y
        if (self.network.output_shape or ())[-1:] == (1,):
            return y[:, None].astype(np.float64)
        return np.eye(self.preprocessor.n_outputs)[y]


def save_model(path: str | os.PathLike[str], model: Model, card: str | None = None) -> None:
    """Write a model to a safetensors file, with a model card if there is one.

    Raises
    ------
    InputError
        If it cannot be written there, or the card is no text.
    """
    extra = {
        "format": FORMAT,
        "version": VERSION,
        "preprocessing": model.preprocessor.to_dict(),
        "training": model.training,
    }
    save(model.network, path, extra=extra, card=card)


def load_model(path: str | os.PathLike[str], backend: Backend) -> Model:
    """Read a model that `save_model` wrote.

    Raises
    ------
    InputError
        If there is no such file.
    FileFormatError
        If the file is none of bpx's, was not written by ``bpx train``, is of another version, or its parts do not fit
        each other.
    """
    loaded = load_model_or_network(path, backend)
    if isinstance(loaded, Network):
        raise FileFormatError(
            f"{path} holds a network without the preprocessing of its data: 'bpx train --output' did not write it; "
            "use it from Python, with bpx.load"
        )
    return loaded


def load_model_or_network(path: str | os.PathLike[str], backend: Backend) -> Model | Network:
    """Read a model that `save_model` wrote, or a network that `bpx.Network.save` did.

    Raises
    ------
    InputError, FileFormatError
        As for `load_model`, but where the file was not written by ``bpx train``.
    """
    network, extra = load_with_extra(path, backend)
    if extra is None or extra.get("format") != FORMAT:
        return network
    if extra.get("version") != VERSION:
        raise FileFormatError(
            f"{path} was written in version {extra.get('version')!r} of 'bpx train', this bpx reads {VERSION}; use the "
            "bpx that wrote it"
        )
    try:
        preprocessor = Preprocessor.from_dict(extra.get("preprocessing", {}))
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
    training = extra.get("training")
    if not isinstance(training, dict):
        raise FileFormatError(f"{path}: how the network was trained is missing")
    outputs = {1, preprocessor.n_outputs} if preprocessor.n_outputs == 2 else {preprocessor.n_outputs}
    shapes = network.input_shape, (network.output_shape or ())[-1:]  # of each member, where there are several
    if shapes[0] != (preprocessor.n_features,) or shapes[1] not in {(n,) for n in outputs}:
        raise FileFormatError(
            f"{path}: the preprocessing makes {preprocessor.n_features} features and {preprocessor.n_outputs} outputs, "
            f"the network takes {shapes[0]} and gives {shapes[1]}"
        )
    return Model(network, preprocessor, training)
