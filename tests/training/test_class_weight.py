"""Weights of classes."""

from __future__ import annotations

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx
from bpx.training.class_weights import weigh_classes


def _trained(x, y, net=None, **options):
    net = net or bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")
    history = net.fit(x, y, epochs=3, batch_size=20, **options)
    return net.params, history


def test_a_weight_of_a_class_is_one_of_its_samples(backend):
    x, y = networks.classes(60)
    weight = np.linspace(0.5, 1.5, 60)
    factors = np.array([2.0, 1.0, 0.25])
    results = []
    for options in (
        {"class_weight": {0: 2.0, 2: 0.25}, "sample_weight": weight},
        {"sample_weight": weight * factors[y]},
    ):
        net = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype=backend.dtype, backend=backend.spec)
        results.append(_trained(x, y, net, **options)[1].loss)
    np.testing.assert_allclose(*results, rtol=backend.either(1e-13, 1e-5))


@pytest.mark.parametrize("one_hot", [False, True])
def test_balanced_is_that_of_scikit_learn(one_hot):
    compute = pytest.importorskip("sklearn.utils.class_weight").compute_sample_weight
    x, y = networks.classes(60)
    y = np.where(y == 2, (np.arange(60) % 5 == 0) * 2, y)
    given = np.eye(3)[y] if one_hot else y
    mine, _ = _trained(x, given, class_weight="balanced")
    theirs, _ = _trained(x, given, sample_weight=compute("balanced", y))
    for a, b in zip(mine, theirs, strict=True):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-12)


def test_balanced_weights_are_one_on_average():
    net = bpx.mlp([4, 3])
    weights = weigh_classes(net, "balanced", lambda n: np.array([10.0, 30.0, 0.0]))
    np.testing.assert_allclose(weights, [2.0, 2 / 3, 1.0])


def test_balanced_counts_samples_by_their_weights():
    """A sample of weight 3 weighs in as three samples do."""
    x, y = networks.classes(30)
    y = np.where(np.arange(30) < 20, 0, y)
    repeats = np.where(y == 1, 3, 1)
    nets = [bpx.mlp([4, 3], seed=1, dtype="float64") for _ in range(2)]
    nets[0].fit(x, y, epochs=3, sample_weight=repeats, class_weight="balanced", optimizer=bpx.SGD(0.5))
    nets[1].fit(x.repeat(repeats, 0), y.repeat(repeats), epochs=3, class_weight="balanced", optimizer=bpx.SGD(0.5))
    np.testing.assert_allclose(nets[0].params[0]["weight"], nets[1].params[0]["weight"], rtol=1e-12)


def test_classes_that_do_not_occur_change_nothing():
    x, y = networks.classes(60)
    y = y % 2
    mine, _ = _trained(x, y, class_weight="balanced")
    theirs, _ = _trained(x, y, class_weight={0: 0.75, 1: 1.5, 2: 5.0})
    for a, b in zip(mine, theirs, strict=True):
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=1e-12)


def test_yes_and_no_are_the_classes_1_and_0():
    x, y = networks.classes(60)
    y = (y == 1).astype(float)
    make = lambda: bpx.mlp([4, 1], loss="binary_cross_entropy", seed=1, dtype="float64")  # noqa: E731
    a, _ = _trained(x, y, make(), class_weight={0: 0.5, 1: 4.0})
    b, _ = _trained(x, y, make(), sample_weight=np.where(y == 1, 4.0, 0.5))
    assert_same_bits(a, b)


def test_metrics_do_not_see_the_weights_of_classes():
    x, y = networks.classes(60)
    params, history = _trained(x, y, class_weight={0: 9.0}, metrics="accuracy")
    net = bpx.mlp([4, 5, 3], "tanh", seed=1, dtype="float64")
    net.params = params
    assert history.metrics["accuracy"][-1] == pytest.approx(net.evaluate(x, y)["accuracy"])


@pytest.mark.parametrize(
    "class_weight, message",
    [
        ("even", "class_weight is a dict, 'balanced' or None, got 'even'"),
        ([1.0, 2.0, 1.0], "class_weight is a dict, 'balanced' or None, got [1.0, 2.0, 1.0]"),
        ({3: 1.0}, "class_weight names class 3; the classes are from 0 to 2"),
        ({"setosa": 1.0}, "a class of class_weight must be a whole number, got 'setosa'"),
        ({0: -1.0}, "class_weight of class 0 must be at least 0.0, got -1"),
        ({0: np.nan}, "class_weight of class 0 must be finite and at least 0.0, got nan"),
        ({0: 0, 1: 0, 2: 0}, "class_weight is 0 for every class"),
    ],
)
def test_what_weighs_no_classes_is_refused(class_weight, message):
    x, y = networks.classes(60)
    with pytest.raises(bpx.InputError) as caught:
        _trained(x, y, class_weight=class_weight)
    assert message in str(caught.value)


@pytest.mark.parametrize(("loss", "outputs"), [("squared_error", 2), ("binary_cross_entropy", 2)])
def test_a_network_without_classes_has_no_weights_of_them(loss, outputs):
    x, y = networks.classes(60)
    net = bpx.mlp([4, outputs], loss=loss)
    with pytest.raises(bpx.InputError, match="class_weight needs classes: the loss cross_entropy, or binary"):
        net.fit(x, np.eye(3)[y][:, :2], epochs=1, class_weight={0: 2.0})
