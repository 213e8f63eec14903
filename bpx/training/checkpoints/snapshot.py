"""Everything that a training must remember to continue with the same bits, as plain data and named arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from bpx.backend.transfer import library_of, to_numpy
from bpx.core.state import TrainingState
from bpx.errors import FileFormatError, InputError
from bpx.files.network_file import TRAINING, describe_network
from bpx.training.fit_run import FitRun
from bpx.training.history import History

VERSION = "1"
"""Version of what a snapshot holds beyond the network."""


ARRAY = "__array__"
"""Key of the dict that stands for an array in the JSON."""


class Snapshot(NamedTuple):
    """A run at one moment, as plain data and host arrays.

    Attributes
    ----------
    metadata : dict of str
        "network" describes the architecture as a file of a network does, "training" everything else.
    arrays : dict of arrays
        Parameters and running statistics, named as in a file of a network; the rest under "training.".
    """

    metadata: dict[str, str]
    arrays: dict[str, np.ndarray]


def take_snapshot(run: FitRun) -> Snapshot:
    """Return a snapshot of a run between two steps.

    Shuffles and dropout masks need no state of their own: they are functions of seed, epoch and step.
    """
    state, history = run.training, run.history
    metadata, arrays = describe_network(run.net)
    tree = {
        "settings": run.describe(),
        "backend": run.net.backend.spec,
        "counters": {
            "step": state.step,
            "optimizer_step": state.optimizer_step,
            "epoch": state.epoch,
            "rate_scale": state.rate_scale,
            "first_step": run.first_step,
            "first_epoch": run.first_epoch,
            "position": run.position,
        },
        "slots": state.slots,
        "losses": np.concatenate([np.zeros(0), *run.losses]),
        "shares": np.concatenate([np.zeros(0), *run.shares])[: run.position],
        "history": {
            "loss": np.array(history.loss),
            "validation_loss": np.array(history.validation_loss),
            "metrics": {name: np.array(values) for name, values in history.metrics.items()},
            "validation_metrics": {name: np.array(values) for name, values in history.validation_metrics.items()},
            "epoch": np.array(history.epoch, dtype=np.int64),
        },
        "seconds": run.seconds,
        "stop_reason": run.stop_reason,
        "callbacks": [callback.state_dict() for callback in run.callbacks],
    }
    plain, further = pack(tree, TRAINING.rstrip("."))
    return Snapshot({**metadata, "training_version": VERSION, "training": json.dumps(plain)}, {**arrays, **further})


def open_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """Return the training that a snapshot holds, as plain data and arrays.

    Raises
    ------
    FileFormatError
        If it holds none, or it cannot be read.
    """
    if "training" not in snapshot.metadata:
        raise FileFormatError("it holds a network, but no training to go on with")
    if snapshot.metadata.get("training_version") != VERSION:
        version = snapshot.metadata.get("training_version")
        raise FileFormatError(f"its training is of version {version!r}, this bpx reads {VERSION!r}")
    try:
        return dict(unpack(json.loads(snapshot.metadata["training"]), snapshot.arrays))
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"its training cannot be read: {error}") from error


def restore(run: FitRun, snapshot: Snapshot, tree: dict[str, Any]) -> None:
    """Put a run, its network and its training state where a snapshot was taken; callbacks come later."""
    net, counters = run.net, tree["counters"]
    for kind in ("params", "state"):
        parts = [{name: snapshot.arrays[f"{kind}.{i}.{name}"] for name in p} for i, p in enumerate(getattr(net, kind))]
        setattr(net, kind, parts)
    run.training = net.training = TrainingState(
        run.settings.optimizer,
        [[net.backend.asarray(np.array(array)) for array in arrays] for arrays in tree["slots"]],
        step=counters["step"],
        optimizer_step=counters["optimizer_step"],
        epoch=counters["epoch"],
        rate_scale=counters["rate_scale"],
    )
    run.first_step, run.first_epoch, run.position = (counters[n] for n in ("first_step", "first_epoch", "position"))
    run.losses, run.shares = [tree["losses"]], [tree["shares"]]
    recorded = tree["history"]
    run.history = History(
        loss=recorded["loss"].tolist(),
        validation_loss=recorded["validation_loss"].tolist(),
        metrics={name: values.tolist() for name, values in recorded["metrics"].items()},
        validation_metrics={name: values.tolist() for name, values in recorded["validation_metrics"].items()},
        epoch=recorded["epoch"].tolist(),
        stop_reason=tree["stop_reason"],
    )
    run.seconds_before = tree["seconds"]
    run.stop_reason = tree["stop_reason"]


def pack(tree: Any, name: str) -> tuple[Any, dict[str, np.ndarray]]:
    """Return a tree as JSON takes it, and the arrays that were in it, by name.

    Parameters
    ----------
    tree : nested dict, list, tuple of numbers, text, bool, None and arrays
        Keys of dicts are text; tuples come back as lists; arrays may lie on any device.
    name : str
        Where the names of the arrays begin.

    Raises
    ------
    InputError
        If something is in it that is none of these; says where.
    """
    arrays: dict[str, np.ndarray] = {}

    def pack_part(value: Any, at: str) -> Any:
        if isinstance(value, Mapping):
            for key in value:
                if not isinstance(key, str) or key == ARRAY:
                    raise InputError(f"{at}: the keys of a state must be text other than {ARRAY!r}, got {key!r}")
            return {key: pack_part(item, f"{at}.{key}") for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [pack_part(item, f"{at}.{i}") for i, item in enumerate(value)]
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if library_of(value) is not None:
            arrays[at] = np.array(to_numpy(value), order="C")
            return {ARRAY: at}
        raise InputError(f"{at}: a state may hold numbers, text, lists, dicts and arrays, got {type(value).__name__}")

    return pack_part(tree, name), arrays


def unpack(tree: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return the tree that `pack` took apart.

    Raises
    ------
    FileFormatError
        If an array is missing.
    """
    if isinstance(tree, dict):
        if set(tree) == {ARRAY}:
            if tree[ARRAY] not in arrays:
                raise FileFormatError(f"the array {tree[ARRAY]!r} is missing")
            return arrays[tree[ARRAY]]
        return {key: unpack(value, arrays) for key, value in tree.items()}
    return [unpack(value, arrays) for value in tree] if isinstance(tree, list) else tree
