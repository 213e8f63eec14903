"""What the explaining page shows of a network: its layers, some samples, and snapshots of its training, as JSON
data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bpx.arguments import check_choice, check_count, check_number
from bpx.backend.transfer import to_numpy
from bpx.errors import InputError
from bpx.explanation.opening import OpenedLayer, open_arrays, open_blocks
from bpx.explanation.page import PAGE_FORMAT
from bpx.explanation.page_summary import SNAPSHOT_BYTES, count_bytes
from bpx.explanation.snapshots import Recording, choose_moments, record
from bpx.explanation.symbols import WeightKey, list_shapes, parse_weight
from bpx.layers import Flatten, Layer, Linear
from bpx.losses import Loss
from bpx.network import Network
from bpx.optimizers import SGD, Adam, Optimizer, RMSprop, get_optimizer
from bpx.optimizers.schedules import as_schedule
from bpx.training.settings import BatchSize, choose_batch_size

PAGE_LAYERS = (
    "Linear", "Sigmoid", "Tanh", "ReLU", "LeakyReLU", "GELU", "SiLU", "Softplus", "Identity", "Softmax", "Dropout",
    "LayerNorm", "BatchNorm", "Residual",
)  # fmt: skip
"""Layers that the page's own arithmetic knows; it opens the blocks of `bpx.Residual`."""

PAGE_LOSSES = ("squared_error", "absolute_error", "huber", "cross_entropy", "binary_cross_entropy")
"""Losses that the page's own arithmetic knows."""

SAMPLE_BYTES = 90_000
"""Room for the samples that the page shows, in a page of at most a megabyte."""

TRAINING_BYTES = 90_000
"""Room for the rows that the page trains on, and half as much for those that are held out."""

MAX_SAMPLES = 24
"""Samples that the page shows, unless asked otherwise."""


def page_data(
    net: Network,
    x: Any,
    y: Any,
    *,
    epochs: int = 0,
    optimizer: str | Optimizer | None = None,
    batch_size: BatchSize = None,
    snapshots: int | Sequence[int] = 16,
    samples: int | Sequence[int] = MAX_SAMPLES,
    learning_rate: float | None = None,
    title: str | None = None,
    feature_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    image_shape: Sequence[int] | None = None,
    notes: Sequence[str] = (),
    sample: int | None = None,
    weight: str | None = None,
    validation_data: tuple[Any, Any] | None = None,
    view: str = "walk",
) -> dict[str, Any]:
    """Return what the explaining page shows of a network, taking snapshots while a copy of it trains.

    Parameters
    ----------
    net : Network
        On any backend; it is not changed. Its layers may be `Linear`, `Sigmoid`, `Tanh`, `ReLU`, `LeakyReLU`, `GELU`,
        `SiLU`, `Softplus`, `Identity`, `Softmax`, `Dropout`, `LayerNorm`, `BatchNorm`, `Residual` and `Flatten`.
    x, y : array_like
        Samples and targets, as for `Network.fit`.
    epochs : int
        How long the copy trains; 0 shows the network as it is.
    optimizer : str, Optimizer or None
        What it trains with. None: the optimizer of the network's training so far, or else ``SGD()``.
    batch_size : int, "auto" or None
        As for `Network.fit`, but for the default, all samples at each step.
    snapshots : int or sequence of int
        After which epochs to take snapshots, or how many to take, denser at the start: fewer, where the parameters of
        so many would make the page larger than a megabyte.
    samples : int or sequence of int
        Rows of x to show, or how many, taken in turn from the classes: fewer, where they are so wide that they would
        make the page larger than a megabyte.
    learning_rate : float or None
        Of the page's own updates, which are plain gradient descent; None: the optimizer's first.
    title : str or None
        None names the layers' sizes.
    feature_names, class_names : sequence of str or None
    image_shape : sequence of int or None
        Rows and columns of the image that a sample is. None: those of samples with two axes; of other samples the page
        guesses, from a square number of inputs without names of their own and with no negative values.
    notes : sequence of str
        Sentences to show above the network.
    sample, weight : int, str or None
        Which row of x and which parameter ("0.weight[1,0]") to begin with; the row is then among those shown.

    validation_data : tuple of array_like or None
        Samples and targets that the page measures its own training on, besides those that it learns from.
    view : {"walk", "lab"}
        What comes first: the walk through a training step, or what the network learns.

    Returns
    -------
    dict
        Plain data in the page's format, "bpx-explain/1".

    Raises
    ------
    InputError
        If an argument is not as described, or the page cannot show a layer or the loss.

    See Also
    --------
    bpx.explanation.write_page : Write the page that explains a network.
    lab : Open a network in a page that trains.

    Examples
    --------
    >>> import bpx
    >>> from bpx.explanation import page_data
    >>> net = bpx.mlp([2, 2, 1], activation="sigmoid", output="sigmoid", loss="squared_error")
    >>> data = page_data(net, *bpx.datasets.xor(), epochs=10, optimizer=bpx.SGD(0.5), snapshots=[0, 10])
    >>> data["title"]
    'A 2-2-1 network'
    """
    row = open_blocks(net.layers)
    _describe_layers(row)  # what the page cannot show is refused before any work
    _describe_loss(net.loss)
    if weight is not None:
        _find_weight(weight, row, list_shapes(net.params))
    optimizer = get_optimizer(optimizer or (net.training.optimizer if net.training else SGD()))
    epochs_taken = choose_moments(_afford(net, snapshots), epochs)
    xs, ys, _ = net.place(x, y, None)
    held_out = None
    if validation_data is not None:
        held_x, held_y, _ = net.place(*validation_data, None)
        held_out = (_fetch(net, held_x), _fetch_targets(net, held_y))
    inputs, targets = _fetch(net, xs), _fetch_targets(net, ys)
    shown = _choose_samples(_afford_samples(inputs, targets, samples), targets, net.loss, sample)
    batch_size = choose_batch_size(batch_size, len(inputs), optimizer)
    recording = record(net, x, y, epochs_taken, optimizer, batch_size)
    return make_page_data(
        net.layers, net.loss, inputs, targets, recording, optimizer, shown=shown, is_trained=epochs > 0,
        batch_size=batch_size, learning_rate=learning_rate, title=title, feature_names=feature_names,
        class_names=class_names, image_shape=image_shape, notes=notes, sample=sample, weight=weight, held_out=held_out,
        view=view,
    )  # fmt: skip


def make_page_data(
    layers: Sequence[Layer],
    loss: Loss,
    inputs: np.ndarray,
    targets: np.ndarray,
    recording: Recording,
    optimizer: Optimizer,
    *,
    shown: Sequence[int] | None = None,
    is_trained: bool = False,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    title: str | None = None,
    feature_names: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    image_shape: Sequence[int] | None = None,
    notes: Sequence[str] = (),
    sample: int | None = None,
    weight: str | None = None,
    held_out: tuple[np.ndarray, np.ndarray] | None = None,
    view: str = "walk",
) -> dict[str, Any]:
    """Return what the page shows of layers, samples and a training that was recorded; see `page_data`.

    Parameters
    ----------
    layers : sequence of Layer
    loss : Loss
    inputs, targets : numpy.ndarray
        All samples, and their targets as rows; classes one-hot.
    recording : Recording
    optimizer : Optimizer
        What made the training, or would make it.
    shown : sequence of int or None
        The rows to show; None: as many as a page has room for.
    is_trained : bool
        Whether the recording is of a training that `page_data` made.
    held_out : tuple of numpy.ndarray or None
        Samples and targets to measure on besides.
    """
    row = open_blocks(layers)
    described = _describe_layers(row)
    described_loss = _describe_loss(loss)
    check_choice("view", view, ("walk", "lab"))
    image_shape = None if image_shape is None else [check_count("a side of image_shape", side) for side in image_shape]
    key = None if weight is None else _find_weight(weight, row, list_shapes(recording.snapshots[0].params))
    if shown is None:
        shown = _choose_samples(_afford_samples(inputs, targets, MAX_SAMPLES), targets, loss, sample)
    extra = [*notes]
    if len(shown) < len(inputs):
        extra.append(
            f"The page shows {len(shown)} of {len(inputs):,} samples; losses of the training are over all of them."
        )
    if not _is_plain(optimizer):
        made = "The training was made by" if is_trained else "This network trains with"
        alone = "" if _describe_optimizer(optimizer) else ", and so are the steps that the page takes itself"
        extra.append(f"{made} {optimizer!r}; the update in the walk through a step is plain gradient descent{alone}.")
    rate = float(as_schedule(optimizer.learning_rate).rates(np.array([0]), 1)[0])
    data: dict[str, Any] = {
        "format": PAGE_FORMAT,
        "title": title or f"A {'-'.join(map(str, _list_sizes(layers)))} network",
        "layers": described,
        "loss": described_loss,
        "learning_rate": rate if learning_rate is None else check_number("learning_rate", learning_rate, above=0.0),
        "feature_names": None if feature_names is None else [str(name) for name in feature_names],
        "class_names": None if class_names is None else [str(name) for name in class_names],
        "samples": {"x": inputs[shown].reshape(len(shown), -1).tolist(), "y": targets[shown].tolist()},
        "snapshots": [
            {
                "step": s.step,
                "loss": s.loss if math.isfinite(s.loss) else None,
                "params": [
                    {name: array.tolist() for name, array in (params | state).items()}
                    for params, state in zip(open_arrays(row, s.params), open_arrays(row, s.state), strict=True)
                ],
            }
            for s in recording.snapshots
        ],
        "losses": {"step": recording.steps, "loss": recording.losses},
    }
    if image_shape is None and inputs.ndim == 3:
        image_shape = list(inputs.shape[1:])
    if image_shape is not None:
        n_in = inputs[0].size
        if len(image_shape) != 2 or math.prod(image_shape) != n_in:
            raise InputError(f"image_shape must be rows and columns of {n_in} pixels together, got {image_shape}")
        data["input_shape"] = image_shape
    if extra:
        data["notes"] = extra
    if len(shown) < len(inputs):
        data["training"] = _take_rows(inputs, targets, TRAINING_BYTES)
    if held_out is not None:
        data["held_out"] = _take_rows(*held_out, TRAINING_BYTES // 2)
    settings = _describe_optimizer(optimizer)
    if settings is not None:
        data |= {"optimizer": settings, "batch_size": batch_size}
    start = {
        "sample": None if sample is None else list(shown).index(sample),
        "weight": key,
        "view": None if view == "walk" else view,
    }
    if any(value is not None for value in start.values()):
        data["start"] = {name: value for name, value in start.items() if value is not None}
    return data


def _describe_layers(row: Sequence[OpenedLayer]) -> list[dict[str, Any]]:
    """Return the opened row of layers as the page knows it, with names where they are not the number in the row."""
    return [
        _describe_layer(each) | ({} if each.place == str(number) else {"name": each.place})
        for number, each in enumerate(row)
    ]


def _describe_layer(each: OpenedLayer) -> dict[str, Any]:
    """Return a layer as the page knows it; a flattened input needs no flattening."""
    layer = each.layer
    if isinstance(layer, Flatten):
        return {"kind": "Identity"}
    if each.start is not None:
        return {"kind": "Shortcut", "from": each.start}
    if layer.kind not in PAGE_LAYERS or getattr(layer, "approximate", "none") != "none":
        raise InputError(
            f"the page cannot show layer {each.place}, {layer!r}; it shows {', '.join(PAGE_LAYERS)}. "
            "bpx.explain takes any layer: print its trace instead"
        )
    config = layer.config()
    wanted = ("kind", "n_in", "n_out", "n_features", "frozen", "slope", "rate", "eps", "momentum")
    return {name: config[name] for name in wanted if name in config}


def _find_weight(text: str, row: Sequence[OpenedLayer], shapes: Sequence[dict[str, tuple[int, ...]]]) -> str:
    """Return the key of a parameter of the network as that of the opened row; it must be one of a Linear layer.

    Raises
    ------
    InputError
        If the text is no key, or names no parameter of a Linear layer.
    """
    key = parse_weight(text, shapes)
    place, _, name = f"{key.layer}.{key.name}".rpartition(".")
    number = next(k for k, each in enumerate(row) if each.place == place)
    if not isinstance(row[number].layer, Linear):
        raise InputError(f"the page follows parameters of Linear layers to the loss; {text!r} is one of another layer")
    return str(WeightKey(number, name, key.index))


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
    size = count_bytes(net.n_params, net.dtype)
    return min(check_count("snapshots", snapshots), max(1, SNAPSHOT_BYTES // max(size, 1)))


def _afford_samples(inputs: np.ndarray, targets: np.ndarray, samples: int | Sequence[int]) -> int | Sequence[int]:
    """Return how many samples a page has room for; those that were asked for one by one stay."""
    if not isinstance(samples, int):
        return samples
    per_row = count_bytes(inputs[0].size + targets[0].size, "float64")
    return min(check_count("samples", samples), max(1, SAMPLE_BYTES // per_row))


def _list_sizes(layers: Sequence[Layer]) -> list[int]:
    linear = [each.layer for each in open_blocks(layers) if isinstance(each.layer, Linear)]
    return [linear[0].n_in, *(layer.n_out for layer in linear)] if linear else []


def _is_plain(optimizer: Optimizer) -> bool:
    return isinstance(optimizer, SGD) and not optimizer.momentum and isinstance(optimizer.learning_rate, (int, float))


def _describe_optimizer(optimizer: Optimizer) -> dict[str, Any] | None:
    """Return an optimizer as the page knows it, or None if it does not."""
    if optimizer.groups or not isinstance(optimizer.learning_rate, (int, float)):
        return None
    if type(optimizer) is SGD:
        if not optimizer.momentum:
            return {"kind": "sgd"}
        return {"kind": "nesterov" if optimizer.nesterov else "momentum", "momentum": optimizer.momentum}
    if type(optimizer) is RMSprop:
        return {"kind": "rmsprop", "decay": optimizer.decay, "eps": optimizer.eps}
    if type(optimizer) is Adam and not optimizer.scaled_eps:
        return {"kind": "adam", "b1": optimizer.b1, "b2": optimizer.b2, "eps": optimizer.eps}
    return None


def _take_rows(inputs: np.ndarray, targets: np.ndarray, room: int) -> dict[str, np.ndarray]:
    """Return as many rows as there is room for, spread over all of them."""
    x, y = inputs.reshape(len(inputs), -1), targets
    per_row = (x.shape[1] + y.shape[1]) * 8 * 4 / 3
    count = max(1, min(len(x), int(room // per_row)))
    rows = np.linspace(0, len(x) - 1, count).round().astype(np.int64)
    return {"x": x[rows], "y": y[rows]}


def _fetch(net: Network, array: Any) -> np.ndarray:
    return net.backend.to_numpy(array).astype(np.float64)


def _fetch_targets(net: Network, y: Any) -> np.ndarray:
    return make_target_rows(to_numpy(y), net.output_shape[-1] if net.output_shape else 0)


def make_target_rows(y: np.ndarray, outputs: int) -> np.ndarray:
    """Return targets as rows, classes one-hot."""
    if y.ndim > 1 or not outputs:
        return y.astype(np.float64)
    rows: np.ndarray = np.eye(outputs)[y]
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
