"""Histograms hold the network's numbers, layer by layer."""

import numpy as np
import pytest

import bpx

NESTED = [
    bpx.Linear(4, 30, bias_init="uniform"),
    bpx.BatchNorm(30),
    bpx.Residual([bpx.LayerNorm(30), bpx.ReLU(), bpx.Linear(30, 30, bias=False)]),
    bpx.Linear(30, 3),
]


def titles(axes):
    return [ax.get_title() for ax in axes]


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def steps(ax):
    """Return heights and edges of each histogram."""
    return [patch.get_data()[:2] for patch in ax.patches]


def assert_shows(drawn, values, bins):
    heights, edges = drawn
    counts, expected = np.histogram(np.asarray(values, dtype=np.float64), bins)
    np.testing.assert_allclose(heights, counts / counts.max())
    np.testing.assert_allclose(edges, expected)


def test_weights_of_each_layer():
    net = bpx.Network(NESTED, dtype="float64")
    axes = bpx.plot.weight_histograms(net)
    assert titles(axes) == (
        ["0: Linear(4, 30)", "1: BatchNorm(30)", "2.0: LayerNorm(30)", "2.2: Linear(30, 30)", "3: Linear(30, 3)"]
    )
    first = net.params[0]
    weight, bias = steps(axes[0])
    assert_shows(weight, first["weight"], 21)
    assert_shows(bias, first["bias"], 10)
    assert legend(axes[0]) == [f"weight, std {first['weight'].std():.2g}", f"bias, std {first['bias'].std():.2g}"]
    (weight,) = steps(axes[3])
    assert_shows(weight, net.params[2]["2.weight"], 40)
    assert axes[0].get_xlabel() == "parameter"
    assert len(axes[0].figure.axes) == 5


def test_equal_values_are_a_line():
    axes = bpx.plot.weight_histograms(bpx.Network(NESTED, dtype="float32"))
    ones, zeros = axes[1].get_lines()
    assert list(ones.get_xdata()) == [1.0, 1.0]
    assert list(zeros.get_xdata()) == [0.0, 0.0]
    assert legend(axes[1]) == ["weight, all 1", "bias, all 0"]
    assert not steps(axes[1])


def test_arrays_can_be_told_apart():
    net = bpx.mlp([4, 9], init="uniform")
    (ax,) = bpx.plot.weight_histograms(net)
    weight, bias = ax.patches
    assert weight.get_fill()
    assert not bias.get_fill()
    assert weight.get_facecolor()[:3] != bias.get_edgecolor()[:3]


def test_gradients_of_a_batch(on_numpy):
    net = bpx.mlp([4, 30, 3], dtype="float64", dropout=0.5)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 4)), np.arange(20) % 3
    axes = bpx.plot.gradient_histograms(net, x, y)
    gradients = net.gradients(x, y)[1]
    assert titles(axes) == ["0: Linear(4, 30)", "3: Linear(30, 3)"]
    weight, bias = steps(axes[0])
    assert_shows(weight, gradients[0]["weight"], 21)
    assert_shows(bias, gradients[0]["bias"], 10)
    assert axes[0].get_xlabel() == "gradient"


def test_on_every_backend(backend):
    net = bpx.mlp([2, 3, 1], loss="squared_error", dtype=backend.dtype, backend=backend.backend)
    x, y = map(backend.array, bpx.datasets.xor())
    assert len(bpx.plot.weight_histograms(net)) == 2
    assert len(bpx.plot.gradient_histograms(net, x, y)) == 2


def test_draws_on_the_axes_that_it_is_given():
    from matplotlib.figure import Figure

    grid = Figure().subplots(2, 1)
    axes = bpx.plot.weight_histograms(bpx.mlp([2, 3, 1]), grid)
    assert list(axes) == list(grid)
    assert titles(grid) == ["0: Linear(2, 3)", "2: Linear(3, 1)"]
    ax = Figure().subplots()
    assert list(bpx.plot.weight_histograms(bpx.mlp([2, 1]), ax)) == [ax]


def test_a_deep_network_has_a_panel_a_layer():
    axes = bpx.plot.weight_histograms(bpx.mlp([4] * 12))
    assert len(axes) == 11
    assert len(axes[0].figure.axes) == 11  # none is empty


def test_wrong_arguments():
    from matplotlib.figure import Figure

    net = bpx.mlp([2, 3, 1])
    with pytest.raises(bpx.InputError, match="one matplotlib Axes for each of the 2 panels, got 1"):
        bpx.plot.weight_histograms(net, Figure().subplots())
    with pytest.raises(bpx.InputError, match="ax must be a matplotlib Axes, got str"):
        bpx.plot.weight_histograms(net, ["a", "b"])
    with pytest.raises(bpx.InputError, match="the network has no parameters"):
        bpx.plot.weight_histograms(bpx.Network([bpx.ReLU()]))
    with pytest.raises(bpx.InputError, match="x must have shape"):
        bpx.plot.gradient_histograms(net, np.zeros((3, 5)), [0, 0, 0])
    net.params = [{name: np.full(a.shape, np.nan) for name, a in part.items()} for part in net.params]
    with pytest.raises(bpx.InputError, match="the parameter 0.weight holds NaN or infinity"):
        bpx.plot.weight_histograms(net)
