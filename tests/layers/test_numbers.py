"""Numbers as vectors: bins and waves."""

import math

import networks
import numpy as np
import pytest
from closeness import assert_close, assert_same_bits

import bpx

EDGES = [[-1.0, 0.0, 2.0, 3.0], [0.0, 0.5]]


def forward(layer, backend, x, params=None):
    params = layer.init(np.random.default_rng(0)) if params is None else params
    return layer.forward(backend.xp, backend.arrays(params), backend.array(x))


def test_bins_are_filled_one_after_the_other(backend):
    x = np.array([[-3.0, -1.0], [-0.5, 0.25], [1.0, 0.5], [2.5, 0.75], [5.0, 2.0]])
    y, _ = forward(bpx.PiecewiseLinear(EDGES), backend, x)
    first = [[-2, 0, 0], [0.5, 0, 0], [1, 0.5, 0], [1, 1, 0.5], [1, 1, 3]]
    second = [[-2, 0, 0], [0.5, 0, 0], [1, 0, 0], [1, 0.5, 0], [1, 1, 2]]  # of one bin: two more above it, as wide
    assert_close(backend, y, np.hstack([first, second]), 1e-6)


def test_at_an_edge_the_derivative_is_that_of_the_bin_above(backend):
    layer, x = bpx.PiecewiseLinear([[-1.0, 0.0, 2.0]]), np.array([[-1.0], [0.0], [2.0]])
    params = backend.arrays(layer.init(np.random.default_rng(0)))
    _, cache = layer.forward(backend.xp, params, backend.array(x))
    dx, grads = layer.backward(backend.xp, params, cache, backend.array(np.ones((3, 2))))
    assert_close(backend, dx, [[1.0], [0.5], [0.5]], 0.0)
    assert grads == {}


@pytest.mark.parametrize("last", [1.0, 2.0**24, -(2.0**24), 3e10, -1e-3])
def test_bins_added_to_a_feature_of_fewer_have_a_width_in_float32(last):
    below = float(np.nextafter(np.float32(last), np.float32(-np.inf)))
    layer = bpx.PiecewiseLinear([[2.0 * below - abs(last), below, last], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
    edges = layer.init(np.random.default_rng(0))["edges"].astype(np.float32)
    assert (np.diff(edges, axis=1) > 0.0).all()
    net = bpx.Network([layer, bpx.Linear(12, 1)], loss="squared_error")
    x = np.array([[last, 1.0], [below, 2.0], [last + 4.0 * abs(last), 3.0]])
    assert np.isfinite(net.predict(x)).all()


def test_edges_move_only_where_they_are_free():
    x, y = networks.numbers()
    for frozen in (("edges",), ()):
        layer = bpx.PiecewiseLinear([np.quantile(column, [0, 0.3, 0.7, 1.0]) for column in x.T], frozen=frozen)
        net = bpx.Network([layer, bpx.Linear(12, 2)], loss="squared_error", dtype="float64")
        before = net.params[0]["edges"].copy()
        net.fit(x, y, epochs=3)
        assert np.array_equal(net.params[0]["edges"], before) == bool(frozen)
        assert net.first_trained == (1 if frozen else 0)
        assert bpx.check_gradients(net, x, y).passed


def test_waves_are_those_of_the_paper(backend):
    x, frequency = np.array([[0.25, -1.0]]), np.array([[1.0], [0.125]])
    one, none = np.ones((2, 1, 1)), np.zeros((2, 1, 1))
    params = {"frequency": frequency, "sine": one, "cosine": none, "bias": np.zeros((2, 1))}
    y, _ = forward(bpx.Periodic(2, 1, 1), backend, x, params)
    assert_close(backend, y, [[1.0, -math.sqrt(0.5)]], 1e-6)
    y, _ = forward(bpx.Periodic(2, 1, 1), backend, x, {**params, "sine": none, "cosine": one, "bias": np.ones((2, 1))})
    assert_close(backend, y, [[1.0, 1.0 + math.sqrt(0.5)]], 1e-6)
    params = {"frequency": frequency, "phase": np.array([[math.pi / 2], [0.0]]), "weight": one, "bias": np.ones((2, 1))}
    y, _ = forward(bpx.PBLD(2, 1, 2), backend, x, params)
    assert_close(backend, y, [[0.0, 0.25, 1.0 + math.sqrt(0.5), -1.0]], 1e-6)


def test_they_start_as_the_papers_say():
    generator = np.random.default_rng(0)
    params = bpx.Periodic(50, 200, 3, sigma=0.3).init(generator)
    assert abs(params["frequency"].std() - 0.3) < 0.01
    assert np.abs(params["sine"]).max() <= 1.0 / math.sqrt(400)
    params = bpx.PBLD(50, 200).init(generator)
    assert abs(params["frequency"].std() - 0.1) < 0.003
    assert 3.1 < np.abs(params["phase"]).max() <= math.pi
    assert params["weight"].shape == (50, 200, 3)


LAYERS = {
    "bins": lambda: [bpx.PiecewiseLinear([np.linspace(-3, 3, 5)] * 4), bpx.Linear(16, 2)],
    "PLR": lambda: [bpx.Periodic(4, 5, 3, 0.5), bpx.ReLU(), bpx.Linear(12, 2)],
    "PBLD": lambda: [bpx.PBLD(4), bpx.Linear(16, 2)],
}


@pytest.mark.parametrize("name", LAYERS)
def test_they_are_trained_saved_and_continued(name, backend, tmp_path):
    def make():
        return bpx.Network(LAYERS[name](), loss="squared_error", dtype=backend.dtype, backend=backend.spec, seed=2)

    x, y = networks.numbers()
    whole, parts = make(), make()
    losses = whole.fit(x, y, epochs=20, batch_size=8, optimizer=bpx.Adam(0.02)).loss
    assert losses[-1] < 0.7 * losses[0]
    for _ in range(2):
        parts.fit(x, y, epochs=10, batch_size=8, optimizer=bpx.Adam(0.02))
    assert_same_bits(networks.left_by_training(parts), networks.left_by_training(whole))
    whole.save(tmp_path / "net.safetensors")
    again = bpx.load(tmp_path / "net.safetensors", backend=backend.spec)
    assert again.layers == whole.layers
    assert_same_bits(networks.left_by_training(again), networks.left_by_training(whole))


@pytest.mark.parametrize("name", ["frequency", "sine", "cosine", "bias", "phase", "weight"])
def test_frozen_parameters_stay(name):
    layer = (bpx.PBLD if name in ("phase", "weight") else bpx.Periodic)(4, 3, 2, frozen=name)
    net = bpx.Network([layer, bpx.Linear(8, 2)], loss="squared_error")
    before = {key: array.copy() for key, array in net.params[0].items()}
    net.fit(*networks.numbers(), epochs=2)
    assert {key for key, array in net.params[0].items() if np.array_equal(array, before[key])} == {name}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: bpx.PiecewiseLinear([]), "bins must hold the edges of at least one feature"),
        (lambda: bpx.PiecewiseLinear(3), "bins must hold the edges of each feature, got 3"),
        (lambda: bpx.PiecewiseLinear([[0.0, 1.0], [1.0]]), r"at least two edges of feature 1, .*got \[1.0\]"),
        (lambda: bpx.PiecewiseLinear([[0.0, 0.0]]), "each above the one before it in float32 too"),
        (lambda: bpx.PiecewiseLinear([[1.0, 1.0 + 1e-9]]), "each above the one before it in float32 too"),
        (lambda: bpx.PiecewiseLinear([[0.0, math.nan]]), "an edge of feature 0 must be finite, got nan"),
        (lambda: bpx.PiecewiseLinear([[0.0, 1.0]], frozen="bins"), "no parameter 'bins' to freeze; it has 'edges'"),
        (lambda: bpx.Periodic(0), "n_features must be at least 1"),
        (lambda: bpx.Periodic(2, 0), "n_frequencies must be at least 1"),
        (lambda: bpx.Periodic(2, sigma=0.0), "sigma must be above 0"),
        (lambda: bpx.Periodic(2, frozen="phase"), "no parameter 'phase' to freeze"),
        (lambda: bpx.PBLD(2, n_out=1), "n_out must be at least 2, got 1"),
        (lambda: bpx.PBLD(2, sigma=-1.0), "sigma must be above 0"),
        (lambda: bpx.PBLD(2, frozen="sine"), "no parameter 'sine' to freeze"),
        (lambda: bpx.Network([bpx.Linear(2, 3), bpx.PBLD(2)]), r"layer 1: PBLD\(2\) expects 2 features"),
        (lambda: bpx.Network([bpx.Linear(2, 3), bpx.Periodic(2)]), r"layer 1: Periodic\(2\) expects 2 features"),
    ],
)
def test_what_cannot_be_is_refused(make, said):
    with pytest.raises(bpx.InputError, match=said):
        make()
