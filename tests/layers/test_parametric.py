"""Factors of features, parametric activations, and the parametrization of a linear layer."""

import math

import networks
import numpy as np
import pytest
from closeness import assert_close, assert_same_bits

import bpx


def test_they_start_as_what_they_are_made_of(backend, generator):
    x = backend.array(generator.normal(size=(5, 3)))
    start = np.random.default_rng(0)
    for layer, plain in ((bpx.Scale(3), bpx.Identity()), (bpx.Parametric("selu", 3), bpx.SELU())):
        y, _ = layer.forward(backend.xp, backend.arrays(layer.init(start)), x)
        assert_close(backend, y, backend.numpy(plain.forward(backend.xp, {}, x)[0]), backend.either(1e-15, 1e-6))


def test_a_parametric_relu_is_prelu(backend):
    y, _ = bpx.Parametric("relu", 2).forward(
        backend.xp, backend.arrays({"weight": [0.75, 0.0]}), backend.array([[-4.0, -4.0], [3.0, 3.0]])
    )
    assert_close(backend, y, [[-1.0, -4.0], [3.0, 3.0]], 0.0)


def test_an_ntk_layer_divides_by_the_root_of_its_inputs(backend):
    layer = bpx.NTKLinear(4, 1)
    params = {"weight": np.array([[1.0], [2.0], [3.0], [4.0]]), "bias": np.array([0.5])}
    y, cache = layer.forward(backend.xp, backend.arrays(params), backend.array([[1.0, 1.0, 1.0, 1.0]]))
    dx, grads = layer.backward(backend.xp, backend.arrays(params), cache, backend.array([[1.0]]))
    assert_close(backend, y, [[5.5]], 0.0)
    assert_close(backend, dx, [[0.5, 1.0, 1.5, 2.0]], 0.0)
    assert_close(backend, grads, {"weight": np.full((4, 1), 0.5), "bias": np.ones(1)}, 0.0)


def test_an_ntk_layer_starts_as_lecuns_does():
    wide, plain = bpx.NTKLinear(400, 300).init(np.random.default_rng(3)), np.random.default_rng(3)
    np.testing.assert_array_equal(wide["weight"], plain.normal(size=(400, 300)))
    lecun = bpx.Linear(400, 300, weight_init="lecun_normal").init(np.random.default_rng(3))["weight"]
    np.testing.assert_allclose(wide["weight"] / math.sqrt(400), lecun, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_its_state_dict_has_pytorchs_layout(dtype):
    net = bpx.Network([bpx.NTKLinear(4, 3), bpx.Scale(3)], loss="squared_error", dtype=dtype)
    arrays = net.state_dict()
    assert {key: array.shape for key, array in arrays.items()} == {
        "0.weight": (3, 4), "0.bias": (3,), "1.weight": (3,)
    }  # fmt: skip
    before = [{name: array.copy() for name, array in part.items()} for part in net.params]
    net.load_state_dict(arrays)
    assert_same_bits(net.params, before)


def test_they_are_trained_saved_and_continued(backend, tmp_path):
    def make():
        middle = [bpx.Parametric(bpx.LeakyReLU(0.2), 8), bpx.NTKLinear(8, 8, bias=False), bpx.Parametric("mish", 8)]
        layers = [bpx.Scale(4), bpx.NTKLinear(4, 8), *middle, bpx.NTKLinear(8, 2, weight_init="zeros")]
        return bpx.Network(layers, loss="squared_error", dtype=backend.dtype, backend=backend.spec, seed=2)

    x, y = networks.numbers()
    whole, parts = make(), make()
    losses = whole.fit(x, y, epochs=20, batch_size=8, optimizer=bpx.Adam(0.02)).loss
    assert losses[-1] < 0.5 * losses[0]
    for _ in range(2):
        parts.fit(x, y, epochs=10, batch_size=8, optimizer=bpx.Adam(0.02))
    assert_same_bits(networks.left_by_training(parts), networks.left_by_training(whole))
    whole.save(tmp_path / "net.safetensors")
    again = bpx.load(tmp_path / "net.safetensors", backend=backend.spec)
    assert again.layers == whole.layers
    assert_same_bits(networks.left_by_training(again), networks.left_by_training(whole))


@pytest.mark.parametrize("layer", [bpx.Scale(4, frozen="weight"), bpx.Parametric("tanh", 4, frozen="weight")], ids=repr)
def test_frozen_parameters_stay(layer):
    net = bpx.Network([layer, bpx.Linear(4, 2)], loss="squared_error")
    before = net.params[0]["weight"].copy()
    net.fit(*networks.numbers(), epochs=2)
    np.testing.assert_array_equal(net.params[0]["weight"], before)


def test_a_step_with_an_activation_of_the_users_own_is_not_taken_for_bpxs():
    from bpx.core.step import is_own

    @networks.unregistered
    class Own(bpx.Tanh):
        pass

    for activation, own in ((bpx.Tanh(), True), (Own(), False)):
        net = bpx.Network([bpx.Parametric(activation, 3)], loss="squared_error")
        assert is_own(net, bpx.SGD(), (), None) == own


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: bpx.Scale(0), "n_features must be at least 1"),
        (lambda: bpx.Scale(2, frozen="bias"), "Scale has no parameter 'bias' to freeze"),
        (lambda: bpx.Parametric("rulu", 2), "unknown activation 'rulu'"),
        (lambda: bpx.Parametric("relu", 0), "n_features must be at least 1"),
        (lambda: bpx.Parametric(bpx.Linear(2, 2), 2), "takes an activation without parameters, masks and statistics"),
        (lambda: bpx.Parametric(bpx.Dropout(0.5), 2), "takes an activation without parameters, masks and statistics"),
        (lambda: bpx.Parametric("relu", 2, frozen="slope"), "Parametric has no parameter 'slope' to freeze"),
        (lambda: bpx.NTKLinear(2, 2, frozen="slope"), "NTKLinear has no parameter 'slope' to freeze"),
        (lambda: bpx.Network([bpx.Linear(2, 3), bpx.Scale(2)]), r"layer 1: Scale\(2\) expects 2 features"),
        (lambda: bpx.Network([bpx.Linear(2, 3), bpx.Parametric("relu", 2)]), "layer 1: Parametric of 2 expects 2"),
        (lambda: bpx.Network([bpx.Linear(2, 3), bpx.NTKLinear(2, 2)]), r"layer 1: NTKLinear\(2, 2\) expects 2"),
    ],
)
def test_what_cannot_be_is_refused(make, said):
    with pytest.raises(bpx.InputError, match=said):
        make()
