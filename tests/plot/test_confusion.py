"""A confusion matrix counts right, and is legible with few classes and with many."""

import numpy as np
import pytest

import bpx

TRUE = np.array([0, 0, 0, 1, 1, 2])
GIVEN = np.array([0, 0, 2, 1, 0, 2])
COUNTS = np.array([[2, 0, 1], [1, 1, 0], [0, 0, 1]])


def numbers(ax, n=3):
    """Return the counts that are written into the cells."""
    written = {tuple(map(int, text.get_position())): int(text.get_text()) for text in ax.texts}
    return np.array([[written[j, i] for j in range(n)] for i in range(n)])


def shares(ax):
    """Return the values that the colors stand for."""
    (image,) = ax.get_images()
    return np.asarray(image.get_array())


def names(ax):
    return [label.get_text() for label in ax.get_yticklabels()], [label.get_text() for label in ax.get_xticklabels()]


def test_counts_true_classes_in_rows():
    ax = bpx.plot.confusion_matrix(TRUE, GIVEN)
    np.testing.assert_array_equal(numbers(ax), COUNTS)
    np.testing.assert_allclose(shares(ax), COUNTS / COUNTS.sum(axis=1, keepdims=True))
    assert (ax.get_ylabel(), ax.get_xlabel()) == ("true class", "predicted class")
    assert ax.get_title() == "accuracy 66.7%, 4 of 6"
    assert names(ax) == (["0", "1", "2"], ["0", "1", "2"])


@pytest.mark.parametrize(
    "true, given",
    [
        (np.eye(3)[TRUE], GIVEN),
        (TRUE[:, None], GIVEN.astype(float)),
        (TRUE.tolist(), 0.8 * np.eye(3)[GIVEN] + 0.1),
        (TRUE.astype(np.uint8), GIVEN[:, None]),
    ],
    ids=["one-hot", "columns", "probabilities", "bytes"],
)
def test_takes_classes_in_many_forms(true, given):
    np.testing.assert_array_equal(numbers(bpx.plot.confusion_matrix(true, given)), COUNTS)


def test_takes_arrays_of_every_backend(backend):
    true, given = backend.array(TRUE), backend.array(np.eye(3)[GIVEN])
    np.testing.assert_array_equal(numbers(bpx.plot.confusion_matrix(true, given)), COUNTS)


def test_takes_the_probabilities_of_yes():
    ax = bpx.plot.confusion_matrix([[0.0], [1.0], [1.0]], [[0.2], [0.9], [0.4]], class_names=["no", "yes"])
    np.testing.assert_array_equal(numbers(ax, 2), [[1, 0], [1, 1]])
    assert names(ax)[0] == ["no", "yes"]
    np.testing.assert_array_equal(numbers(bpx.plot.confusion_matrix([True], [False]), 2), [[0, 0], [1, 0]])


def test_takes_texts():
    true, given = np.array(["b", "b", "a"]), np.array(["b", "c", "a"], dtype=object)
    ax = bpx.plot.confusion_matrix(true, given)
    assert names(ax)[0] == ["a", "b", "c"]
    np.testing.assert_array_equal(numbers(ax), [[1, 0, 0], [0, 1, 1], [0, 0, 0]])
    ax = bpx.plot.confusion_matrix(true, given, class_names=["c", "b", "a"])
    assert names(ax)[1] == ["c", "b", "a"]
    np.testing.assert_array_equal(numbers(ax), [[0, 0, 0], [1, 1, 0], [0, 0, 1]])


def test_takes_a_matrix():
    ax = bpx.plot.confusion_matrix(matrix=COUNTS.tolist(), class_names="abc")
    np.testing.assert_array_equal(numbers(ax), COUNTS)
    assert names(ax)[0] == ["a", "b", "c"]


def test_a_class_that_nobody_is_of_has_an_empty_row():
    ax = bpx.plot.confusion_matrix([0, 2], [0, 2])
    np.testing.assert_array_equal(numbers(ax), [[1, 0, 0], [0, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(shares(ax)[1], [0.0, 0.0, 0.0])
    np.testing.assert_array_equal(numbers(bpx.plot.confusion_matrix([0], [0], class_names="abc")).sum(), 1)


def test_probabilities_say_how_many_classes_there_are():
    ax = bpx.plot.confusion_matrix([0, 1], [[0.9, 0.1, 0.0], [0.6, 0.4, 0.0]])
    np.testing.assert_array_equal(numbers(ax), [[1, 0, 0], [1, 0, 0], [0, 0, 0]])


def test_the_same_color_is_the_same_share_in_every_matrix():
    ax = bpx.plot.confusion_matrix(matrix=[[3, 2], [2, 3]])
    assert ax.get_images()[0].get_clim() == (0.0, 1.0)


def test_numbers_are_white_on_dark_cells():
    ax = bpx.plot.confusion_matrix(matrix=[[9, 1], [0, 5]])
    inks = {text.get_text(): text.get_color() for text in ax.texts}
    assert inks["9"] == inks["5"] == "white"
    assert inks["1"] == "black"
    assert inks["0"] not in ("white", "black")


def test_56_classes_are_all_named_and_counted():
    rng = np.random.default_rng(0)
    true = np.arange(3000) % 56
    given = np.where(rng.random(3000) < 0.9, true, (true + 1) % 56)
    labels = [f"product line {i:02d} of all" for i in range(56)]
    ax = bpx.plot.confusion_matrix(true, given, class_names=labels)
    ax.figure.canvas.draw()
    assert names(ax)[0] == names(ax)[1] == [f"product line {i:02d}…" for i in range(56)]
    assert {text.get_text() for text in ax.texts} == {str(n) for n in np.unique(ax_counts(true, given)) if n}
    assert len(ax.texts) == np.count_nonzero(ax_counts(true, given))  # no zeros
    cell = ax.get_window_extent().height / 56
    assert all(label.get_window_extent().height < 1.2 * cell for label in ax.get_yticklabels())
    assert all(label.get_fontsize() >= 6.0 for label in ax.get_yticklabels())
    assert all(text.get_window_extent().width < cell and text.get_fontsize() >= 4.5 for text in ax.texts)


def ax_counts(true, given):
    counts = np.zeros((56, 56), dtype=int)
    np.add.at(counts, (true, given), 1)
    return counts


def test_a_baseline_is_said_beside_the_accuracy():
    ax = bpx.plot.confusion_matrix(TRUE, GIVEN, baseline=0.5)
    assert ax.get_title() == "accuracy 66.7%, 4 of 6 (baseline 50.0%)"


def test_more_classes_have_colors_alone_and_few_names():
    rng = np.random.default_rng(0)
    true = rng.integers(120, size=3000)
    ax = bpx.plot.confusion_matrix(true, true)
    assert shares(ax).shape == (120, 120)
    assert not ax.texts
    assert names(ax)[0] == names(ax)[1] == [str(i) for i in range(0, 120, 4)]
    assert list(ax.get_xticks()) == list(ax.get_yticks()) == list(range(0, 120, 4))
    assert max(ax.figure.get_size_inches()) < 13


@pytest.mark.parametrize("n, largest, inches", [(2, 7, 3.0), (14, 7, 4.0), (8, 4567, 4.0)])
def test_numbers_fit_their_cells(n, largest, inches):
    from matplotlib.figure import Figure

    ax = Figure(figsize=(inches, inches)).subplots()
    bpx.plot.confusion_matrix(ax=ax, matrix=np.full((n, n), largest))
    ax.figure.canvas.draw()
    text = ax.texts[0].get_window_extent()
    cell = ax.get_window_extent().width / n
    assert len(ax.texts) == n * n
    assert text.width < 0.95 * cell
    assert text.height < 0.5 * cell


def test_long_names_stand_upright():
    for labels, angle in ((["no", "yes"], 0.0), (["no", "perhaps"], 90.0)):
        ax = bpx.plot.confusion_matrix([0, 1], [0, 1], class_names=labels)
        assert {label.get_rotation() for label in ax.get_xticklabels()} == {angle}


def test_draws_on_the_axes_that_it_is_given():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert bpx.plot.confusion_matrix(TRUE, GIVEN, ax) is ax


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({}, "give y_true and y_pred, or matrix alone"),
        ({"y_true": TRUE}, "give y_true and y_pred, or matrix alone"),
        ({"y_true": TRUE, "y_pred": GIVEN, "matrix": COUNTS}, "give y_true and y_pred, or matrix alone"),
        ({"y_true": TRUE, "matrix": COUNTS}, "give y_true and y_pred, or matrix alone"),
        ({"y_true": TRUE, "y_pred": GIVEN[:5]}, "y_true has 6 samples, y_pred 5"),
        ({"y_true": TRUE.reshape(1, 2, 3), "y_pred": GIVEN}, r"y_true must be one label .* got shape \(1, 2, 3\)"),
        ({"y_true": [], "y_pred": []}, r"y_true must be one label .* got shape \(0,\)"),
        ({"y_true": ["a"], "y_pred": [0]}, "must both hold numbers or both hold texts"),
        ({"y_true": [-1], "y_pred": [0]}, "class numbers start at 0, got -1"),
        ({"y_true": [0, 1], "y_pred": [0.5, 1.5]}, "y_pred must hold labels, or probabilities from 0 to 1"),
        ({"y_true": [0, 1], "y_pred": [0.5, np.nan]}, "y_pred must hold labels, or probabilities from 0 to 1"),
        ({"y_true": TRUE, "y_pred": GIVEN, "class_names": ["a", "b"]}, "one name for each of the 3 classes, got 2"),
        ({"y_true": ["a"], "y_pred": ["b"], "class_names": ["a"]}, "class_names lacks 'b', which the samples hold"),
        ({"matrix": np.zeros((2, 3))}, r"matrix must be square, \(classes, classes\), got shape \(2, 3\)"),
        ({"matrix": [[0, 0], [0, 0]]}, "matrix must hold counts: numbers of at least 0, not all 0"),
        ({"matrix": [[1, -1], [0, 0]]}, "matrix must hold counts: numbers of at least 0"),
        ({"matrix": [[0.5, 0.5], [0, 1]]}, "matrix must hold counts of samples, got fractions"),
        ({"matrix": [[1, 0], [0, 1]], "class_names": "abc"}, "one name for each of the 2 classes, got 3"),
        ({"y_true": TRUE, "y_pred": GIVEN, "ax": 1}, "ax must be a matplotlib Axes, got int"),
    ],
)
def test_wrong_arguments(arguments, said):
    with pytest.raises(bpx.InputError, match=said):
        bpx.plot.confusion_matrix(**arguments)
