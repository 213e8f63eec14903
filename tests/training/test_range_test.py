"""The learning-rate range test: its rates, its losses, what it suggests, and that nothing else changes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import bpx
from bpx.errors import InputError
from bpx.training.range_test import _fit_lines, _suggest


def make_net(**settings):
    return bpx.mlp([2, 16, 1], loss="binary_cross_entropy", dtype="float64", seed=0, **settings)


@pytest.fixture(scope="module")
def moons():
    return bpx.datasets.moons(400, seed=0)


def test_rates_grow_geometrically_from_the_lowest_to_the_highest(moons):
    found = bpx.find_learning_rate(make_net(), *moons, lowest=1e-4, highest=1.0, steps=41)
    np.testing.assert_allclose(found.rates, np.geomspace(1e-4, 1.0, 41))
    assert len(found) == len(found.losses) == len(found.smoothed) == 41
    assert not found.diverged


@pytest.mark.parametrize("batch_size", [None, 32])
def test_the_losses_are_those_of_a_training_at_these_rates(moons, batch_size):
    x, y = moons
    found = bpx.find_learning_rate(
        make_net(),
        x,
        y,
        optimizer="sgd",
        lowest=0.01,
        highest=1.0,
        steps=20,
        batch_size=batch_size,
    )
    net = make_net()
    from bpx.rng import permutation

    orders = np.concatenate([permutation(0, epoch, 400) for epoch in range(2)]) if batch_size else None
    steps_an_epoch = 13  # 12 of 32 samples, and one of 16
    expected = []
    for t, rate in enumerate(found.rates):
        rows = slice(None)
        if orders is not None:
            epoch, step = divmod(t, steps_an_epoch)
            rows = orders[400 * epoch + 32 * step : 400 * epoch + min(32 * (step + 1), 400)]
        loss, gradients = net.gradients(x[rows], y[rows])
        expected.append(loss)
        for part, g in zip(net.params, gradients, strict=True):
            for name in part:
                part[name] -= rate * g[name]
    np.testing.assert_allclose(found.losses, expected, rtol=1e-9)


def test_the_network_is_left_as_it_was(moons):
    net, twin = make_net(dropout=0.2), make_net(dropout=0.2)
    for one in (net, twin):
        one.fit(*moons, epochs=2)
    bpx.find_learning_rate(net, *moons)
    assert net.training.step == twin.training.step
    for one in (net, twin):
        one.fit(*moons, epochs=2)
    np.testing.assert_array_equal(net.params[0]["weight"], twin.params[0]["weight"])


def test_what_is_suggested_trains_well_and_rates_far_off_do_not(moons):
    found = bpx.find_learning_rate(make_net(), *moons)
    losses = []
    for rate in (found.suggested / 1000, found.suggested, 1e4 * found.suggested):
        net = make_net()
        net.fit(*moons, epochs=10, optimizer=bpx.Adam(rate))
        losses.append(net.evaluate(*moons)["loss"])
    assert losses[1] < 0.5 * min(losses[0], losses[2])


def test_a_loss_that_is_no_number_ends_it(moons):
    x, y = moons
    net = bpx.mlp([2, 8, 1], "identity", loss="squared_error", dtype="float64", seed=0)
    found = bpx.find_learning_rate(net, x, y, optimizer=bpx.SGD(), lowest=1e-2, highest=1e30, steps=100, batch_size=32)
    assert found.diverged
    assert len(found) < 100
    assert np.isfinite(found.losses).all()
    assert found.suggested < 10.0
    assert "diverged=True" in repr(found)
    net.params = [{name: array * 1e200 for name, array in part.items()} for part in net.params]
    with pytest.raises(InputError, match="the loss of the first batch is no finite number"):
        bpx.find_learning_rate(net, x, y, optimizer=bpx.SGD())


def test_gradients_whose_squares_overflow_end_it(moons):
    x, y = moons
    net = bpx.mlp([2, 8, 1], "identity", loss="squared_error", seed=0)
    found = bpx.find_learning_rate(net, x * 1e15, y, optimizer=bpx.Adam(), batch_size=32)
    assert found.diverged
    assert len(found) < 120


def test_a_loss_that_does_not_fall_suggests_nothing():
    found = bpx.find_learning_rate(make_net(), np.zeros((100, 2)), np.arange(100) % 2)  # ln 2 is the least there is
    assert found.losses[0] == pytest.approx(np.log(2.0))
    assert found.suggested is None
    assert "suggested=None" in repr(found)


def test_all_optimizers_but_lbfgs_have_a_rate_to_look_for(moons):
    groups = [bpx.ParameterGroup("0.*", 0.5)]
    plain = bpx.find_learning_rate(make_net(), *moons, optimizer=bpx.AdamW(1.0, groups=groups))
    averaged = bpx.find_learning_rate(make_net(), *moons, optimizer=bpx.Averaged(bpx.AdamW(0.5, groups=groups)))
    np.testing.assert_array_equal(plain.losses, averaged.losses)
    assert not np.array_equal(plain.losses, bpx.find_learning_rate(make_net(), *moons, optimizer="adamw").losses)
    with pytest.raises(InputError, match="finds the size of each step itself"):
        bpx.find_learning_rate(make_net(), *moons, optimizer="lbfgs")


def test_batches_of_an_iterable_and_weights_are_taken(moons):
    x, y = moons
    batches = [(x[i : i + 50], y[i : i + 50]) for i in range(0, 400, 50)]
    assert len(bpx.find_learning_rate(make_net(), batches, steps=20)) == 20
    heavy = bpx.find_learning_rate(make_net(), x, y, sample_weight=1.0 + 9.0 * (x[:, 0] > 0), steps=20)
    assert not np.allclose(heavy.losses, bpx.find_learning_rate(make_net(), x, y, steps=20).losses)


def test_estimators_are_taken():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    from bpx.sklearn import NetworkClassifier

    x, y = bpx.datasets.moons(100, seed=0)
    e = NetworkClassifier(max_iter=1, random_state=0).fit(x, np.where(y.ravel() > 0, "a", "b"))
    by_hand = bpx.find_learning_rate(e.network_, *e.encode(x, np.where(y.ravel() > 0, "a", "b")))
    np.testing.assert_array_equal(
        bpx.find_learning_rate(e, x, np.where(y.ravel() > 0, "a", "b")).losses, by_hand.losses
    )


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"lowest": 0.0}, "lowest"),
        ({"lowest": 1.0, "highest": 0.5}, "highest"),
        ({"steps": 9}, "steps"),
        ({"optimizer": "adamm"}, "did you mean 'adam"),
    ],
    ids=str,
)
def test_arguments_that_cannot_be_are_refused(moons, wrong, said):
    with pytest.raises(InputError, match=said):
        bpx.find_learning_rate(make_net(), *moons, **wrong)


def test_lines_are_those_of_the_least_squares_and_the_steepest_fall_is_found():
    rates, losses = np.geomspace(1e-3, 1.0, 9), np.random.default_rng(0).normal(size=9)
    heights, slopes = _fit_lines(rates, losses, 2)
    for i in range(9):
        near = slice(max(i - 2, 0), i + 3)
        slope, start = np.polyfit(np.log(rates[near]), losses[near], 1)
        assert (heights[i], slopes[i]) == pytest.approx((start + slope * np.log(rates[i]), slope))
    x = np.linspace(-6.0, 1.0, 120)
    rates, fall = 10.0**x, 1.0 - 0.8 / (1.0 + np.exp(-4.0 * (x + 3.0)))  # the steepest at 1e-3
    noise = np.where(x > -1.5, 0.3, 0.01) * np.random.default_rng(0).normal(size=120)
    for losses in (fall, fall + noise, fall + np.where(x > -1.0, 10.0 ** (4.0 * x), 0.0)):
        assert _suggest(rates, losses, *_fit_lines(rates, np.minimum(losses, 2.0), 12)) == pytest.approx(1e-3, rel=0.6)
    flat = 1.0 + 0.1 * np.random.default_rng(1).normal(size=120)
    assert _suggest(rates, flat, *_fit_lines(rates, flat, 12)) is None


def test_results_are_pickled(moons):
    found = bpx.find_learning_rate(make_net(), *moons, steps=12)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.losses, found.losses)
    assert again.suggested == found.suggested


def test_the_picture(moons):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib: the extra plot")
    found = bpx.find_learning_rate(make_net(), *moons)
    ax = bpx.plot.learning_rates(found)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["loss of a batch", "smoothed", f"suggested: {found.suggested:.3g}"]
    assert ax.get_lines()[1].get_xdata()[0] == found.suggested
    low, high = ax.get_ylim()
    assert low < found.smoothed.min()
    assert high < found.losses[:20].max() * 2
    with pytest.raises(InputError, match="found must be what bpx.find_learning_rate returned, got list"):
        bpx.plot.learning_rates([])
