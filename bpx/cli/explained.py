"""What ``bpx explain`` can explain: the notebook's XOR network, a network for the digits, or one of the user's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bpx.arguments import check_choice
from bpx.backend import Backend
from bpx.errors import InputError
from bpx.network import Network
from bpx.recipes.settings import SGD_RATE

if TYPE_CHECKING:
    from bpx.cli.sources import FileOptions

__all__ = ["SUBJECTS", "Subject", "find_subject"]

Array = np.ndarray[Any, Any]

Unseen = Literal["refuse", "ignore"] | None

SUBJECTS = ("xor", "digits")
"""What is explained by name; anything else is a model's file."""


@dataclass(frozen=True)
class Subject:
    """A network and the data to explain it on.

    Attributes
    ----------
    title : str
    network : Network
    x, y : numpy.ndarray
        All rows that there are.
    learning_rate : float
        Of the steps that are explained.
    page_epochs : int
        How long a page's copy of the network trains, if nothing else is asked for.
    batch_size : int or None
        Of that training.
    whole : bool
        Whether all rows are one batch; otherwise one row is explained at a time.
    feature_names, class_names : sequence of str or None
    notes : tuple of str
    """

    title: str
    network: Network
    x: Array
    y: Array
    learning_rate: float
    page_epochs: int = 0
    batch_size: int | None = None
    whole: bool = False
    feature_names: Sequence[str] | None = None
    class_names: Sequence[str] | None = None
    notes: tuple[str, ...] = ()


def find_subject(
    what: str,
    data: str | None,
    *,
    as_published: bool,
    seed: int,
    backend: Backend,
    unseen: Unseen = None,
    file: FileOptions | None = None,
) -> Subject:
    """Return what is to be explained.

    Raises
    ------
    InputError, FileFormatError
        If there is no such network, or its data is missing or does not fit it.
    """
    if what in SUBJECTS and data is not None:
        raise InputError(f"{what} brings its own data; leave out {data!r}")
    if as_published and what != "xor":
        raise InputError(f"--as-published is about the notebook's XOR network, not about {what!r}")
    if what == "xor":
        return _make_xor(as_published, seed, backend)
    if what == "digits":
        return _make_digits(seed, backend)
    if "." not in what:
        check_choice("network to explain", what, SUBJECTS)
    if data is None:
        raise InputError(f"no data given; name a file or a data set like that of the training: bpx explain {what} DATA")
    return _load(what, data, backend, unseen, file)


def _make_xor(as_published: bool, seed: int, backend: Backend) -> Subject:
    from bpx.datasets import xor
    from bpx.notebook import EPOCHS, LEARNING_RATE, notebook_network

    dataset = xor()
    network = notebook_network(as_published=as_published, seed=seed, backend=backend)
    title = "XOR: the notebook's network" + (" as published, its biases frozen" if as_published else "")
    return Subject(
        title, network, dataset.x, np.asarray(dataset.y), LEARNING_RATE, EPOCHS, whole=True,
        feature_names=dataset.feature_names,
    )  # fmt: skip


def _make_digits(seed: int, backend: Backend) -> Subject:
    from bpx.datasets import digits
    from bpx.perceptron import mlp

    dataset = digits()
    network = mlp([64, 16, 10], seed=seed, backend=backend)
    return Subject(
        "Handwritten digits: a 64-16-10 network", network, dataset.x / 16.0, np.asarray(dataset.y), SGD_RATE, 30, 32,
        feature_names=dataset.feature_names, class_names=dataset.class_names,
    )  # fmt: skip


def _load(path: str, data: str, backend: Backend, unseen: Unseen, file: FileOptions | None) -> Subject:
    from bpx.cli.sources import load_rows, note_unseen
    from bpx.recipes.model_file import load_model

    model = load_model(path, backend)
    rows = load_rows(data, model.preprocessor, unseen=unseen, file=file)
    left_out = [note_unseen(rows.unseen, "left out")] if rows.unseen else []
    names = model.preprocessor.feature_names
    classes = model.preprocessor.class_names if model.preprocessor.task == "classification" else None
    outputs = (model.network.output_shape or ())[-1:]  # of each member, where there are several
    if classes is not None and len(classes) == 2 and outputs == (1,):
        classes = classes[1:]  # one output: the logit of the second class
    y = model.encode_targets(rows.y)
    return Subject(
        f"{Path(path).name} on {Path(data).name}", model.network, rows.x, y, SGD_RATE,
        feature_names=names if len(names) == rows.x.shape[1] else None,
        class_names=classes if classes is not None and outputs == (len(classes),) else None,
        notes=(*rows.notes, *left_out),
    )  # fmt: skip
