"""The chain rule of a single parameter: its products add up to the gradient that training uses."""

import numpy as np
import pytest
import random_networks
from networks import unregistered

import bpx
from bpx.explanation.symbols import WeightKey


def every_key(net):
    for i, part in enumerate(net.params):
        for name, array in part.items():
            for index in np.ndindex(tuple(array.shape)):
                yield WeightKey(i, name, index)


def gradient_of(gradients, key):
    return float(bpx.to_numpy(gradients[key.layer][key.name])[key.index])


def hand_made():
    """A 2-2-1 network with a linear hidden layer, small enough to check by hand."""
    net = bpx.Network(
        [bpx.Linear(2, 2), bpx.Identity(), bpx.Linear(2, 1)], loss=bpx.SquaredError("sum"), dtype="float64"
    )
    net.params = [
        {"weight": [[0.5, -1.0], [2.0, 0.25]], "bias": [0.0, 1.0]}, {}, {"weight": [[1.5], [-0.5]], "bias": [0.25]},
    ]  # fmt: skip
    return net


@pytest.mark.parametrize("name", random_networks.NAMES)
def test_the_products_add_up_to_the_gradient_for_every_weight(backend, name):
    net = random_networks.network(name, backend)
    x, y = random_networks.batch(name)
    trace = bpx.explain(net, x, y)
    _, gradients = net.gradients(x, y)
    worst, seen = 0.0, 0
    for key in every_key(net):
        chain = trace.chain(str(key))
        gradient = gradient_of(gradients, key)
        assert chain.gradient == pytest.approx(gradient, rel=backend.either(1e-12, 1e-4), abs=1e-300)
        assert not chain.grouped
        largest = max(abs(path.product) for path in chain.paths)
        assert abs(chain.total - gradient) <= backend.either(1e-12, 1e-5) * max(
            abs(gradient), backend.either(0.0, largest)
        )
        worst, seen = max(worst, chain.difference), seen + 1
    assert seen == net.n_params
    assert worst <= backend.either(1e-12, 1e-2)


@pytest.mark.parametrize("name", ["statistics", "blocks"])
def test_as_in_training_samples_may_mix_and_masks_drop(name):
    from backend_cases import make

    net = random_networks.network(name, make("numpy"))
    x, y = random_networks.batch(name)
    trace = bpx.explain(net, x, y, training=True)
    _, gradients = net.gradients(x, y, training=True)
    for key in every_key(net):
        chain, gradient = trace.chain(str(key)), gradient_of(gradients, key)
        largest = max(abs(path.product) for path in chain.paths)
        assert abs(chain.total - gradient) <= 1e-12 * max(abs(gradient), largest)
        shares = [trace.chain(str(key), sample=n) for n in range(len(x))]
        assert sum(share.total for share in shares) == pytest.approx(chain.total, rel=1e-9, abs=1e-12 * largest)
    if name == "statistics":  # each way through the batch normalization arrives at every sample of the batch
        assert trace.chain("0.weight[0,0]").n_paths == 3 * 3 * 4 * 3
        grouped = trace.chain("0.weight[0,0]", max_paths=100)
        assert (grouped.grouped, len(grouped.paths), grouped.n_paths) == (True, 3 * 3 * 4, 3 * 3 * 4 * 3)
        assert grouped.total == pytest.approx(trace.chain("0.weight[0,0]").total, rel=1e-12)


def test_factors_by_hand():
    net = hand_made()
    x, y = np.array([[3.0, 4.0], [0.0, 2.0]]), np.array([[1.0], [0.0]])
    chain = bpx.explain(net, x, y).chain("0.weight[1,0]", sample=0)
    # z1 = 3 * 0.5 + 4 * 2 = 9.5, z2 = 3 * -1 + 4 * 0.25 + 1 = -1; p = 9.5 * 1.5 + 0.5 + 0.25 = 15; dL/dp = 14
    (path,) = chain.paths
    assert [f.value for f in path.factors] == [4.0, 1.0, 1.5, 14.0]
    assert [f.symbol.text for f in path.factors] == [
        "∂z⁽¹⁾₁/∂w⁽¹⁾₂₁", "∂a⁽¹⁾₁/∂z⁽¹⁾₁", "∂z⁽²⁾₁/∂a⁽¹⁾₁", "∂L/∂z⁽²⁾₁",
    ]  # fmt: skip
    assert path.product == chain.total == chain.gradient == 84.0
    assert chain.value == 2.0
    text = str(chain)
    assert "4 · 1 · 1.5 · 14 = 84" in text
    assert "over sample 0: 1 path to the loss" in text


def test_the_sum_over_the_batch_is_the_gradient_and_each_sample_has_its_share():
    net = hand_made()
    x, y = np.array([[3.0, 4.0], [0.0, 2.0]]), np.array([[1.0], [0.0]])
    trace = bpx.explain(net, x, y)
    shares = [trace.chain("0.weight[0,1]", sample=n).total for n in (0, 1)]
    assert shares[1] == 0.0  # its input is 0
    assert trace.chain("0.weight[0,1]").total == sum(shares) == net.gradients(x, y)[1][0]["weight"][0, 1]
    assert {path.sample for path in trace.chain("0.weight[0,1]").paths} == {0, 1}


def test_a_chain_of_a_later_step_is_about_that_step():
    net = hand_made()
    x, y = np.array([[3.0, 4.0], [0.0, 2.0]]), np.array([[1.0], [0.0]])
    trace = bpx.explain(net, x, y, steps=2, optimizer=bpx.SGD(1e-3))
    net.fit(x, y, epochs=1, optimizer=bpx.SGD(1e-3))
    gradient = net.gradients(x, y)[1][0]["weight"][1, 0]
    assert trace.chain("0.weight[1,0]", step=1).total == pytest.approx(gradient, rel=1e-12)
    assert trace.chain("0.weight[1,0]", step=0).total != pytest.approx(gradient, rel=1e-2)


def test_too_many_paths_are_summed_where_they_agree():
    net = bpx.mlp([3, 6, 5, 4], activation="tanh", dtype="float64", seed=1)
    x, y = np.random.default_rng(0).normal(size=(2, 3)), np.array([0, 3])
    trace = bpx.explain(net, x, y)
    whole = trace.chain("0.weight[1,2]")
    assert (len(whole.paths), whole.n_paths, whole.grouped) == (2 * 5 * 4, 2 * 5 * 4, False)
    for most, groups in ((39, 2 * 5), (9, 2), (1, 2)):  # there are never fewer groups than samples
        chain = trace.chain("0.weight[1,2]", max_paths=most)
        assert (len(chain.paths), chain.n_paths, chain.grouped) == (groups, 2 * 5 * 4, True)
        assert chain.total == pytest.approx(whole.total, rel=1e-12)
    assert not trace.chain("0.weight[1,2]", max_paths=40).grouped
    assert "40 paths in 10 groups to the loss" in str(trace.chain("0.weight[1,2]", max_paths=39))
    assert "smaller products, together" in str(whole)


def test_a_dead_path_is_shown_with_its_zero():
    net = bpx.Network([bpx.Linear(1, 1), bpx.ReLU(), bpx.Linear(1, 1)], dtype="float64")
    net.params = [{"weight": [[1.0]], "bias": [-5.0]}, {}, {"weight": [[2.0]], "bias": [0.0]}]
    (path,) = bpx.explain(net, [[1.0]], [[1.0]]).chain("0.weight[0,0]").paths
    assert [f.value for f in path.factors] == [1.0, 0.0, 2.0, -1.0]


def test_weights_of_zero_are_no_reason_to_leave_paths_out():
    net = bpx.mlp([3, 3, 3, 3], activation="identity", init="zeros", loss="squared_error", dtype="float64")
    chain = bpx.explain(net, np.ones((1, 3)), np.ones((1, 3))).chain("0.weight[0,0]")
    assert chain.n_paths == 9
    assert chain.total == 0.0


def test_a_layer_of_ones_own_is_asked_by_unit_vectors():
    @unregistered
    class Swap(bpx.Layer):
        """Reverse the features of a sample and double them."""

        def forward(self, xp, params, x, context=None):
            return xp.flip(x, axis=1) * 2.0, None

        def backward(self, xp, params, cache, dy, *, input_gradient=True):
            return xp.flip(dy, axis=1) * 2.0, {}

    net = bpx.Network([bpx.Linear(2, 2), Swap(), bpx.Linear(2, 1)], dtype="float64", seed=2)
    x, y = np.array([[0.3, -0.7]]), np.array([[1.0]])
    trace = bpx.explain(net, x, y)
    chain = trace.chain("0.weight[1,0]")
    assert [path.factors[1].value for path in chain.paths] == [0.0, 2.0]
    assert chain.total == pytest.approx(net.gradients(x, y)[1][0]["weight"][1, 0], rel=1e-12)
    np.testing.assert_array_equal(trace.steps[0].layers[1]["da/dz"], [[[0.0, 2.0], [2.0, 0.0]]])
    assert "Swap's backward pass" in trace.steps[0].layers[1]["da/dz"].formula.text


def test_plain_data(generator):
    net = bpx.mlp([2, 3, 2], seed=3)
    trace = bpx.explain(net, generator.normal(size=(2, 2)), [0, 1])
    data = trace.chain("2.bias[1]", sample=1).to_dict()
    assert data["weight"] == "2.bias[1]"
    assert data["sample"] == 1
    assert data["sum"] == pytest.approx(data["gradient"], rel=1e-6)
    (path,) = data["paths"]
    assert [f["symbol"] for f in path["factors"]] == ["∂z⁽²⁾₂/∂b⁽²⁾₂", "∂L/∂z⁽²⁾₂"]
    assert path["factors"][0]["value"] == 1.0


def test_the_steepest_weight_is_of_the_first_layer():
    net = hand_made()
    trace = bpx.explain(net, [[3.0, 4.0]], [[1.0]])
    assert trace.steepest() == "0.weight[1,0]"  # 4 * 1.5 * 14 against 3 * 1.5 * 14 and products with -0.5
    with pytest.raises(bpx.InputError, match="no parameters"):
        bpx.explain(bpx.Network([bpx.Sigmoid()]), [[0.0]], [[1.0]]).steepest()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": "0.weight"}, "a weight is named LAYER.NAME[INDEX]"),
        ({"weight": 3}, "a weight is named LAYER.NAME[INDEX]"),
        ({"weight": "1.weight[0,0]"}, "names no parameter of this network; it has 0.weight, 0.bias, 2.weight, 2.bias"),
        ({"weight": "0.weight[2,0]"}, "outside 0.weight, whose elements go from [0,0] to [1,1]"),
        ({"weight": "0.weight[0]"}, "outside 0.weight"),
        ({"weight": "0.bias[0]", "sample": 2}, "the batch has samples 0 to 1, got sample 2"),
        ({"weight": "0.bias[0]", "sample": -1}, "sample must be at least 0"),
        ({"weight": "0.bias[0]", "step": 1}, "the trace has steps 0 to 0"),
        ({"weight": "0.bias[0]", "max_paths": 0}, "max_paths must be at least 1"),
    ],
)
def test_mistakes(arguments, message):
    trace = bpx.explain(hand_made(), np.ones((2, 2)), np.ones((2, 1)))
    with pytest.raises(bpx.InputError) as caught:
        trace.chain(**arguments)
    assert message in str(caught.value)
