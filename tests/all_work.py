"""All that bpx computes with arrays, once and small: what it asks of the standard is recorded while this runs."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from cases import LAYER_CASES, LOSS_CASES
from networks import classes, everything, numbers

import bpx
from bpx.backend import Backend
from bpx.core.model import PREDICT_ROWS
from bpx.layers import LAYERS
from bpx.losses import LOSSES
from bpx.optimizers import OPTIMIZERS

OPTIMIZED = (
    bpx.SGD(0.1), bpx.SGD(0.1, 0.9), bpx.SGD(0.1, 0.9, True), bpx.Adam(), bpx.AdamW(), bpx.RMSprop(), bpx.LBFGS(),
    bpx.Averaged(bpx.Adam()),
)  # fmt: skip
WEIGHT = np.linspace(0.1, 1.0, 22)


def do_all(place: Backend, folder: Path) -> None:
    """Do all that follows but for the estimators, which scikit-learn asks for more.

    Parameters
    ----------
    place : Backend
        It has double precision.
    folder : Path
        For files.
    """
    pass_through_layers(place)
    pass_through_losses(place)
    train_with_every_optimizer(place)
    train_with_every_option(place, folder)
    look_at_networks(place)
    train_members(place)
    refuse_bad_numbers(place)
    keep_networks(place, folder)


def pass_through_layers(place: Backend) -> None:
    """Every layer forward and backward, in both precisions."""
    generator = np.random.default_rng(0)
    for case in LAYER_CASES:
        for dtype in ("float32", "float64"):
            move = _mover(place, dtype)
            x, params, state = move(case.x(generator)), move(case.params(generator)), move(case.state(generator))
            context = case.context(state)
            y, cache = case.layer.forward(place.xp, params, x, context)
            if case.mode == "training" and isinstance(case.layer, bpx.BatchNorm):
                case.layer.next_state(place.xp, context, cache)
            case.layer.backward(place.xp, params, cache, y)
    assert {type(case.layer) for case in LAYER_CASES} == _ours(LAYERS)


def pass_through_losses(place: Backend) -> None:
    """Every loss forward and backward, with weights and without."""
    generator = np.random.default_rng(0)
    for case in LOSS_CASES:
        for reduction in ("mean", "sum"):
            loss = type(case.loss).from_config({**_settings(case.loss), "reduction": reduction})
            for dtype in ("float32", "float64"):
                move, z = _mover(place, dtype), case.z(generator)
                y = move(case.targets(generator, z))
                for weight in (None, move(WEIGHT[: z.shape[0]])):
                    _, cache = loss.forward(place.xp, move(z), y, weight)
                    loss.backward(place.xp, cache)
                loss.probabilities(place.xp, move(z))
    assert {type(case.loss) for case in LOSS_CASES} == _ours(LOSSES)


def train_with_every_optimizer(place: Backend) -> None:
    """Fits of every optimizer with every penalty and limit, in batches and whole."""
    x, y = (place.asarray(array) for array in classes())
    for optimizer in OPTIMIZED:
        for dtype in ("float32", "float64"):
            net = bpx.mlp([4, 5, 3], "tanh", dtype=dtype, backend=place)
            penalties = [bpx.L1(0.1), bpx.L2(0.1, per_sample=True)]
            if isinstance(optimizer, bpx.LBFGS):
                net.fit(x, y, epochs=2, batch_size=None, optimizer=optimizer, penalties=penalties)
                continue
            for clip in (None, bpx.ClipNorm(1.0), bpx.ClipValue(0.1)):
                net.fit(x, y, epochs=2, optimizer=optimizer, penalties=penalties, clip=clip, batch_size=8)
            net.fit(x, y, epochs=1, optimizer=optimizer, batch_size=None)
    assert {type(optimizer) for optimizer in OPTIMIZED} == {*_ours(OPTIMIZERS), bpx.LBFGS, bpx.Averaged}


def train_with_every_option(place: Backend, folder: Path) -> None:
    """Fits with weights, validation, metrics, callbacks, checkpoints, files, iterables and rounded products."""
    host_x, host_y = classes()
    x, y, weight = place.asarray(host_x), place.asarray(host_y), place.asarray(WEIGHT)
    options: list[dict[str, Any]] = [
        {"shuffle": False},
        {"sample_weight": weight},
        {"class_weight": "balanced"},
        {"validation_data": (x, y), "metrics": ["accuracy"], "callbacks": [bpx.EarlyStopping("validation_loss")]},
        {"validation_data": (x, y), "callbacks": [bpx.ReduceOnPlateau(monitor="validation_loss")]},
        {"optimizer": bpx.Adam(bpx.CosineDecay(0.01, 10))},
    ]
    for batch_size in (8, None):
        for option in options:
            everything(place.spec, "float64").fit(x, y, epochs=3, batch_size=batch_size, **option)
        run = folder / f"run-{batch_size}"
        for epochs, option in ((2, {"checkpoint": run}), (4, {"resume": run})):
            everything(place.spec, "float64").fit(x, y, epochs=epochs, batch_size=batch_size, **option)
    np.save(folder / "x.npy", host_x)
    mapped = np.load(folder / "x.npy", mmap_mode="r")
    everything(place.spec, "float64").fit(mapped, host_y, epochs=1, batch_size=8)
    batches = [(host_x[i : i + 5], host_y[i : i + 5], WEIGHT[i : i + 5]) for i in range(0, 20, 5)]
    everything(place.spec, "float64").fit(batches, epochs=2)
    large = place.asarray(np.ones((300, 7000)))  # a checkpoint hashes some of its rows
    net = bpx.mlp([7000, 1], loss="squared_error", dtype="float64", backend=place)
    net.fit(large, large[:, :1], epochs=1, checkpoint=folder / "large")
    for precision in ("tf32", "bfloat16"):
        net = bpx.mlp([4, 5, 3], dtype="float32", precision=precision, backend=place)
        net.fit(x, y, epochs=2, batch_size=8)
        net.predict(x)


def look_at_networks(place: Backend) -> None:
    """Predictions, metrics, gradients and their check, explanations and diagnoses, for every kind of target."""
    x, y = numbers()
    share = np.clip(np.abs(y), 0.0, 1.0)
    targets = {"squared_error": y, "absolute_error": y, "huber": y, "poisson": np.round(np.abs(y))}
    targets |= {"binary_cross_entropy": share, "cross_entropy": np.arange(22) % 2}
    for loss, values in targets.items():
        net = bpx.mlp([4, 3, 2], loss=loss, dtype="float64", backend=place)
        arrays = place.asarray(x), place.asarray(values)
        net.fit(*arrays, epochs=2, batch_size=8, metrics=["accuracy"] if "entropy" in loss else ["r2"])
        net.predict(arrays[0])
        net.evaluate(*arrays, sample_weight=place.asarray(WEIGHT))
        net.gradients(*arrays, sample_weight=place.asarray(WEIGHT))
        assert bpx.check_gradients(net, *arrays).passed
    one_hot = place.asarray(np.eye(3)[classes()[1]])
    x, y = (place.asarray(array) for array in classes())
    net = everything(place.spec, "float64")
    net.fit(x, one_hot, epochs=1, metrics=["accuracy"])
    net.evaluate(x, one_hot)
    for detail in ("full", "summary"):
        bpx.explain(net, x, y, 2, training=True, detail=detail)
    bpx.explain(net, x, y, sample_weight=place.asarray(WEIGHT))
    bpx.diagnose(net, x, y)
    net.predict(place.asarray(np.ones((PREDICT_ROWS + 1, 4))))


def train_members(place: Backend) -> None:
    """A network of many members, which is measured by their mean."""
    x, y = (place.asarray(array) for array in classes())
    heads = bpx.MemberLinear(4, 3, k=5, own=("weight", "bias"))
    loss = bpx.MeanOverMembers(loss=bpx.CrossEntropy())
    net = bpx.Network([bpx.Members(4, k=5), heads], loss=loss, dtype="float64", backend=place)
    net.fit(x, y, epochs=2, batch_size=8, sample_weight=place.asarray(WEIGHT), validation_data=(x, y))


def refuse_bad_numbers(place: Backend) -> None:
    """What is checked on the device, and found wrong."""
    x, y = (place.asarray(array) for array in classes())
    wrong = np.array(classes()[0])
    wrong[3, 1] = np.nan
    net = bpx.mlp([4, 5, 3], dtype="float64", backend=place)
    _expect(bpx.InputError, lambda: net.fit(place.asarray(wrong), y, epochs=1))
    _expect(bpx.InputError, lambda: net.fit(x, y + 1, epochs=1))
    _expect(bpx.InputError, lambda: net.fit(x, y, epochs=1, sample_weight=place.asarray(-WEIGHT)))
    steep = bpx.mlp([4, 3], loss="squared_error", dtype="float64", backend=place)
    _expect(bpx.DivergenceError, lambda: steep.fit(x, x[:, :3], epochs=99, optimizer=bpx.SGD(1e9)))
    _expect(bpx.DivergenceError, lambda: steep.reset().fit(x * 1e80, x[:, :3], epochs=2, optimizer="adam"))


def keep_networks(place: Backend, folder: Path) -> None:
    """Files, pickles, copies, moves, and PyTorch's layout."""
    x, y = (place.asarray(array) for array in classes())
    net = everything(place.spec, "float64")
    net.fit(x, y, epochs=1)
    net.save(folder / "net.safetensors")
    bpx.load(folder / "net.safetensors", backend=place).predict(x)
    net.load_state_dict(net.state_dict())
    for other in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net), net.copy(dtype="float32")):
        other.fit(x, y, epochs=2)
    net.to("array-api-strict").to(place)
    net.summary()
    bpx.to_numpy(net.predict(x))


def use_estimators(place: Backend) -> None:
    """The estimators, whose arrays stay on the device under scikit-learn's array API dispatch."""
    from sklearn import config_context

    from bpx.sklearn import MLPClassifier, MLPRegressor

    x, y = classes(60)
    with config_context(array_api_dispatch=True):
        for estimator, targets in (
            (MLPClassifier, y),
            (MLPClassifier, y % 2),
            (MLPClassifier, np.eye(3)[y].astype(int)),
            (MLPRegressor, x[:, 0]),
            (MLPRegressor, x[:, :2]),
        ):
            weighed = {} if estimator is MLPRegressor else {"class_weight": "balanced"}
            for options in ({}, {"early_stopping": True, "batch_size": 20}, {"solver": "lbfgs"}, weighed):
                e = estimator(max_iter=3, hidden_layer_sizes=4, **options)
                arrays = place.asarray(x), place.asarray(targets)
                e.fit(*arrays)
                e.predict(arrays[0])
                e.score(*arrays)
                if estimator is MLPClassifier:
                    e.predict_log_proba(arrays[0])


def _mover(place: Backend, dtype: str) -> Callable[[Any], Any]:
    """Return a function that places arrays, floats in a dtype, and dicts of arrays."""

    def move(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: move(array) for name, array in value.items()}
        return place.asarray(value, dtype if value.dtype.kind == "f" else None)

    return move


def _settings(loss: bpx.Loss) -> dict[str, Any]:
    return {name: value for name, value in loss.config().items() if name != "kind"}


def _ours(kinds: Any) -> set[type]:
    """Return the classes of a register that are bpx's own."""
    return {cls for cls in kinds.values() if cls.__module__.startswith("bpx.")}


def _expect(error: type[Exception], work: Callable[[], Any]) -> None:
    try:
        work()
    except error:
        return
    raise AssertionError(f"{error.__name__} did not come")
