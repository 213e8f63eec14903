"""Layers, losses, optimizers and schedules of the user's own: saved, loaded, resumed and shown as those of bpx are."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import ClassVar

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.layers import LAYERS
from bpx.losses import KINDS, LOSSES
from bpx.optimizers import OPTIMIZERS


@pytest.fixture(autouse=True)
def forget_own_classes():
    """Take the classes that a test defines off the lists of kinds again."""
    layers, losses = dict(LAYERS), dict(KINDS)
    yield
    for kinds, before in ((LAYERS, layers), (KINDS, losses)):
        kinds.clear()
        kinds.update(before)


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
    assert "loss: unknown loss 'PowerError'" in ran.stdout
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
