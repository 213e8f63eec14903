import numpy as np
import pytest

import bpx
from bpx.recipes.members import join_members
from bpx.recipes.widening import widen_networks

BINS = bpx.PiecewiseLinear([[-1.0, 0.0, 0.5, 1.0]] * 2, dense=True, height=0.3)
X = np.random.default_rng(0).normal(size=(9, 4))
X[:, 2] = np.arange(9) % 3


def make(seed, first, width):
    layers = [*first, bpx.Linear(width, 5), bpx.SiLU(), bpx.Linear(5, 2)]
    return bpx.Network(layers, loss="cross_entropy", dtype="float64", seed=seed)


def test_a_network_without_bins_predicts_the_same_with_them():
    narrow = make(1, [], 4)
    wide = make(0, [bpx.Columns([2, 2], [BINS, bpx.Identity()])], 10)
    found = widen_networks([wide, narrow])
    assert found[0] is wide
    assert found[1].layers == wide.layers
    np.testing.assert_allclose(found[1].predict(X), narrow.predict(X), rtol=1e-12)


def test_the_joined_network_predicts_the_mean_and_is_saved(tmp_path):
    networks = [make(0, [], 4), make(1, [bpx.Columns([1, 2, 1], [bpx.Identity(), BINS, bpx.Identity()])], 10)]
    joined = join_members(widen_networks(networks))
    np.testing.assert_allclose(joined.predict(X), np.mean([net.predict(X) for net in networks], axis=0), rtol=1e-12)
    joined.save(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(bpx.load(tmp_path / "net.safetensors").predict(X), joined.predict(X))


def test_bins_alone_need_no_columns():
    x = X[:, :2]
    narrow = make(1, [], 2)
    found = widen_networks([narrow, make(0, [BINS], 8)])[0]
    np.testing.assert_allclose(found.predict(x), narrow.predict(x), rtol=1e-12)


def test_vectors_of_categories_stay_those_of_the_network():
    narrow = make(1, [bpx.Columns([2, 1, 1], [bpx.Identity(), bpx.Embedding(3, 2), bpx.Identity()])], 5)
    wide = make(0, [bpx.Columns([2, 1, 1], [BINS, bpx.Embedding(3, 2), bpx.Identity()])], 11)
    found = widen_networks([narrow, wide])
    assert found[0].layers == wide.layers
    np.testing.assert_allclose(found[0].predict(X), narrow.predict(X), rtol=1e-12)
    mean = (narrow.predict(X) + wide.predict(X)) / 2.0
    np.testing.assert_allclose(join_members(found).predict(X), mean, rtol=1e-12)


def test_equal_networks_stay_as_they_are():
    networks = [make(seed, [BINS], 8) for seed in range(2)]
    assert all(a is b for a, b in zip(widen_networks(networks), networks, strict=True))


def test_what_the_widest_does_not_make_is_refused():
    wide = make(0, [bpx.Columns([2, 2], [BINS, bpx.Identity()])], 10)
    other = make(1, [bpx.Columns([2, 1, 1], [bpx.Identity(), bpx.Embedding(3, 2), bpx.Identity()])], 5)
    with pytest.raises(bpx.InputError, match="the widest network has it not"):
        widen_networks([wide, other])
    deep = bpx.Network([bpx.SiLU(), bpx.SiLU(), bpx.Linear(4, 2)], loss="cross_entropy", seed=0)
    with pytest.raises(bpx.InputError, match="begin with a linear layer or one before it"):
        widen_networks([wide, deep])
