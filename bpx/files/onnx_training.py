"""The training step as an ONNX file: forward, backward and update, traced from the code that ``fit`` runs.

There is one graph, from the state of a training and a batch to the next state and the loss. Nothing is written twice:
the arrays of ndonnx go through `bpx.core.step.make_step`, the optimizer's ``coefficients``, the schedule's ``rates``
and the hash of the masks' keys.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bpx.arguments import check_count
from bpx.backend.base import Array
from bpx.backend.ndonnx_backend import NdonnxBackend, RecordedNumbers
from bpx.core.model import Model
from bpx.core.state import TrainingState
from bpx.core.step import list_trained, make_step, start_training_state
from bpx.errors import InputError
from bpx.files.onnx import check_size, find_ends, warn_of_precision
from bpx.files.onnx_graph import Graph
from bpx.layers.base import Layer, Shape
from bpx.losses import Loss
from bpx.optimizers import LBFGS, Optimizer, get_optimizer
from bpx.optimizers.schedules import Schedule, as_schedule
from bpx.optional import import_optional
from bpx.rng import hash_steps, step_keys
from bpx.writing import check_path, write_whole

STARTED, STEP, KEYS = "started", "step", "keys"
"""Parts of the state that are no arrays of layers or of the optimizer."""

INITIAL, NEXT = "initial.", "next."
"""How the names of stored arrays begin, and those of the outputs that are fed back."""

TRACED = "ONNX files of training steps"
"""What ndonnx is needed for."""


class Part(NamedTuple):
    """An array that a step is given and returns.

    Attributes
    ----------
    first : numpy.ndarray
        What it is when training begins.
    meaning : str
    """

    first: np.ndarray
    meaning: str


def export_training_onnx(
    net: Model,
    path: str | os.PathLike[str],
    *,
    batch_size: int,
    optimizer: str | Optimizer = "adam",
    steps_per_epoch: int | None = None,
    sample_shape: Sequence[int] | None = None,
) -> None:
    """Write a training step as an ONNX file; see `bpx.Network.export_training_onnx`."""
    onnx = import_optional("onnx", "ONNX files", "onnx")
    check_path("the name of a file", path)
    rows = check_count("batch_size", batch_size)
    chosen = _check_optimizer(net, optimizer)
    per_epoch = _check_epoch(as_schedule(chosen.learning_rate), steps_per_epoch)
    shape_in, shape_out = find_ends(net, sample_shape)
    if shape_out is None:
        raise InputError("the last layer does not say the shape of its output, which is that of the targets")
    backend = NdonnxBackend(TRACED)
    training = start_training_state(net, chosen, net.training)
    parts = list_parts(net, training)
    sources = _find_sources(parts)
    stored = {name: parts[name].first for name in sources.values()}
    check_size("weights and optimizer state", stored.values())
    warn_of_precision(net, "train")
    data = _describe_data(net, rows, shape_in, shape_out)

    inputs = {name: (first.shape, first.dtype.name, said) for name, (first, said) in {**data, **parts}.items()}
    inputs[STARTED] = ((), "bool", "whether the state that is given counts; where false, the stored one does")
    given = {name: backend.make_argument(shape, dtype) for name, (shape, dtype, _) in inputs.items()}
    held = {name: backend.make_argument(array.shape, array.dtype.name) for name, array in stored.items()}
    initial = {name: held[source] for name, source in sources.items()}
    try:
        results = _trace_step(net, backend, training, parts, given, initial, per_epoch)
    except Exception as error:
        raise InputError(
            f"{_find_culprit(net, error)} cannot be traced into an ONNX graph: {type(error).__name__}: {error}. "
            "Tracing calls your own code with arrays that have a shape and no numbers; use the functions of xp that "
            "the array API standard has, and in schedules NumPy's element-wise functions"
        ) from error
    outputs = {"loss": ((), net.dtype, f"the loss of the batch before the update, {net.loss.reduction} over samples")}
    outputs |= {f"{NEXT}{name}": (*inputs[name][:2], f"what {name} is at the next step") for name in (*parts, STARTED)}

    dtypes = {name: dtype for name, (_, dtype, _) in {**inputs, **outputs}.items()}
    arrays = {f"{INITIAL}{name}": array for name, array in stored.items()}
    shapes = {name: shape for name, (shape, _, _) in inputs.items()}
    graph = Graph(onnx, arrays, net.dtype, shapes, dtypes)
    model = backend.build({**given, **{f"{INITIAL}{name}": array for name, array in held.items()}}, results)
    graph.merge(model, {name: name for name in inputs}, "step", {name: name for name in results})
    said = {
        "loss": net.loss.name,
        "optimizer": repr(chosen),
        "batch_size": str(rows),
        "inputs": json.dumps({name: said for name, (_, _, said) in inputs.items()}),
        "outputs": json.dumps({name: said for name, (_, _, said) in outputs.items()}),
    }
    ends = {name: shape for name, (shape, _, _) in outputs.items()}
    write_whole(path, graph.make_model(inputs, ends, net.layers, said).SerializeToString())


def list_parts(net: Model, training: TrainingState) -> dict[str, Part]:
    """Return the state of a training, by the names that its arrays have in the file."""
    to_numpy = net.backend.to_numpy
    parts = {STEP: Part(np.array(training.optimizer_step, dtype=np.int32), "steps of the optimizer so far")}
    if net.n_keys:
        keys = step_keys(net.seed, training.step, 1, net.n_keys)[0]
        parts[KEYS] = Part(keys, "keys of this step's random masks")
    trained, averages = list_trained(net), training.optimizer.averages
    for what, held in (("parameter", net.params), ("running statistic", net.state)):
        for i, arrays in enumerate(held):
            for name, array in arrays.items():
                fixed = ", which training leaves as it is" if what == "parameter" and (i, name) not in trained else ""
                mean = "average over the steps of the " if averages and what == "parameter" and not fixed else ""
                said = f"{mean}{what} {name} of layer {i}, {net.layers[i]!r}{fixed}"
                parts[f"{i}.{name}"] = Part(to_numpy(array), said)
    for (i, name), slots in zip(trained, training.slots, strict=True):
        for k, array in enumerate(slots):
            said = f"array {k} of the optimizer {training.optimizer.name} for {i}.{name}"
            if averages and k == len(slots) - 1:
                said += ": the parameter that the steps move"
            parts[f"{i}.{name}.slot{k}"] = Part(to_numpy(array), said)
    return parts


def _find_sources(parts: dict[str, Part]) -> dict[str, str]:
    """Return which stored array each part begins with; parts that are one number everywhere begin with none.

    Parts that are equal share one: averages of weights begin as the weights.
    """
    names: dict[Any, str] = {}
    sources = {}
    for name, (first, _) in parts.items():
        if not _is_one_number(first):
            sources[name] = names.setdefault((first.shape, first.dtype, first.tobytes()), name)
    return sources


def _is_one_number(array: np.ndarray) -> bool:
    """Tell whether all elements are equal, as those of biases, moments and statistics are at first."""
    return bool((array == array.flat[0]).all())


def _check_optimizer(net: Model, given: str | Optimizer) -> Optimizer:
    """Return the optimizer of the file."""
    optimizer = get_optimizer(given)
    if isinstance(optimizer, LBFGS):
        raise InputError(
            "a training step of L-BFGS cannot be a file: SciPy leads, and its steps have several gradients each; "
            "choose 'adam', 'sgd' or another optimizer that makes a step of one gradient"
        )
    if not list_trained(net):
        raise InputError("there is nothing to train in the network: it has no parameters, or all are frozen")
    return optimizer


def _check_epoch(schedule: Schedule, steps_per_epoch: Any) -> int:
    """Return the steps of an epoch; where nothing counts epochs, 1."""
    if steps_per_epoch is not None:
        return check_count("steps_per_epoch", steps_per_epoch)
    if schedule.counts_epochs:
        raise InputError(
            f"the learning rate {schedule!r} counts epochs, and a file knows steps alone: give steps_per_epoch, or the "
            "schedule unit='steps'"
        )
    return 1


def _describe_data(net: Model, rows: int, shape_in: Shape, shape_out: Shape) -> dict[str, Part]:
    """Return samples and targets of a batch, as empty arrays of their shapes and dtypes."""
    x = Part(np.empty((rows, *shape_in), dtype=net.dtype), "samples")
    if net.loss.targets == "classes":
        y = Part(np.empty(rows, dtype=np.int32), f"classes, whole numbers from 0 to {shape_out[0] - 1}")
    else:
        shape = (*shape_out[:-1], net.loss.count_targets(shape_out[-1]))
        y = Part(np.empty((rows, *shape), dtype=net.dtype), f"targets, {net.loss.targets}")
    return {"x": x, "y": y}


def _trace_step(
    net: Model,
    backend: NdonnxBackend,
    training: TrainingState,
    parts: dict[str, Part],
    given: dict[str, Array],
    initial: dict[str, Array],
    steps_per_epoch: int,
) -> dict[str, Array]:
    """Return the outputs of a step by name, as arrays of the graph.

    Parameters
    ----------
    net : Model
    backend : NdonnxBackend
    training : TrainingState
        Its counters and its optimizer are read; its arrays are among the parts.
    parts : dict of str to Part
    given, initial : dict of str to array
        The inputs, and the stored arrays; one that is not stored is the same number everywhere.
    steps_per_epoch : int
    """
    xp, optimizer = backend.xp, training.optimizer
    now = {}
    for name, part in parts.items():
        first = initial[name] if name in initial else backend.asarray(part.first.flat[0])
        now[name] = xp.where(given[STARTED], given[name], first)
    params, state = (
        [{name: now[f"{i}.{name}"] for name in part} for i, part in enumerate(held)] for held in (net.params, net.state)
    )
    trained = list_trained(net)
    slots = [[now[f"{i}.{name}.slot{k}"] for k in range(optimizer.n_slots)] for i, name in trained]
    model = Model.without_arrays(
        layers=net.layers, loss=net.loss, dtype=net.dtype, seed=net.seed, backend=backend, precision="float32"
    )
    model.adopt(params, state)

    steps = RecordedNumbers(xp, xp.reshape(now[STEP], (1,)))
    numbers = _compute_numbers(training, steps.astype(np.int64), net.dtype, steps_per_epoch)
    keys = [now[KEYS][k] for k in range(net.n_keys)] if net.n_keys else None
    step = make_step(model, optimizer, (), None, gather=False)
    (params, slots, state), loss = step((params, slots, state), (given["x"], given["y"], None), (None, numbers, keys))

    following: dict[str, Any] = {STEP: now[STEP] + 1}
    if net.n_keys:
        ahead = steps.astype(np.uint64) + np.uint64(training.step - training.optimizer_step + 1)
        following[KEYS] = hash_steps(net.seed, ahead, net.n_keys)[0].array
    for held in (params, state):
        following |= {f"{i}.{name}": array for i, part in enumerate(held) for name, array in part.items()}
    for (i, name), arrays in zip(trained, slots, strict=True):
        following |= {f"{i}.{name}.slot{k}": array for k, array in enumerate(arrays)}
    checked = {name: backend.check_recorded(following[name], parts[name].first.dtype.name) for name in parts}
    checked[STARTED] = backend.asarray(np.array(True))
    value = backend.check_recorded(loss, net.dtype)
    results = {"loss": xp.reshape(value, ()) if value.ndim else value}
    return results | {f"{NEXT}{name}": array for name, array in checked.items()}


def _compute_numbers(training: TrainingState, steps: RecordedNumbers, dtype: str, steps_per_epoch: int) -> list[Any]:
    """Return the numbers that the optimizer's update takes, computed in float64 from the count of steps."""
    rates = training.compute_rates(steps, steps_per_epoch)  # type: ignore[arg-type]
    if training.rate_scale != 1.0:
        rates = rates * training.rate_scale
    coefficients: Any = training.optimizer.coefficients_of_groups(steps, rates)  # type: ignore[arg-type]
    if isinstance(coefficients, RecordedNumbers):
        numbers = coefficients.astype(dtype).array
        return [numbers[0, k] for k in range(numbers.shape[1])]
    return np.asarray(coefficients)[0].tolist()  # type: ignore[no-any-return] # the same at every step


def _find_culprit(net: Model, error: Exception) -> str:
    """Return whose code an error comes of: the innermost layer, loss, optimizer or schedule on the way to it."""
    frames = [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]
    parts = [part for part in frames if isinstance(part, (Layer, Loss, Optimizer, Schedule))]
    if not parts:
        return "the training step"
    kinds = {Layer: "the layer", Loss: "the loss", Optimizer: "the optimizer", Schedule: "the schedule"}
    place = next((f"layer {i}" for i, layer in enumerate(net.layers) if layer is parts[-1]), None)
    return f"{place or next(kinds[kind] for kind in kinds if isinstance(parts[-1], kind))} ({parts[-1]!r})"
