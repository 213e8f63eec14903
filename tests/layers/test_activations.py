"""Activations at their kinks, far out, and by name."""

import math

import numpy as np
import pytest
from cases import LAYER_CASES
from closeness import assert_close

import bpx
from bpx.layers import ACTIVATIONS, get_activation

OF_TABLE = [case for case in LAYER_CASES if type(case.layer) in ACTIVATIONS.values()]


@pytest.mark.parametrize("dtype", ["float32", "widest"])
@pytest.mark.parametrize("case", OF_TABLE, ids=lambda case: case.name)
def test_far_out_values_and_gradients_are_finite(case, dtype, backend):
    dtype = backend.dtype if dtype == "widest" else dtype
    x = backend.array([[1e4, -1e4, 50.0, -50.0], [-700.0, 800.0, 100.0, -100.0]], dtype)
    with backend.backend.computing():
        y, cache = case.layer.forward(backend.xp, {}, x)
        dx, _ = case.layer.backward(backend.xp, {}, cache, backend.xp.ones_like(x))
    assert np.isfinite(backend.numpy(y)).all()
    assert np.isfinite(backend.numpy(dx)).all()


@pytest.mark.parametrize(
    ("activation", "low", "high"),
    [
        ("sigmoid", 0.0, 1.0), ("tanh", -1.0, 1.0), ("relu", 0.0, 1e4), ("leaky_relu", -100.0, 1e4),
        ("gelu", 0.0, 1e4), ("silu", 0.0, 1e4), ("softplus", 0.0, 1e4), ("mish", 0.0, 1e4),
        ("selu", -1.7580993408473766, 10507.009873554805), ("identity", -1e4, 1e4),
    ],
)  # fmt: skip
def test_far_out_values_are_the_limits(activation, low, high, backend):
    with backend.backend.computing():
        y, _ = get_activation(activation).forward(backend.xp, {}, backend.array([[-1e4, 1e4]]))
    assert_close(backend, y, [[low, high]], backend.either(1e-15, 1e-7))


def _slope_at_zero(layer, backend):
    _, cache = layer.forward(backend.xp, {}, backend.array([[0.0]]))
    return layer.backward(backend.xp, {}, cache, backend.array([[3.0]]))[0]


def test_relu_has_slope_0_at_its_kink(backend):
    assert_close(backend, _slope_at_zero(bpx.ReLU(), backend), [[0.0]], 0.0)


def test_leaky_relu_has_its_lower_slope_at_its_kink(backend):
    assert_close(backend, _slope_at_zero(bpx.LeakyReLU(0.25), backend), [[0.75]], 0.0)


def test_selu_has_its_lower_slope_at_its_kink(backend):
    assert_close(
        backend, _slope_at_zero(bpx.SELU(), backend), [[3.0 * 1.7580993408473766]], backend.either(1e-15, 1e-7)
    )


def test_the_notebooks_sigmoid_comes_out_to_the_bit(on_numpy, generator):
    x, dy = generator.normal(size=(20, 3)), generator.normal(size=(20, 3))
    y, cache = bpx.Sigmoid().forward(on_numpy.xp, {}, x)
    p = 1 / (1 + np.exp(-x))
    np.testing.assert_array_equal(y, p)
    np.testing.assert_array_equal(bpx.Sigmoid().backward(on_numpy.xp, {}, cache, dy)[0], dy * (p * (1 - p)))


def test_gelu_is_exact_by_default(backend):
    x = np.linspace(-9.0, 9.0, 181).reshape(1, -1)
    exact = np.array([[v * 0.5 * math.erfc(-v / math.sqrt(2)) for v in x[0]]])
    y, _ = bpx.GELU().forward(backend.xp, {}, backend.array(x))
    assert_close(backend, y, exact, backend.either(2e-16, 1e-7))
    near, _ = bpx.GELU("tanh").forward(backend.xp, {}, backend.array(x))
    assert 1e-4 < np.abs(backend.numpy(near) - exact).max() < 5e-4


def test_softmax_gives_probabilities_whatever_is_added_to_a_row(backend, generator):
    x = generator.normal(size=(3, 4))
    y, _ = bpx.Softmax().forward(backend.xp, {}, backend.array(x))
    shifted, _ = bpx.Softmax().forward(backend.xp, {}, backend.array(x + np.array([[1e3], [-1e3], [1e4]])))
    np.testing.assert_allclose(backend.numpy(y).sum(axis=1), 1.0, rtol=1e-6)
    assert_close(backend, shifted, backend.numpy(y), backend.either(1e-11, 1e-2))


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_a_name_gives_its_layer_and_a_layer_itself(name):
    layer = get_activation(name)
    assert type(layer) is ACTIVATIONS[name]
    assert get_activation(layer) is layer
