import numpy as np
import pytest

import bpx
from bpx.recipes.members import join_members


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


def test_it_can_be_trained_on():
    joined = join_members([make(seed) for seed in range(2)])
    x, y = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 3
    before = joined.evaluate(x, y)["loss"]
    joined.fit(x, y, epochs=20, optimizer=bpx.Adam(0.05))
    assert joined.evaluate(x, y)["loss"] < before
    assert bpx.check_gradients(joined, x, y).passed


def test_one_network_stays_as_it_is():
    net = make(0)
    assert join_members([net]) is net


def test_what_cannot_be_joined_is_refused():
    with pytest.raises(bpx.InputError, match="whose layers and losses are the same"):
        join_members([make(0), make(1, n_out=2)])
    for layer, message in (
        (bpx.LayerNorm(4), "learn linear layers alone, and their layer 0 is LayerNorm"),
        (bpx.NTKLinear(4, 4), "learn linear layers alone, and their layer 0 is NTKLinear"),
    ):
        with pytest.raises(bpx.InputError, match=message):
            join_members([make(seed, first=[layer]) for seed in range(2)])
    scale = bpx.Scale(4, frozen=("weight",))
    with pytest.raises(bpx.InputError, match="must come before the first linear one"):
        join_members([make(seed, first=[bpx.Linear(4, 4), scale]) for seed in range(2)])
