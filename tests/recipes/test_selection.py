import numpy as np
import pytest

import bpx
from bpx.recipes.selection import measure_predictions, select_groups

TRUTH = np.array([[1.0], [2.0], [4.0]])


def test_groups_are_selected_whose_errors_cancel():
    high, low, far = TRUTH + 0.5, TRUTH - 0.4, TRUTH + 5.0
    assert select_groups([high, low, far], bpx.SquaredError(), TRUTH) == (0, 1)
    assert select_groups([far, low, high], bpx.SquaredError(), TRUTH) == (1, 2)


def test_one_that_is_better_than_all_means_stays_alone():
    assert select_groups([TRUTH + 3.0, TRUTH, TRUTH + 3.0], bpx.SquaredError(), TRUTH) == (1,)


def test_of_equal_choices_the_smallest():
    assert select_groups([TRUTH, TRUTH], bpx.SquaredError(), TRUTH) == (0,)


def test_rows_count_as_much_as_they_weigh():
    first, second = TRUTH.copy(), TRUTH.copy()
    first[0] += 1.0
    second[1:] += 3.0
    weight = np.array([1.0, 0.0, 0.0])
    assert select_groups([first, second], bpx.SquaredError(), TRUTH) == (0,)
    assert select_groups([first, second], bpx.SquaredError(), TRUTH, weight=weight) == (1,)


@pytest.mark.parametrize("loss", [bpx.CrossEntropy(), bpx.SquaredError()])
def test_classes_are_judged_by_their_probability(loss):
    p, ids = np.array([[0.7, 0.3], [0.4, 0.6], [0.1, 0.9]]), np.array([0, 0, 1])
    wanted = -np.log([0.7, 0.4, 0.9]).mean()
    assert measure_predictions(p, loss, ids, ids) == pytest.approx(wanted)
    assert measure_predictions(p[:, 1:], bpx.BinaryCrossEntropy(), ids[:, None], ids) == pytest.approx(wanted)
    assert np.isfinite(measure_predictions(np.array([[1.0, 0.0]]), loss, ids, np.array([1])))


def test_numbers_are_judged_by_the_loss():
    z = np.array([[0.1], [0.5], [1.2]])
    for loss in (bpx.AbsoluteError(), bpx.Huber(), bpx.Quantile(0.9)):
        assert measure_predictions(z, loss, TRUTH) == pytest.approx(float(loss.forward(np, z, TRUTH)[0]))
    poisson = bpx.Poisson()
    assert measure_predictions(np.exp(z), poisson, TRUTH) == pytest.approx(float(poisson.forward(np, z, TRUTH)[0]))
