"""Averages of the weights: what they are by hand, where they are seen, and what a training continues from."""

from __future__ import annotations

import pickle

import networks
import numpy as np
import pytest
from closeness import assert_close, assert_same_bits

import bpx
from bpx.backend import replayed
from bpx.core.state import TrainingState
from bpx.optimizers import Averaged, get_optimizer

DECAY = 0.8
GROUPS = (bpx.ParameterGroup("*.bias", 0.5), bpx.ParameterGroup("0.*", 2.0, 0.5))
INNER = {
    "sgd": bpx.SGD(0.1),
    "momentum": bpx.SGD(0.05, 0.9),
    "adam": bpx.Adam(0.02),
    "adamw": bpx.AdamW(0.02, weight_decay=0.1),
    "rmsprop": bpx.RMSprop(0.01),
    "groups": bpx.AdamW(0.02, groups=GROUPS),
    "schedule": bpx.Adam(bpx.CosineDecay(0.02, 20)),
}
every_optimizer = pytest.mark.parametrize("name", INNER)


class Recorder(bpx.Callback):
    """Keeps the network's parameters after each epoch."""

    def __init__(self):
        self.params = []

    def on_epoch_end(self, run):
        self.params.append(networks.on_host(run.net, run.net.params))


def make(backend="numpy", dtype=None):
    return networks.everything(backend, dtype)


def train(net, optimizer, epochs, **options):
    return net.fit(*networks.classes(), epochs=epochs, optimizer=optimizer, **{"batch_size": 8, **options})


def read_moving(net):
    """Return the weights that the optimizer moves, in the order of the trained parameters."""
    return [bpx.to_numpy(slots[-1]) for slots in net.training.slots]


def read_trained(net, params):
    return [params[i][name] for i, name in list_trained(net)]


def list_trained(net):
    return [(i, n) for i, layer in enumerate(net.layers) for n in layer.param_names if n not in layer.frozen]


def everything_left(net):
    slots = [{str(k): array for k, array in enumerate(arrays)} for arrays in net.training.slots]
    return networks.on_host(net, [*net.params, *net.state, *slots])


# -- what they are ------------------------------------------------------------------------------------------------


@every_optimizer
def test_the_average_is_the_one_by_hand(name, backend):
    plain, averaged = make(backend), make(backend)
    moving, averages = Recorder(), Recorder()
    steps = {"batch_size": None, "epochs": 12}
    losses = train(plain, INNER[name], callbacks=moving, **steps).loss
    assert train(averaged, Averaged(INNER[name], DECAY), callbacks=averages, **steps).loss == pytest.approx(losses)
    close = backend.either(1e-12, 2e-6)
    for t in range(1, 13):
        shares = DECAY ** (t - np.arange(1, t + 1))
        shares /= shares.sum()
        for i, key in list_trained(plain):
            expected = sum(s * p[i][key] for s, p in zip(shares, moving.params, strict=False))
            np.testing.assert_allclose(averages.params[t - 1][i][key], expected, rtol=close, atol=close)
    for got, expected in zip(read_moving(averaged), read_trained(plain, moving.params[-1]), strict=True):
        np.testing.assert_allclose(got, expected, rtol=close, atol=close)
    assert np.abs(averages.params[-1][0]["weight"] - moving.params[-1][0]["weight"]).max() > 1e-3


def test_the_first_average_is_the_first_weight_to_the_bit():
    plain, averaged = make(), make()
    train(plain, bpx.Adam(0.02), 1, batch_size=None)
    train(averaged, Averaged(bpx.Adam(0.02), 0.999), 1, batch_size=None)
    assert_same_bits(averaged.params, plain.params)


def test_a_decay_of_0_keeps_nothing():
    plain, averaged = make(), make()
    train(plain, bpx.Adam(0.02), 4)
    train(averaged, Averaged(bpx.Adam(0.02), 0.0), 4)
    assert_same_bits(averaged.params, plain.params)


def test_an_update_returns_arrays_of_its_library(backend):
    optimizer = Averaged(bpx.Adam(), DECAY)
    arrays = [backend.backend.copy(backend.array(np.full((2, 3), value))) for value in (1.0, 0.5, 0.0, 0.0, 7.0)]
    row = optimizer.coefficients(np.arange(1), np.array([0.1])).tolist()[0]
    results = optimizer.update(backend.xp, *arrays, *row)
    assert len(results) == 1 + optimizer.n_slots == 4
    for result in results:
        assert_close(backend, result, backend.numpy(result), 0.0)
    np.testing.assert_array_equal(backend.numpy(results[-1]), backend.numpy(results[0]))


def test_the_shares_are_those_of_a_mean():
    keep = Averaged(bpx.SGD(0.1), 0.9).coefficients(np.arange(4), np.full(4, 0.1))[:, 1]
    t = np.arange(1, 5)
    np.testing.assert_allclose(1.0 - keep, (1 - 0.9) / (1 - 0.9**t), rtol=1e-14)
    assert keep[0] == 0.0


@pytest.mark.parametrize("name", ["momentum", "groups"])
def test_frozen_parameters_and_those_of_a_rate_of_0_stay(name, backend):
    net = make(backend)
    before = networks.on_host(net, net.params)
    train(net, Averaged(INNER[name], DECAY), 2)
    after = networks.on_host(net, net.params)
    np.testing.assert_array_equal(after[0]["bias"], before[0]["bias"])
    assert (after[0]["weight"] != before[0]["weight"]).any()


# -- where they are seen ------------------------------------------------------------------------------------------


def test_validation_metrics_callbacks_and_predictions_are_of_the_averages(backend):
    x, y = networks.classes(30, seed=8)
    net, recorder = make(backend), Recorder()
    history = train(
        net, Averaged(bpx.Adam(0.05), DECAY), 5, validation_data=(x, y), metrics=["accuracy"], callbacks=recorder
    )
    np.testing.assert_allclose(net.evaluate(x, y)["loss"], history.validation_loss[-1], rtol=1e-6)
    assert_same_bits(networks.on_host(net, net.params), recorder.params[-1])
    moving = net.copy()
    moving.params = [dict(part) for part in moving.params]
    for array, (i, key) in zip(read_moving(net), list_trained(net), strict=True):
        moving.params[i][key] = moving.backend.asarray(np.array(array))
    assert moving.evaluate(x, y)["loss"] != pytest.approx(history.validation_loss[-1], rel=1e-3)


def test_running_statistics_are_those_of_the_moving_weights():
    plain, averaged = networks.noisy(), networks.noisy()
    train(plain, bpx.Adam(0.05), 3)
    train(averaged, Averaged(bpx.Adam(0.05), DECAY), 3)
    assert_same_bits(averaged.state, plain.state)


def test_early_stopping_compares_and_restores_averages():
    x, y = networks.classes(30, seed=8)
    net, recorder = make(), Recorder()
    stop = bpx.EarlyStopping(patience=3)
    history = train(net, Averaged(bpx.SGD(0.5), DECAY), 60, validation_data=(x, y), callbacks=[recorder, stop])
    assert stop.best_epoch == int(np.argmin(history.validation_loss)) + 1 < len(history)
    assert_same_bits(net.params, recorder.params[stop.best_epoch - 1])
    assert net.evaluate(x, y)["loss"] == pytest.approx(min(history.validation_loss))
    for moving, (i, key) in zip(read_moving(net), list_trained(net), strict=True):
        np.testing.assert_array_equal(moving, net.params[i][key])  # a training would continue from these


def test_files_hold_the_averages(tmp_path):
    net = make()
    train(net, Averaged(bpx.Adam(0.02), DECAY), 3, checkpoint=tmp_path / "run")
    net.save(tmp_path / "net")
    assert_same_bits(bpx.load(tmp_path / "net").params, net.params)
    (checkpoint,) = sorted((tmp_path / "run").glob("*.safetensors"))[-1:]
    assert_same_bits(bpx.load(checkpoint).params, net.params)


# -- what a training continues from -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["momentum", "groups", "schedule"])
def test_training_that_is_continued_gives_the_same_bits(name, backend, tmp_path):
    optimizer = Averaged(INNER[name], DECAY)
    whole, parts, resumed = make(backend), make(backend), make(backend)
    train(whole, optimizer, 4)
    train(parts, optimizer, 2)
    train(parts, optimizer, 2)
    assert_same_bits(everything_left(parts), everything_left(whole))
    train(make(backend), optimizer, 3, checkpoint=tmp_path, checkpoint_every="4 steps", keep=None)
    middle = sorted(tmp_path.glob("*.safetensors"))[0]
    train(resumed, optimizer, 4, resume=middle, checkpoint=tmp_path / "further")
    assert_same_bits(everything_left(resumed), everything_left(whole))


def test_a_copy_and_a_pickle_train_on_alike(backend):
    optimizer = Averaged(bpx.Adam(0.02), DECAY)
    net = make(backend)
    train(net, optimizer, 2)
    others = [net.copy(), pickle.loads(pickle.dumps(net))]
    train(net, optimizer, 2)
    for other in others:
        train(other, optimizer, 2)
        assert_same_bits(everything_left(other), everything_left(net))


def test_a_network_that_is_moved_trains_on(backend):
    optimizer = Averaged(bpx.Adam(0.02), DECAY)
    net, moved = make("numpy", backend.dtype), make("numpy", backend.dtype)
    for each in (net, moved):
        train(each, optimizer, 2)
    moved.to(backend.backend)
    for each in (net, moved):
        train(each, optimizer, 2)
    for mine, theirs in zip(everything_left(moved), everything_left(net), strict=True):
        for key, array in theirs.items():
            np.testing.assert_allclose(mine[key], array, rtol=backend.either(1e-10, 1e-4), atol=1e-5)


@pytest.mark.parametrize("optimizer", [bpx.SGD(0.1), Averaged(bpx.SGD(0.1), 0.5)], ids=["plain", "averaged"])
def test_another_optimizer_starts_from_the_averages(optimizer):
    net, fresh = make(), make()
    train(net, Averaged(bpx.Adam(0.02), DECAY), 3)
    fresh.params, fresh.state = net.params, net.state
    fresh.training = TrainingState(bpx.RMSprop(), [], step=9, epoch=3)  # counters, and an other's arrays
    for each in (net, fresh):
        train(each, optimizer, 2)
    assert_same_bits(everything_left(net), everything_left(fresh))


def test_a_training_continues_from_parameters_that_are_assigned(backend):
    optimizer = Averaged(bpx.SGD(0.1), DECAY)
    net = make(backend)
    train(net, optimizer, 3)
    net.params = [{name: array * 0.5 for name, array in part.items()} for part in networks.on_host(net, net.params)]
    assigned = networks.on_host(net, net.params)
    for moving, (i, key) in zip(read_moving(net), list_trained(net), strict=True):
        np.testing.assert_array_equal(moving, assigned[i][key])
    fresh = make(backend)
    fresh.params, fresh.state = assigned, networks.on_host(net, net.state)
    fresh.training = TrainingState(bpx.SGD(0.1), [[] for _ in net.training.slots], step=9, epoch=3)
    train(fresh, bpx.SGD(0.1), 1)
    train(net, optimizer, 1)
    expected = read_trained(fresh, networks.on_host(fresh, fresh.params))
    for moving, array in zip(read_moving(net), expected, strict=True):
        np.testing.assert_allclose(moving, array, rtol=backend.either(1e-12, 1e-5), atol=1e-6)


def test_a_training_is_not_resumed_with_another_average(tmp_path):
    train(make(), Averaged(bpx.Adam(), 0.9), 1, checkpoint=tmp_path)
    for optimizer in (bpx.Adam(), Averaged(bpx.Adam(), 0.8), Averaged(bpx.Adam(0.1), 0.9)):
        with pytest.raises(bpx.InputError, match="optimizer"):
            train(make(), optimizer, 2, resume=tmp_path)


def test_programs_of_one_setting_serve_no_other():
    net, expected = make(), make()
    train(net, Averaged(bpx.SGD(0.1), 0.5), 2)
    train(net, bpx.SGD(0.1), 2)
    train(net, Averaged(bpx.SGD(0.1), 0.9), 2)
    train(expected, Averaged(bpx.SGD(0.1), 0.5), 2)
    expected = pickle.loads(pickle.dumps(expected))
    train(expected, bpx.SGD(0.1), 2)
    expected = pickle.loads(pickle.dumps(expected))
    train(expected, Averaged(bpx.SGD(0.1), 0.9), 2)
    assert_same_bits(everything_left(net), everything_left(expected))


@every_optimizer
def test_from_a_tape_the_bits_are_the_same(name, monkeypatch):
    nets = []
    for plain in (10**9, 5):
        monkeypatch.setattr(replayed, "PLAIN_STEPS", plain)
        net = make()
        train(net, Averaged(INNER[name], DECAY), 12)
        nets.append(everything_left(net))
    assert_same_bits(*nets)


# -- shown and exported -------------------------------------------------------------------------------------------


def test_an_explanation_shows_the_moving_weights_and_their_average():
    x, y = networks.classes(6)
    optimizer = Averaged(bpx.SGD(0.5), 0.9)
    net = bpx.mlp([4, 5, 3], "tanh", dtype="float64")
    net.fit(x, y, epochs=2, batch_size=None, optimizer=optimizer)
    moving, averages = read_moving(net), networks.on_host(net, net.params)
    trace = bpx.explain(net, x, y, steps=2)
    assert "predictions of the network are made with the averages" in " ".join(trace.notes)
    layer = trace.steps[0].layers[0]
    np.testing.assert_array_equal(layer["w"].values, moving[0])
    np.testing.assert_allclose(layer["new w"].values, moving[0] - 0.5 * layer["dL/dw"].values, rtol=1e-14)
    share = (1 - 0.9) / (1 - 0.9**3)
    expected = averages[0]["weight"] + share * (layer["new w"].values - averages[0]["weight"])
    np.testing.assert_allclose(layer["average w"].values, expected, rtol=1e-12)
    assert layer["average w"].formula.text == "⟨W⁽¹⁾⟩ ← ⟨W⁽¹⁾⟩ + (1 − 0.9) / (1 − 0.9^3) · (W⁽¹⁾ − ⟨W⁽¹⁾⟩)"
    assert layer["update w"].formula.text == "ΔW⁽¹⁾ = −0.5 · ∂L/∂W⁽¹⁾"
    second = trace.steps[1].layers[0]
    np.testing.assert_array_equal(second["w"].values, layer["new w"].values)
    net.fit(x, y, epochs=2, batch_size=None, optimizer=optimizer)
    np.testing.assert_allclose(second["average w"].values, net.params[0]["weight"], rtol=1e-14)
    assert trace.steps[0].loss_after == pytest.approx(trace.steps[1].loss)


def test_an_explanation_in_place_is_a_step_of_fit():
    x, y = networks.classes(6)
    optimizer = Averaged(bpx.AdamW(0.05, groups=GROUPS[:1]), 0.9)
    fitted, explained = (bpx.mlp([4, 5, 3], "tanh", dtype="float64") for _ in range(2))
    for net in (fitted, explained):
        net.fit(x, y, epochs=2, batch_size=None, optimizer=optimizer)
    bpx.explain(explained, x, y, in_place=True)
    fitted.fit(x, y, epochs=1, batch_size=None, optimizer=optimizer)
    assert_same_bits(everything_left(explained), everything_left(fitted))


def test_frozen_parameters_have_no_average_in_an_explanation():
    net = bpx.Network([bpx.Linear(4, 3, frozen="bias")], loss="cross_entropy")
    step = bpx.explain(net, *networks.classes(6), optimizer=Averaged(bpx.SGD(0.5))).steps[0]
    assert "average w" in step.layers[0].quantities
    assert "average b" not in step.layers[0].quantities


def test_diagnosis_takes_it():
    net = make()
    train(net, Averaged(bpx.Adam(0.02), DECAY), 3)
    assert not bpx.diagnose(net, *networks.classes()).skipped


# -- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make_it", "said"),
    [
        (lambda: Averaged("adam"), r"Averaged takes an optimizer, as bpx.Adam\(\), got 'adam'"),
        (lambda: Averaged(bpx.Adam), "Averaged takes an optimizer, as bpx.Adam"),
        (lambda: Averaged(bpx.LBFGS()), "takes an optimizer that makes a step of one gradient, got LBFGS"),
        (lambda: Averaged(Averaged(bpx.SGD())), "takes an optimizer that makes a step of one gradient, got Averaged"),
        (lambda: Averaged(bpx.SGD(), 1.0), "decay must be at least 0.0 and below 1.0, got 1"),
        (lambda: Averaged(bpx.SGD(), -0.1), "decay must be at least 0.0 and below 1.0"),
        (lambda: get_optimizer("averaged"), "unknown optimizer 'averaged'"),
        (
            lambda: train(make(), Averaged(bpx.SGD(groups=bpx.ParameterGroup("9.*"))), 1),
            "names no parameter of the network",
        ),
    ],
)
def test_what_cannot_be_is_refused(make_it, said):
    with pytest.raises(bpx.InputError, match=said):
        make_it()
