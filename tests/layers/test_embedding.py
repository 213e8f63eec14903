"""Categories as vectors, and layers side by side."""

import networks
import numpy as np
import pytest
from closeness import assert_close, assert_same_bits

import bpx

MIXED = bpx.Columns([3, 1, 1], [bpx.Identity(), bpx.Embedding(6, 4), bpx.Embedding(3, 2)])


def mixed(rows=60, seed=0):
    """Return numbers and two columns of categories, and classes that depend on all of them."""
    generator = np.random.default_rng(seed)
    numbers, ids = generator.normal(size=(rows, 3)), generator.integers(0, [6, 3], size=(rows, 2))
    return np.hstack([numbers, ids]), (ids[:, 0] % 2 + (numbers[:, 0] > 0) + (ids[:, 1] == 1)).astype(int)


def make(backend):
    layers = [MIXED, bpx.Linear(9, 16), bpx.ReLU(), bpx.Linear(16, 4)]
    return bpx.Network(layers, loss="cross_entropy", dtype=backend.dtype, backend=backend.spec)


def test_each_category_has_its_row_and_other_numbers_have_zeros(backend):
    weight = np.arange(6.0).reshape(3, 2) + 1.0
    x = np.array([[2.0], [0.0], [-1.0], [3.0], [0.5], [1.0], [1e9], [-1e9]])
    y, cache = bpx.Embedding(3, 2).forward(backend.xp, backend.arrays({"weight": weight}), backend.array(x))
    none = [0.0, 0.0]
    assert_close(backend, y, [weight[2], weight[0], none, none, none, weight[1], none, none], 0.0)
    dy = np.arange(16.0).reshape(8, 2)
    dx, grads = bpx.Embedding(3, 2).backward(backend.xp, backend.arrays({"weight": weight}), cache, backend.array(dy))
    assert_close(backend, grads["weight"], [dy[1], dy[5], dy[0]], 0.0)
    assert_close(backend, dx, np.zeros((8, 1)), 0.0)


def test_the_gradient_of_a_row_is_the_sum_over_its_samples(backend, generator):
    ids, dy = generator.integers(0, 1000, size=300), generator.normal(size=(300, 4))
    layer, weight = bpx.Embedding(1000, 4), backend.array(np.ones((1000, 4)))
    _, cache = layer.forward(backend.xp, {"weight": weight}, backend.array(ids[:, None].astype(float)))
    _, grads = layer.backward(backend.xp, {"weight": weight}, cache, backend.array(dy), input_gradient=False)
    expected = np.zeros((1000, 4))
    np.add.at(expected, ids, dy)
    assert_close(backend, grads["weight"], expected, backend.either(1e-12, 1e-5))


def test_a_table_of_numbers_and_categories_is_learned(backend):
    x, y = mixed()
    net = make(backend)
    net.fit(x, y, epochs=60, batch_size=20, optimizer=bpx.Adam(0.02))
    assert net.evaluate(x, y)["accuracy"] == 1.0
    if backend.has_float64:
        assert bpx.check_gradients(make(backend), x, y).passed
    unseen = np.where(np.arange(5) < 3, x[:1], -1.0)
    assert np.isfinite(bpx.to_numpy(net.predict(unseen))).all()


def test_it_is_saved_resumed_and_continued(tmp_path, backend):
    x, y = mixed()
    whole, parts = make(backend), make(backend)
    whole.fit(x, y, epochs=4, batch_size=16)
    for _ in range(2):
        parts.fit(x, y, epochs=2, batch_size=16)
    assert_same_bits(networks.left_by_training(parts), networks.left_by_training(whole))
    whole.save(tmp_path / "net.safetensors")
    again = bpx.load(tmp_path / "net.safetensors", backend=backend.spec)
    assert again.layers == whole.layers
    assert_same_bits(networks.left_by_training(again), networks.left_by_training(whole))
    assert list(whole.state_dict())[:2] == ["0.1.weight", "0.2.weight"]


def test_frozen_vectors_stay(on_numpy):
    x, y = mixed()
    beside = bpx.Columns([4, 1], [bpx.Identity(), bpx.Embedding(3, 2, frozen="weight")])
    assert beside.frozen == ("1.weight",)
    net = bpx.Network([beside, bpx.Linear(6, 4)], loss="cross_entropy")
    before = net.params[0]["1.weight"].copy()
    net.fit(x, y, epochs=2)
    np.testing.assert_array_equal(net.params[0]["1.weight"], before)
    assert "1.weight" in net.gradients(x, y)[1][0]


def test_columns_are_random_and_stateful_as_their_layers_are():
    layer = bpx.Columns([1, 2], [bpx.Dropout(0.5), bpx.BatchNorm(2)])
    assert (layer.n_keys, layer.stateful, layer.n_in) == (2, True, 3)
    assert layer.output_shape((3,)) == (3,)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: bpx.Embedding(0, 2), "n_categories must be at least 1, got 0"),
        (lambda: bpx.Embedding(3, 1.5), "n_out must be a whole number, got 1.5"),
        (lambda: bpx.Embedding(3, 2, frozen="bias"), "Embedding has no parameter 'bias' to freeze; it has 'weight'"),
        (lambda: bpx.Columns([1], []), r"Columns takes a sequence of layers, got \[\]"),
        (lambda: bpx.Columns([1, 1], [bpx.Tanh()]), "Columns takes one layer for each width, got 1 for 2"),
        (lambda: bpx.Columns(2, [bpx.Tanh()]), "Columns takes a sequence of widths, one for each layer, got 2"),
        (lambda: bpx.Columns([0], [bpx.Tanh()]), "a width of Columns must be at least 1, got 0"),
        (lambda: bpx.Columns([2], [bpx.Linear(3, 1)]), r"gives 2 to its layer 0: Linear\(3, 1\) expects 3 features"),
        (lambda: bpx.Columns([2], [bpx.Embedding(3, 1)]), r"gives 2 to its layer 0: Embedding\(3, 1\) expects 1 feat"),
        (lambda: bpx.Network([bpx.Linear(2, 3), MIXED]), r"layer 1: Columns\(5\) expects 5 features"),
    ],
)
def test_what_does_not_fit_is_refused(make, said):
    with pytest.raises(bpx.InputError, match=said):
        make()
