"""Networks on their way between backends: nothing is lost, and training goes on to the same numbers."""

import numpy as np
import pytest
from closeness import assert_same_bits, relative_difference
from networks import classes, everything, left_by_training, noisy, on_host

import bpx

SPECS = ["numpy", "torch:cpu", "jax:cpu:0", "mlx:cpu:0", "array-api-strict:device1"]
PAIRS = [(a, b) for a in SPECS for b in SPECS if a != b]
FIXTURES = {"torch:cpu": "torch", "jax:cpu:0": "jax", "mlx:cpu:0": "mlx", "array-api-strict:device1": "strict"}


def _slots(net):
    return [[np.array(net.backend.to_numpy(a)) for a in arrays] for arrays in net.training.slots]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_move_loses_nothing(source, target, request):
    for spec in (source, target):
        request.getfixturevalue(FIXTURES.get(spec, "on_numpy"))
    x, y = classes()
    net = everything(source)
    net.fit(x, y, epochs=2, batch_size=11, optimizer=bpx.Adam(0.01))
    left, slots, predicted = left_by_training(net), _slots(net), np.asarray(net.predict(x))
    assert net.to(target) is net
    assert net.backend.spec == target
    assert_same_bits(left_by_training(net), left)
    for mine, theirs in zip(_slots(net), slots, strict=True):
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(a, b)
    assert (net.training.step, net.training.optimizer_step, net.training.epoch) == (4, 4, 2)
    assert relative_difference(net.predict(x), predicted) < 1e-12
    net.to(source)
    assert_same_bits(left_by_training(net), left)


def test_training_goes_on_to_the_same_numbers(backend):
    x, y = classes()
    settings = {"batch_size": 11, "optimizer": bpx.Adam(0.01)}
    stayed, moved = everything("numpy", backend.dtype), everything("numpy", backend.dtype)
    losses = stayed.fit(x, y, epochs=8, **settings).loss
    there = moved.fit(x, y, epochs=3, **settings).loss
    there += moved.to(backend.spec).fit(x, y, epochs=3, **settings).loss
    there += moved.to("numpy").fit(x, y, epochs=2, **settings).loss
    rtol = backend.either(1e-10, 1e-4)
    assert relative_difference(there, losses) < rtol
    for mine, theirs in zip(left_by_training(moved), left_by_training(stayed), strict=True):
        for name in mine:
            assert relative_difference(mine[name], theirs[name]) < rtol


def test_a_move_to_where_it_is_changes_nothing(backend):
    x, y = classes()
    net = noisy(backend)
    losses = net.fit(x, y, epochs=4, batch_size=11).loss
    net.reset()
    first = net.fit(x, y, epochs=2, batch_size=11).loss
    net.to(backend.spec)
    assert first + net.fit(x, y, epochs=2, batch_size=11).loss == losses


def test_a_moved_network_shares_no_memory_with_what_it_was(backend):
    net = everything("numpy", backend.dtype)
    old = net.params
    net.to(backend.spec)
    before = on_host(net, net.params)
    for part in old:
        for array in part.values():
            array += 1.0
    assert_same_bits(on_host(net, net.params), before)


def test_the_default_backend_is_meant_by_none(strict):
    net = everything("numpy")
    with bpx.use_backend("array-api-strict:device1"):
        assert net.to(None).backend.spec == "array-api-strict:device1"


def test_a_move_that_cannot_be_made_leaves_the_network_where_it_was(on_numpy):
    net = everything("numpy")
    left = left_by_training(net)
    for spec in ("numpy:gpu", "cupy:999", "nump"):
        with pytest.raises(bpx.BpxError):
            net.to(spec)
        assert net.backend.spec == "numpy"
        assert_same_bits(left_by_training(net), left)
    net.fit(*classes(), epochs=1)
