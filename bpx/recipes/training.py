"""Training by settings: one network on all rows, or several, each of which sets other rows aside."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from bpx.callbacks.early_stopping import EarlyStopping
from bpx.core.regularization import ClipNorm
from bpx.errors import InputError
from bpx.files import save
from bpx.files.array_file import shorten
from bpx.losses import get_loss
from bpx.network import Network, load_with_extra
from bpx.recipes.calibration import adjust_outputs, find_temperature
from bpx.recipes.members import forget_learning, join_members
from bpx.recipes.selection import select_groups
from bpx.recipes.settings import Settings
from bpx.recipes.widening import widen_networks
from bpx.tables.splitting import order_rows, split
from bpx.training.checkpoints.checkpointer import find_differences
from bpx.training.checkpoints.folder import list_checkpoints
from bpx.training.class_weights import weigh_classes
from bpx.training.fingerprint import fingerprint_on_host
from bpx.training.history import History

__all__ = ["LEAST_SET_ASIDE", "Rows", "Trained", "average_histories", "count_aside", "deal_folds", "train_network"]

Array = np.ndarray[Any, Any]

Lead = Callable[[Callable[[], Any]], Any]
"""``lead(function)`` returns what ``function()`` does where it is called."""

LEAST_SET_ASIDE = 20
"""Fewer rows are all trained on: a part of them would say little about the rest."""

FEWEST_FOLDS, MOST_FOLDS = 5, 10
"""In how many parts rows are dealt: each network of several sets one of them aside."""

_JUDGED_BY = 100
"""Fewer rows say too little about a temperature, or about which networks are better."""

SHARE_SET_ASIDE = 0.1
"""Share of the rows that a single network sets aside to stop by."""


@dataclass(frozen=True)
class Rows:
    """Rows to train on, or to look at, as arrays of the host.

    Attributes
    ----------
    x : array, shape (rows, features)
    y : array
        Targets, as the loss takes them.
    weight : array, shape (rows,), or None
        Their weights.
    classes : array of int, shape (rows,), or None
        Their classes, which parts are to hold in proportion.
    """

    x: Array
    y: Array
    weight: Array | None = None
    classes: Array | None = None

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: Array) -> Rows:
        """Return some of the rows."""
        parts = (None if part is None else part[rows] for part in (self.weight, self.classes))
        return Rows(self.x[rows], self.y[rows], *parts)

    @property
    def data(self) -> tuple[Array, ...]:
        """What ``fit`` takes to look at."""
        return (self.x, self.y) if self.weight is None else (self.x, self.y, self.weight)


@dataclass(frozen=True)
class Trained:
    """A network, and what its training tells.

    Attributes
    ----------
    network : Network
    history : History
        Of several networks the mean of those that were still trained, epoch by epoch; of those that learned by the
        loss of the settings, where there are any.
    aside : array of int
        The rows that a network set aside, by their numbers; each once.
    outputs : array, shape (len(aside), ...)
        What was predicted of each by the network that set it aside, the last of several; of groups of networks, the
        mean over those that were selected.
    temperature : float
        What logits were divided by, so that the probabilities of these rows fit best; 1 where they are no logits.
    """

    network: Network
    history: History
    aside: Array
    outputs: Array
    temperature: float = 1.0


def train_network(
    settings: Settings,
    rows: Rows,
    build: Callable[[int], Network],
    *,
    watched: Rows | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    **how: Any,
) -> Trained:
    """Train what settings describe: one network, or several and join them.

    One network without patience learns from all rows, for all epochs. With patience, a tenth of the rows is set aside;
    training ends when the loss on them no longer falls, and keeps the weights of the best epoch. Several networks set
    aside a part each, so that every row is learned from by most of them, and their predictions are averaged: an
    ensemble over folds. Each of several variants is such an ensemble, over the same folds, and those are kept whose
    mean fits the rows best that were set aside.

    Parameters
    ----------
    settings : Settings
    rows : Rows
        To train on.
    build : callable
        ``build(i)`` returns the i-th network before its training, from 0; those of a variant follow one another.
    watched : Rows, optional
        Rows that a single network without patience looks at after each epoch, for its curves alone.
    checkpoint, resume : path, optional
        As for ``fit``; several networks have a folder each in that one.
    **how
        Further arguments of ``fit``.

    Returns
    -------
    Trained

    References
    ----------
    L. Breiman, "Bagging predictors", 1996; of folds instead of draws, A. Krogh, J. Vedelsby, "Neural network ensembles,
    cross validation, and active learning", 1995.
    """
    variants = settings.split()
    dealt = list(_deal(variants[0], rows))
    plans = [(group, own, aside) for group, own in enumerate(variants) for aside in dealt[: own.members]]
    networks: list[Network] = []
    histories: list[History] = []
    lead: Lead = _call
    has_files = len(plans) > 1 and (checkpoint, resume) != (None, None)
    data = _describe_data(rows) if has_files else {}
    for i, (_, own, aside) in enumerate(plans):
        network = build(i)
        lead = _find_leader(network, how.get("distributed", False))
        kept = _Kept(checkpoint, resume)
        if has_files:
            training = {"data": data | {"aside": fingerprint_on_host(aside)}, "settings": _describe_settings(own)}
            kept = lead(partial(_Kept.of_member, checkpoint, resume, i, training))
        history = kept.read_into(network, lead)
        if history is None:
            history = _fit(network, own, rows, aside, watched, **kept.folders, **how)
            lead(partial(kept.write, network, history))
        networks.append(network)
        histories.append(history)
    groups = [[i for i, (its, _, _) in enumerate(plans) if its == group] for group in range(len(variants))]

    def judge() -> tuple[Array, list[Array], float, list[float], tuple[int, ...]]:
        foretold = [_foretell([networks[i] for i in group], [plans[i][2] for i in group], rows) for group in groups]
        aside_rows, outputs = _find_common(foretold)
        judges = rows.take(aside_rows)
        outputs, temperature = _calibrate(settings, networks[0], judges, outputs)
        outputs, shifts = _center(settings, variants, judges, outputs)
        return aside_rows, outputs, temperature, shifts, _select(settings, judges, outputs)

    aside_rows, outputs, temperature, shifts, chosen = lead(judge)
    for group, shift in zip(groups, shifts, strict=True):
        if (temperature, shift) != (1.0, 0.0):
            for i in group:
                adjust_outputs(networks[i], temperature, shift)
    members = [i for group in chosen for i in groups[group]]
    alike = widen_networks(forget_learning([networks[i] for i in members], settings.loss))
    curves = [histories[i] for i in members if plans[i][1].loss == settings.loss]
    return Trained(
        join_members(alike),
        average_histories(curves or [histories[i] for i in members]),
        aside_rows,
        np.mean([outputs[group] for group in chosen], axis=0) if len(chosen) > 1 else outputs[chosen[0]],
        temperature,
    )


def _fit(network: Network, settings: Settings, rows: Rows, aside: Array, watched: Rows | None, **how: Any) -> History:
    """Train one network on the rows that are not set aside."""
    callbacks = list(how.pop("callbacks", ()))
    learned = None
    if aside.size:
        watched = _weigh_classes(network, settings, rows, rows.take(aside))
        learned = np.delete(np.arange(len(rows)), aside)
        callbacks.insert(0, EarlyStopping(patience=settings.patience or settings.epochs))
    return network.fit(
        rows.x,
        rows.y,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        accumulate=settings.accumulate,
        optimizer=settings.optimizer,
        sample_weight=rows.weight,
        rows=learned,
        class_weight=settings.class_weight,
        validation_data=None if watched is None else watched.data,
        callbacks=callbacks,
        clip=None if settings.clip is None else ClipNorm(settings.clip),
        **how,
    )


def _call(function: Callable[[], Any]) -> Any:
    return function()


def _find_leader(network: Network, distributed: bool) -> Lead:
    """Return what has a function called by one process, and gives its result to all that train together.

    What is read, written or decided beside the training is so once: other machines may not see the folder, and may
    round otherwise.
    """
    if not distributed:
        return _call
    from bpx.distributed.communicator import connect

    communicator = connect(network.backend)
    return _call if communicator is None else communicator.lead


def _weigh_classes(network: Network, settings: Settings, rows: Rows, watched: Rows) -> Rows:
    """Return rows to stop by, weighted as the loss of the training weighs their classes."""
    if settings.class_weight is None or rows.classes is None:
        return watched
    classes, weight = rows.classes, rows.weight
    each = weigh_classes(network, settings.class_weight, lambda n: np.bincount(classes, weights=weight, minlength=n))
    factors = np.ones(len(watched)) if each is None else each[watched.classes]
    factors = factors if watched.weight is None else factors * watched.weight
    return dataclasses.replace(watched, weight=factors) if factors.sum() > 0.0 else watched


def _foretell(networks: Sequence[Network], each: Sequence[Array], rows: Rows) -> tuple[Array, Array]:
    """Return which rows were set aside, and what the last network that did so predicts of each."""
    foretold: Array | None = None
    is_aside = np.zeros(len(rows), dtype=bool)
    for network, aside in zip(networks, each, strict=True):
        if aside.size:
            outputs = network.predict(rows.x[aside])
            foretold = np.zeros((len(rows), *outputs.shape[1:]), outputs.dtype) if foretold is None else foretold
            foretold[aside] = outputs
            is_aside[aside] = True
    return np.flatnonzero(is_aside), np.zeros((0, 1)) if foretold is None else foretold[is_aside]


def _find_common(foretold: Sequence[tuple[Array, Array]]) -> tuple[Array, list[Array]]:
    """Return the rows that all groups of networks have predictions of, and those of each group."""
    common = reduce(np.intersect1d, [aside for aside, _ in foretold])
    return common, [outputs[np.searchsorted(aside, common)] for aside, outputs in foretold]


def _calibrate(
    settings: Settings, network: Network, aside: Rows, outputs: Sequence[Array]
) -> tuple[list[Array], float]:
    """Return what is foretold of rows set aside with the temperature that they ask for, and that temperature.

    It is one for all groups, that at which each fits the rows best alone, in the mean. With weights of classes,
    probabilities are those of other shares of the classes, which no rows at hand have.
    """
    classes = aside.classes
    has_logits = network.loss.targets in ("classes", "probabilities")
    if classes is None or not has_logits or settings.class_weight is not None or len(aside) < _JUDGED_BY:
        return list(outputs), 1.0
    one = outputs[0].shape[1] == 1
    both = [np.hstack([1.0 - part, part]) if one else part for part in outputs]
    weight = None if aside.weight is None else np.tile(aside.weight, len(both))
    temperature = find_temperature(np.concatenate(both), np.tile(classes, len(both)), weight)
    cooled = [part.astype(np.float64) ** (1.0 / temperature) for part in both]
    cooled = [part / part.sum(axis=1, keepdims=True) for part in cooled]
    return [part[:, 1:] if one else part for part in cooled], temperature


def _center(
    settings: Settings, variants: Sequence[Settings], aside: Rows, outputs: Sequence[Array]
) -> tuple[list[Array], list[float]]:
    """Return what is foretold of rows set aside, right on average, and how far that shifts what each group foretells.

    The squared error asks for means. Networks that learn by another loss in its place foretell something else: where
    targets have a long tail, the Huber loss gives less. They are shifted by the mean of their errors.
    """
    shifts = [0.0] * len(outputs)
    if settings.loss == "squared_error" and len(aside) >= _JUDGED_BY:
        for i, (own, part) in enumerate(zip(variants, outputs, strict=True)):
            if own.loss != settings.loss:
                shifts[i] = float(np.average((aside.y - part)[:, 0], weights=aside.weight))
    return [part + shift if shift else part for part, shift in zip(outputs, shifts, strict=True)], shifts


def _select(settings: Settings, aside: Rows, outputs: Sequence[Array]) -> tuple[int, ...]:
    """Return which groups are kept; all, where too few rows say so, or only rows of other shares of the classes."""
    if len(outputs) == 1 or len(aside) < _JUDGED_BY or settings.class_weight is not None:
        return tuple(range(len(outputs)))
    return select_groups(outputs, get_loss(settings.loss), aside.y, aside.classes, aside.weight)


def _deal(settings: Settings, rows: Rows) -> Iterator[Array]:
    """Yield the rows that each network sets aside."""
    n, k = len(rows), settings.members
    if settings.patience is None or n < LEAST_SET_ASIDE:
        yield from [np.arange(0)] * k
    elif k == 1:
        yield split(n, SHARE_SET_ASIDE, settings.seed + 1, rows.classes)[1]
    else:
        folds = _count_folds(k)
        for start in range(0, k, folds):
            yield from deal_folds(n, folds, settings.seed + 1 + start, rows.classes)[: k - start]


def count_aside(settings: Settings, n: int) -> int:
    """Return how many of n rows a network sets aside to stop by; the most, where their numbers differ by one."""
    if settings.patience is None or n < LEAST_SET_ASIDE:
        return 0
    members = settings.split()[0].members
    folds = round(1 / SHARE_SET_ASIDE) if members == 1 else _count_folds(members)
    return -(-n // folds)


def _count_folds(members: int) -> int:
    return min(max(members, FEWEST_FOLDS), MOST_FOLDS)


def deal_folds(n: int, folds: int, seed: int, classes: Array | None = None) -> list[Array]:
    """Deal rows to folds at random, as one deals cards: sizes differ by one at most, those of each class too.

    Parameters
    ----------
    n : int
        How many rows there are.
    folds : int
    seed : int
    classes : array of int, shape (n,), optional
        The class of each row.

    Returns
    -------
    list of array of int
        The rows of each fold, in ascending order.

    Examples
    --------
    >>> from bpx.recipes.training import deal_folds
    >>> sorted(len(fold) for fold in deal_folds(11, 3, seed=0))
    [3, 4, 4]
    """
    order = order_rows(seed, n)
    if classes is not None:
        order = order[np.argsort(classes[order], kind="stable")]
    return [np.sort(order[i::folds]) for i in range(folds)]


def average_histories(histories: Sequence[History]) -> History:
    """Return the mean of what trainings recorded, epoch by epoch, over those that were not yet over."""
    if len(histories) == 1:
        return histories[0]

    def average(curves: Sequence[Sequence[float]]) -> list[float]:
        columns = zip_longest(*curves)
        return [float(np.mean([value for value in column if value is not None])) for column in columns]

    first = histories[0]
    return History(
        loss=average([history.loss for history in histories]),
        validation_loss=average([history.validation_loss for history in histories]),
        metrics={name: average([history.metrics[name] for history in histories]) for name in first.metrics},
        validation_metrics={
            name: average([history.validation_metrics[name] for history in histories])
            for name in first.validation_metrics
        },
        epoch=max((history.epoch for history in histories), key=len),
        seconds=sum(history.seconds for history in histories),
    )


def _describe_data(rows: Rows) -> dict[str, Any]:
    """Return shapes and hashes of what several networks learn from, as plain data, as checkpoints have them."""
    named = {"x": rows.x, "y": rows.y, "sample_weight": rows.weight}
    return {name: fingerprint_on_host(array) for name, array in named.items()}


def _describe_settings(settings: Settings) -> dict[str, Any]:
    """Return settings as plain data, what is no number as text."""
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    return {name: value if isinstance(value, int | float) else str(value) for name, value in values.items()}


@dataclass(frozen=True)
class _Kept:
    """Where a training that can be resumed keeps what it has.

    The checkpoints of one network lie in the folder. Of several networks each has a folder in that one; once it is
    trained its file lies there too, with what it was trained by and on, and it is not trained again.
    """

    checkpoint: Any = None
    resume: Any = None
    finished: Path | None = None
    training: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def of_member(cls, checkpoint: Any, resume: Any, i: int, training: dict[str, Any]) -> _Kept:
        folder = Path(resume if checkpoint is None else checkpoint) / f"network-{i + 1}"
        begun = resume is not None and bool(list_checkpoints(Path(resume) / folder.name))
        return cls(
            None if checkpoint is None else folder,
            Path(resume) / folder.name if begun else None,
            folder / "trained.safetensors",
            training,
        )

    @property
    def folders(self) -> dict[str, Any]:
        """What ``fit`` is told about folders."""
        given = {"checkpoint": self.checkpoint, "resume": self.resume}
        return {name: folder for name, folder in given.items() if folder is not None}

    def read_into(self, network: Network, lead: Lead) -> History | None:
        """Give a network the weights that it was trained to before, and return that training's history.

        Raises
        ------
        InputError
            If that training had other data or settings, as another version of bpx may have given it, or does not say
            which, as earlier versions of bpx do not.
        """

        def read() -> tuple[list[dict[str, Array]], dict[str, Any]] | None:
            if self.finished is None or not self.finished.is_file():
                return None
            trained, extra = load_with_extra(self.finished, "numpy")
            self._check_same(self.finished, extra or {})
            return trained.params, (extra or {}).get("history", {})

        found = lead(read)
        if found is None:
            return None
        network.params, history = found
        return History(**history)

    def _check_same(self, path: Path, extra: dict[str, Any]) -> None:
        """Raise unless a network was trained as this training trains it; says what differs."""
        kept = {name: extra.get(name) for name in self.training}
        if not all(isinstance(part, dict) for part in kept.values()):
            raise InputError(
                f"{path} was trained by an earlier bpx, which did not keep what data it learned from: train anew, in "
                "another folder"
            )
        found = find_differences(self.training, kept, places=("here", "in the file"))
        if found:
            raise InputError(
                f"{path} is of another training, which cannot be resumed here: {shorten('; '.join(found))}; bring back "
                "the data and the bpx that it was begun with, or train anew, in another folder"
            )

    def write(self, network: Network, history: History) -> None:
        """Keep a trained network."""
        if self.finished is not None and self.checkpoint is not None:
            save(network, self.finished, extra={"history": history.to_dict(), **self.training})
