"""What every data set keeps, and what is particular to each."""

import numpy as np
import pytest

import bpx.datasets
from bpx.errors import InputError

TOYS = ("moons", "circles", "spirals")


@pytest.mark.parametrize("name", bpx.datasets.names())
def test_unpacks_as_x_and_y_and_describes_itself(name):
    dataset = bpx.datasets.load(name)
    x, y = dataset
    assert x is dataset.x
    assert y is dataset.y
    assert dataset.name == name
    assert x.dtype == np.float64
    assert x.flags.c_contiguous
    assert x.shape == (len(y), len(dataset.feature_names))
    assert np.isfinite(x).all()
    assert set(np.unique(y)) == set(range(len(dataset.class_names)))
    assert dataset.description
    assert dataset.source
    assert repr(dataset) == f"Dataset({name!r}: x {x.shape} float64, y {y.shape} {y.dtype})"


@pytest.mark.parametrize("name", bpx.datasets.names())
def test_each_call_returns_arrays_of_its_own(name):
    first, second = bpx.datasets.load(name), bpx.datasets.load(name)
    before = second.x.copy(), second.y.copy()
    first.x[...] = -1
    first.y[...] = -1
    np.testing.assert_array_equal(second.x, before[0])
    np.testing.assert_array_equal(second.y, before[1])


def test_xor_is_the_truth_table():
    x, y = bpx.datasets.xor()
    assert x.tolist() == [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    assert y.tolist() == [[0.0], [1.0], [1.0], [0.0]]
    assert y.dtype == np.float64


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    ours, theirs = bpx.datasets.digits(), load_digits()
    np.testing.assert_array_equal(ours.x, theirs.data)
    np.testing.assert_array_equal(ours.y, theirs.target)
    assert ours.y.dtype == np.int64
    assert list(ours.feature_names) == theirs.feature_names


def test_digits_carry_their_attribution():
    source = bpx.datasets.digits().source
    for part in ("Alpaydin", "Kaynak", "UCI", "CC BY 4.0"):
        assert part in source


@pytest.mark.parametrize("name", TOYS)
def test_toys_depend_on_the_seed_alone(name):
    np.random.seed(1)  # noqa: NPY002 - the global state is what must not matter
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = bpx.datasets.load(name, seed=3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    again, other = bpx.datasets.load(name, seed=3), bpx.datasets.load(name, seed=4)
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.y, again.y)
    assert not np.array_equal(first.x, other.x)
    assert not np.array_equal(first.y, other.y)


@pytest.mark.parametrize(
    ("name", "point", "classes"),
    [
        ("moons", [0.26430213, -0.24849378], [1, 0, 0, 0, 0, 1]),
        ("circles", [-0.11636688, 0.50076337], [1, 0, 0, 0, 0, 1]),
        ("spirals", [0.18284079, -0.2817899], [1, 0, 0, 0, 0, 1]),
    ],
)
def test_toys_are_the_same_on_every_numpy(name, point, classes):
    x, y = bpx.datasets.load(name)
    np.testing.assert_allclose(x[0], point, atol=5e-9, rtol=0)
    assert y[:6].tolist() == classes


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize("n", [2, 7, 100])
def test_toys_have_the_size_asked_for_and_balanced_classes(name, n):
    x, y = bpx.datasets.load(name, n=n)
    assert x.shape == (n, 2)
    assert y.dtype == np.int64
    assert np.bincount(y).tolist() == [n - n // 2, n // 2]


def test_moons_without_noise_lie_on_their_half_circles():
    x, y = bpx.datasets.moons(50, noise=0.0)
    center = np.where(y[:, None] == 0, [0.0, 0.0], [1.0, 0.5])
    np.testing.assert_allclose(np.hypot(*(x - center).T), 1.0)
    assert (x[y == 0, 1] >= 0.0).all()
    assert (x[y == 1, 1] <= 0.5).all()


def test_circles_without_noise_have_their_radii():
    x, y = bpx.datasets.circles(51, noise=0.0)
    np.testing.assert_allclose(np.hypot(*x.T), np.where(y == 0, 1.0, 0.5))


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_spirals_without_noise_lie_on_their_arms(classes):
    x, y = bpx.datasets.spirals(100, noise=0.0, classes=classes)
    radius = np.hypot(*x.T)
    turns = np.arctan2(*x.T[::-1]) / (2 * np.pi) - radius - y / classes
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-12)
    assert radius.min() == pytest.approx(0.1)
    assert radius.max() == pytest.approx(1.0)
    counts = np.bincount(y)
    assert len(counts) == classes
    assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("name", TOYS)
def test_noise_is_a_standard_deviation(name):
    quiet, noisy = (bpx.datasets.load(name, n=4000, noise=noise) for noise in (0.0, 0.3))
    np.testing.assert_array_equal(quiet.y, noisy.y)
    assert np.std(noisy.x - quiet.x) == pytest.approx(0.3, rel=0.05)


@pytest.mark.parametrize("name", TOYS)
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("n", 1, "n must be at least 2, got 1"),
        ("n", -5, "n must be at least 2, got -5"),
        ("n", 10.0, "n must be a whole number, got 10.0"),
        ("n", True, "n must be a whole number, got True"),
        ("noise", -0.1, "noise must be at least 0.0, got -0.1"),
        ("noise", float("nan"), "noise must be finite and at least 0.0, got nan"),
        ("noise", float("inf"), "noise must be finite and at least 0.0, got inf"),
        ("noise", "0.1", "noise must be a number, got '0.1'"),
        ("seed", -1, "seed must be at least 0, got -1"),
        ("seed", None, "seed must be a whole number, got None"),
    ],
)
def test_wrong_arguments_are_named(name, option, value, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        bpx.datasets.load(name, **{option: value})


def test_spirals_need_a_point_for_each_of_two_classes_or_more():
    with pytest.raises(InputError, match="^classes must be at least 2, got 1$"):
        bpx.datasets.spirals(classes=1)
    with pytest.raises(InputError, match="^n must be at least 4, got 3$"):
        bpx.datasets.spirals(3, classes=4)


def test_numpy_integers_and_floats_are_numbers():
    dataset = bpx.datasets.moons(np.int32(10), noise=np.float32(0.5), seed=np.int64(3))
    assert dataset.x.shape == (10, 2)
    assert dataset.x.dtype == np.float64


@pytest.mark.parametrize("name", ["moon", "Moons", " moons"])
def test_a_misspelled_name_is_answered_with_the_nearest(name):
    with pytest.raises(InputError) as caught:
        bpx.datasets.load(name)
    assert str(caught.value) == (
        f"unknown dataset {name!r}; did you mean 'moons'? Valid: 'circles', 'digits', 'moons', 'spirals', 'xor'"
    )


@pytest.mark.parametrize("name", ["zzz", 7, None])
def test_a_name_that_resembles_none_is_answered_with_the_list(name):
    with pytest.raises(InputError) as caught:
        bpx.datasets.load(name)
    assert str(caught.value) == (f"unknown dataset {name!r}; valid: 'circles', 'digits', 'moons', 'spirals', 'xor'")


def test_an_option_that_a_dataset_does_not_have_is_named():
    with pytest.raises(InputError, match="^dataset 'xor' has no option 'n': it takes no options$"):
        bpx.datasets.load("xor", n=10)
    with pytest.raises(InputError, match="^dataset 'moons' has no option 'classes': its options are n, noise, seed$"):
        bpx.datasets.load("moons", classes=3)
