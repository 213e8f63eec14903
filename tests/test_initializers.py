"""Initializers: bounds and variances, seeds, and the same draws on every backend and in every dtype."""

import numpy as np
import pytest
from networks import everything, on_host

import bpx
from bpx.layers.initializers import INITIALIZERS, get_initializer

N_IN, N_OUT = 300, 200
MEAN = (N_IN + N_OUT) / 2

UNIFORM = {
    "glorot_uniform": (-((3 / MEAN) ** 0.5), (3 / MEAN) ** 0.5),
    "he_uniform": (-((6 / N_IN) ** 0.5), (6 / N_IN) ** 0.5),
    "lecun_uniform": (-((3 / N_IN) ** 0.5), (3 / N_IN) ** 0.5),
    "uniform": (0.0, 1.0),
}
NORMAL = {"glorot_normal": 1 / MEAN, "he_normal": 2 / N_IN, "lecun_normal": 1 / N_IN, "normal": 1.0}
RANDOM = [*UNIFORM, *NORMAL]


def _draw(name, seed=1, n_in=N_IN, n_out=N_OUT):
    return get_initializer(name)(np.random.default_rng(seed), n_in, n_out)


@pytest.mark.parametrize("name", UNIFORM)
def test_uniform_draws_fill_their_interval_evenly(name):
    low, high = UNIFORM[name]
    w = _draw(name)
    assert low <= w.min() < low + 0.001 * (high - low)
    assert high > w.max() > high - 0.001 * (high - low)
    assert w.var() == pytest.approx((high - low) ** 2 / 12, rel=0.02)
    assert abs(w.mean() - (low + high) / 2) < 4 * (high - low) / np.sqrt(12 * w.size)


@pytest.mark.parametrize("name", NORMAL)
def test_normal_draws_have_their_variance_and_tails(name):
    w = _draw(name)
    deviation = np.sqrt(NORMAL[name])
    assert w.var() == pytest.approx(NORMAL[name], rel=0.02)
    assert abs(w.mean()) < 4 * deviation / np.sqrt(w.size)
    assert (np.abs(w) > 2 * deviation).mean() == pytest.approx(0.0455, rel=0.05)
    assert np.abs(w).max() > 3.5 * deviation


@pytest.mark.parametrize("name", RANDOM)
def test_random_draws_are_no_zeros_in_disguise(name):
    w = _draw(name)
    assert w.shape == (N_IN, N_OUT)
    assert w.dtype == np.float64
    assert np.unique(w).size == w.size
    assert w.std(axis=0).min() > 0.0
    assert w.std(axis=1).min() > 0.0
    assert np.linalg.matrix_rank(_draw(name, n_in=20, n_out=30)) == 20


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_gives_the_same_draws_and_another_seed_others(name):
    np.testing.assert_array_equal(_draw(name), _draw(name))
    assert (_draw(name) != _draw(name, seed=2)).mean() > 0.999


def test_zeros_are_zeros():
    np.testing.assert_array_equal(_draw("zeros"), np.zeros((N_IN, N_OUT)))


def test_every_initializer_is_tested():
    assert set(INITIALIZERS) == {*RANDOM, "zeros"}


@pytest.mark.parametrize("name", RANDOM)
def test_a_network_uses_it(name):
    net = bpx.mlp([5, 3, 2], init=name, dtype="float64")
    draw = bpx.rng.generator(0, bpx.rng.WEIGHTS)
    for layer in (0, 2):
        weight = net.params[layer]["weight"]
        np.testing.assert_array_equal(weight, get_initializer(name)(draw, *weight.shape))
        bias = draw.random((1, weight.shape[1]))[0] if name == "uniform" else np.zeros(weight.shape[1])
        np.testing.assert_array_equal(net.params[layer]["bias"], bias)


def test_draws_are_the_same_on_every_backend_and_in_every_dtype(backend):
    reference = everything("numpy", "float64").params
    for dtype in ("float32", backend.dtype):
        net = everything(backend, dtype)
        for mine, exact in zip(on_host(net, net.params), reference, strict=True):
            assert sorted(mine) == sorted(exact)
            for part in exact:
                np.testing.assert_array_equal(mine[part], exact[part].astype(dtype))


def test_a_networks_seed_decides():
    first, same, other = (everything("numpy", seed=seed).params[0]["weight"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).all()


def test_no_seed_takes_a_new_one_and_keeps_it():
    nets = [bpx.mlp([3, 2], seed=None) for _ in range(2)]
    assert nets[0].seed != nets[1].seed
    again = bpx.mlp([3, 2], seed=nets[0].seed)
    np.testing.assert_array_equal(again.params[0]["weight"], nets[0].params[0]["weight"])


@pytest.mark.parametrize("name", ["he_unifrom", "", None, 3])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(bpx.InputError, match="unknown initializer"):
        get_initializer(name)


def test_the_nearest_spelling_is_named():
    with pytest.raises(bpx.InputError, match="did you mean 'he_uniform'?"):
        bpx.Linear(2, 3, weight_init="he_unifrom")


def test_the_documentation_of_linear_lists_all_initializers():
    assert all(f'"{name}"' in bpx.Linear.__doc__ for name in INITIALIZERS)
