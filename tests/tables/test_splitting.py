"""A split is random, the same for one seed, and fair to every class."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpx.errors import InputError
from bpx.recipes.training import deal_folds
from bpx.tables import split

TRAIN, HELD_OUT = [0, 2, 3, 5, 6, 7, 9], [1, 4, 8]


def test_a_seed_gives_one_split_and_it_stays():
    train, held_out = split(10, 0.3, seed=5)
    assert train.tolist() == TRAIN
    assert held_out.tolist() == HELD_OUT
    assert held_out.dtype == np.int64
    assert split(10, 0.3, seed=1)[1].tolist() != HELD_OUT


@settings(deadline=None)
@given(st.integers(2, 200), st.floats(0.001, 0.999), st.integers(0, 2**32))
def test_every_row_is_in_one_part(n, fraction, seed):
    train, held_out = split(n, fraction, seed)
    assert sorted([*train, *held_out]) == list(range(n))
    assert len(held_out) == min(max(round(n * fraction), 1), n - 1)
    assert (np.diff(train) > 0).all()
    assert (np.diff(held_out) > 0).all()


def test_each_row_is_held_out_about_as_often():
    times = sum(np.bincount(split(8, 0.25, seed)[1], minlength=8) for seed in range(400))
    assert times.sum() == 800
    assert times.min() > 60
    assert times.max() < 140


@settings(deadline=None)
@given(st.lists(st.integers(2, 40), min_size=1, max_size=6), st.floats(0.01, 0.99), st.integers(0, 99))
def test_classes_are_held_out_in_proportion(counts, fraction, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    n = len(labels)
    size = min(max(round(n * fraction), 1), n - 1)
    if min(size, n - size) < len(counts):
        with pytest.raises(InputError, match="leaves a part without some of the"):
            split(n, fraction, seed, labels, strict=True)
        return
    train, held_out = split(n, fraction, seed, labels, strict=True)
    assert sorted([*train, *held_out]) == list(range(n))
    assert len(held_out) == size
    held = np.bincount(labels[held_out], minlength=len(counts))
    assert held.min() >= 1
    assert np.bincount(labels[train], minlength=len(counts)).min() >= 1
    ideal = np.array(counts) * (size / n)
    free = (ideal > 1) & (ideal < np.array(counts) - 1)
    if free.all():
        assert np.abs(held - ideal).max() <= 1


def test_a_stratified_split_is_random_within_each_class():
    labels = ["a"] * 4 + ["b"] * 4
    times = sum(np.bincount(split(8, 0.25, seed, labels)[1], minlength=8) for seed in range(400))
    assert times[:4].sum() == times[4:].sum() == 400
    assert times.min() > 60
    assert times.max() < 140


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 0.0, 0), "expected a fraction to hold out between 0 and 1, got 0.0"),
        ((10, 1.0, 0), "expected a fraction to hold out between 0 and 1, got 1.0"),
        ((10, float("nan"), 0), "expected a fraction to hold out between 0 and 1, got nan"),
        ((1, 0.5, 0), "expected two or more rows to hold some out, got 1"),
        ((10, 0.5, -1), "expected a seed of 0 or more, got -1"),
        ((3, 0.5, 0, ["a", "b"]), "expected the class of each row, shape (3,), got shape (2,)"),
        ((3, 0.5, 0, ["a", "b", "b"]), "class 'a' has one row only"),
        ((3, 0.5, 0, [0, 1, 1]), "class 0 has one row only"),
        (
            (6, 0.1, 0, [0, 0, 1, 1, 2, 2]),
            "holding out 1 of 6 rows leaves a part without some of the 3 classes; hold out at",
        ),
        ((6, 0.9, 0, [0, 0, 1, 1, 2, 2]), "holding out 5 of 6 rows leaves a part without some of the 3 classes"),
    ],
)
def test_an_impossible_split_is_refused(arguments, message):
    with pytest.raises(InputError) as caught:
        split(*arguments, strict=True)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("seed", [0, 1, 42])
def test_a_column_of_the_same_seed_is_not_what_rows_are_held_out_by(seed):
    """Toy tables are drawn from ``default_rng(0)``, and split by the seed 0 unless told otherwise."""
    column = np.random.default_rng(seed).uniform(size=2000)
    _, held_out = split(len(column), 0.2, seed=seed)
    assert abs(column[held_out].mean() - 0.5) < 0.06  # five deviations of a mean of 400
    assert abs(column[deal_folds(len(column), 5, seed=seed)[0]].mean() - 0.5) < 0.06
