"""Training in several calls: twenty epochs are ten and ten to the bit, and another start is another start."""

import numpy as np
import pytest
from closeness import assert_same_bits
from networks import classes, left_by_training, noisy, numbers, on_host

import bpx

OPTIMIZERS = {
    "sgd": bpx.SGD(0.05),
    "nesterov": bpx.SGD(0.02, momentum=0.9, nesterov=True),
    "adam": bpx.Adam(0.01),
    "adamw": bpx.AdamW(0.01),
    "rmsprop": bpx.RMSprop(0.005),
}


def _train(net, parts, **settings):
    """Start over, train in parts, and return all losses and what training left."""
    x, y = classes()
    net.reset()
    losses = [loss for epochs in parts for loss in net.fit(x, y, epochs=epochs, **settings).loss]
    return losses, left_by_training(net)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_epochs_are_ten_and_ten_to_the_bit(name, backend):
    net = noisy(backend)  # dropout and batch norm; 22 samples in batches of 8, 8 and 6
    settings = {"batch_size": 8, "optimizer": OPTIMIZERS[name]}
    losses, left = _train(net, [20], **settings)
    for parts in ([10, 10], [1, 19]):
        again, same = _train(net, parts, **settings)
        assert again == losses
        assert_same_bits(same, left)
    assert len(set(losses)) == 20


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_so_they_are_with_the_whole_set_at_each_step(name, backend):
    net = noisy(backend)
    losses, left = _train(net, [20], optimizer=OPTIMIZERS[name])
    for parts in ([10, 10], [1, 19]):
        again, same = _train(net, parts, optimizer=OPTIMIZERS[name])
        assert again == losses
        assert_same_bits(same, left)


def test_another_network_of_the_same_seed_trains_to_the_same_bits(backend):
    results = [_train(noisy(backend), [4], batch_size=8) for _ in range(2)]
    assert results[0][0] == results[1][0]
    assert_same_bits(results[0][1], results[1][1])
    assert _train(noisy(backend, seed=4), [4], batch_size=8)[0] != results[0][0]


def test_equal_settings_go_on_whatever_object_carries_them(on_numpy):
    net = noisy(on_numpy)
    losses, left = _train(net, [6], optimizer=bpx.Adam(0.01))
    net.reset()
    x, y = classes()
    again = (
        net.fit(x, y, epochs=3, optimizer=bpx.Adam(0.01)).loss + net.fit(x, y, epochs=3, optimizer=bpx.Adam(0.01)).loss
    )
    assert again == losses
    assert_same_bits(left_by_training(net), left)


@pytest.mark.parametrize("second", [bpx.SGD(0.03, momentum=0.9), bpx.Adam(0.01), bpx.RMSprop(0.005)], ids=repr)
def test_a_changed_optimizer_starts_anew(second, on_numpy):
    x, y = numbers()
    make = {"sizes": [4, 3, 2], "loss": "huber", "dtype": on_numpy.dtype, "backend": on_numpy.backend}
    net, fresh = bpx.mlp(**make), bpx.mlp(**make)
    net.fit(x, y, epochs=3, optimizer=bpx.SGD(0.02, momentum=0.9))
    fresh.params = on_host(net, net.params)
    assert net.fit(x, y, epochs=3, optimizer=second).loss == fresh.fit(x, y, epochs=3, optimizer=second).loss
    assert_same_bits(left_by_training(net), left_by_training(fresh))


def test_shuffles_and_masks_go_on_when_the_optimizer_changes(on_numpy):
    x, y = classes()
    net = noisy(on_numpy)
    net.fit(x, y, epochs=2, batch_size=8, optimizer=bpx.SGD(1e-12))
    went_on = net.fit(x, y, epochs=2, batch_size=8, optimizer=bpx.SGD(2e-12)).loss
    through = net.reset().fit(x, y, epochs=4, batch_size=8, optimizer=bpx.SGD(1e-12)).loss
    assert went_on == pytest.approx(through[2:], rel=1e-9)
    assert went_on != pytest.approx(through[:2], rel=1e-9)


def test_resetting_forgets_everything(backend):
    net = noisy(backend)
    start = left_by_training(net)
    x, y = classes()
    first = net.fit(x, y, epochs=3, batch_size=8).loss
    assert any((a[name] != b[name]).any() for a, b in zip(left_by_training(net), start, strict=True) for name in a)
    assert net.reset() is net
    assert_same_bits(left_by_training(net), start)
    assert net.fit(x, y, epochs=3, batch_size=8).loss == first


def test_other_data_and_batches_may_follow(on_numpy):
    net = noisy(on_numpy)
    x, y = classes(40)
    net.fit(x[:22], y[:22], epochs=1, batch_size=8)
    history = net.fit(x, y, epochs=2, batch_size=13, sample_weight=np.ones(40))
    assert history.epoch == [2, 3]
    assert np.isfinite(history.loss).all()


def test_predictions_between_two_calls_change_nothing(on_numpy):
    net = noisy(on_numpy)
    x, y = classes()
    losses, _ = _train(net, [4], batch_size=8)
    net.reset()
    first = net.fit(x, y, epochs=2, batch_size=8).loss
    net.predict(x)
    net.evaluate(x, y)
    net.gradients(x, y, training=True)
    assert first + net.fit(x, y, epochs=2, batch_size=8).loss == losses
