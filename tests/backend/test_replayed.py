"""Steps from a tape: the training they make is the plain one to the bit, and nothing of bpx is refused."""

import dataclasses
import weakref

import numpy as np
import pytest
from cases import LAYER_CASES, LOSS_CASES
from networks import unregistered

import bpx
from bpx.backend import replayed
from bpx.layers import Layer
from bpx.optimizers import OPTIMIZERS
from bpx.training import loop

EPOCHS = 12


@pytest.fixture
def players(monkeypatch):
    """Tape after few steps; return what loops have on tape when they let go, and which steps were refused."""
    monkeypatch.setattr(replayed, "PLAIN_STEPS", 5)
    found = {"played": [], "refused": []}
    release = replayed.ReplayedLoop.release

    def noted(self):
        found["played"] += getattr(self, "_players", {}).values()
        found["refused"] += self._refused
        release(self)

    monkeypatch.setattr(replayed.ReplayedLoop, "release", noted)
    return found


def _plain(monkeypatch):
    monkeypatch.setattr(replayed, "PLAIN_STEPS", 10**9)


def _agree(one, other):
    for mine, theirs in zip(one.params + one.state, other.params + other.state, strict=True):
        assert list(mine) == list(theirs)
        for name in theirs:
            np.testing.assert_array_equal(mine[name], theirs[name], strict=True)


def _both(make, monkeypatch, players, x, y, **options):
    """Train by tapes and plainly; compare."""
    taped, plain = make(), make()
    with np.errstate(all="raise", under="ignore"):
        losses = taped.fit(x, y, **options).loss
    assert players["played"]
    assert not players["refused"]
    with monkeypatch.context() as within:
        _plain(within)
        assert losses == plain.fit(x, y, **options).loss
    _agree(taped, plain)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", LAYER_CASES, ids=lambda case: case.name)
def test_every_layer(case, dtype, monkeypatch, players, generator):
    x = np.stack([case.x(generator) for _ in range(4)]).reshape(-1, *case.shape[1:])

    def make():
        first = [bpx.Linear(case.shape[1], case.shape[1])] if len(case.shape) == 2 and not case.whole else []
        last = [] if case.params(generator) or first else [bpx.Linear(int(np.prod(case.shape[1:])), 2)]
        return bpx.Network([*first, case.layer, *last], loss=case.loss, dtype=dtype, seed=1)

    n_out = make().output_shape[-1]
    y = generator.normal(size=(len(x), n_out))
    _both(make, monkeypatch, players, x, y, epochs=EPOCHS, batch_size=5, optimizer=bpx.SGD(0.001))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("case", LOSS_CASES, ids=lambda case: case.name)
def test_every_loss(case, reduction, weighted, monkeypatch, players, generator):
    x = generator.normal(size=(20, 3))
    y = np.concatenate([case.targets(generator, case.z(generator)) for _ in range(4)])
    weight = generator.uniform(0.5, 2.0, size=20) if weighted else None
    loss = dataclasses.replace(case.loss, reduction=reduction)

    def make():
        return bpx.Network([bpx.Linear(3, case.width)], loss=loss, dtype="float64")

    options = {"epochs": EPOCHS, "batch_size": 5, "optimizer": bpx.SGD(0.001), "sample_weight": weight}
    _both(make, monkeypatch, players, x, y, **options)


X = np.random.default_rng(0).standard_normal((22, 3))
Y = np.random.default_rng(1).integers(3, size=22)
OPTIONS = {
    "momentum": {"optimizer": bpx.SGD(0.05, momentum=0.9)},
    "nesterov": {"optimizer": bpx.SGD(0.05, momentum=0.9, nesterov=True)},
    "schedule": {"optimizer": bpx.Adam(bpx.StepDecay(0.01, every=4, factor=0.5))},
    "averaged": {"optimizer": bpx.Averaged(bpx.Adam(0.01), 0.9)},
    "penalties": {"penalties": [bpx.L1(0.01), bpx.L2(0.01, per_sample=True)]},
    "clip by value": {"clip": bpx.ClipValue(0.05)},
    "clip by norm": {"clip": bpx.ClipNorm(0.5)},
    "class weights": {"class_weight": "balanced"},
    "whole set": {"batch_size": None, "epochs": 60},
    "in order": {"shuffle": False},
    **{name: {"optimizer": name} for name in OPTIMIZERS},
}


def _network(loss="cross_entropy", dtype="float32"):
    layers = [bpx.Linear(3, 6), bpx.BatchNorm(6), bpx.ReLU(), bpx.Dropout(0.3), bpx.Linear(6, 3)]
    return bpx.Network(layers, loss=loss, dtype=dtype, seed=2)


@pytest.mark.parametrize("name", OPTIONS)
def test_every_setting(name, monkeypatch, players):
    options = {"epochs": EPOCHS, "batch_size": 5, "optimizer": bpx.SGD(0.05), **OPTIONS[name]}
    _both(_network, monkeypatch, players, X, Y, **options)


def test_frozen_parameters_stay(monkeypatch, players):
    def make():
        return bpx.Network([bpx.Linear(3, 4, frozen=("weight",)), bpx.Tanh(), bpx.Linear(4, 3, bias=False)])

    y = np.random.default_rng(2).standard_normal((22, 3))
    _both(make, monkeypatch, players, X, y, epochs=EPOCHS, batch_size=5)


def test_callbacks_may_replace_the_weights_in_between(monkeypatch, players):
    def restart(run):
        if run.epoch % 10 == 0:
            run.net.params = [{name: array * 0.5 for name, array in part.items()} for part in run.net.params]

    _both(_network, monkeypatch, players, X, Y, epochs=35, batch_size=5, callbacks=[restart])


def test_the_next_fit_goes_on(monkeypatch, players):
    net, plain = _network(), _network()
    for _ in range(3):
        net.fit(X, Y, epochs=10, batch_size=5)
    assert len(players["played"]) >= 3
    _plain(monkeypatch)
    plain.fit(X, Y, epochs=30, batch_size=5)
    _agree(net, plain)


def _list_kept(net):
    return [player for program in net._programs.values() for player in getattr(program, "_players", {}).values()]


@pytest.mark.parametrize("batch_size", [5, None])
def test_tapes_are_kept_for_other_data(batch_size, monkeypatch, players):
    net, plain = _network(), _network()
    sets = [(X.astype(np.float32), Y), (X[::-1].astype(np.float32), Y[::-1]), (X * 0.5, Y), (X.astype(np.float32), Y)]
    kept = []
    for x, y in sets:
        net.fit(x, y, epochs=20, batch_size=batch_size)
        kept.append(_list_kept(net))
    assert kept[0]
    assert all(mine is first for each in kept for mine, first in zip(each, kept[0], strict=True))
    _plain(monkeypatch)
    for x, y in sets:
        plain.fit(x, y, epochs=20, batch_size=batch_size)
    _agree(net, plain)


@pytest.mark.parametrize(
    ("fits", "steps", "taped"),
    [(1, 8, False), (1, 71, False), (1, 72, True), (3, 10, False), (11, 10, True)],
    ids=["few steps", "a call of 63", "a call of 64", "30 steps", "110 steps"],
)
def test_when_a_tape_is_written(fits, steps, taped, monkeypatch):
    """After a first call, at once where many steps follow it in one call; else after 100, counted over the fits."""
    monkeypatch.setattr(loop, "find_growth", lambda seconds: 8)  # calls grow by the clock
    net = _network()
    x = X.astype(np.float32)
    for _ in range(fits):
        net.fit(x, Y, epochs=steps, batch_size=None)
    assert bool(_list_kept(net)) == taped


@pytest.mark.parametrize("change", ["rows", "weights", "reset", "params", "optimizer"])
def test_tapes_are_not_kept_for_what_is_not_the_same(change, monkeypatch, players):
    def train(net):
        net.fit(X, Y, epochs=20, batch_size=5)
        kept = _list_kept(net)
        if change == "reset":
            net.reset()
        elif change == "params":
            net.params = [{name: array * 0.5 for name, array in part.items()} for part in net.params]
        n, weight = (10, None) if change == "rows" else (22, np.ones(22) if change == "weights" else None)
        optimizer = bpx.Adam(0.1) if change == "optimizer" else "adam"
        net.fit(X[:n], Y[:n], sample_weight=weight, epochs=20, batch_size=5, optimizer=optimizer)
        return kept

    net, plain = _network(), _network()
    kept = train(net)
    assert kept
    assert not any(mine is old for mine in _list_kept(net) for old in kept)
    _plain(monkeypatch)
    train(plain)
    _agree(net, plain)


@pytest.mark.parametrize("reason", ["large", "strided"])
def test_tapes_that_are_not_kept_between_trainings(reason, monkeypatch, players):
    x = X.astype(np.float32)
    if reason == "large":
        monkeypatch.setattr(replayed, "KEPT_BYTES", 100)
    else:
        x = np.repeat(x, 2, axis=1)[:, ::2]
    net, plain = _network(), _network()
    for _ in range(2):
        net.fit(x, Y, epochs=20, batch_size=None)
        assert not _list_kept(net)
    assert players["played"]
    _plain(monkeypatch)
    for _ in range(2):
        plain.fit(x, Y, epochs=20, batch_size=None)
    _agree(net, plain)


def test_data_that_is_its_own_target_at_first(monkeypatch, players):
    net, plain = (bpx.Network([bpx.Linear(3, 4), bpx.Tanh(), bpx.Linear(4, 3)], seed=3) for _ in range(2))
    x, y = X.astype(np.float32), X[::-1].astype(np.float32)
    for within, mine in ((False, net), (True, plain)):
        if within:
            _plain(monkeypatch)
        for targets in (x, y):
            mine.fit(x, targets, epochs=20, batch_size=5)
    assert players["played"]
    _agree(net, plain)


@unregistered
class Peeking(Layer):
    """A user's layer that looks at the values: another step may do another thing."""

    def forward(self, xp, params, x, context=None):
        factor = 1.0 if float(x.sum()) > 0.0 else 0.5
        return x * factor, factor

    def backward(self, xp, params, cache, dy, *, input_gradient=True):
        return dy * cache, {}


def test_layers_of_others_run_call_by_call(monkeypatch, players):
    def make():
        return bpx.Network([bpx.Linear(3, 3), Peeking()], loss="cross_entropy")

    net, plain = make(), make()
    net.fit(X, Y, epochs=30, batch_size=5)
    assert not players["played"]
    _plain(monkeypatch)
    plain.fit(X, Y, epochs=30, batch_size=5)
    _agree(net, plain)


@pytest.mark.parametrize("fails", ["while taped", "by other bits"])
def test_a_step_that_cannot_be_taped_is_made_plainly_and_changes_nothing(fails, monkeypatch, players):
    """Were one of bpx's own parts to depend on values, the training would still be right."""
    monkeypatch.setattr(Peeking, "__module__", "bpx.layers.peeking")
    if fails == "by other bits":

        def forward(self, xp, params, x, context=None):
            factor = 1.0 if float(np.asarray(x).view(np.ndarray).sum()) > 0.0 else 0.5
            return x * factor, factor

        monkeypatch.setattr(Peeking, "forward", forward)

    def make():
        return bpx.Network([Peeking(), bpx.Linear(3, 3)], loss="cross_entropy")

    signs = np.repeat([1.0, -1.0, 1.0, -1.0], 5)[:, None]  # the layer does another thing in every second batch
    x, y = np.abs(X[:20]) * signs, Y[:20]
    net, plain = make(), make()
    options = {"epochs": 20, "batch_size": 5, "shuffle": False, "optimizer": bpx.Adam(0.1)}
    net.fit(x, y, **options)
    assert players["refused"]
    assert not players["played"]
    _plain(monkeypatch)
    plain.fit(x, y, **options)
    _agree(net, plain)


def test_nothing_is_kept_after_the_fit(players):
    net, x = _network(), X.astype(np.float32)
    data = weakref.ref(x)
    net.fit(x, Y, epochs=EPOCHS, batch_size=5)
    assert players["played"]
    players["played"].clear()
    del x
    assert data() is None


def test_large_steps_are_not_taped(monkeypatch, players):
    monkeypatch.setattr(replayed, "TAPE_BYTES", 500)
    net, plain = _network(), _network()
    net.fit(X, Y, epochs=EPOCHS, batch_size=5)
    assert not players["played"]
    assert players["refused"]
    _plain(monkeypatch)
    plain.fit(X, Y, epochs=EPOCHS, batch_size=5)
    _agree(net, plain)


def test_a_divergence_is_found():
    net = bpx.mlp([3, 3], loss="squared_error", dtype="float64")
    with pytest.raises(bpx.DivergenceError, match=r"epoch 1[0-9]{2}"):
        net.fit(X, np.ones((22, 3)), epochs=400, optimizer=bpx.SGD(15.0))


def test_the_memory_of_tapes_is_counted_and_released():
    x, y = np.ones((400, 5)), np.ones((400, 3))
    net, held = bpx.mlp([5, 8, 3], loss="squared_error"), []
    net.fit(x, y, epochs=4, batch_size=4, callbacks=[lambda run: held.append(net.memory()["recordings"])])
    assert 4 * (4 * 5 + 5 * 8 + 8 * 3) < held[-1] < 100_000, "inputs of a step and its gradients, at least"
    assert 0 < net.memory()["recordings"] <= replayed.KEPT_BYTES
    assert "recordings" not in net.summary(), "so little is not worth a line"
    net.release()
    assert net.memory()["recordings"] == 0
