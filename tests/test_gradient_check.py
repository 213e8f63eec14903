"""The public gradient check: it passes what is right and names what is wrong."""

import numpy as np
import pytest
from networks import classes, everything, left_by_training, numbers, unregistered

import bpx
from bpx.losses import LOSSES


@unregistered
class _WrongBias(bpx.Linear):
    """Forgets to sum over the batch: the gradient of the last sample alone."""

    def backward(self, xp, params, cache, dy, *, input_gradient=True):
        dx, grads = super().backward(xp, params, cache, dy, input_gradient=input_gradient)
        return dx, {**grads, "bias": dy[-1, :]}


@unregistered
class _WrongSlope(bpx.Tanh):
    def backward(self, xp, params, cache, dy, *, input_gradient=True):
        return dy * (1.0 - cache), {}


@unregistered
class _SlightlyWrong(bpx.Sigmoid):
    def backward(self, xp, params, cache, dy, *, input_gradient=True):
        dx, grads = super().backward(xp, params, cache, dy)
        return dx * 1.00001, grads


@pytest.mark.parametrize("training", [False, True])
def test_passes_a_network_of_every_kind_of_layer(training, backend):
    x, y = classes(8)
    net = everything("numpy", backend.dtype)
    net.fit(x, y, epochs=2, batch_size=3)
    net.to(backend.backend)
    before, loss = left_by_training(net), net.evaluate(x, y)
    result = bpx.check_gradients(net, backend.array(x), backend.array(y), training=training)
    assert result.passed, result
    assert result
    assert 0.0 < result.max_error <= 1e-6
    assert result.checked == net.n_params
    assert set(result.errors) == {f"{i}.{name}" for i, part in enumerate(net.params) for name in part}
    assert max(result.errors.values()) == result.max_error
    assert result.worst.startswith(max(result.errors, key=result.errors.get))
    for was, now in zip(before, left_by_training(net), strict=True):
        for name in was:
            np.testing.assert_array_equal(now[name], was[name])
    assert net.evaluate(x, y) == loss


@pytest.mark.parametrize("loss", sorted(LOSSES))
@pytest.mark.parametrize("weighted", [False, True])
def test_passes_every_loss(weighted, loss, on_numpy):
    x, _ = numbers(6)
    y = {"cross_entropy": np.arange(6) % 2, "binary_cross_entropy": np.eye(2)[np.arange(6) % 2]}.get(
        loss, np.full((6, 2), 2.0)
    )
    net = bpx.mlp([4, 3, 2], activation="tanh", loss=loss)
    assert bpx.check_gradients(net, x, y, np.arange(6.0) if weighted else None)


@pytest.mark.parametrize(
    ("layers", "wrong"),
    [
        ([_WrongBias(4, 3), bpx.Tanh(), bpx.Linear(3, 2)], "0.bias"),
        ([bpx.Linear(4, 3), bpx.Tanh(), _WrongBias(3, 2)], "2.bias"),
        ([bpx.Linear(4, 3), _WrongSlope(), bpx.Linear(3, 2)], "0."),
        ([bpx.Linear(4, 3), _SlightlyWrong(), bpx.Linear(3, 2)], "0."),
        ([bpx.Linear(4, 4), bpx.Residual([_WrongBias(4, 4)]), bpx.Linear(4, 2)], "1.0.bias"),
    ],
    ids=["first bias", "last bias", "slope", "one in 100,000", "in a block"],
)
def test_names_the_layer_that_is_wrong(layers, wrong, on_numpy):
    x, y = numbers(6)
    result = bpx.check_gradients(bpx.Network(layers, dtype="float64"), x, y)
    assert not result.passed
    assert not result
    assert result.max_error > 1e-6
    assert result.worst.startswith(wrong)
    right = {name for name, error in result.errors.items() if error <= 1e-6}
    assert {f"{len(layers) - 1}.weight"} <= right  # above the mistake all is well


def test_checks_frozen_parameters_too(on_numpy):
    net = bpx.Network([bpx.Linear(4, 3, frozen=("weight", "bias")), bpx.Tanh(), bpx.Linear(3, 2)], dtype="float64")
    result = bpx.check_gradients(net, *numbers(6))
    assert result
    assert {"0.weight", "0.bias"} <= set(result.errors)


def test_a_float32_network_is_checked_in_double_precision(backend):
    net = bpx.mlp([4, 3, 2], activation="gelu", loss="squared_error", dtype="float32", backend=backend.backend)
    assert bpx.check_gradients(net, *numbers(6)).max_error < 1e-7


def test_many_parameters_are_sampled_and_few_are_not(on_numpy):
    net = bpx.mlp([4, 30, 2], activation="tanh", loss="squared_error")
    assert bpx.check_gradients(net, *numbers(4), samples=10).checked == 10 + 10 + 10 + 2
    assert bpx.check_gradients(net, *numbers(4), samples=None).checked == net.n_params
    assert bpx.check_gradients(net, *numbers(4), samples=10) == bpx.check_gradients(net, *numbers(4), samples=10)


def test_a_gradient_of_not_a_number_does_not_pass(on_numpy):
    @unregistered
    class Nothing(bpx.Tanh):
        def backward(self, xp, params, cache, dy, *, input_gradient=True):
            return dy * np.nan, {}

    net = bpx.Network([bpx.Linear(4, 3), Nothing(), bpx.Linear(3, 2)], dtype="float64")
    assert not bpx.check_gradients(net, *numbers(6)).passed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 0.0}, "step must be above 0.0"),
        ({"tolerance": -1.0}, "tolerance must be above 0.0"),
        ({"samples": 0}, "samples must be at least 1"),
        ({"samples": 1.5}, "samples must be a whole number"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(bpx.InputError, match=message):
        bpx.check_gradients(bpx.mlp([4, 2], loss="squared_error"), *numbers(4), **options)


def test_a_network_without_parameters_has_nothing_to_check():
    with pytest.raises(bpx.InputError, match="no parameters"):
        bpx.check_gradients(bpx.Network([bpx.Tanh()]), [[1.0]], [[1.0]])
