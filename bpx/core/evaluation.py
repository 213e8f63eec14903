"""How good a network is on data: its loss, the share of right classes, and further metrics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpx.backend.base import Array
from bpx.core import samples
from bpx.core.model import Data, Model
from bpx.errors import InputError
from bpx.layers import Sigmoid, Softmax
from bpx.losses import MeanOverMembers
from bpx.metrics import Metric

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator


def measure(
    net: Model, pieces: Iterable[Data], metrics: Sequence[Metric] = (), communicator: Communicator | None = None
) -> dict[str, float]:
    """Return loss, metrics and, where the targets are classes, accuracy, of data that comes in pieces.

    Parameters
    ----------
    net : Model
    pieces : iterable of (x, y, weight)
        On the device. What is kept of a piece, when the next one comes, is its predictions and targets alone, and only
        if a metric needs them.
    metrics : sequence of Metric
    communicator : Communicator or None
        Where the pieces are shared out among processes, in the order of their ranks: sums are taken over all of them,
        and metrics that need all predictions are computed on rank 0. What a piece raises on one, all raise.
    """
    classes = has_classes(net)
    collected = _Collected() if any(metric.compute for metric in metrics) else None
    if communicator is None:
        numbers = _sum_up(net, pieces, collected)
    else:
        each = communicator.together(lambda: _sum_up(net, pieces, collected))
        numbers = np.sum(np.array(each, dtype=np.float64), axis=0).tolist()
    total, share, right, rows, weights = numbers
    if not rows:
        raise InputError("there is nothing to evaluate on: the data holds no samples")
    if not share:
        raise InputError("the weights of all samples are 0: there is nothing to evaluate on")
    result = {"loss": total / share if net.loss.reduction == "mean" else total}
    if classes:
        result["accuracy"] = right / (share if weights else rows)
    if collected is not None and communicator is not None:
        result.update(collected.scores_of_all(metrics, communicator))
    elif collected is not None:
        result.update(collected.scores(metrics))
    return result


def _sum_up(net: Model, pieces: Iterable[Data], collected: _Collected | None) -> list[float]:
    """Return sums over samples: of losses, weights and right classes, how many there are, and if they have weights."""
    xp, classes = net.backend.xp, has_classes(net)
    total, share, right, rows = 0.0, 0.0, 0.0, 0.0
    weighted = False
    for x, y, weight in pieces:
        weighted, start = weight is not None, 0
        with net.backend.computing():
            for z in net.compute_pieces(x):
                n = z.shape[0]
                part = slice(start, start + n)
                target, w = y[part, ...], None if weight is None else weight[part]
                value, _ = net.loss.forward(xp, z, target, w)
                mass = float(n) if w is None else float(xp.sum(w))
                total += float(value) * (mass if net.loss.reduction == "mean" else 1.0)
                share += mass
                if classes:
                    hits = xp.astype(find_correct(net, z, target), z.dtype)
                    right += float(xp.sum(hits if w is None else hits * w))
                if collected is not None:
                    collected.add(net, z, target, w)
                start += n
        rows += start
    return [total, share, right, rows, float(weighted)]


def measure_at_once(net: Model, x: Any, y: Any) -> dict[str, float]:
    """Return the loss, and the accuracy as `measure` does, by programs that the backend may record.

    Values are looked at, outputs computed and compared in one program; its numbers are fetched together.

    Raises
    ------
    InputError
        If x or y is not what the network takes.
    """
    samples.check_together(x=x, y=y)
    xp, backend, loss, classes = net.backend.xp, net.backend, net.loss, has_classes(net)
    n_out = net.output_shape[-1] if net.output_shape else None

    def make() -> Any:
        outputs = net.make_outputs()

        def assess(params: Any, state: Any, x: Array, y: Array) -> tuple[None, Array]:
            z, target = outputs(params, state, x), samples.encode_targets(xp, y, loss, n_out, net.dtype, x.shape[1])
            found = [loss.forward(xp, z, target)[0], samples.look_at_features(xp, x)]
            if classes:
                found.append(xp.sum(xp.astype(find_correct(net, z, target), z.dtype)))
            found += samples.look_at_targets(xp, y, loss, net.dtype)
            return None, backend.gather(found)

        return backend.repeat(assess)

    with backend.computing():
        xs = net.place_samples(x, look=False)
        rows = xs.shape[0]
        ys = samples.bring_targets(backend, y, loss, rows, n_out, net.dtype)
        total, right = 0.0, 0.0
        for part in net.cut(rows):
            some, target = (a if rows == part.stop - part.start else a[part, ...] for a in (xs, ys))
            value, looked, *others = net.run_recorded(("assessment", ys.ndim), make, some, target)[1].tolist()
            samples.judge_features(backend, some, looked)
            samples.judge_targets(others[int(classes) :], backend, target, loss, n_out)
            total += value * (part.stop - part.start if loss.reduction == "mean" else 1.0)
            right += others[0] if classes else 0.0
    result = {"loss": total / rows if loss.reduction == "mean" else total}
    if classes:
        result["accuracy"] = right / rows
    return result


class _Collected:
    """Targets, predictions and weights on the host, gathered for the metrics that are computed there."""

    def __init__(self) -> None:
        self.parts: list[tuple[np.ndarray, np.ndarray, np.ndarray | None]] = []

    def add(self, net: Model, z: Array, y: Array, weight: Array | None) -> None:
        """Take outputs and targets of some samples."""
        host = net.backend.to_numpy
        predicted = host(net.loss.probabilities(net.backend.xp, z))
        if predicted.ndim == 2 and predicted.shape[1] == 1:
            predicted = predicted[:, 0]
        targets = np.array(fetch_targets(net, y))  # a copy: whoever gave the batch may fill its memory with the next
        self.parts.append((targets, np.array(predicted), None if weight is None else host(weight).astype(np.float64)))

    def scores_of_all(self, metrics: Sequence[Metric], communicator: Communicator) -> dict[str, float]:
        """Return the metrics of what all processes have gathered."""
        self.parts = [part for parts in communicator.gather(self.parts) for part in parts]
        return communicator.lead(lambda: self.scores(metrics))

    def scores(self, metrics: Sequence[Metric]) -> dict[str, float]:
        """Return the metrics that are computed on the host."""
        y = np.concatenate([part[0] for part in self.parts])
        p = np.concatenate([part[1] for part in self.parts])
        weights = [part[2] for part in self.parts if part[2] is not None]
        weight = np.concatenate(weights) if weights else None
        if weight is not None:  # a class all of whose samples count nothing does not occur
            y, p, weight = y[weight > 0.0], p[weight > 0.0], weight[weight > 0.0]
        result = {}
        for metric in metrics:
            if metric.compute is None:
                continue
            if metric.check is not None:
                metric.check(y)
            value = metric.compute(y, p, weight)
            try:
                result[metric.name] = float(value)
            except (TypeError, ValueError):
                raise InputError(f"the metric {metric.name!r} must return a number, got {value!r}") from None
        return result


def fetch_targets(net: Model, y: Array) -> np.ndarray:
    """Return targets as metrics take them: class ids (n,), or (n,) for one output, or (n, n_out)."""
    host = net.backend.to_numpy(y)
    if decides_for_one(net):
        return np.argmax(host, axis=1) if host.ndim == 2 else host.astype(np.int64)
    if has_classes(net):
        host = (host > 0.5).astype(np.int64)
    return host[:, 0] if host.ndim == 2 and host.shape[1] == 1 else np.array(host)


def check_metrics(net: Model, metrics: Sequence[Metric], y: Array | None) -> None:
    """Raise unless the metrics are defined for a network's outputs, and for the targets where these are at hand.

    Raises
    ------
    InputError
        If a metric of classes meets values or the other way round, or the targets are too few for it.
    """
    for metric in metrics:
        wanted, classes = metric.kind, has_classes(net)
        if wanted == "one of several" and not decides_for_one(net):
            raise InputError(f"{metric.name} needs a network that decides for one of several classes (cross_entropy)")
        if wanted == "classes" and not classes:
            raise InputError(f"{metric.name} needs classes; the loss {net.loss.name!r} is one of values")
        n_out = net.output_shape[-1] if net.output_shape else None
        if wanted == "values" and n_out is not None and net.loss.count_targets(n_out) != n_out:
            raise InputError(f"{metric.name} needs one output for a target; this network has {n_out} quantiles of it")
        if wanted == "values" and classes:
            raise InputError(f"{metric.name} needs values; this network decides for classes")
        if metric.check is not None and y is not None:
            metric.check(fetch_targets(net, y))


def has_classes(net: Model) -> bool:
    """Tell whether the network's outputs decide for classes, so that they can be right or wrong."""
    return net.loss.targets in ("classes", "probabilities") or isinstance(net.layers[-1], (Sigmoid, Softmax))


def decides_for_one(net: Model) -> bool:
    """Tell whether the network decides for one of several classes, not for yes or no at each output."""
    return net.loss.targets == "classes" or isinstance(net.layers[-1], Softmax)


def find_correct(net: Model, z: Array, y: Array) -> Any:
    """Return for each sample whether the outputs decide for its class (several outputs of yes and no: for all)."""
    xp, threshold = net.backend.xp, 0.0 if net.loss.targets == "probabilities" else 0.5
    if isinstance(net.loss, MeanOverMembers):
        z, threshold = net.loss.probabilities(xp, z), 0.5
    if decides_for_one(net):
        target = y if y.ndim == 1 else xp.argmax(y, axis=1)
        return xp.argmax(z, axis=1) == target
    return xp.all((z > threshold) == (y > 0.5), axis=tuple(range(1, y.ndim)))
