"""The multilayer perceptron in one line: which layers it is, and which arguments it refuses."""

import numpy as np
import pytest

import bpx
from bpx.layers import ACTIVATIONS


def test_linear_layers_with_an_activation_after_each_hidden_one():
    net = bpx.mlp([784, 128, 64, 10])
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert net.n_params == 784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10
    assert net.loss == bpx.CrossEntropy()
    assert (net.dtype, net.seed) == ("float32", 0)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation_by_name(name):
    hidden = [layer for layer in bpx.mlp([3, 4, 2], activation=name).layers if not isinstance(layer, bpx.Linear)]
    assert [type(layer) for layer in hidden] == ([] if name == "identity" else [ACTIVATIONS[name]])


def test_an_activation_for_each_hidden_layer():
    net = bpx.mlp([3, 4, 5, 2], activation=["tanh", bpx.LeakyReLU(0.2)], output="sigmoid", loss="squared_error")
    assert [layer for layer in net.layers if not isinstance(layer, bpx.Linear)] == [
        bpx.Tanh(), bpx.LeakyReLU(0.2), bpx.Sigmoid(),
    ]  # fmt: skip


def test_dropout_follows_hidden_activations_alone():
    net = bpx.mlp([3, 4, 5, 2], dropout=0.3)
    assert [type(layer).__name__ for layer in net.layers] == [
        "Linear", "ReLU", "Dropout", "Linear", "ReLU", "Dropout", "Linear",
    ]  # fmt: skip
    assert net.layers[2] == bpx.Dropout(0.3)


@pytest.mark.parametrize(
    ("activation", "scheme"),
    [
        *((name, "he_uniform") for name in ("relu", "leaky_relu", "gelu", "silu", "softplus", "mish")),
        ("selu", "lecun_normal"),
        *((name, "glorot_uniform") for name in ("tanh", "sigmoid", "identity")),
    ],
)
def test_weights_start_as_suits_the_activation(activation, scheme):
    first, *_, last = bpx.mlp([3, 4, 2], activation=activation).layers
    assert first.weight_init == scheme
    assert last.weight_init == "glorot_uniform"
    assert first.bias_init == "zeros"


def test_the_notebooks_draw_takes_biases_too():
    net = bpx.mlp([2, 2, 1], init="uniform", loss="squared_error", dtype="float64")
    for i in (0, 2):
        for array in net.params[i].values():
            assert (array > 0.0).all()
            assert (array < 1.0).all()


def test_two_sizes_are_a_linear_model():
    assert bpx.mlp((4, 3)).layers == (bpx.Linear(4, 3, weight_init="glorot_uniform"),)
    assert bpx.mlp(np.array([4, 3])).n_params == 15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": [3]}, "sizes must hold at least the inputs and the outputs, as in [784, 128, 10], got [3]"),
        ({"sizes": []}, "sizes must hold at least"),
        ({"sizes": 3}, "sizes must hold at least"),
        ({"sizes": None}, "sizes must"),
        ({"sizes": "abc"}, "a size must be a whole number, got 'a'"),
        ({"sizes": [3, 0, 2]}, "a size must be at least 1, got 0"),
        ({"sizes": [3, -4, 2]}, "a size must be at least 1, got -4"),
        ({"sizes": [3, 4.0, 2]}, "a size must be a whole number, got 4.0"),
        ({"sizes": [3, True, 2]}, "a size must be a whole number, got True"),
        ({"activation": "rleu"}, "unknown activation 'rleu'; did you mean 'relu'? Valid: 'gelu', 'identity'"),
        ({"activation": None}, "activation"),
        ({"activation": 3}, "activation"),
        ({"activation": bpx.ReLU}, "activation"),
        ({"activation": ["relu"]}, "activation must be one, or one for each of the 2 hidden layers, got 1"),
        ({"output": "sigmiod"}, "unknown activation 'sigmiod'; did you mean 'sigmoid'?"),
        ({"output": "softmax"}, "cross_entropy takes logits"),
        ({"loss": "binary_cross_entropy", "output": "sigmoid"}, "use output='identity'"),
        ({"loss": "mse"}, "unknown loss 'mse'; valid: 'absolute_error', 'binary_cross_entropy', 'cross_entropy'"),
        ({"loss": None}, "a loss is a name or a Loss, got None"),
        ({"dropout": 1.0}, "dropout must be at least 0.0 and below 1.0, got 1"),
        ({"dropout": -0.1}, "dropout must be at least 0.0"),
        ({"dropout": "much"}, "dropout must be a number, got 'much'"),
        ({"init": "he"}, "unknown initializer 'he'"),
        ({"dtype": "float16"}, "unknown dtype 'float16'; did you mean 'float64'? Valid: 'float32', 'float64'"),
        ({"dtype": np.float64}, "unknown dtype"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"seed": 1.5}, "seed must be a whole number, got 1.5"),
        ({"backend": "nump"}, "unknown backend 'nump'; did you mean 'numpy'?"),
    ],
)
def test_arguments_that_make_no_network_are_refused(arguments, message):
    with pytest.raises(bpx.InputError) as error:
        bpx.mlp(**{"sizes": [3, 4, 5, 2], **arguments})
    assert message in str(error.value)
