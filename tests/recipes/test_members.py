import numpy as np
import pytest

import bpx
from bpx.recipes.members import forget_learning, join_members


def make(seed, loss="cross_entropy", n_out=3, first=()):
    layers = [*first, bpx.Linear(4, 6), bpx.SiLU(), bpx.Dropout(0.2), bpx.Linear(6, n_out, bias=n_out > 1)]
    return bpx.Network(layers, loss=loss, dtype="float64", seed=seed)


@pytest.mark.parametrize(("loss", "n_out"), [("cross_entropy", 3), ("binary_cross_entropy", 1), ("squared_error", 1)])
def test_it_predicts_the_mean(loss, n_out):
    nets = [make(seed, loss, n_out) for seed in range(3)]
    x = np.random.default_rng(0).normal(size=(7, 4))
    joined = join_members(nets)
    np.testing.assert_allclose(joined.predict(x), np.mean([net.predict(x) for net in nets], axis=0), rtol=1e-12)
    assert joined.output_shape == (3, n_out)


def test_bins_are_shared_and_the_file_holds_it_all(tmp_path):
    bins = bpx.PiecewiseLinear([[-1.0, 0.0, 1.0]] * 2, dense=True, height=0.3)
    first = [bpx.Columns([2, 1], [bins, bpx.Identity()]), bpx.Linear(7, 4)]
    nets = [make(seed, first=first) for seed in range(2)]
    x = np.random.default_rng(0).normal(size=(7, 3))
    joined = join_members(nets)
    assert sum(isinstance(layer, bpx.Columns) for layer in joined.layers) == 1
    joined.save(tmp_path / "net.safetensors")
    found = bpx.load(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(found.predict(x), joined.predict(x))
    np.testing.assert_allclose(found.predict(x), np.mean([net.predict(x) for net in nets], axis=0), rtol=1e-12)


@pytest.mark.parametrize("alone", [False, True])
def test_each_member_keeps_its_vectors_of_categories(alone, tmp_path):
    """Codes from 0 to 6, and -1 and 9, which have no vector."""
    bins = bpx.PiecewiseLinear([[-1.0, 0.0, 1.0]], dense=True)
    layers = [bpx.Embedding(7, 3), bins, bpx.Embedding(2, 1), bpx.Identity()]
    first = [bpx.Embedding(7, 4)] if alone else [bpx.Columns([1] * 4, layers), bpx.Linear(8, 4)]
    nets = [make(seed, first=first) for seed in range(3)]
    rng = np.random.default_rng(0)
    codes = np.array([[-1], [9], [0], [3], [6], [3], [1]], dtype=float)
    x = codes if alone else np.hstack([codes, rng.normal(size=(7, 1)), codes % 2, rng.normal(size=(7, 1))])
    joined = join_members(nets)
    expected = np.mean([net.predict(x) for net in nets], axis=0)
    np.testing.assert_allclose(joined.predict(x), expected, rtol=1e-12)
    assert joined.n_params == sum(net.n_params for net in nets) - (0 if alone else 2 * bins_params(nets[0]))
    joined.save(tmp_path / "net.safetensors")
    np.testing.assert_allclose(bpx.load(tmp_path / "net.safetensors").predict(x), expected, rtol=1e-12)
    assert bpx.check_gradients(joined, x, np.arange(7) % 3).passed


def bins_params(net):
    """Return how many numbers the bins of a network have, which are shared."""
    return sum(array.size for name, array in net.params[0].items() if name == "1.edges")


def test_it_can_be_trained_on():
    joined = join_members([make(seed) for seed in range(2)])
    x, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 3
    before = joined.evaluate(x, y)["loss"]
    joined.fit(x, y, epochs=20, optimizer=bpx.Adam(0.05))
    assert joined.evaluate(x, y)["loss"] < before
    assert bpx.check_gradients(joined, x, y).passed


def test_networks_that_learned_otherwise_are_joined_once_that_is_forgotten(tmp_path):
    first = [bpx.Linear(4, 6), bpx.SiLU()]
    networks = [
        bpx.Network([*first, bpx.Linear(6, 1)], loss="huber", dtype="float64", seed=0),
        bpx.Network([*first, bpx.Dropout(0.3), bpx.Linear(6, 1)], loss="squared_error", dtype="float64", seed=1),
    ]
    x = np.random.default_rng(0).normal(size=(7, 4))
    with pytest.raises(bpx.InputError, match="whose layers and losses are the same"):
        join_members(networks)
    alike = forget_learning(networks, "squared_error")
    assert all(net.loss == bpx.SquaredError() for net in alike)
    for before, after in zip(networks, alike, strict=True):
        np.testing.assert_array_equal(after.predict(x), before.predict(x))
    joined = join_members(alike)
    np.testing.assert_allclose(joined.predict(x), np.mean([net.predict(x) for net in networks], axis=0), rtol=1e-12)
    joined.save(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(bpx.load(tmp_path / "net.safetensors").predict(x), joined.predict(x))


def test_networks_that_learned_alike_keep_dropout_and_loss():
    networks = [make(seed) for seed in range(2)]
    assert all(a is b for a, b in zip(forget_learning(networks, "cross_entropy"), networks, strict=True))
    others = forget_learning([make(seed, "huber", 1) for seed in range(2)], "squared_error")
    assert [net.loss for net in others] == [bpx.SquaredError()] * 2
    assert [net.layers for net in others] == [make(0, "huber", 1).layers] * 2


def test_one_network_stays_as_it_is():
    net = make(0)
    assert join_members([net]) is net


def test_what_cannot_be_joined_is_refused():
    with pytest.raises(bpx.InputError, match="whose layers and losses are the same"):
        join_members([make(0), make(1, n_out=2)])
    for layer, message in (
        (bpx.LayerNorm(4), "learn linear layers alone, .* and their layer 0 is LayerNorm"),
        (bpx.NTKLinear(4, 4), "learn linear layers alone, .* and their layer 0 is NTKLinear"),
    ):
        with pytest.raises(bpx.InputError, match=message):
            join_members([make(seed, first=[layer]) for seed in range(2)])
    learned = bpx.Columns([1, 3], [bpx.Embedding(3, 1), bpx.Scale(3)])
    with pytest.raises(bpx.InputError, match="after embeddings that come first, and their layer 0 is Columns"):
        join_members([make(seed, first=[learned]) for seed in range(2)])
    with pytest.raises(bpx.InputError, match="their layer 2 is Embedding"):
        join_members([make(seed, first=[bpx.Linear(4, 1), bpx.SiLU(), bpx.Embedding(3, 4)]) for seed in range(2)])
    scale = bpx.Scale(4, frozen=("weight",))
    with pytest.raises(bpx.InputError, match="must come before the first linear one"):
        join_members([make(seed, first=[bpx.Linear(4, 4), scale]) for seed in range(2)])
