"""Everything that a training must remember to continue with the same bits, as plain data and named arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bpx.arguments import check_count, check_number
from bpx.backend.transfer import library_of, to_numpy
from bpx.core.state import TrainingState, guess_optimizer_epoch
from bpx.errors import FileFormatError, InputError
from bpx.files.array_file import shorten
from bpx.files.network_file import EARLIER, TRAINING, describe_network
from bpx.layers.base import Params
from bpx.training.callback import Callback
from bpx.training.fit_run import FitRun
from bpx.training.history import History

VERSION = "1"
"""Version of what a snapshot holds beyond the network."""


PARTS = {
    "settings": dict, "backend": str, "counters": dict, "slots": list, "losses": np.ndarray, "shares": np.ndarray,
    "history": dict, "seconds": float, "stop_reason": str, "callbacks": list,
}  # fmt: skip
"""The parts of a training, and their types."""

COUNTS = ("step", "optimizer_step", "optimizer_epoch", "epoch", "first_step", "first_epoch", "position")
"""The counters that are whole numbers."""

HISTORY = {
    "loss": np.ndarray, "validation_loss": np.ndarray, "metrics": dict, "validation_metrics": dict, "epoch": np.ndarray
}  # fmt: skip
"""The parts of a history, and their types."""

MOST = 2**53
"""Steps and epochs that no training reaches."""

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
            "optimizer_epoch": state.optimizer_epoch,
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
        "seconds": float(run.seconds),
        "stop_reason": run.stop_reason,
        "callbacks": [callback.state_dict() for callback in run.callbacks],
    }
    plain, further = pack(tree, TRAINING.rstrip("."))
    return Snapshot({**metadata, "training_version": VERSION, "training": json.dumps(plain)}, {**arrays, **further})


def check_version(metadata: Mapping[str, str]) -> None:
    """Raise unless metadata speak of a training, in the version that is read here.

    Raises
    ------
    FileFormatError
    """
    if "training" not in metadata:
        raise FileFormatError("it holds a network, but no training to go on with")
    if metadata.get("training_version") != VERSION:
        version = metadata.get("training_version")
        raise FileFormatError(f"its training is of version {version!r}, this bpx reads {VERSION!r}")


def open_snapshot(snapshot: Snapshot) -> dict[str, Any]:
    """Return the training that a snapshot holds, as plain data and arrays, each part of the type that it must have.

    What the file says of the network is added to it, as "network", and whether an earlier bpx wrote it, as "earlier".

    Raises
    ------
    FileFormatError
        If it holds none, or it cannot be read.
    """
    check_version(snapshot.metadata)
    try:
        plain = json.loads(snapshot.metadata["training"])
        tree = unpack(plain, snapshot.arrays)
        _check_tree(tree)
        tree["settings"] = plain["settings"]  # never of arrays
        tree["network"] = json.loads(snapshot.metadata["network"])
        tree["earlier"] = snapshot.metadata["version"] == EARLIER
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise FileFormatError(f"its training cannot be read: {error}") from error
    return tree  # type: ignore[no-any-return] # _check_tree has seen that it is a dict


def _check_tree(tree: Any) -> None:
    """Raise InputError unless the parts of a training are what `take_snapshot` makes."""
    _check_types("the training", tree, PARTS)
    counters, history = tree["counters"], tree["history"]
    written = [name for name in COUNTS if name != "optimizer_epoch" or name in counters]  # an earlier bpx wrote none
    _check_types("counters", counters, dict.fromkeys((*written, "rate_scale"), object))
    for name in written:
        if check_count(name, counters[name], 0) > MOST:
            raise InputError(f"{name} is too large: {counters[name]}")
    counters.setdefault("optimizer_epoch", guess_optimizer_epoch(counters))
    check_number("rate_scale", counters["rate_scale"], minimum=0.0)
    for unit in ("step", "epoch"):
        if counters[f"first_{unit}"] > counters[unit]:
            raise InputError(f"its last {unit} is before its first {unit}")
    check_number("seconds", tree["seconds"], minimum=0.0)
    if not all(isinstance(arrays, list) and all(type(a) is np.ndarray for a in arrays) for arrays in tree["slots"]):
        raise InputError("slots must be lists of arrays")
    _check_numbers("losses", tree["losses"], "f", counters["position"])
    _check_numbers("shares", tree["shares"], "f", counters["position"])
    _check_types("history", history, HISTORY)
    _check_numbers("epoch", history["epoch"], "i")
    epochs = len(history["epoch"])
    _check_numbers("loss", history["loss"], "f", epochs)
    _check_numbers("validation_loss", history["validation_loss"], "f")
    for name, values in (*history["metrics"].items(), *history["validation_metrics"].items()):
        _check_numbers(name, values, "f")
    if not all(isinstance(state, dict) for state in tree["callbacks"]):
        raise InputError("the states of callbacks must be dicts")


def _check_types(name: str, value: Any, types: Mapping[str, type]) -> None:
    """Raise unless a value is a dict whose entries of some names have the types that these must have."""
    if not isinstance(value, dict):
        raise InputError(f"{name} must be a dict, got {type(value).__name__}")
    for key, kind in types.items():
        if not isinstance(value[key], kind):
            raise InputError(f"{key} in {name} must be a {kind.__name__}, got {type(value[key]).__name__}")


def _check_numbers(name: str, array: Any, kind: str, length: int | None = None) -> None:
    """Raise unless an array has one axis, of this length, and elements of this kind."""
    if type(array) is not np.ndarray or array.ndim != 1 or array.dtype.kind != kind:
        raise InputError(f"{name} must be an array of numbers on one axis")
    if length is not None and len(array) != length:
        raise InputError(f"{name} must hold {length} numbers, got {len(array)}")


def restore(run: FitRun, snapshot: Snapshot, tree: dict[str, Any]) -> None:
    """Put a run, its network and its training state where a snapshot was taken; callbacks come later.

    Raises
    ------
    FileFormatError
        If arrays are missing or have other shapes than those of the run, which is as it was then.
    """
    net, counters = run.net, tree["counters"]
    found = {kind: _find_arrays(snapshot, kind, getattr(net, kind)) for kind in ("params", "state")}
    wanted = [[(tuple(a.shape), net.dtype) for a in arrays] for arrays in run.training.slots]
    if [[(a.shape, a.dtype.name) for a in arrays] for arrays in tree["slots"]] != wanted:
        raise FileFormatError("the arrays of the optimizer do not fit the network")
    if len(tree["callbacks"]) != len(run.callbacks):
        raise FileFormatError(f"it holds the states of {len(tree['callbacks'])} callbacks, not of {len(run.callbacks)}")
    net.params, net.state = found["params"], found["state"]
    run.training = net.training = TrainingState(
        run.settings.optimizer,
        [[net.backend.asarray(np.array(array)) for array in arrays] for arrays in tree["slots"]],
        step=counters["step"],
        optimizer_step=counters["optimizer_step"],
        optimizer_epoch=counters["optimizer_epoch"],
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


def restore_callback(callback: Callback, state: dict[str, Any]) -> None:
    """Give a callback the state that it had.

    Raises
    ------
    FileFormatError
        If it cannot take that.
    """
    try:
        callback.load_state_dict(state)
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        reason = shorten(f"{type(error).__name__}: {error}")
        raise FileFormatError(
            f"the checkpoint's state of {type(callback).__name__} cannot be taken over: {reason}"
        ) from error


def _find_arrays(snapshot: Snapshot, kind: str, held: Sequence[Params]) -> list[Params]:
    """Return the arrays that a snapshot has for parameters or running statistics; refuse those that do not fit."""
    found = []
    for i, part in enumerate(held):
        names = {name: f"{kind}.{i}.{name}" for name in part}
        for name, key in names.items():
            shape = tuple(part[name].shape)
            if key not in snapshot.arrays:
                raise FileFormatError(f"the array {key!r} is missing")
            if snapshot.arrays[key].shape != shape:
                raise FileFormatError(f"the array {key!r} must have shape {shape}, got {snapshot.arrays[key].shape}")
        found.append({name: snapshot.arrays[key] for name, key in names.items()})
    return found


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
