"""Gradient health: networks built to have one illness have that one, and healthy ones have none."""

import itertools
import json

import numpy as np
import pytest
from networks import everything, on_host

import bpx
from bpx.health import CHECKS
from bpx.notebook import notebook_network, notebook_xor

XOR = tuple(bpx.datasets.xor())
DEEP = [8] + [16] * 8 + [3]


def digits(rows=300):
    """Pixels from 0 to 1, and the ten classes."""
    x, y = bpx.datasets.digits()
    return x[:rows] / 16, y[:rows]


def blobs(rows=60, features=8):
    """Three classes of features on a good scale."""
    draw = np.random.default_rng(4)
    y = np.arange(rows) % 3
    return draw.normal(size=(3, features))[y] + 0.3 * draw.normal(size=(rows, features)), y


def with_weights(net, factor):
    """Multiply every weight matrix."""
    net.params = [
        {n: net.backend.to_numpy(a) * (factor if n == "weight" else 1.0) for n, a in p.items()} for p in net.params
    ]
    return net


def dead(case):
    net = bpx.mlp([8, 16, 16, 3], dtype=case.dtype, backend=case.backend)
    params = on_host(net, net.params)
    params[2]["bias"][:12] = -100.0
    net.params = params
    return net, *blobs(), {}


def saturated(case):
    net = bpx.mlp([8, 16, 3], activation="sigmoid", dtype=case.dtype, backend=case.backend)
    return with_weights(net, 60.0), *blobs(), {}


def saturated_tanh(case):
    net = bpx.mlp([8, 16, 3], activation="tanh", dtype=case.dtype, backend=case.backend)
    return with_weights(net, 60.0), *blobs(), {}


def saturated_output(case):
    net = bpx.mlp(
        [2, 3, 1], activation="tanh", output="sigmoid", loss="squared_error", dtype=case.dtype, backend=case.backend
    )
    params = on_host(net, net.params)
    params[2]["bias"][:] = 20.0
    net.params = params
    return net, *XOR, {}


def vanishing(case):
    return bpx.mlp(DEEP, activation="sigmoid", dtype=case.dtype, backend=case.backend), *blobs(), {}


def exploding(case):
    return with_weights(bpx.mlp(DEEP, dtype=case.dtype, backend=case.backend), 4.0), *blobs(), {}


def identical(case):
    return bpx.mlp([8, 16, 16, 3], init="zeros", dtype=case.dtype, backend=case.backend), *blobs(), {}


def some_identical(case):
    net = bpx.mlp([8, 6, 3], activation="tanh", dtype=case.dtype, backend=case.backend)
    params = on_host(net, net.params)
    params[0]["weight"][:, 4] = params[0]["weight"][:, 1]
    params[2]["weight"][4] = params[2]["weight"][1]
    net.params = params
    return net, *blobs(), {}


def frozen(case):
    start = notebook_network(as_published=True)
    net = bpx.Network(start.layers, loss=start.loss, dtype=case.dtype, backend=case.backend)
    net.params = start.params
    return net, *XOR, {"optimizer": bpx.SGD(0.5)}


def rate_too_high(case):
    return bpx.mlp([8, 16, 3], dtype=case.dtype, backend=case.backend), *blobs(), {"optimizer": bpx.SGD(100.0)}


def adam_too_high(case):
    return bpx.mlp([8, 16, 3], dtype=case.dtype, backend=case.backend), *blobs(), {"optimizer": bpx.Adam(1.0)}


def rate_too_low(case):
    return bpx.mlp([8, 16, 3], dtype=case.dtype, backend=case.backend), *blobs(), {"optimizer": bpx.SGD(1e-6)}


def adam_too_low(case):
    return bpx.mlp([8, 16, 3], dtype=case.dtype, backend=case.backend), *blobs(), {"optimizer": bpx.Adam(1e-6)}


def unscaled(case):
    x, y = blobs()
    return bpx.mlp([8, 16, 3], dtype=case.dtype, backend=case.backend), 100.0 * x, y, {}


def uneven_scales(case):
    x, y = blobs()
    return bpx.mlp([8, 16, 3], dtype=case.dtype, backend=case.backend), x * np.array([1.0, 1e-3] * 4), y, {}


def tiny_inputs(case):
    x, y = blobs()
    return bpx.mlp([8, 16, 3], dtype=case.dtype, backend=case.backend), 1e-3 * x, y, {}


def regression(case, scale, output="identity"):
    """Numbers to predict, of some size, by a network that has not seen them."""
    x, _ = blobs()
    y = scale * (3.0 + x[:, :1])
    net = bpx.mlp([8, 16, 1], output=output, loss="squared_error", dtype=case.dtype, backend=case.backend)
    return net, x, y, {}


def prices(case):
    return regression(case, 1e5)


def tiny_targets(case):
    return regression(case, 1e-5)


def beyond_a_sigmoid(case):
    return regression(case, 1.0, "sigmoid")


def imbalanced(case):
    x, y = blobs(150)
    keep = (y != 2) | (np.arange(150) % 50 == 2)  # 50, 50 and 3 of them
    return bpx.mlp([8, 16, 3], dtype=case.dtype, backend=case.backend), x[keep], y[keep], {}


def imbalanced_binary(case):
    x, y = blobs(90)
    y = ((y == 2) & (np.arange(90) % 15 == 2)).astype(float)
    net = bpx.mlp([8, 16, 1], loss="binary_cross_entropy", dtype=case.dtype, backend=case.backend)
    return net, x, y[:, None], {}


def a_class_without_samples(case):
    x, y = blobs()
    return bpx.mlp([8, 16, 4], dtype=case.dtype, backend=case.backend), x, y, {}


ILL = {
    dead: "dead_relus",
    saturated: "saturated_units",
    saturated_tanh: "saturated_units",
    saturated_output: "saturated_units",
    vanishing: "vanishing_gradients",
    exploding: "exploding_gradients",
    identical: "identical_units",
    some_identical: "identical_units",
    frozen: "frozen_parameters",
    rate_too_high: "learning_rate_too_high",
    adam_too_high: "learning_rate_too_high",
    rate_too_low: "learning_rate_too_low",
    adam_too_low: "learning_rate_too_low",
    unscaled: "unscaled_inputs",
    uneven_scales: "unscaled_inputs",
    tiny_inputs: "unscaled_inputs",
    prices: "unscaled_targets",
    tiny_targets: "unscaled_targets",
    beyond_a_sigmoid: "unscaled_targets",
    imbalanced: "class_imbalance",
    imbalanced_binary: "class_imbalance",
    a_class_without_samples: "class_imbalance",
}


@pytest.fixture
def on_numpy():
    from backend_cases import make

    return make("numpy")


def test_every_illness_has_a_network_that_has_it():
    assert set(ILL.values()) == set(CHECKS)


@pytest.mark.parametrize("build", ILL, ids=lambda build: build.__name__)
def test_an_ill_network_has_its_one_illness(on_numpy, build):
    net, x, y, options = build(on_numpy)
    report = bpx.diagnose(net, x, y, **options)
    assert report.names == (ILL[build],)
    assert not report.healthy
    for finding in report:
        assert finding.severity in ("note", "warning", "severe")
        assert any(character.isdigit() for character in finding.message)
        assert finding.numbers
        assert finding.advice
        if finding.layer is not None:
            assert 0 <= finding.layer < len(net.layers)
    json.loads(report.to_json())


@pytest.mark.parametrize("build", [dead, frozen, rate_too_high, imbalanced], ids=lambda build: build.__name__)
def test_on_every_backend(backend, build):
    net, x, y, options = build(backend)
    assert bpx.diagnose(net, backend.array(x), backend.array(y), **options).names == (ILL[build],)


@pytest.mark.parametrize("seed", range(4))
def test_xor_with_its_biases_trained_is_healthy_at_every_moment(seed):
    for epochs in (1, 100, 2000, 10_000):
        report = bpx.diagnose(notebook_xor(seed=seed, epochs=epochs).network, *XOR)
        assert report.healthy, f"after {epochs} epochs: {report}"
        assert report.checked == CHECKS
    start = bpx.diagnose(notebook_network(seed=seed), *XOR, optimizer=bpx.SGD(0.5))
    assert start.healthy


def test_the_published_xor_has_frozen_biases_and_nothing_else():
    for epochs in (1, 100, 10_000):
        report = bpx.diagnose(notebook_xor(as_published=True, epochs=epochs).network, *XOR)
        assert report.names == ("frozen_parameters",)
        assert [finding.layer for finding in report] == [0, 2]
        assert [finding.numbers["parameter"] for finding in report] == ["bias", "bias"]
    assert report.findings[1].numbers["rms_gradient"] > 100 * report.findings[1].numbers["rms_gradient_trained"]


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "gelu"])
@pytest.mark.parametrize("optimizer", [bpx.Adam(1e-3), bpx.SGD(0.1)], ids=lambda o: o.name)
def test_digits_are_healthy_at_the_start_and_when_trained(activation, optimizer):
    x, y = digits()
    net = bpx.mlp([64, 32, 10], activation=activation)
    start = bpx.diagnose(net, x, y, optimizer=optimizer)
    assert start.healthy, str(start)
    net.fit(x, y, epochs=40, batch_size=32, optimizer=optimizer)
    trained = bpx.diagnose(net, x, y)
    assert trained.healthy, str(trained)


def test_outputs_on_their_flat_ends_are_healthy_where_they_are_right():
    net = notebook_xor().network
    params = on_host(net, net.params)
    for name in params[2]:
        params[2][name] *= 4.0  # the same decisions, far surer of them
    net.params = params
    predictions = net.predict(XOR[0])
    assert np.abs(predictions - XOR[1]).max() < 1e-4
    assert bpx.diagnose(net, *XOR).healthy


def test_a_network_that_has_learned_is_not_called_slow():
    net = notebook_xor().network
    for rate in (0.5, 1e-3, 1e-5):
        assert bpx.diagnose(net, *XOR, optimizer=bpx.SGD(rate)).healthy
    assert bpx.diagnose(notebook_network(), *XOR, optimizer=bpx.SGD(1e-5)).names == ("learning_rate_too_low",)


def test_batches_are_normalized_as_in_training(on_numpy):
    layers = []
    for n_in, n_out in itertools.pairwise(DEEP):
        layers += [bpx.Linear(n_in, n_out, weight_init="he_uniform"), bpx.BatchNorm(n_out), bpx.ReLU()]
    net = with_weights(bpx.Network(layers[:-2], loss="cross_entropy", dtype="float64"), 4.0)
    assert bpx.diagnose(net, *blobs()).healthy  # without the normalization, or with its first statistics, it explodes


def test_a_deep_relu_network_with_the_right_start_is_healthy():
    assert bpx.diagnose(bpx.mlp(DEEP), *blobs(), optimizer="adam").healthy


def test_all_kinds_of_layers_can_be_diagnosed():
    from networks import classes

    net = everything()
    net.fit(*classes(), epochs=3)
    report = bpx.diagnose(net, *classes())
    assert set(report.names) <= {"frozen_parameters"}


def test_sample_weights_make_up_for_small_classes():
    net, x, y, _ = imbalanced(make_case())
    assert not bpx.diagnose(net, x, y).healthy
    assert bpx.diagnose(net, x, y, sample_weight=np.where(y == 2, 50 / 3, 1.0)).healthy


def make_case():
    from backend_cases import make

    return make("numpy")


def test_the_network_is_left_as_it_was():
    from networks import classes, left_by_training

    net = everything()
    net.fit(*classes(), epochs=2)
    before, step = left_by_training(net), net.training.step
    bpx.diagnose(net, *classes())
    for mine, theirs in zip(left_by_training(net), before, strict=True):
        for name in theirs:
            np.testing.assert_array_equal(mine[name], theirs[name])
    assert net.training.step == step


def test_what_grew_beyond_all_bounds_is_said():
    net = bpx.Network([bpx.Linear(2, 2), bpx.Tanh(), bpx.Linear(2, 1)], dtype="float64")
    net.params = [{"weight": np.eye(2), "bias": np.zeros(2)}, {}, {"weight": np.full((2, 1), 1e200), "bias": [0.0]}]
    report = bpx.diagnose(net, *XOR, optimizer="sgd")
    assert report.names == ("exploding_gradients",)
    assert report.findings[0].severity == "severe"
    assert "the loss is inf" in report.findings[0].message
    json.loads(report.to_json(), parse_constant=pytest.fail)


def test_on_a_handful_of_samples_a_relu_may_be_off_by_chance():
    net = bpx.mlp([8, 6, 3], seed=1)
    x, y = blobs()
    off = np.all(np.maximum(x[:1] @ net.params[0]["weight"], 0.0) == 0.0, axis=0).mean()
    assert off >= 1 / 3
    assert bpx.diagnose(net, x[:1], y[:1]).healthy
    assert bpx.diagnose(net, np.repeat(x[:1], 50, axis=0), np.repeat(y[:1], 50)).names == ("class_imbalance",)


def test_inputs_of_nothing_but_zeros_are_the_inputs_fault():
    report = bpx.diagnose(
        bpx.mlp([2, 3, 1], "tanh", loss="squared_error"), np.zeros((8, 2)), np.ones((8, 1)), optimizer="adam"
    )
    assert report.names == ("unscaled_inputs",)


def test_what_lies_below_a_cause_is_not_reported_again(on_numpy):
    net = bpx.mlp(DEEP, dtype="float64")
    params = on_host(net, net.params)
    params[10]["bias"][:] = -1000.0  # all ReLUs of one layer: no gradient at all below it
    net.params = params
    report = bpx.diagnose(net, *blobs())
    assert report.names == ("dead_relus",)
    assert report.findings[0].severity == "severe"
    assert report.findings[0].layer == 11


def test_learning_rates_are_judged_only_with_an_optimizer():
    net = bpx.mlp([8, 4, 3])
    report = bpx.diagnose(net, *blobs())
    assert set(report.skipped) == {"learning_rate_too_high", "learning_rate_too_low"}
    assert set(report.checked) | set(report.skipped) == set(CHECKS)
    assert "Not looked for: learning rate too high" in str(report)
    assert bpx.diagnose(net, *blobs(), optimizer="sgd").skipped == {}
    net.fit(*blobs(), epochs=1, optimizer=bpx.SGD(100.0))
    assert "learning_rate_too_high" in bpx.diagnose(net, *blobs()).names


def test_a_rate_is_too_high_most_of_all_where_the_loss_rises():
    (rises,) = bpx.diagnose(bpx.mlp([8, 16, 3]), *blobs(), optimizer=bpx.SGD(5.0))
    assert rises.severity == "severe"
    assert rises.numbers["loss_after_a_step"] > rises.numbers["loss"] > rises.numbers["loss_after_a_tenth"]
    assert "and the loss rises" in rises.message
    (falls,) = bpx.diagnose(bpx.mlp([8, 16, 3]), *blobs(), optimizer=bpx.Adam(0.5))
    assert falls.severity == "warning"
    assert falls.numbers["loss_after_a_step"] < falls.numbers["loss"]
    assert "though the loss falls" in falls.message


def test_of_a_large_set_a_part_is_looked_at():
    x, y = bpx.datasets.digits()
    report = bpx.diagnose(with_weights(bpx.mlp([64, 8, 10], activation="sigmoid"), 90.0), x / 16, y)
    assert report.findings[0].numbers["samples"] == 1024


def test_classes_that_a_small_sample_misses_by_chance_are_no_finding():
    x, y = digits(8)  # no eight and no nine
    assert bpx.diagnose(bpx.mlp([64, 8, 10], "tanh"), x, y).healthy


def test_printing_names_numbers_and_advice():
    report = bpx.diagnose(notebook_xor(as_published=True, epochs=100).network, *XOR)
    text = str(report)
    assert text.startswith("WARNING frozen parameters, layer 0\n  bias of layer 0 is frozen")
    assert "Try: training it too" in text
    assert "Looked for dead relus" in text
    assert max(map(len, text.splitlines())) <= 110
    healthy = bpx.diagnose(notebook_network(), *XOR)
    assert str(healthy).startswith("Nothing found that hinders learning.")
    with pytest.raises(TypeError, match=r"ask report.healthy"):
        bool(healthy)
    assert "Healthy" in healthy._repr_html_()
    assert len(healthy) == 0


def test_plain_data():
    data = bpx.diagnose(notebook_xor(as_published=True, epochs=100).network, *XOR).to_dict()
    assert data["healthy"] is False
    assert [finding["name"] for finding in data["findings"]] == ["frozen_parameters"] * 2
    assert sorted(data["findings"][0]) == ["advice", "layer", "message", "name", "numbers", "severity"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "adma"}, "did you mean 'adam'?"),
        ({"x": np.ones((4, 3))}, "x must have shape (samples, 2)"),
        ({"y": np.ones(3)}, "one row for each of the 4 samples"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(bpx.InputError) as caught:
        bpx.diagnose(notebook_network(), **({"x": XOR[0], "y": XOR[1]} | arguments))
    assert message in str(caught.value)


def test_features_that_are_constant_but_for_rounding_have_no_scale():
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(64, 3)), draw.normal(size=64)
    x[:, 1:] = 0.1 + np.where(draw.random((64, 2)) < 0.5, 1e-16, 0.0)
    assert (x.std(axis=0) > 0.0).all()
    net = bpx.mlp([3, 8, 1], loss="squared_error", dtype="float64", seed=0)
    assert "unscaled_inputs" not in bpx.diagnose(net, x, y).names
    x[:, 1:] *= 1.0 + 1e-6 * draw.normal(size=(64, 2))
    assert "unscaled_inputs" in bpx.diagnose(net, x, y).names, "a small spread that float64 holds is one"


def test_codes_of_categories_have_no_scale():
    generator = np.random.default_rng(0)
    x = np.hstack([generator.integers(0, 900, (60, 1)), generator.normal(size=(60, 2))])
    y = generator.normal(size=60)
    layers = [bpx.Columns([1, 2], [bpx.Embedding(900, 2), bpx.Identity()]), bpx.Linear(4, 1)]
    net = bpx.Network(layers, loss="squared_error")
    assert "unscaled_inputs" not in bpx.diagnose(net, x, y).names
    x[:, 2] *= 50.0
    (found,) = (one for one in bpx.diagnose(net, x, y).findings if one.name == "unscaled_inputs")
    assert found.numbers["large_features"] == [2]
    alone = bpx.Network([bpx.Embedding(900, 2), bpx.Linear(2, 1)], loss="squared_error")
    assert "unscaled_inputs" not in bpx.diagnose(alone, x[:, :1], y).names


def test_networks_for_tables_are_looked_at_and_edges_of_bins_are_no_oversight():
    generator = np.random.default_rng(0)
    x = np.hstack([generator.normal(size=(60, 2)), generator.integers(0, 5, (60, 1))])
    y = generator.integers(0, 3, 60)
    first = bpx.Columns([2, 1], [bpx.PiecewiseLinear([[-1.0, 0.0, 1.0]] * 2), bpx.Embedding(5, 2)])
    wide = bpx.MemberLinear(8, 3, k=2, own=("weight", "bias"))
    for layers, loss in (
        ([first, bpx.NTKLinear(6, 8), bpx.ReLU(), bpx.Linear(8, 3)], "cross_entropy"),
        ([first, bpx.Linear(6, 8), bpx.Members(8, 2), wide], bpx.MeanOverMembers(loss=bpx.CrossEntropy())),
    ):
        found = bpx.diagnose(bpx.Network(layers, loss=loss), x, y)
        assert "frozen_parameters" not in {finding.name for finding in found.findings}


def test_targets_that_were_reached_are_no_illness_whatever_their_scale(on_numpy):
    net, x, y, _ = prices(on_numpy)
    net.fit(x, y / 1e5, epochs=100, batch_size=10, optimizer=bpx.Adam(0.01), progress=False)
    params = on_host(net, net.params)
    params[2] = {name: 1e5 * array for name, array in params[2].items()}
    net.params = params
    assert "unscaled_targets" not in bpx.diagnose(net, x, y).names
    (found,) = (one for one in bpx.diagnose(net.reset(), x, y).findings if one.name == "unscaled_targets")
    assert "their own mean" in found.message


@pytest.mark.parametrize(
    ("output", "low", "high"), [("sigmoid", 0, 1), ("tanh", -1, 1), ("relu", 0, 3), ("identity", -3, 3)]
)
def test_targets_within_what_a_last_layer_gives_are_reachable(on_numpy, output, low, high):
    x, _ = blobs()
    y = np.linspace(low, high, len(x))[:, None]
    net = bpx.mlp([8, 16, 1], output=output, loss="squared_error", dtype=on_numpy.dtype, seed=0)
    assert "unscaled_targets" not in bpx.diagnose(net, x, y).names
    if output != "identity":
        (found,) = (one for one in bpx.diagnose(net, x, y - 0.5).findings if one.name == "unscaled_targets")
        assert found.severity == "severe"
        assert found.numbers["beyond"] == int((y - 0.5 < low).sum()) > 0


def test_counts_and_quantiles_have_a_scale_of_their_own(on_numpy):
    x, _ = blobs()
    counts = np.arange(len(x), dtype=float)
    poisson = bpx.mlp([8, 16, 1], loss="poisson", seed=0)
    assert "unscaled_targets" not in bpx.diagnose(poisson, x, counts).names, "its outputs are logarithms"
    quantiles = bpx.mlp([8, 16, 3], loss=bpx.Quantile((0.1, 0.5, 0.9)), seed=0)
    (found,) = (one for one in bpx.diagnose(quantiles, x, 1e5 * counts).findings if one.name == "unscaled_targets")
    assert "their own mean" not in found.message, "outputs of several quantiles were not compared"
    assert "unscaled_targets" not in bpx.diagnose(quantiles, x, counts / len(x)).names
