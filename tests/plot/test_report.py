"""The report of a training has the panels that fit the network."""

import numpy as np
import pytest
from networks import classes, numbers

import bpx


def labels(figure):
    """Return the labels below the panels, color bars left out."""
    return [ax.get_xlabel() for ax in figure.axes if ax.get_xlabel()]


def trained(net, x, y, **options):
    return net.fit(x, y, epochs=3, **options)


def test_two_inputs_have_a_decision_boundary():
    x, y = bpx.datasets.xor()
    net = bpx.mlp([2, 3, 1], loss="binary_cross_entropy")
    history = trained(net, x, y, validation_data=(x, y))
    figure = bpx.plot.training_report(
        net, history, x, y, class_names=["no", "yes"], feature_names=["a", "b"], title="XOR"
    )
    assert labels(figure) == ["epoch", "a"]
    curve, boundary = figure.axes
    assert list(curve.get_lines()[0].get_ydata()) == history.loss
    assert boundary.get_legend().get_texts()[1].get_text() == "yes"
    assert figure.get_suptitle() == "XOR"


def test_between_codes_of_categories_there_is_no_boundary():
    x, y = np.column_stack([np.arange(20) % 5, np.linspace(-1.0, 1.0, 20)]), np.arange(20) % 2
    net = bpx.Network(
        [bpx.Columns([1, 1], [bpx.Embedding(5, 2), bpx.Identity()]), bpx.Linear(3, 2)], loss="cross_entropy"
    )
    figure = bpx.plot.training_report(net, trained(net, x, y), x, y)
    assert labels(figure) == ["epoch", "predicted class"]


def test_more_inputs_have_a_confusion_matrix():
    x, y = classes()
    net = bpx.mlp([4, 8, 3])
    figure = bpx.plot.training_report(net, trained(net, x, y), x, y, class_names="abc", feature_names=list("wxyz"))
    assert labels(figure) == ["epoch", "predicted class"]
    right = int((net.predict(x).argmax(axis=1) == y).sum())
    assert figure.axes[1].get_title() == f"accuracy {right / 22:.1%}, {right} of 22"
    assert figure.axes[1].get_yticklabels()[2].get_text() == "c"
    assert figure.get_suptitle() == ""


def test_metrics_have_a_panel_of_their_own():
    x, y = classes()
    net = bpx.mlp([4, 8, 3])
    history = trained(net, x, y)
    history.metrics = {"accuracy": [0.1, 0.2, 0.3], "macro_f1": [0.2, 0.2, 0.2]}
    history.validation_metrics = {"accuracy": [0.0, 0.1, 0.2]}
    figure = bpx.plot.training_report(net, history, x, y)
    assert labels(figure) == ["epoch", "epoch", "predicted class"]
    drawn = [line.get_label() for line in figure.axes[1].get_lines()]
    assert drawn == ["accuracy", "validation accuracy", "macro f1"]


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_regression_has_its_predictions(outputs):
    x, y = numbers(outputs=outputs)
    net = bpx.mlp([4, 8, outputs], loss="squared_error")
    history = trained(net, x, y)
    figure = bpx.plot.training_report(net, history, x, y[:, 0] if outputs == 1 else y, output_names="ab"[:outputs])
    assert labels(figure) == ["epoch", "true a" if outputs == 1 else "true value"]
    assert len(figure.axes[1].collections) == outputs


def test_a_regression_is_drawn_in_its_own_units():
    x, y = numbers(outputs=1)
    net = bpx.mlp([4, 8, 1], loss="squared_error")
    figure = bpx.plot.training_report(net, trained(net, x, y), x, y, decode=lambda values: values * 10 + 1000)
    drawn = figure.axes[1].collections[0].get_offsets()
    np.testing.assert_allclose(drawn[:, 0], y[:, 0] * 10 + 1000)
    np.testing.assert_allclose(drawn[:, 1], net.predict(x)[:, 0] * 10 + 1000, rtol=1e-6)


def test_a_regression_with_two_inputs_has_no_boundary():
    x, y = numbers(features=2, outputs=1)
    net = bpx.mlp([2, 8, 1], loss="squared_error")
    assert labels(bpx.plot.training_report(net, trained(net, x, y), x, y)) == ["epoch", "true value"]


def test_several_questions_have_the_curves_alone():
    x, _ = classes()
    y = (x[:, :2] > 0).astype(float)
    net = bpx.mlp([4, 2], loss="binary_cross_entropy")
    assert labels(bpx.plot.training_report(net, trained(net, x, y), x, y)) == ["epoch"]


def test_many_classes_have_a_larger_figure():
    def height(n):
        net = bpx.mlp([4, n])
        x, y = np.random.default_rng(0).normal(size=(n, 4)), np.arange(n)
        return bpx.plot.training_report(net, trained(net, x, y), x, y).get_figheight()

    assert 4 < height(3) < height(20) < height(90) < 11


def test_no_window_belongs_to_it():
    from matplotlib import pyplot

    x, y = classes()
    net = bpx.mlp([4, 3])
    bpx.plot.training_report(net, trained(net, x, y), x, y)
    assert pyplot.get_fignums() == []


def test_on_every_backend(backend):
    x, y = classes()
    net = bpx.mlp([4, 3], dtype=backend.dtype, backend=backend.backend)
    x, y = backend.array(x), backend.array(y)
    figure = bpx.plot.training_report(net, trained(net, x, y), x, y)
    assert labels(figure) == ["epoch", "predicted class"]


def test_wrong_arguments():
    x, y = classes()
    net = bpx.mlp([4, 3])
    history = trained(net, x, y)
    for arguments, said in (
        ((net, bpx.History(), x, y), "the history holds no epochs"),
        ((net, [1.0], x, y), "history must be what net.fit returned"),
        ((net, history, x[:, :3], y), "x must have shape"),
        ((net, history, x, y[:9]), "y_true has 9 samples, y_pred 22"),
    ):
        with pytest.raises(bpx.InputError, match=said):
            bpx.plot.training_report(*arguments)
