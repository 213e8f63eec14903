"""Dropout: its rate, its scale, its modes, and masks that are the same everywhere."""

import numpy as np
import pytest
from closeness import assert_close

import bpx
from bpx.layers import Context


def _pass(layer, backend, x, keys=(17, -4)):
    x = backend.array(x)
    return layer.forward(backend.xp, {}, x, Context(True, keys, {}))


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_leaves_out_its_share_and_scales_up_the_rest(rate, backend):
    y, _ = _pass(bpx.Dropout(rate), backend, np.ones((200, 100)))
    y = backend.numpy(y)
    kept = y != 0.0
    np.testing.assert_allclose(y[kept], 1.0 / (1.0 - rate), rtol=1e-6)
    assert abs(kept.mean() - (1.0 - rate)) < 4.0 * np.sqrt(rate * (1.0 - rate) / kept.size)


def test_backward_lets_through_what_forward_did(backend):
    layer = bpx.Dropout(0.5)
    y, cache = _pass(layer, backend, np.ones((6, 5)))
    dx, _ = layer.backward(backend.xp, {}, cache, backend.array(np.ones((6, 5))))
    assert_close(backend, dx, backend.numpy(y), 0.0)
    assert {0.0, 2.0} == set(backend.numpy(dx).ravel().tolist())


def test_passes_on_its_input_outside_of_training(backend):
    x = backend.array([[1.0, 2.0]])
    assert bpx.Dropout(0.5).context(False, iter(()), {}) is None
    assert bpx.Dropout(0.5).forward(backend.xp, {}, x)[0] is x


def test_another_key_is_another_mask(backend):
    layer, x = bpx.Dropout(0.5), np.ones((8, 8))
    masks = [backend.numpy(_pass(layer, backend, x, keys)[0]) for keys in ((1, 2), (1, 3), (2, 2), (1, 2))]
    np.testing.assert_array_equal(masks[0], masks[3])
    for other in masks[1:3]:
        assert 10 < (masks[0] != other).sum() < 54


def test_each_layer_of_a_network_has_keys_of_its_own_and_predictions_have_none(on_numpy):
    net = bpx.Network([bpx.Linear(16, 16), bpx.Dropout(0.5), bpx.Dropout(0.5)])
    of_linear, first, second = net.make_contexts(True, iter((5, 6, 7, 8)), net.state)
    assert (of_linear, first.keys, second.keys) == (None, (5, 6), (7, 8))
    assert net.make_contexts(False, iter(()), net.state) == [None, None, None]


def test_gradients_in_training_use_the_mask_of_the_next_step(backend):
    x, y = backend.array(np.ones((4, 3))), backend.array(np.zeros((4, 2)))
    layers = [bpx.Linear(3, 40), bpx.Dropout(0.5), bpx.Linear(40, 2)]
    net = bpx.Network(layers, dtype=backend.dtype, backend=backend.backend)
    masked = net.gradients(x, y, training=True)[0]
    assert net.gradients(x, y, training=True)[0] == masked
    assert net.gradients(x, y)[0] != pytest.approx(masked, rel=1e-6)
    assert net.fit(x, y, epochs=1, optimizer=bpx.SGD(1e-12)).loss[0] == pytest.approx(masked, rel=1e-6)
    assert net.gradients(x, y, training=True)[0] != pytest.approx(masked, rel=1e-6)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan"), "0.5", None, True])
def test_a_rate_is_a_share_below_one(rate):
    with pytest.raises(bpx.InputError, match="dropout rate must be"):
        bpx.Dropout(rate)
