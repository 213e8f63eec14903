import numpy as np
import pytest

import bpx
from bpx.recipes.calibration import adjust_outputs, find_temperature
from bpx.recipes.intervals import Residuals


def softmax(z):
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return p / p.sum(axis=1, keepdims=True)


def draw(temperature, n=20_000, classes=3):
    """Draw classes by probabilities, and give logits that are this many times as sure as they should be."""
    rng = np.random.default_rng(0)
    z = rng.normal(0.0, 1.5, (n, classes))
    y = (softmax(z).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return z * temperature, y


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_is_found(temperature):
    z, y = draw(temperature)
    assert find_temperature(softmax(z), y) == pytest.approx(temperature, rel=0.05)


def test_no_other_temperature_is_better():
    z, y = draw(1.7, n=500)
    weight = np.random.default_rng(1).random(500)

    def loss(t):
        return -np.average(np.log(softmax(z / t)[np.arange(500), y]), weights=weight)

    found = find_temperature(softmax(z), y, weight)
    assert loss(found) <= min(loss(found * 1.01), loss(found / 1.01), loss(1.7))


def test_it_has_bounds_where_all_or_none_is_right():
    p = np.array([[0.9, 0.1]] * 3)
    assert find_temperature(p, np.zeros(3, dtype=int)) == pytest.approx(0.1)
    assert find_temperature(p, np.ones(3, dtype=int)) == pytest.approx(10.0)
    assert np.isfinite(find_temperature(np.array([[1.0, 0.0]] * 4), np.array([0, 0, 0, 1])))


def test_the_last_layer_is_divided():
    net, x = bpx.mlp([2, 5, 3], dtype="float64"), np.random.default_rng(0).normal(size=(9, 2))
    before = np.log(net.predict(x))
    adjust_outputs(net, 2.0)
    np.testing.assert_allclose(net.predict(x), softmax(before / 2.0), rtol=1e-12)
    with pytest.raises(bpx.InputError, match="nothing that weights and biases can adjust"):
        adjust_outputs(bpx.mlp([2, 3], output="softmax", loss="squared_error"), 2.0)


def test_the_last_layer_is_shifted_behind_the_division():
    net, x = bpx.mlp([2, 5, 1], loss="huber", dtype="float64"), np.random.default_rng(0).normal(size=(9, 2))
    before = net.predict(x)
    adjust_outputs(net, 2.0, 0.25)
    np.testing.assert_allclose(net.predict(x), before / 2.0 + 0.25, rtol=1e-12)
    bare = bpx.Network([bpx.Linear(2, 1, bias=False)], loss="huber")
    adjust_outputs(bare, 2.0)
    with pytest.raises(bpx.InputError, match="nothing that weights and biases can adjust: Linear"):
        adjust_outputs(bare, shift=0.25)


def test_intervals_hold_what_they_promise():
    """The share that is hit lies between coverage and coverage + 1/(n + 1), over many draws of all rows."""
    rng = np.random.default_rng(0)
    n, coverage, draws = 19, 0.8, 20_000
    errors = rng.standard_t(3, (draws, n + 1))
    hits = [abs(e[n]) <= Residuals.of(e[:n], held_out=True).find_width(coverage) for e in errors]
    slack = 4.0 * np.sqrt(0.25 / draws)
    assert coverage - slack <= np.mean(hits) <= coverage + 1.0 / (n + 1) + slack


def test_widths_are_the_quantiles_of_the_definition():
    found = Residuals.of([-3.0, 1.0, 2.0, -4.0], held_out=True)
    assert [found.find_width(share) for share in (0.2, 0.21, 0.4, 0.6, 0.8)] == [1.0, 2.0, 2.0, 3.0, 4.0]
    with pytest.raises(bpx.InputError, match=r"coverage of 0.9 needs 9 rows .* there are 4: at most 0.8 can be had"):
        found.find_width(0.9)
    for coverage in (0.0, 1.0, 2.0):
        with pytest.raises(bpx.InputError, match="coverage must be"):
            found.find_width(coverage)


def test_of_many_errors_a_part_is_kept():
    errors = np.random.default_rng(0).normal(size=50_000)
    found = Residuals.of(errors, held_out=True)
    assert len(found.errors) == 2000
    assert found.find_width(0.9) == pytest.approx(1.645, rel=0.06)
