"""What the explaining page shows of a network: its layers, some samples, and snapshots of its training, as JSON
data."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from bpx.arguments import check_count, check_number
from bpx.backend.transfer import to_numpy
from bpx.errors import InputError
from bpx.explanation.page import MAX_PAGE_BYTES, PAGE_FORMAT, render_page
from bpx.explanation.snapshots import choose_moments, record
from bpx.explanation.symbols import list_shapes, parse_weight
from bpx.layers import Flatten, Layer, Linear
from bpx.losses import Loss
from bpx.network import Network
from bpx.optimizers import SGD, Optimizer, get_optimizer
from bpx.optimizers.schedules import as_schedule
from bpx.writing import write_whole

PAGE_LAYERS = (
    "Linear", "Sigmoid", "Tanh", "ReLU", "LeakyReLU", "GELU", "SiLU", "Softplus", "Identity", "Softmax", "Dropout",
)  # fmt: skip
"""Layers that the page's own arithmetic knows."""

PAGE_LOSSES = ("squared_error", "absolute_error", "huber", "cross_entropy", "binary_cross_entropy")
"""Losses that the page's own arithmetic knows."""

SNAPSHOT_BYTES = 450_000
"""Room for snapshots in a page of at most a megabyte."""

MAX_SAMPLES = 24
"""Samples that the page shows, unless asked otherwise."""


def page_data(
    net: Network,
    x: Any,
    y: Any,
    *,
    epochs: int = 0,
    optimizer: str | Optimizer | None = None,
    batch_size: int | None = None,
    snapshots: int | Sequence[int] = 16,
    samples: int | Sequence[int] = MAX_SAMPLES,
    learning_rate: float | None = None,
    title: str | None = None,
    feature_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    notes: Sequence[str] = (),
    sample: int | None = None,
    weight: str | None = None,
) -> dict[str, Any]:
    """Return what the explaining page shows of a network, taking snapshots while a copy of it trains.

    Parameters
    ----------
    net : Network
        On any backend; it is not changed. Layers of `PAGE_LAYERS`, `Flatten` too.
    x, y : array_like
        Samples and targets, as for `Network.fit`.
    epochs : int
        How long the copy trains; 0 shows the network as it is.
    optimizer : str, Optimizer or None
        What it trains with. None: the optimizer of the network's training so far, or else ``SGD()``.
    batch_size : int or None
        As for `Network.fit`.
    snapshots : int or sequence of int
        After which epochs to take snapshots, or how many to take, denser at the start: fewer, where the parameters of
        so many would make the page larger than a megabyte.
    samples : int or sequence of int
        Rows of x to show, or how many, taken in turn from the classes.
    learning_rate : float or None
        Of the page's own updates, which are plain gradient descent; None: the optimizer's first.
    title : str or None
        None names the layers' sizes.
    feature_names, class_names : sequence of str or None
    notes : sequence of str
        Sentences to show above the network.
    sample, weight : int, str or None
        Which row of x and which parameter ("0.weight[1,0]") to begin with; the row is then among those shown.

    Returns
    -------
    dict
        Plain data in the page's format, "bpx-explain/1".

    Raises
    ------
    InputError
        If an argument is not as described, or the page cannot show a layer or the loss.
    """
    layers = [_describe_layer(i, layer) for i, layer in enumerate(net.layers)]
    loss = _describe_loss(net.loss)
    key = None if weight is None else str(parse_weight(weight, list_shapes(net.params)))
    optimizer = get_optimizer(optimizer or (net.training.optimizer if net.training else SGD()))
    rate = float(as_schedule(optimizer.learning_rate).rates(np.array([0]), 1)[0])
    epochs_taken = choose_moments(_afford(net, snapshots), epochs)
    xs, ys, _ = net.place(x, y, None)
    recording = record(net, x, y, epochs_taken, optimizer, batch_size)
    inputs, targets = _fetch(net, xs), _fetch_targets(net, ys)
    shown = _choose_samples(samples, targets, net.loss, sample)
    extra = [*notes]
    if len(shown) < len(inputs):
        extra.append(
            f"The page shows {len(shown)} of {len(inputs):,} samples; losses of the training are over all of them."
        )
    if not _is_plain(optimizer):
        made = "The training was made by" if epochs else "This network trains with"
        extra.append(f"{made} {optimizer!r}; the updates on this page are plain gradient descent.")
    data: dict[str, Any] = {
        "format": PAGE_FORMAT,
        "title": title or f"A {'-'.join(map(str, _list_sizes(net)))} network",
        "layers": layers,
        "loss": loss,
        "learning_rate": rate if learning_rate is None else check_number("learning_rate", learning_rate, above=0.0),
        "feature_names": None if feature_names is None else [str(name) for name in feature_names],
        "class_names": None if class_names is None else [str(name) for name in class_names],
        "samples": {"x": inputs[shown].reshape(len(shown), -1).tolist(), "y": targets[shown].tolist()},
        "snapshots": [
            {
                "step": s.step,
                "loss": s.loss if math.isfinite(s.loss) else None,
                "params": [{name: array.tolist() for name, array in part.items()} for part in s.params],
            }
            for s in recording.snapshots
        ],
        "losses": {"step": recording.steps, "loss": recording.losses},
    }
    if inputs.ndim == 3:
        data["input_shape"] = list(inputs.shape[1:])
    if extra:
        data["notes"] = extra
    if sample is not None:
        data["start"] = {"sample": shown.index(sample)}
    if key is not None:
        data["start"] = data.get("start", {}) | {"weight": key}
    return data


def write_page(
    path: str | os.PathLike[str],
    net: Network,
    x: Any,
    y: Any,
    *,
    max_bytes: int | None = MAX_PAGE_BYTES,
    **options: Any,
) -> None:
    """Write the page that explains a network: one HTML file, which needs no other file and no network connection.

    Parameters
    ----------
    path : path
        Written beside and renamed, so that it is there whole or not at all.
    net, x, y, **options
        As for `page_data`.
    max_bytes : int or None
        The largest page to write; None for any size.

    Raises
    ------
    InputError
        As for `page_data`; or if the page would be larger than ``max_bytes``, or cannot be written there.

    Examples
    --------
    >>> import os, tempfile, bpx
    >>> from bpx.explanation import write_page
    >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error")
    >>> path = os.path.join(tempfile.mkdtemp(), "xor.html")
    >>> write_page(path, net, *bpx.datasets.xor(), epochs=100, optimizer=bpx.SGD(0.5))
    >>> os.path.getsize(path) < 1_000_000
    True
    """
    write_whole(path, render_page(page_data(net, x, y, **options), max_bytes=max_bytes).encode())


def _describe_layer(index: int, layer: Layer) -> dict[str, Any]:
    """Return a layer as the page knows it; a flattened input needs no flattening."""
    if isinstance(layer, Flatten):
        return {"kind": "Identity"}
    kind = layer.kind
    if kind not in PAGE_LAYERS or getattr(layer, "approximate", "none") != "none":
        raise InputError(
            f"the page cannot show layer {index}, {layer!r}; it shows {', '.join(PAGE_LAYERS)}. "
            "bpx.explain takes any layer: print its trace instead"
        )
    config = layer.config()
    wanted = ("kind", "n_in", "n_out", "frozen", "slope", "rate")
    return {name: config[name] for name in wanted if name in config}


def _describe_loss(loss: Loss) -> dict[str, Any]:
    if loss.name not in PAGE_LOSSES:
        raise InputError(
            f"the page cannot show the loss {loss.name!r}; it shows {', '.join(PAGE_LOSSES)}. "
            "bpx.explain takes any loss: print its trace instead"
        )
    return loss.config()


def _afford(net: Network, snapshots: int | Sequence[int]) -> int | Sequence[int]:
    """Return how many snapshots a page has room for; those that were asked for one by one stay."""
    if not isinstance(snapshots, int):
        return snapshots
    size = net.n_params * (4 if net.dtype == "float32" else 8) * 4 / 3
    return min(check_count("snapshots", snapshots), max(2, int(SNAPSHOT_BYTES // max(size, 1))))


def _list_sizes(net: Network) -> list[int]:
    linear = [layer for layer in net.layers if isinstance(layer, Linear)]
    return [linear[0].n_in, *(layer.n_out for layer in linear)] if linear else []


def _is_plain(optimizer: Optimizer) -> bool:
    return isinstance(optimizer, SGD) and not optimizer.momentum and isinstance(optimizer.learning_rate, (int, float))


def _fetch(net: Network, array: Any) -> np.ndarray:
    return net.backend.to_numpy(array).astype(np.float64)


def _fetch_targets(net: Network, y: Any) -> np.ndarray:
    """Return targets as rows, classes one-hot."""
    host = to_numpy(y)
    if host.ndim > 1 or net.output_shape is None:
        return host.astype(np.float64)
    rows: np.ndarray = np.eye(net.output_shape[-1])[host]
    return rows


def _choose_samples(samples: int | Sequence[int], targets: np.ndarray, loss: Loss, also: int | None) -> list[int]:
    """Return the rows to show: those asked for, or a number of them, taken in turn from the classes."""
    rows = len(targets)
    if also is not None and check_count("sample", also, 0) >= rows:
        raise InputError(f"sample must be a row of x, 0 to {rows - 1}, got {also}")
    if isinstance(samples, int):
        turn = np.arange(rows)
        if loss.targets == "classes":
            classes = targets.argmax(axis=1)
            for k in range(targets.shape[1]):
                turn[classes == k] = np.arange(int((classes == k).sum()))
        chosen = sorted(np.argsort(turn, kind="stable")[: check_count("samples", samples)].tolist())
    else:
        chosen = [check_count("a sample", row, 0) for row in samples]
        if not chosen or max(chosen) >= rows:
            raise InputError(f"samples are rows 0 to {rows - 1} of x, got {chosen}")
    return chosen if also is None or also in chosen else [also, *chosen[:-1]]
