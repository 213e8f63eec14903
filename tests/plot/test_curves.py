"""Learning curves show what a history holds."""

import numpy as np
import pytest

import bpx


def history(**recorded):
    """Return a history of three epochs, the sixth to the eighth."""
    return bpx.History(epoch=[6, 7, 8], **{"loss": [3.0, 2.0, 1.0], **recorded})


def curves(ax):
    """Return the x and y values of each line with its label."""
    return {line.get_label(): [list(values) for values in line.get_data()] for line in ax.get_lines()}


def test_of_a_real_training():
    x, y = bpx.datasets.xor()
    recorded = bpx.mlp([2, 3, 1], loss="binary_cross_entropy").fit(x, y, epochs=5, validation_data=(x, y))
    ax = bpx.plot.learning_curves(recorded)
    (_, training), (_, validation), _ = curves(ax).values()
    assert training == recorded.loss
    assert validation == recorded.validation_loss


def test_losses_over_the_epochs():
    ax = bpx.plot.learning_curves(history(validation_loss=[3.5, 1.5, 2.5]))
    training, validation, lowest = ax.get_lines()
    assert curves(ax) == {
        "training": [[6, 7, 8], [3.0, 2.0, 1.0]],
        "validation": [[6, 7, 8], [3.5, 1.5, 2.5]],
        "lowest: 1.5, epoch 7": [[7], [1.5]],
    }
    assert training.get_linestyle() == "-"
    assert validation.get_linestyle() == "--"
    assert training.get_color() != validation.get_color() == lowest.get_markeredgecolor()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(curves(ax))
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")


def test_one_curve_needs_no_legend():
    ax = bpx.plot.learning_curves(history(metrics={"accuracy": [0.1, 0.2, 0.3]}))
    assert list(curves(ax)) == ["training"]
    assert ax.get_legend() is None


def test_metrics_by_name():
    recorded = history(
        metrics={"accuracy": [0.1, 0.2, 0.3], "macro_f1": [0.0, 0.1, 0.2]},
        validation_metrics={"accuracy": [0.1, 0.1, 0.1]},
    )
    ax = bpx.plot.learning_curves(recorded, names=["accuracy", "validation_accuracy"])
    assert curves(ax) == {"training": [[6, 7, 8], [0.1, 0.2, 0.3]], "validation": [[6, 7, 8], [0.1, 0.1, 0.1]]}
    assert ax.get_ylabel() == "accuracy"
    ax = bpx.plot.learning_curves(recorded, names=["macro_f1", "validation_accuracy"])
    assert list(curves(ax)) == ["macro f1", "validation accuracy"]
    assert ax.get_ylabel() == ""


@pytest.mark.parametrize(
    "loss, scale",
    [
        ([30.0, 2.0, 1.0], "linear"),
        ([31.0, 2.0, 1.0], "log"),
        ([31.0, 2.0, 0.0], "linear"),
        ([5.0, -1.0, 0.1], "linear"),
    ],
)
def test_the_scale_is_logarithmic_where_values_are_far_apart(loss, scale):
    assert bpx.plot.learning_curves(history(loss=loss)).get_yscale() == scale


def test_a_single_epoch_can_be_seen():
    ax = bpx.plot.learning_curves(bpx.History(loss=[1.0], epoch=[1]))
    assert ax.get_lines()[0].get_marker() == "o"
    assert bpx.plot.learning_curves(history()).get_lines()[0].get_marker() == "None"


def test_epochs_are_whole_numbers():
    ax = bpx.plot.learning_curves(history())
    ticks = ax.get_xticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))


def test_draws_on_the_axes_that_it_is_given():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert bpx.plot.learning_curves(history(), ax) is ax
    assert list(curves(ax)) == ["training"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        ((bpx.History(),), "the history holds no epochs"),
        (([3.0, 2.0],), "history must be what net.fit returned, a bpx.History, got list"),
        ((history(), "axes"), "ax must be a matplotlib Axes, got str"),
    ],
    ids=["empty", "list", "axes"],
)
def test_wrong_arguments(arguments, said):
    with pytest.raises(bpx.InputError, match=said):
        bpx.plot.learning_curves(*arguments)


@pytest.mark.parametrize(
    "names, said",
    [
        (["validation_loss"], "unknown curve 'validation_loss'; .*: 'loss'"),
        ("loss", r"names must be a sequence of names such as \['loss'\], got 'loss'"),
        ([], "names must be a sequence"),
    ],
)
def test_wrong_names(names, said):
    with pytest.raises(bpx.InputError, match=said):
        bpx.plot.learning_curves(history(), names=names)


def test_baselines_are_dotted_lines():
    history = bpx.History(loss=[1.0, 0.5], metrics={"accuracy": [0.8, 0.9]}, epoch=[1, 2])
    ax = bpx.plot.learning_curves(history, names=["accuracy"], baselines={"accuracy": 0.01, "loss": 2.0})
    assert [line.get_linestyle() for line in ax.get_lines()] == ["-", ":"]
    assert ax.get_legend().get_texts()[-1].get_text() == "baseline: 0.01"
    assert ax.get_yscale() == "linear"  # the curve alone decides
