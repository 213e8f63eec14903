"""A training step as an ONNX file trains in onnxruntime as ``fit`` does, in a loop that feeds outputs back."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import LAYER_CASES, LOSS_CASES, LayerCase, LossCase
from networks import classes, everything, noisy, numbers, unregistered

import bpx
from bpx.files import onnx as onnx_export
from bpx.optimizers import OPTIMIZERS, Optimizer

CLOSE = 1e-5
"""How far parameters, statistics and losses may be from those of fit, in float32 and after 100 steps."""

DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(int32)": "int32", "tensor(bool)": "bool"}

OPTIMIZERS_OF_FILES = {
    "sgd": bpx.SGD(0.05),
    "momentum": bpx.SGD(0.05, momentum=0.9),
    "nesterov": bpx.SGD(0.05, momentum=0.9, nesterov=True),
    "adam": bpx.Adam(),
    "adam-scaled": bpx.Adam(0.01, scaled_eps=True),
    "adamw": bpx.AdamW(0.01, weight_decay=0.1),
    "rmsprop": bpx.RMSprop(),
    "averaged": bpx.Averaged(bpx.Adam(), 0.9),
    "averaged-sgd": bpx.Averaged(bpx.SGD(0.05), 0.99),
}


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        pytest.skip(f"{name} is not installed")


@pytest.fixture(autouse=True)
def onnx() -> Any:
    _module("ndonnx")
    return _module("onnx")


@pytest.fixture
def runtime() -> Any:
    """Return onnxruntime, silent."""
    module = _module("onnxruntime")
    module.set_default_logger_severity(4)
    return module


@pytest.fixture
def run(runtime: Any, onnx: Any, tmp_path: Any) -> Any:
    """Return a function that exports a step and makes some in onnxruntime."""

    def train(net: bpx.Network, batches: Any, **options: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        path = tmp_path / "step.onnx"
        net.export_training_onnx(path, batch_size=len(batches[0][0]), **options)
        check_file(onnx, onnx.load(path), len(batches[0][0]))
        return repeat(runtime.InferenceSession(path, providers=["CPUExecutionProvider"]), batches)

    return train


def repeat(
    session: Any, batches: Any, state: dict[str, np.ndarray] | None = None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Make steps as the documentation says; return their losses and the state that is left."""
    inputs = session.get_inputs()
    dtypes = {i.name: DTYPES[i.type] for i in inputs}
    names = [i.name for i in inputs[2:]]
    assert [i.name for i in inputs[:2]] == ["x", "y"]
    assert [o.name for o in session.get_outputs()] == ["loss", *(f"next.{name}" for name in names)]
    state = state or {i.name: np.zeros(i.shape, dtypes[i.name]) for i in inputs[2:]}
    losses = []
    for x, y in batches:
        loss, *after = session.run(None, {"x": x.astype(dtypes["x"]), "y": y.astype(dtypes["y"]), **state})
        losses.append(loss)
        for name, old in state.items():
            assert (after[names.index(name)].shape, after[names.index(name)].dtype) == (old.shape, old.dtype), name
        state = dict(zip(names, after, strict=True))
    return np.array(losses, dtype=np.float64), state


def check_file(onnx: Any, model: Any, rows: int) -> None:
    """Look at what every file promises."""
    onnx.checker.check_model(model, full_check=True)
    names = [name for node in model.graph.node for name in node.output]
    assert len(set(names)) == len(names)
    stored = [(a.data_type, tuple(a.dims), onnx.numpy_helper.to_array(a).tobytes()) for a in model.graph.initializer]
    assert len({(kind, dims, content) for kind, dims, content in stored}) == len(stored)
    said = {p.key: p.value for p in model.metadata_props}
    assert said["batch_size"] == str(rows)
    assert list(json.loads(said["inputs"])) == [value.name for value in model.graph.input]
    assert list(json.loads(said["outputs"])) == [value.name for value in model.graph.output]


def batches_of(x: np.ndarray, y: np.ndarray, rows: int, steps: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the batches that fit takes without a shuffle."""
    per_epoch = len(x) // rows
    return [(x[i * rows : (i + 1) * rows], y[i * rows : (i + 1) * rows]) for _ in range(steps // per_epoch)
            for i in range(per_epoch)]  # fmt: skip


def assert_trained_alike(
    net: bpx.Network, losses: np.ndarray, state: dict[str, np.ndarray], history: Any, close: float = CLOSE
) -> None:
    """Compare what onnxruntime left with what fit left in the network."""
    per_epoch = len(losses) // len(history.loss)
    np.testing.assert_allclose(losses.reshape(-1, per_epoch).mean(axis=1), history.loss, rtol=close, atol=close)
    compared = 0
    for part in (net.params, net.state):
        for i, arrays in enumerate(part):
            for name, array in arrays.items():
                np.testing.assert_allclose(state[f"{i}.{name}"], net.backend.to_numpy(array), rtol=close, atol=close)
                compared += 1
    assert compared
    assert state["step"] == net.training.optimizer_step
    assert state["started"]


def compare_with_fit(
    run: Any, net: bpx.Network, optimizer: Any, data: Any, *, rows: int = 11, steps: int = 100, **options: Any
) -> None:
    x, y = data
    losses, state = run(net, batches_of(x, y, rows, steps), optimizer=optimizer, **options)
    epochs = steps // (len(x) // rows)
    history = net.fit(x, y, epochs=epochs, batch_size=rows, optimizer=optimizer, shuffle=False)
    assert len(losses) == steps
    assert_trained_alike(net, losses, state, history)


def normalized(dtype: str = "float32") -> bpx.Network:
    """Return `noisy` without the bias before BatchNorm, whose gradient is 0: an adaptive step makes noise of it."""
    layers = [bpx.Linear(4, 6, bias=False), *noisy().layers[1:]]
    return bpx.Network(layers, loss="cross_entropy", dtype=dtype, seed=3)


NETWORKS = {
    "plain": lambda dtype: bpx.mlp([4, 8, 3], dtype=dtype),
    "dropout": lambda dtype: bpx.mlp([4, 8, 8, 3], dropout=0.3, dtype=dtype, seed=2**40 + 5),
    "normalized": normalized,
    "everything": lambda dtype: everything(dtype=dtype),
}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", OPTIMIZERS_OF_FILES)
def test_a_hundred_steps_are_those_of_fit(name, kind, run):
    compare_with_fit(run, NETWORKS[kind]("float32"), OPTIMIZERS_OF_FILES[name], classes())


@pytest.mark.parametrize("kind", NETWORKS)
def test_in_float64_they_are_the_same_to_the_last_places(kind, run):
    net = NETWORKS[kind]("float64")
    x, y = classes()
    losses, state = run(net, batches_of(x, y, 11, 100), optimizer="adam")
    history = net.fit(x, y, epochs=50, batch_size=11, optimizer="adam", shuffle=False)
    assert_trained_alike(net, losses, state, history, close=1e-11)


def test_every_optimizer_by_name_makes_a_file(run):
    assert {type(optimizer) for optimizer in OPTIMIZERS_OF_FILES.values()} == {*OPTIMIZERS.values(), bpx.Averaged}
    for name in OPTIMIZERS:
        compare_with_fit(run, bpx.mlp([4, 3, 3]), name, classes(), steps=10)


SCHEDULES = {
    "step": bpx.StepDecay(0.05, every=7, factor=0.7, unit="steps"),
    "step-epochs": bpx.StepDecay(0.05, every=3, factor=0.7),
    "exponential": bpx.ExponentialDecay(0.05, decay=0.99, unit="steps"),
    "exponential-epochs": bpx.ExponentialDecay(0.05, decay=0.9),
    "exponential-staircase": bpx.ExponentialDecay(0.05, decay=0.9, staircase=True),
    "inverse": bpx.InverseScaling(0.1),
    "inverse-samples": bpx.InverseScaling(0.1, power=0.3, samples_per_epoch=22),
    "cosine": bpx.CosineDecay(0.05, length=80, final=0.001, unit="steps"),
    "cosine-warmup": bpx.CosineDecay(0.05, length=40, warmup=5),
    "one-cycle": bpx.OneCycle(0.05, length=100, unit="steps"),
    "one-cycle-epochs": bpx.OneCycle(0.05, length=45, rise=0.5),
    "constant": bpx.Constant(0.05),
}


@pytest.mark.parametrize("optimizer", [bpx.SGD(momentum=0.5), bpx.AdamW(weight_decay=0.05)], ids=["sgd", "adamw"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_learning_rates_follow_their_schedule_from_the_count_of_steps(name, optimizer, run):
    schedule = SCHEDULES[name]
    chosen = replace(optimizer, learning_rate=schedule)
    options = {"steps_per_epoch": 2} if schedule.counts_epochs else {}
    compare_with_fit(run, bpx.mlp([4, 8, 3]), chosen, classes(), **options)


def test_every_schedule_is_among_them():
    kinds = {type(schedule).__name__ for schedule in SCHEDULES.values()}
    assert kinds == {"Constant", "CosineDecay", "ExponentialDecay", "InverseScaling", "OneCycle", "StepDecay"}


@pytest.mark.parametrize("case", LAYER_CASES, ids=lambda case: case.name)
def test_every_layer_trains(case: LayerCase, run, generator):
    made = case.layer.output_shape(case.shape[1:])
    layers = [case.layer, *([bpx.Flatten()] if len(made) > 1 else []), bpx.Linear(int(np.prod(made)), 2)]
    if len(case.shape) == 2 and not case.whole:
        layers = [bpx.Linear(5, case.shape[1]), *layers]
        x = generator.normal(size=(12, 5))
    else:
        x = case.x(generator, 12)
    net = bpx.Network(layers, loss="squared_error", seed=1)
    options = {} if net.input_shape else {"sample_shape": case.shape[1:]}
    compare_with_fit(run, net, bpx.SGD(0.05), (x, generator.normal(size=(12, 2))), rows=6, steps=10, **options)


def take_classes(case: LossCase) -> bool:
    """Tell whether the targets of a case are what a file takes: one-hot rows are classes there."""
    generator = np.random.default_rng(0)
    return case.loss.targets != "classes" or case.targets(generator, case.z(generator)).ndim == 1


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("case", [case for case in LOSS_CASES if take_classes(case)], ids=lambda case: case.name)
def test_every_loss_trains(case: LossCase, reduction, run, generator):
    loss = replace(case.loss, reduction=reduction)
    net = bpx.Network([bpx.Linear(6, case.width)], loss=loss)
    z = generator.normal(size=(12, case.width))
    x, y = generator.normal(size=(12, 6)), case.targets(generator, z)
    optimizer = bpx.SGD(0.01)
    losses, state = run(net, batches_of(x, y, 6, 10), optimizer=optimizer)
    history = net.fit(x, y, epochs=5, batch_size=6, optimizer=optimizer, shuffle=False)
    losses = losses * 2 if reduction == "sum" else losses  # the loss of an epoch is the sum of its batches'
    assert_trained_alike(net, losses, state, history)


def test_a_training_that_has_begun_is_continued(run):
    net = everything(dtype="float32")
    x, y = classes()
    optimizer = bpx.Adam(bpx.CosineDecay(0.02, length=80, unit="steps"))
    net.fit(x, y, epochs=7, batch_size=11, optimizer=bpx.SGD(0.1))  # the steps of another optimizer count for masks
    net.fit(x, y, epochs=20, batch_size=11, optimizer=optimizer)
    net.training.rate_scale = 0.5
    steps = (net.training.step, net.training.optimizer_step)
    assert steps == (54, 40)
    compare_with_fit(run, net, optimizer, (x, y), steps=40)


def test_exporting_changes_nothing(run, tmp_path):
    net, other = everything(dtype="float32"), everything(dtype="float32")
    x, y = classes()
    for each in (net, other):
        each.fit(x, y, epochs=2, batch_size=11)
    net.export_training_onnx(tmp_path / "step.onnx", batch_size=5, optimizer="sgd")
    for each in (net, other):
        each.fit(x, y, epochs=2, batch_size=11)
    for mine, theirs in zip(net.params, other.params, strict=True):
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name])


def test_from_another_backend(backend, run):
    net = bpx.mlp([4, 8, 3], dropout=0.2, dtype=backend.dtype, backend=backend.backend)
    compare_with_fit(run, net, "adam", classes(), steps=20)


def test_a_batch_of_one_leaves_running_statistics(run):
    net = normalized()
    x, y = classes(rows=4)
    compare_with_fit(run, net, bpx.SGD(0.1), (x, y), rows=1, steps=8)


def test_frozen_parameters_come_back_as_they_came(run):
    net = bpx.Network([bpx.Linear(4, 5, frozen=("weight",)), bpx.Tanh(), bpx.Linear(5, 2)], loss="squared_error")
    before = net.params[0]["weight"].copy()
    _, state = run(net, batches_of(*numbers(rows=12), 6, 10))
    np.testing.assert_array_equal(state["0.weight"], before)
    assert "0.bias.slot1" in state
    assert "0.weight.slot1" not in state


def test_parameters_of_ones_own_are_taken_where_the_training_has_started(runtime, run, tmp_path):
    net = bpx.mlp([4, 3, 3], seed=1)
    batches = batches_of(*classes(), 11, 4)
    _, begun = run(net, batches)
    session = runtime.InferenceSession(tmp_path / "step.onnx")
    other = bpx.mlp([4, 3, 3], seed=2)
    mine = {f"{i}.{name}": array for i, part in enumerate(other.params) for name, array in part.items()}
    state = {name: np.zeros_like(array) for name, array in begun.items()}
    _, ignored = repeat(session, batches, {**state, **mine})
    np.testing.assert_array_equal(ignored["0.weight"], begun["0.weight"])
    _, taken = repeat(session, batches, {**state, **mine, "started": np.array(True)})
    _, expected = run(other, batches)
    np.testing.assert_allclose(taken["0.weight"], expected["0.weight"], rtol=1e-6, atol=1e-7)
    assert np.abs(taken["0.weight"] - begun["0.weight"]).max() > 0.1


def test_keys_of_ones_own_make_masks_of_ones_own(runtime, run, tmp_path):
    net = bpx.Network([bpx.Linear(4, 40), bpx.Dropout(0.5), bpx.Linear(40, 3)], loss="cross_entropy")
    batches = batches_of(*classes(), 11, 2)
    _, state = run(net, batches)
    assert (state["keys"].shape, state["keys"].dtype) == ((2,), np.int32)
    np.testing.assert_array_equal(state["keys"], bpx.rng.step_keys(net.seed, 2, 1, 2)[0])
    session = runtime.InferenceSession(tmp_path / "step.onnx")
    (one,), _ = repeat(session, batches[:1], state)
    (same,), _ = repeat(session, batches[:1], state)
    (another,), _ = repeat(session, batches[:1], {**state, "keys": np.array([7, -8], dtype=np.int32)})
    assert one == same != another


def test_only_what_is_not_zero_is_stored(onnx, tmp_path):
    net = bpx.mlp([64, 32, 10])
    net.export_training_onnx(tmp_path / "step.onnx", batch_size=32)
    model = onnx.load(tmp_path / "step.onnx")
    stored = {array.name: onnx.numpy_helper.to_array(array) for array in model.graph.initializer}
    assert {name for name in stored if name.startswith("initial.")} == {"initial.0.weight", "initial.2.weight"}
    np.testing.assert_array_equal(stored["initial.0.weight"], net.params[0]["weight"])
    assert (tmp_path / "step.onnx").stat().st_size < 4 * net.n_params + 30_000
    said = {p.key: p.value for p in model.metadata_props}
    assert (said["loss"], said["optimizer"]) == ("cross_entropy", repr(bpx.Adam()))
    inputs, outputs = json.loads(said["inputs"]), json.loads(said["outputs"])
    assert inputs["y"] == "classes, whole numbers from 0 to 9"
    assert inputs["0.weight"] == "parameter weight of layer 0, Linear(64, 32, weight_init='he_uniform')"
    assert outputs["next.0.weight"] == "what 0.weight is at the next step"
    assert (model.producer_name, model.producer_version) == ("bpx", bpx.__version__)
    kinds = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    assert kinds["y"] == kinds["step"] == onnx.TensorProto.INT32
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [32, 64]


def test_targets_that_are_no_classes_have_the_networks_dtype(run):
    compare_with_fit(run, bpx.mlp([4, 8, 2], loss="huber"), "adam", numbers())
    x, y = classes()
    compare_with_fit(run, bpx.mlp([4, 8, 1], loss="binary_cross_entropy"), "adam", (x, (y == 1)[:, None].astype(float)))


# -- what is promised elsewhere ---------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="needs the checkout, for its pages")
def test_the_page_about_other_runtimes_runs(runtime, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "onnx.md").read_text("utf-8")
    page = re.sub(
        r"\n## The model of a table.*?(?=\n## )", "", page, flags=re.DOTALL
    )  # the command line's tests run it
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/onnx.md", "exec"), names)
    assert names["state"]["step"] == 100
    assert names["loss"] < 2.0  # ln 10 at first; the data are noise
    assert (tmp_path / "predict.onnx").is_file()


@pytest.mark.skipif(not (ROOT / "scripts").is_dir(), reason="needs the checkout, for its scripts")
def test_digits_are_learned_without_bpx(runtime, tmp_path):
    bpx.mlp([64, 32, 10], dropout=0.1).export_training_onnx(tmp_path / "step.onnx", batch_size=32)
    script, digits = (
        ROOT / "scripts" / "train_in_onnxruntime.py",
        Path(bpx.__file__).parent / "datasets/data/digits.npz",
    )
    code = (
        f"import runpy, sys; sys.argv = ['', {str(tmp_path / 'step.onnx')!r}, {str(digits)!r}]; "
        f"runpy.run_path({str(script)!r}, run_name='__main__'); assert 'bpx' not in sys.modules"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "cross_entropy, Adam(learning_rate=0.001" in ran.stdout
    assert float(re.search(r"880 steps; ([\d.]+) of 359 digits", ran.stdout)[1]) > 0.93


# -- code of one's own ----------------------------------------------------------------------------------------


@unregistered
@dataclass(frozen=True, repr=False)
class Scaled(bpx.Layer):
    """A layer as users write one, with a parameter, written with methods and operators."""

    @property
    def param_names(self):
        return ("scale",)

    def init(self, generator):
        return {"scale": np.array([1.5])}

    def forward(self, xp, params, x, context=None):
        return xp.sin(x) * params["scale"], x

    def backward(self, xp, params, cache, dy, *, input_gradient=True):
        scale = xp.reshape(xp.sum(dy * xp.sin(cache)), (1,))
        return dy * xp.cos(cache) * params["scale"], {"scale": scale}


@unregistered
@dataclass(frozen=True, repr=False)
class Projected(bpx.Layer):
    """A layer that multiplies by operators: ndonnx makes branches of products, for arrays without elements."""

    frozen: tuple[str, ...] = ()

    @property
    def param_names(self):
        return ("w",)

    def init(self, generator):
        return {"w": generator.normal(size=(5, 5))}

    def forward(self, xp, params, x, context=None):
        return x @ params["w"], x

    def backward(self, xp, params, cache, dy, *, input_gradient=True):
        return dy @ params["w"].T, {} if self.frozen else {"w": cache.T @ dy}


@dataclass(frozen=True)
class Cubed(bpx.Loss):
    def forward(self, xp, z, y, weight=None):
        d = xp.abs(z - y)
        scale = self.scale(xp, z.shape[0], weight)
        return xp.sum(d * d * d) * scale, (z - y, scale)

    def backward(self, xp, cache):
        d, scale = cache
        return 3.0 * d * xp.abs(d) * scale


def _signed(xp, w, dw, v, rate, decay):
    v = decay * v + dw
    return w - rate * xp.sign(v), v


@dataclass(frozen=True)
class Signed(Optimizer):
    @property
    def n_slots(self):
        return 1

    @property
    def update(self):
        return _signed

    def coefficients(self, steps, rates):
        return np.stack([rates * np.exp(-0.01 * steps), 0.9 * np.ones_like(rates)], axis=1)


@dataclass(frozen=True)
class Warm(bpx.Schedule):
    """Plain NumPy in several dtypes: whole numbers, a condition, a cut."""

    counts_epochs = False

    def rates(self, steps, steps_per_epoch):
        ramp = np.clip((steps + 1) / 20, 0.1, 1.0)
        return np.where(steps % 3 == 0, 0.002, 0.004) * ramp * np.sqrt(1 + steps // 10) ** -0.5


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_losses_optimizers_and_schedules_of_ones_own(dtype, run):
    layers = [bpx.Linear(4, 5), Scaled(), bpx.Residual([bpx.Linear(5, 5), Scaled()]), Projected(), bpx.Linear(5, 2)]
    net = bpx.Network(layers, loss=Cubed(), dtype=dtype)
    compare_with_fit(run, net, Signed(Warm()), numbers())


def test_a_parameter_may_be_returned_and_used_in_a_branch(run):
    layers = [bpx.Linear(4, 5), Projected(("w",)), bpx.Linear(5, 2)]
    compare_with_fit(run, bpx.Network(layers, loss="squared_error"), "adam", numbers(), steps=20)


# -- what cannot be exported ------------------------------------------------------------------------------


def refused(net: bpx.Network, path: Any, said: str, **options: Any) -> None:
    with pytest.raises(bpx.InputError, match=said):
        net.export_training_onnx(path, **{"batch_size": 4, **options})
    assert not path.exists()


def test_arguments_that_cannot_be(tmp_path):
    net, path = bpx.mlp([2, 3, 2]), tmp_path / "step.onnx"
    refused(net, path, "batch_size must be at least 1, got 0", batch_size=0)
    refused(net, path, "batch_size must be a whole number, got 'auto'", batch_size="auto")
    refused(net, path, "batch_size must be a whole number, got None", batch_size=None)
    refused(net, path, "unknown optimizer 'adm'; did you mean 'adam'", optimizer="adm")
    refused(net, path, "a training step of L-BFGS cannot be a file: .*choose 'adam'", optimizer="lbfgs")
    refused(net, path, "a training step of L-BFGS", optimizer=bpx.LBFGS())
    refused(net, path, r"sample_shape must be \(2,\), .*got \(3,\)", sample_shape=(3,))
    refused(net, path, "steps_per_epoch must be at least 1", steps_per_epoch=0)
    epochs = bpx.Adam(bpx.StepDecay(0.1, every=2))
    refused(
        net, path, "counts epochs, and a file knows steps alone: give steps_per_epoch, or .*unit=", optimizer=epochs
    )
    with pytest.raises(TypeError, match="batch_size"):
        net.export_training_onnx(path)


def test_networks_that_cannot_be(monkeypatch, tmp_path):
    path = tmp_path / "step.onnx"
    refused(bpx.Network([bpx.Flatten(), bpx.Linear(12, 3)]), path, r"give sample_shape, as in sample_shape=\(8, 8\)")
    refused(bpx.Network([bpx.ReLU()]), path, "there is nothing to train in the network", sample_shape=(3,))
    frozen = bpx.Network([bpx.Linear(2, 2, frozen=("weight", "bias"))])
    refused(frozen, path, "there is nothing to train in the network: it has no parameters, or all are frozen")
    net = bpx.mlp([2, 3])
    refused(net, tmp_path / "nowhere" / "step.onnx", "cannot write .*step.onnx: No such file")
    monkeypatch.setattr(onnx_export, "LARGEST", 4 * 2 * 3 - 1)
    refused(net, path, "weights and optimizer state take 0.0 GiB, and an ONNX file holds less than 2 GiB")
    monkeypatch.setattr(onnx_export, "LARGEST", 4 * 2 * 3)
    net.export_training_onnx(path, batch_size=4)  # what is 0 takes no room


def test_a_path_is_looked_at_before_anything_is_traced(monkeypatch):
    monkeypatch.setitem(sys.modules, "ndonnx", None)
    with pytest.raises(bpx.InputError, match="the name of a file must be a path, got ''"):
        bpx.mlp([2, 1]).export_training_onnx("", batch_size=3)


@pytest.mark.parametrize("library", ["onnx", "ndonnx"])
def test_what_is_not_installed_is_said_with_the_line_that_installs_it(library, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, library, None)
    refused(bpx.mlp([2, 1]), tmp_path / "step.onnx", rf'need {library}, .*: pip install "bpx-backprop\[onnx\]"$')


def test_code_that_cannot_be_traced_is_named(tmp_path):
    path = tmp_path / "step.onnx"

    @unregistered
    @dataclass(frozen=True, repr=False)
    class Peeks(Scaled):
        def backward(self, xp, params, cache, dy, *, input_gradient=True):
            return super().backward(xp, params, cache * float(dy[0, 0]), dy)

    class Median(bpx.Schedule):
        counts_epochs = False

        def rates(self, steps, steps_per_epoch):
            return np.interp(steps, [0, 10], [0.1, 0.2])

    class Host(bpx.SquaredError):
        def forward(self, xp, z, y, weight=None):
            value, cache = super().forward(xp, z, y, weight)
            return float(value), cache

    linear = bpx.Linear(2, 2)
    refused(bpx.Network([linear, Peeks()]), path, r"^layer 1 \(Peeks\(\)\) cannot be traced .*: ValueError: no prop")
    block = bpx.Network([linear, bpx.Residual([Peeks()])], loss="squared_error")
    refused(block, path, r"^the layer \(Peeks\(\)\) cannot be traced into an ONNX graph: ValueError")
    refused(bpx.Network([linear], loss=Host()), path, r"^the loss \(.*Host\(.*\) cannot be traced .*ValueError")
    schedule = bpx.SGD(Median())
    refused(
        bpx.Network([linear]), path, r"^the schedule \(.*Median.*\) cannot be traced .*TypeError", optimizer=schedule
    )


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_a_precision_is_not_in_the_file_and_that_is_said(precision, run, tmp_path):
    net = bpx.mlp([4, 8, 3], precision=precision)
    with pytest.warns(
        bpx.FileWarning, match=rf"to {precision}, .*other runtimes will train as it does after net\.to\("
    ):
        net.export_training_onnx(tmp_path / "step.onnx", batch_size=11)
    compare_with_fit(run, net.to(precision="float32"), "adam", classes(), steps=10)


def test_the_same_training_makes_the_same_file(tmp_path):
    for name in ("one", "two"):
        everything(dtype="float32").export_training_onnx(tmp_path / name, batch_size=5)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
