"""Predictions of a regression over what is true."""

import numpy as np
import pytest

import bpx


def points(ax):
    return [np.asarray(each.get_offsets()) for each in ax.collections]


def test_one_output():
    true, given = np.array([0.0, 1.0, 2.0, 5.0]), np.array([[0.5], [1.0], [2.5], [4.0]])
    ax = bpx.plot.predictions(true, given)
    (drawn,) = points(ax)
    np.testing.assert_array_equal(drawn, np.stack([true, given[:, 0]], axis=1))
    assert ax.get_title() == f"R² {1 - 1.5 / 14:.3f}"
    (line,) = ax.get_lines()
    assert list(line.get_xdata()) == list(line.get_ydata()) == [0.0, 5.0]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("true value", "predicted value")
    assert ax.get_legend() is None


def test_a_baseline_is_a_line_and_how_far_off_it_is():
    true = np.array([100_000.0, 200_000.0, 400_000.0])
    ax = bpx.plot.predictions(true, true + 12_340.0, names=["rent ($)"], baseline=233_333.0)
    assert ax.get_title().endswith(", off by 12,340 on average")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["always 233,300: off by 111,100 on average"]
    assert list(ax.get_lines()[-1].get_ydata()) == [233_333.0, 233_333.0]
    ax.figure.canvas.draw()
    assert "200,000" in [label.get_text() for label in ax.get_xticklabels()]


def test_several_outputs():
    true = np.array([[0.0, 1.0], [1.0, 1.0]])
    ax = bpx.plot.predictions(true, true + np.array([[0.0, 0.1], [0.5, 0.1]]), names=["width", "height"])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["width, R² 0.500", "height"]
    assert len(points(ax)) == 2
    ax = bpx.plot.predictions(true, true)
    assert ax.get_legend().get_texts()[0].get_text() == "output 0, R² 1.000"


def test_on_every_backend(backend):
    ax = bpx.plot.predictions(backend.array([1.0, 2.0]), backend.array([[1.5], [2.0]]))
    np.testing.assert_array_equal(points(ax)[0], [[1.0, 1.5], [2.0, 2.0]])


def test_draws_on_the_axes_that_it_is_given():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert bpx.plot.predictions([1.0, 2.0], [1.0, 2.0], ax) is ax


@pytest.mark.parametrize(
    "true, given, options, said",
    [
        ([1.0], [[1.0, 2.0]], {}, r"y_true has shape \(1, 1\), y_pred \(1, 2\)"),
        (np.zeros((1, 1, 1)), [1.0], {}, r"y_true must hold numbers of shape .*, got float64 of shape \(1, 1, 1\)"),
        ([1.0], ["a"], {}, "y_pred must hold numbers of shape .*, got <U1"),
        ([], [], {}, r"y_true must hold numbers .* of shape \(0,\)"),
        ([1.0], [np.inf], {}, "y_pred holds NaN or infinity"),
        ([1.0], [1.0], {"names": ["a", "b"]}, "names must hold one name for each of the 1 outputs, got 2"),
        ([1.0], [1.0], {"ax": 0}, "ax must be a matplotlib Axes"),
    ],
)
def test_wrong_arguments(true, given, options, said):
    with pytest.raises(bpx.InputError, match=said):
        bpx.plot.predictions(true, given, **options)
