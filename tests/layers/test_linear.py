"""The linear layer: shapes, initial values, frozen parameters."""

import numpy as np
import pytest
from closeness import assert_close

import bpx


def test_multiplies_and_adds(backend):
    params = backend.arrays({"weight": [[1.0, 0.0], [2.0, -1.0]], "bias": [0.5, 10.0]})
    y, _ = bpx.Linear(2, 2).forward(backend.xp, params, backend.array([[3.0, 4.0]]))
    assert_close(backend, y, [[11.5, 6.0]], 0.0)


def test_starts_as_its_initializers_say():
    start = bpx.Linear(3, 2, weight_init="he_normal", bias_init="uniform").init(np.random.default_rng(1))
    draw = np.random.default_rng(1)
    np.testing.assert_array_equal(start["weight"], draw.normal(0.0, np.sqrt(2 / 3), (3, 2)))
    np.testing.assert_array_equal(start["bias"], draw.random(2))


def test_starts_with_glorots_weights_and_no_bias():
    start = bpx.Linear(3, 5).init(np.random.default_rng(1))
    np.testing.assert_array_equal(
        start["weight"], np.random.default_rng(1).uniform(-((6 / 8) ** 0.5), (6 / 8) ** 0.5, (3, 5))
    )
    np.testing.assert_array_equal(start["bias"], np.zeros(5))


def test_without_a_bias_has_none():
    layer = bpx.Linear(3, 2, bias=False)
    assert layer.param_names == ("weight",)
    assert sorted(layer.init(np.random.default_rng(1))) == ["weight"]


@pytest.mark.parametrize("frozen", [(), ("weight",), ("bias",), ("weight", "bias")])
def test_gives_no_gradient_of_what_is_frozen(frozen, backend):
    layer = bpx.Linear(2, 2, frozen=frozen)
    params = backend.arrays({"weight": np.eye(2), "bias": np.zeros(2)})
    _, cache = layer.forward(backend.xp, params, backend.array([[3.0, 4.0]]))
    dx, grads = layer.backward(backend.xp, params, cache, backend.array([[1.0, 2.0]]))
    assert sorted(grads) == sorted({"weight", "bias"} - set(frozen))
    assert_close(backend, dx, [[1.0, 2.0]], 0.0)


def test_one_name_to_freeze_needs_no_tuple():
    assert bpx.Linear(2, 2, frozen="bias").frozen == ("bias",)


def test_an_unwanted_gradient_of_the_input_is_none(backend):
    params = backend.arrays({"weight": np.eye(2), "bias": np.zeros(2)})
    layer = bpx.Linear(2, 2)
    _, cache = layer.forward(backend.xp, params, backend.array([[3.0, 4.0]]))
    dx, _ = layer.backward(backend.xp, params, cache, backend.array([[1.0, 2.0]]), input_gradient=False)
    assert dx is None


def test_knows_its_output_shape():
    assert bpx.Linear(4, 3).output_shape((4,)) == (3,)
    assert bpx.Linear(4, 3).output_shape(None) == (3,)
