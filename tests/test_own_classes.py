"""Layers, losses, optimizers and schedules of the user's own: saved, loaded, resumed and shown as those of bpx are."""

from __future__ import annotations

import importlib
import subprocess
import sys
from dataclasses import dataclass, field
from typing import ClassVar

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.core.model import MOST_PROGRAMS
from bpx.core.regularization import Clip, Penalty
from bpx.layers import LAYERS
from bpx.losses import KINDS, LOSSES
from bpx.optimizers import OPTIMIZERS
from bpx.optimizers.base import KINDS as OPTIMIZER_KINDS
from bpx.optimizers.schedules import KINDS as SCHEDULE_KINDS


@pytest.fixture(autouse=True)
def forget_own_classes():
    """Take the classes that a test defines off the lists of kinds again."""
    lists = [LAYERS, KINDS, OPTIMIZER_KINDS, SCHEDULE_KINDS]
    before = [dict(kinds) for kinds in lists]
    yield
    for kinds, known in zip(lists, before, strict=True):
        kinds.clear()
        kinds.update(known)


def make_loss(power=4):
    @dataclass(frozen=True)
    class PowerError(bpx.Loss):
        """``l = sum(|z - y|**power)``."""

        power: float = 4.0
        reach: float = 1.0

        def forward(self, xp, z, y, weight=None):
            d = (z - y) / self.reach
            scale = self.scale(xp, z.shape[0], weight)
            return xp.sum(xp.abs(d) ** self.power * scale), (d, scale)

        def backward(self, xp, cache):
            d, scale = cache
            return self.power / self.reach * xp.sign(d) * xp.abs(d) ** (self.power - 1.0) * scale

    return PowerError("sum", power, 2.0)


def make_optimizer():
    @dataclass(frozen=True)
    class SignSGD(bpx.SGD):
        """``w -= rate * sign(v)``, ``v = decay * v + dw``."""

        decay: float = 0.5

        @property
        def n_slots(self):
            return 1

        @property
        def update(self):
            return _update_by_sign

        def coefficients(self, steps, rates):
            return np.stack([rates, np.full_like(rates, self.decay)], axis=1)

    return SignSGD(Halving(0.01))


def _update_by_sign(xp, w, dw, v, rate, decay):
    v = v * decay + dw
    return w - rate * xp.sign(v), v


@dataclass(frozen=True)
class Halving(bpx.Schedule):
    learning_rate: float

    def rates(self, steps, steps_per_epoch):
        return self.learning_rate * 0.5 ** (steps // steps_per_epoch)


def test_a_loss_is_saved_with_its_settings_and_loaded(tmp_path, backend):
    loss = make_loss()
    net = bpx.Network([bpx.Linear(4, 2)], loss=loss, dtype=backend.dtype, backend=backend.spec)
    x, y = networks.numbers()
    net.fit(x, y, epochs=2)
    net.save(tmp_path / "net.safetensors")
    again = bpx.load(tmp_path / "net.safetensors", backend=backend.spec)
    assert again.loss == loss
    assert again.loss.config() == {"kind": "PowerError", "reduction": "sum", "power": 4, "reach": 2.0}
    assert again.evaluate(x, y) == net.evaluate(x, y)
    assert "PowerError (sum)" in again.summary()


def test_a_training_with_loss_optimizer_and_schedule_of_ones_own_resumes_to_the_same_bits(tmp_path, backend):
    x, y = networks.numbers()
    optimizer, loss = make_optimizer(), make_loss()

    def new():
        return bpx.Network([bpx.Linear(4, 2)], loss=loss, dtype=backend.dtype, backend=backend.spec)

    whole = new()
    losses = whole.fit(x, y, epochs=6, batch_size=7, optimizer=optimizer).loss
    new().fit(x, y, epochs=3, batch_size=7, optimizer=optimizer, checkpoint=tmp_path)
    resumed = new()
    assert resumed.fit(x, y, epochs=6, batch_size=7, optimizer=optimizer, resume=tmp_path).loss == losses
    assert_same_bits(networks.left_by_training(resumed), networks.left_by_training(whole))
    assert bpx.load(tmp_path / "checkpoint-000000000024.safetensors").loss == loss
    other = type(optimizer)(Halving(0.02))
    with pytest.raises(bpx.InputError, match="optimizer.learning_rate.learning_rate is 0.02 here and 0.01"):
        new().fit(x, y, epochs=6, batch_size=7, optimizer=other, resume=tmp_path)


def test_a_loss_whose_class_is_not_there_is_an_error_that_names_it(tmp_path):
    net = bpx.Network([bpx.Linear(4, 2)], loss=make_loss())
    net.save(tmp_path / "net.safetensors")
    code = (
        f"import bpx\ntry:\n    bpx.load({str(tmp_path / 'net.safetensors')!r})\nexcept bpx.FileFormatError as error:\n"
    )
    ran = subprocess.run([sys.executable, "-c", code + "    print(error)"], capture_output=True, text=True, check=True)
    assert "unknown loss 'PowerError'" in ran.stdout
    assert "known once its class is defined" in ran.stdout


def test_a_layer_whose_class_is_not_there_is_an_error_that_names_it(tmp_path):
    @dataclass(frozen=True, repr=False)
    class Passing(bpx.Identity):
        pass

    bpx.Network([bpx.Linear(4, 2), Passing()]).save(tmp_path / "net.safetensors")
    del LAYERS["Passing"]
    with pytest.raises(bpx.FileFormatError, match="unknown layer 'Passing'.* known once its class is defined"):
        bpx.load(tmp_path / "net.safetensors")


def test_a_class_with_the_name_of_bpx_s_own_does_not_take_its_place(tmp_path):
    own = bpx.Network([bpx.Linear(4, 2), bpx.ReLU()], loss="huber")
    own.save(tmp_path / "own.safetensors")

    @dataclass(frozen=True, repr=False)
    class ReLU(bpx.Tanh):
        pass

    @dataclass(frozen=True)
    class Loss(bpx.Huber):
        name: ClassVar[str] = "huber"

    net = bpx.Network([bpx.Linear(4, 2), ReLU()], loss=Loss(delta=3.0))
    net.save(tmp_path / "net.safetensors")
    again, still = bpx.load(tmp_path / "net.safetensors"), bpx.load(tmp_path / "own.safetensors")
    assert type(again.layers[1]) is ReLU
    assert type(again.loss) is Loss
    assert again.loss.delta == 3.0
    assert type(still.layers[1]) is bpx.ReLU
    assert type(still.loss) is bpx.Huber
    assert LOSSES["huber"] is bpx.Huber


def test_a_subclass_is_called_after_its_class_and_saved_as_itself(tmp_path):
    @dataclass(frozen=True)
    class Capped(bpx.SquaredError):
        def forward(self, xp, z, y, weight=None):
            value, cache = super().forward(xp, z, y, weight)
            return xp.minimum(value, xp.ones_like(value)), cache

    class Plain(bpx.Adam):
        pass

    assert (Capped.name, Plain.name) == ("Capped", "Plain")
    assert bpx.SquaredError.name == "squared_error"
    assert Plain not in OPTIMIZERS.values()
    net = bpx.Network([bpx.Linear(4, 2)], loss=Capped())
    net.save(tmp_path / "net.safetensors")
    assert type(bpx.load(tmp_path / "net.safetensors").loss) is Capped
    trace = bpx.explain(net, *networks.numbers(4))
    assert trace.steps[0]["losses"].formula.text == "Lₙ = Capped(z⁽¹⁾, y)", "its parent's formula is not its own"


def test_a_class_that_is_defined_again_is_the_newer_one(tmp_path):
    first = make_loss(2)
    bpx.Network([bpx.Linear(4, 2)], loss=first).save(tmp_path / "net.safetensors")
    second = type(make_loss())
    assert type(bpx.load(tmp_path / "net.safetensors").loss) is second
    assert type(first) is not second


SCALE = """
from dataclasses import dataclass
import bpx

@dataclass(frozen=True, repr=False)
class Zoom(bpx.Identity):
    def forward(self, xp, params, x, context=None):
        return {factor} * x, None

@dataclass(frozen=True)
class Error(bpx.SquaredError):
    pass
"""


@pytest.mark.parametrize("first", ["scaling_by_two", "scaling_by_three"])
def test_two_classes_of_one_name_are_not_taken_for_each_other(tmp_path, monkeypatch, first):
    modules = {"scaling_by_two": 2, "scaling_by_three": 3}
    for name, factor in modules.items():
        (tmp_path / f"{name}.py").write_text(SCALE.format(factor=factor))
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module(first)
    bpx.Network([bpx.Linear(2, 1), module.Zoom()], loss="huber").save(tmp_path / "layer.safetensors")
    bpx.Network([bpx.Linear(2, 1)], loss=module.Error()).save(tmp_path / "loss.safetensors")
    assert type(bpx.load(tmp_path / "layer.safetensors").layers[1]) is module.Zoom
    importlib.reload(module)
    assert type(bpx.load(tmp_path / "layer.safetensors").layers[1]) is module.Zoom, "one defined again is the newer one"
    importlib.import_module(*(set(modules) - {first}))
    for file, name in (("layer", "Zoom"), ("loss", "Error")):
        both = f"scaling_by_three.{name}, scaling_by_two.{name}"
        with pytest.raises(bpx.FileFormatError, match=f"2 classes of the kind '{name}', .* means: {both}; rename one"):
            bpx.load(tmp_path / f"{file}.safetensors")


def test_a_training_is_not_resumed_with_another_class_of_the_same_name(tmp_path):
    @dataclass(frozen=True)
    class Adam(bpx.Adam):
        def coefficients(self, steps, rates):
            return super().coefficients(steps, 3.0 * rates)

    @dataclass(frozen=True)
    class Constant(bpx.Schedule):
        learning_rate: float

        def rates(self, steps, steps_per_epoch):
            return np.full(len(steps), 2.0 * self.learning_rate)

    @dataclass(frozen=True)
    class L2(bpx.L2):
        pass

    def train(optimizer, folder, epochs, penalty=()):
        net = bpx.Network([bpx.Linear(2, 1)], loss="squared_error", seed=0)
        net.fit(
            *bpx.datasets.xor(), epochs=epochs, optimizer=optimizer, penalties=penalty, resume=folder, checkpoint=folder
        )

    train(bpx.Adam(0.01), tmp_path / "adam", 1)
    with pytest.raises(bpx.InputError, match="optimizer"):
        train(Adam(0.01), tmp_path / "adam", 2)
    train(bpx.SGD(bpx.Constant(0.01)), tmp_path / "constant", 1)
    with pytest.raises(bpx.InputError, match="optimizer.learning_rate"):
        train(bpx.SGD(Constant(0.01)), tmp_path / "constant", 2)
    train(Adam(0.01), tmp_path / "own", 1)
    train(Adam(0.01), tmp_path / "own", 2)
    train("sgd", tmp_path / "penalty", 1, bpx.L2(0.1))
    with pytest.raises(bpx.InputError, match="penalties"):
        train("sgd", tmp_path / "penalty", 2, L2(0.1))


def test_what_a_class_keeps_beside_its_fields_is_not_lost_in_silence(tmp_path):
    class Shifted(bpx.Loss):
        def __init__(self, by=2.0):
            super().__init__()
            object.__setattr__(self, "by", by)

    class Scaled(bpx.Identity):
        def __init__(self, by=2.0):
            self.by = by

    class Slow(bpx.SGD):
        def __init__(self, by=2.0):
            super().__init__(0.01)
            object.__setattr__(self, "by", by)

    x, y = bpx.datasets.xor()
    for net in (
        bpx.Network([bpx.Linear(2, 1), Scaled(3.0)], loss="squared_error"),
        bpx.Network([bpx.Linear(2, 1)], loss=Shifted(3.0)),
    ):
        with pytest.raises(bpx.InputError, match="keeps 'by', which is no field of a dataclass and would be lost"):
            net.save(tmp_path / "net.safetensors")
    net = bpx.Network([bpx.Linear(2, 1)], loss="squared_error")
    with pytest.raises(bpx.InputError, match="Slow keeps 'by'"):
        net.fit(x, y, epochs=1, optimizer=Slow(3.0), checkpoint=tmp_path / "run")


def test_settings_of_a_loss_come_back_as_they_were(tmp_path):
    @dataclass(frozen=True)
    class Ranged(bpx.SquaredError):
        bounds: tuple = (0.0, 1.0)
        power: float = 2.0
        half: float = field(init=False, default=0.5)
        parent: object = None

    loss = Ranged(bounds=((0.0, 2.0), (1.0, 3.0)), power=np.float32(1.5))
    net = bpx.Network([bpx.Linear(2, 1)], loss=loss)
    net.save(tmp_path / "net.safetensors")
    again = bpx.load(tmp_path / "net.safetensors").loss
    assert again == loss
    assert hash(again) == hash(loss)
    with pytest.raises(bpx.InputError, match="Ranged.parent is SquaredError.* which a file cannot hold"):
        bpx.Network([bpx.Linear(2, 1)], loss=Ranged(parent=bpx.SquaredError())).save(tmp_path / "net.safetensors")


class Twice(bpx.Linear):
    """A Linear whose outputs are doubled."""

    def forward(self, xp, params, x, context=None):
        y, cache = super().forward(xp, params, x, context)
        return 2.0 * y, cache

    def backward(self, xp, params, cache, dy, *, input_gradient=True):
        return super().backward(xp, params, cache, 2.0 * dy, input_gradient=input_gradient)


def test_formulas_of_a_parent_are_not_those_of_a_class_that_computes_something_else():
    @dataclass(frozen=True)
    class Even(bpx.CrossEntropy):
        def probabilities(self, xp, z):
            return xp.full_like(z, 0.5)

    @dataclass(frozen=True, repr=False)
    class Straight(bpx.Tanh):
        def backward(self, xp, params, cache, dy, *, input_gradient=True):
            return dy, {}

    net = bpx.Network([Twice(4, 3), Straight(), bpx.Linear(3, 3)], loss=Even())
    x = np.linspace(-1.0, 1.0, 8).reshape(2, 4)
    trace = bpx.explain(net, x, np.array([0, 2]))
    step = trace.steps[0]
    texts = [q.formula.text for layer in step.layers for q in layer.quantities.values()]
    assert any("Twice(x)" in text for text in texts)
    assert any("Straight(" in text for text in texts)
    assert not any("tanh" in text for text in texts)
    assert sum("W⁽¹⁾" in text and "x W" in text for text in texts) == 0
    assert "0.5" in str(trace)
    assert "softmax" not in str(trace)
    assert bpx.check_gradients(bpx.Network([Twice(4, 3)], loss="squared_error"), x, np.ones((2, 3))).passed


def test_an_onnx_file_is_not_that_of_a_parent_that_computes_something_else(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("ndonnx")

    @dataclass(frozen=True, repr=False)
    class Batched(bpx.BatchNorm):
        def context(self, training, keys, state):
            return super().context(True, keys, state)

    net = bpx.Network([bpx.Linear(4, 3), Batched(3)], loss="squared_error")
    net.export_onnx(tmp_path / "net.onnx")
    session = runtime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(session.run(None, {"x": x})[0], net.predict(x), rtol=1e-4, atol=1e-5)
    assert abs(net.predict(x).mean()) < 1e-6  # the batch's statistics, not those that BatchNorm would take


def test_numbers_that_change_late_are_not_taken_for_the_same_at_every_step(backend):
    """Some backends keep numbers that never change on the device: the first steps do not tell that."""

    @dataclass(frozen=True)
    class Stopping(bpx.optimizers.Optimizer):
        """``w -= rate * dw`` for three steps."""

        @property
        def update(self):
            return _update_plainly

        def coefficients(self, steps, rates):
            return np.where(steps < 3, rates, 0.0)[:, None]

    x, y = networks.numbers(20)
    net = bpx.mlp([4, 3, 2], loss="squared_error", seed=0, backend=backend.spec, dtype=backend.dtype)
    loss = net.fit(backend.array(x), backend.array(y), epochs=8, optimizer=Stopping(0.1)).loss
    assert loss[0] > loss[1] > loss[2] > loss[3]
    assert loss[4:] == [loss[3]] * 4
    assert not Stopping(0.1).constant

    class Sure(Stopping):
        steady = True

    class Heir(bpx.SGD):
        pass

    assert Sure(0.1).constant
    assert Heir(0.1).constant
    assert not Sure(bpx.StepDecay(0.1, 2)).constant


def _update_plainly(xp, w, dw, rate):
    return (w - rate * dw,)


def test_an_update_made_anew_whenever_it_is_asked_for_is_compiled_once_a_training():
    @dataclass(frozen=True)
    class Anew(bpx.optimizers.Optimizer):
        """``w -= rate * dw``."""

        @property
        def update(self):
            return lambda xp, w, dw, rate: (w - rate * dw,)

    x, y = networks.numbers(20)
    net = bpx.mlp([4, 3, 2], loss="squared_error")
    net.fit(x, y, epochs=1, optimizer=Anew(0.1))
    before = len(net._programs)
    net.fit(x, y, epochs=20, optimizer=Anew(0.1), callbacks=lambda run: None)
    assert len(net._programs) == before + 1
    for _ in range(2 * MOST_PROGRAMS):
        net.fit(x, y, epochs=1, optimizer=Anew(0.1))
    assert len(net._programs) <= MOST_PROGRAMS


@pytest.mark.parametrize("what", ["penalties", "clip"])
def test_a_penalty_and_a_limit_without_a_hash_are_refused_with_what_to_do(what):
    @dataclass
    class Mutable(Penalty if what == "penalties" else Clip):
        size: float = 0.1

    x, y = networks.numbers(20)
    with pytest.raises(bpx.InputError, match=r"Mutable must have a hash.*; write @dataclass\(frozen=True\)"):
        bpx.mlp([4, 2], loss="squared_error").fit(x, y, epochs=1, **{what: Mutable()})


@pytest.mark.parametrize("how", ["one array twice", "not writable", "its dy"])
@pytest.mark.parametrize("inside", [False, True])
def test_gradients_that_a_layer_of_ones_own_returns_may_be_any_arrays(how, inside, backend):
    """A step writes into gradients: into copies of these."""

    @networks.unregistered
    @dataclass(frozen=True)
    class Two(bpx.Layer):
        """``y = x + a + b``."""

        own: bool = True

        @property
        def param_names(self):
            return ("a", "b")

        def init(self, generator):
            shape = (20, 3) if how == "its dy" else (3,)
            return {"a": np.zeros(shape), "b": np.zeros(shape)}

        def forward(self, xp, params, x, context=None):
            return x + params["a"] + params["b"], None

        def backward(self, xp, params, cache, dy, *, input_gradient=True):
            if how == "its dy":
                first = second = dy
            else:
                first = second = xp.sum(dy, axis=0)
            if how == "not writable":
                first = second = xp.broadcast_to(xp.sum(dy), (3,))
            return dy, {"a": first * 1.0, "b": second * 1.0} if self.own else {"a": first, "b": second}

    x, _ = networks.numbers(20)
    y = np.ones((20, 3))
    for optimizer in (bpx.SGD(0.1), bpx.Adam(0.01)):
        left = []
        for own in (True, False):
            block = bpx.Residual([Two(own)]) if inside else Two(own)
            layers = [bpx.Linear(4, 3), block]
            net = bpx.Network(layers, loss="squared_error", seed=0, backend=backend.spec, dtype=backend.dtype)
            net.fit(backend.array(x), backend.array(y), epochs=3, optimizer=optimizer)
            left.append(networks.on_host(net, net.params))
        assert_same_bits(*left)
