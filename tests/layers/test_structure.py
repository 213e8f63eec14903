"""Residual blocks and flattening."""

import numpy as np
import pytest
from closeness import assert_close

import bpx
from bpx.layers import LAYERS


def test_flatten_makes_vectors_and_back(backend):
    x = np.arange(24.0).reshape(2, 3, 4)
    y, cache = bpx.Flatten().forward(backend.xp, {}, backend.array(x))
    dx, _ = bpx.Flatten().backward(backend.xp, {}, cache, y)
    assert_close(backend, y, x.reshape(2, 12), 0.0)
    assert_close(backend, dx, x, 0.0)
    assert bpx.Flatten().output_shape((3, 4)) == (12,)
    assert bpx.Flatten().output_shape(None) is None


def test_images_go_through_a_network(backend):
    net = bpx.Network([bpx.Flatten(), bpx.Linear(12, 2)], dtype=backend.dtype, backend=backend.spec)
    x = np.arange(24.0).reshape(2, 3, 4)
    loss, gradients = net.gradients(backend.array(x), backend.array(np.zeros((2, 2))))
    assert loss > 0.0
    assert tuple(gradients[1]["weight"].shape) == (12, 2)
    assert tuple(net.predict(backend.array(x)).shape) == (2, 2)


def test_a_residual_names_its_parameters_by_layer():
    block = bpx.Residual(
        [bpx.Linear(3, 2, frozen="bias"), bpx.Tanh(), bpx.Residual([bpx.Linear(2, 2)]), bpx.Linear(2, 3)]
    )
    names = ("0.weight", "0.bias", "2.0.weight", "2.0.bias", "3.weight", "3.bias")
    assert block.param_names == names
    assert tuple(block.init(np.random.default_rng(0))) == names
    assert block.frozen == ("0.bias",)


def test_a_residual_is_random_or_stateful_as_its_layers_are():
    plain, random = bpx.Residual([bpx.Tanh()]), bpx.Residual([bpx.Dropout(), bpx.BatchNorm(2), bpx.Dropout()])
    assert (plain.n_keys, plain.stateful) == (0, False)
    assert (random.n_keys, random.stateful) == (4, True)


def test_a_residual_that_passes_nothing_doubles_its_input(backend):
    x = backend.array([[1.0, -2.0]])
    block = bpx.Residual([bpx.Identity()])
    y, cache = block.forward(backend.xp, {}, x)
    dx, _ = block.backward(backend.xp, {}, cache, backend.array([[1.0, 3.0]]))
    assert_close(backend, y, [[2.0, -4.0]], 0.0)
    assert_close(backend, dx, [[2.0, 6.0]], 0.0)


@pytest.mark.parametrize("layers", [[], bpx.Tanh, [bpx.Tanh], ["tanh"], [None]])
def test_a_residual_takes_layers(layers):
    with pytest.raises(bpx.InputError, match="Residual takes a sequence of layers"):
        bpx.Residual(layers)


def test_a_residual_must_keep_the_shape():
    with pytest.raises(
        bpx.InputError, match=r"layer 1: a Residual block must keep the shape .* turns \(4, 3\) into \(12,\)"
    ):
        bpx.Network([bpx.Members(3, 4), bpx.Residual([bpx.Flatten()])])


@pytest.mark.parametrize(
    "layers",
    [
        [bpx.Linear(4, 3)],
        [bpx.Tanh(), bpx.Linear(4, 5), bpx.ReLU(), bpx.Linear(5, 3)],
        [bpx.Members(4, 2)],
        [bpx.Linear(4, 3), bpx.Residual([bpx.Tanh()])],
    ],
)
def test_a_residual_whose_layers_say_their_sizes_is_refused_at_once(layers):
    with pytest.raises(bpx.InputError, match=r"must keep the shape of its input, but Residual\(.* makes samples of"):
        bpx.Residual(layers)


def test_the_layers_of_a_residual_have_to_fit_each_other():
    with pytest.raises(bpx.InputError, match=r"Linear\(5, 2\) expects 5 features, but the layer before it gives 4"):
        bpx.Residual([bpx.Linear(2, 4), bpx.Linear(5, 2)])


def test_a_residual_passes_on_whether_its_inputs_gradient_is_wanted():
    wanted = []

    class Noting(bpx.Linear):
        def backward(self, xp, params, cache, dy, *, input_gradient=True):
            wanted.append(input_gradient)
            return super().backward(xp, params, cache, dy, input_gradient=input_gradient)

    layers = [bpx.Residual([Noting(4, 4), Noting(4, 4)]), bpx.Residual([Noting(4, 4)]), bpx.Linear(4, 1)]
    net = bpx.Network(layers, loss="squared_error", dtype="float64")
    x, y = np.random.default_rng(0).normal(size=(5, 4)), np.ones((5, 1))
    net.gradients(x, y)
    assert wanted == [True, True, False], "from the last to the first"
    assert bpx.check_gradients(net, x, y).passed
    LAYERS.pop(Noting.kind)
