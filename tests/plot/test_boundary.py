"""A decision boundary shows what the network decides, and which samples it gets wrong."""

import numpy as np
import pytest

import bpx
from bpx.plot.style import COLORS

X, Y = bpx.datasets.xor()


def diagonal(loss="binary_cross_entropy", output=None, dtype="float64", backend=None):
    """Return a network that says yes where the first input is larger than the second, by a sharp step."""
    layers = [bpx.Linear(2, 1), *([output] if output else [])]
    net = bpx.Network(layers, loss=loss, dtype=dtype, backend=backend)
    scale, shift = (1.0, 0.5) if loss == "squared_error" and output is None else (20.0, 0.0)
    net.load_state_dict({"0.weight": [[scale, -scale]], "0.bias": [shift]})
    return net


def thirds(loss="cross_entropy", output=None):
    """Return a network whose class is the largest of the first input, the second, and 0."""
    net = bpx.Network([bpx.Linear(2, 3), *([output] if output else [])], loss=loss, dtype="float64")
    net.load_state_dict({"0.weight": [[9.0, 0.0], [0.0, 9.0], [0.0, 0.0]], "0.bias": [0.0, 0.0, 0.0]})
    return net


def class_at(ax, u, v):
    """Return the class whose hue the ground has at a point."""
    (image,) = ax.get_images()
    assert image.origin == "lower"
    left, right, bottom, top = image.get_extent()
    ground = np.asarray(image.get_array())
    rows, columns = ground.shape[:2]
    i, j = int((v - bottom) / (top - bottom) * rows), int((u - left) / (right - left) * columns)
    from matplotlib.colors import to_rgb

    tint = 1.0 - ground[i, j]
    hues = [1.0 - np.array(to_rgb(color)) for color in COLORS]
    return int(np.argmax([tint @ hue / np.linalg.norm(tint) / np.linalg.norm(hue) for hue in hues]))


def samples(ax):
    """Return the points of each legend entry."""
    return {each.get_label(): np.asarray(each.get_offsets()) for each in ax.collections if each.get_label()[0] != "_"}


@pytest.mark.parametrize(
    "net",
    [
        diagonal(),
        diagonal("squared_error", bpx.Sigmoid()),
        diagonal("squared_error"),
    ],
    ids=["binary_cross_entropy", "sigmoid", "linear"],
)
def test_yes_and_no(net):
    x, y = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.9]]), np.array([0, 1, 1])
    ax = bpx.plot.decision_boundary(net, x, y, class_names=["no", "yes"])
    for u, v, expected in ((0.1, 0.9, 0), (0.9, 0.1, 1), (-0.1, 0.0, 0), (1.1, 1.0, 1)):
        assert class_at(ax, u, v) == expected
    found = samples(ax)
    assert list(found) == ["no", "yes", "wrong: 1 of 3"]
    np.testing.assert_array_equal(found["no"], x[:1])
    np.testing.assert_array_equal(found["yes"], x[1:])
    np.testing.assert_array_equal(found["wrong: 1 of 3"], x[2:])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(found)


@pytest.mark.parametrize("net", [thirds(), thirds("squared_error", bpx.Softmax())], ids=["cross_entropy", "softmax"])
def test_several_classes(net):
    x = np.array([[1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    ax = bpx.plot.decision_boundary(net, x, np.eye(3))
    assert [class_at(ax, *point) for point in x] == [0, 1, 2]
    assert list(samples(ax)) == ["0", "1", "2"]
    lines = [each for each in ax.collections if each not in ax.get_legend_handles_labels()[0]]
    assert len(lines) == 3
    (corner,) = {tuple(np.round(v, 1) + 0.0) for v in lines[2].get_paths()[0].vertices if abs(v).max() < 0.02}
    assert corner == (0.0, 0.0)


def test_the_line_runs_where_both_are_equally_likely():
    ax = bpx.plot.decision_boundary(diagonal(), X, Y, resolution=51)
    (line,) = [each for each in ax.collections if each not in ax.get_legend_handles_labels()[0]]
    vertices = line.get_paths()[0].vertices
    assert len(vertices) > 20
    np.testing.assert_allclose(vertices[:, 0], vertices[:, 1], atol=1e-9)


def test_the_ground_is_fainter_where_the_network_is_undecided():
    net = diagonal()
    net.load_state_dict({"0.weight": [[1.0, -1.0]], "0.bias": [0.0]})
    (image,) = bpx.plot.decision_boundary(net, X, Y).get_images()
    ground = np.asarray(image.get_array())
    tint = 1.0 - ground.min(axis=-1)
    assert tint[100, 99] < tint[100, 60] < tint[100, 0]


def test_inputs_of_different_ranges():
    ax = bpx.plot.decision_boundary(diagonal(), [[0.0, 0.0], [4.0, 1.0]], [0, 1])
    assert [class_at(ax, *point) for point in ((3.0, 0.5), (0.6, 0.5), (0.1, 0.5), (-0.5, -0.1))] == [1, 1, 0, 0]
    extent = ax.get_images()[0].get_extent()
    assert extent[:2] == pytest.approx(ax.get_xlim(), abs=5.2 / 199)
    assert extent[2:] == pytest.approx(ax.get_ylim(), abs=1.3 / 199)


def test_a_network_that_knows_one_class_only_has_no_line():
    net = diagonal()
    net.load_state_dict({"0.weight": [[0.0, 0.0]], "0.bias": [-9.0]})
    ax = bpx.plot.decision_boundary(net, X, Y)
    assert len(ax.collections) == 3  # two classes, and the wrong ones


def test_shows_the_data_with_a_margin():
    ax = bpx.plot.decision_boundary(diagonal(), [[0.0, 5.0], [10.0, 5.0]], [0, 1], feature_names=["width", "height"])
    assert ax.get_xlim() == pytest.approx((-1.5, 11.5))
    assert ax.get_ylim() == pytest.approx((4.85, 5.15))  # all on one height
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("width", "height")


def test_classes_differ_in_color_and_marker():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(120, 2)), np.arange(120) % 12
    net = bpx.mlp([2, 12], seed=0)
    ax = bpx.plot.decision_boundary(net, x, y)
    looks = {
        (tuple(each.get_facecolor()[0]), each.get_paths()[0].vertices.tobytes())
        for each in ax.collections
        if each.get_label().isdigit()
    }
    assert len(looks) == 12


def test_on_every_backend(backend):
    net = diagonal(dtype=backend.dtype, backend=backend.backend)
    ax = bpx.plot.decision_boundary(net, backend.array(X), backend.array(Y), resolution=20)
    assert len(samples(ax)["1"]) == 2


def test_draws_on_the_axes_that_it_is_given():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert bpx.plot.decision_boundary(diagonal(), X, Y, ax, resolution=5) is ax
    assert ax.get_images()[0].get_array().shape == (5, 5, 3)


@pytest.mark.parametrize(
    "net, x, y, options, said",
    [
        (diagonal(), np.zeros((4, 3)), Y, {}, r"drawn in a plane: x must have shape \(samples, 2\), got \(4, 3\)"),
        (diagonal(), np.zeros((2, 2, 2)), Y, {}, r"x must have shape \(samples, 2\), got \(2, 2, 2\)"),
        (bpx.mlp([3, 2]), X, Y, {}, "needs a network with 2 inputs, this one has 3"),
        (diagonal("squared_error"), X, Y * 2.0, {}, "a network that decides for classes; .* loss 'squared_error'"),
        (bpx.mlp([2, 1], loss="poisson"), X, Y, {}, "a network that decides for classes; .* loss 'poisson'"),
        (bpx.mlp([2, 3], loss="binary_cross_entropy"), X, Y, {}, r"decides for classes; .* outputs of shape \(3,\)"),
        (diagonal(), X, Y[:3], {}, r"y must hold one class number for each of the 4 samples, got \(3, 1\)"),
        (diagonal(), X, list("abcd"), {}, "y must hold one class number for each of the 4 samples"),
        (diagonal(), X, [0, 1, 2, 0], {}, "class numbers must be from 0 to 1, y holds 0 to 2"),
        (diagonal(), X, [0, 1, -1, 0], {}, "class numbers must be from 0 to 1, y holds -1 to 1"),
        (diagonal(), X, Y, {"class_names": ["a"]}, "class_names must hold one name for each of the 2 classes, got 1"),
        (diagonal(), X, Y, {"feature_names": ["a"]}, "feature_names must be two names, got 1"),
        (diagonal(), X, Y, {"resolution": 1}, "resolution must be at least 2, got 1"),
        (diagonal(), X, Y, {"ax": "axes"}, "ax must be a matplotlib Axes, got str"),
    ],
)
def test_wrong_arguments(net, x, y, options, said):
    with pytest.raises(bpx.InputError, match=said):
        bpx.plot.decision_boundary(net, x, y, **options)
