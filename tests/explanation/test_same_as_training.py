"""The steps that are explained are those that training makes, and the network is left as it was."""

import numpy as np
import pytest
from backend_cases import make
from closeness import assert_same_bits, relative_difference
from networks import classes, everything, left_by_training, on_host

import bpx

OPTIMIZERS = (
    bpx.SGD(0.1),
    bpx.SGD(0.1, momentum=0.9),
    bpx.SGD(0.1, momentum=0.9, nesterov=True),
    bpx.Adam(0.01),
    bpx.AdamW(0.01, weight_decay=0.1),
    bpx.RMSprop(0.01),
)
SHORT = {"weight": "w", "bias": "b"}


def new_params(trace):
    """The parameters after the last step of a trace."""
    layers = trace.steps[-1].layers
    return [
        {key.removeprefix("new "): q.values for key, q in layer.quantities.items() if key.startswith("new ")}
        for layer in layers
    ]


def named_short(params):
    return [{SHORT.get(name, name): np.asarray(a, dtype=np.float64) for name, a in part.items()} for part in params]


def assert_near(got, expected, tolerance):
    for mine, theirs in zip(got, expected, strict=True):
        assert sorted(mine) == sorted(theirs)
        for name in theirs:
            assert relative_difference(mine[name], theirs[name]) <= tolerance, name


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: f"{o.name}-{getattr(o, 'momentum', 0)}"[:12])
def test_steps_are_those_of_fit(optimizer):
    x, y = classes()
    explained, trained = everything(), everything()
    for net in (explained, trained):
        net.fit(x, y, epochs=2, optimizer=optimizer)
    before = left_by_training(explained)
    trace = bpx.explain(explained, x, y, 3, training=True)
    assert trace.optimizer == repr(optimizer)
    assert_same_bits(left_by_training(explained), before)
    history = trained.fit(x, y, epochs=3, optimizer=optimizer)
    assert [step.loss for step in trace.steps] == history.loss
    assert_same_bits(new_params(trace), named_short(on_host(trained, trained.params)))


def test_steps_are_those_of_fit_on_every_backend(backend):
    x, y = classes()
    explained, trained = everything(backend), everything(backend)
    trace = bpx.explain(explained, backend.array(x), backend.array(y), 2, optimizer="adam", training=True)
    history = trained.fit(x, y, epochs=2, optimizer="adam")
    # JAX compiles what fit runs, and fuses operations, as kernels do on CUDA; what is explained runs one at a time.
    tolerance = backend.either(1e-12, 1e-5)
    assert relative_difference([step.loss for step in trace.steps], history.loss) <= tolerance
    assert_near(new_params(trace), named_short(on_host(trained, trained.params)), tolerance)
    if not backend.name.startswith(("jax", "torch:cuda")):
        assert_same_bits(new_params(trace), named_short(on_host(trained, trained.params)))


@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_those_of_the_network(backend, training):
    x, y = classes()
    net = everything(backend)
    trace = bpx.explain(net, x, y, training=training)
    loss, gradients = net.gradients(x, y, training=training)
    tolerance = backend.either(1e-12, 1e-5)
    assert trace.steps[0].loss == pytest.approx(loss, rel=tolerance)
    for layer, part in zip(trace.steps[0].layers, gradients, strict=True):
        for name, gradient in part.items():
            got, expected = layer[f"dL/d{SHORT.get(name, name)}"].values, bpx.to_numpy(gradient)
            # Behind the batch's own statistics the bias of layer 0 changes nothing: its gradient is 0 but for rounding.
            np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance / 100)
    assert trace.steps[0].layers[0]["dL/db"].values.any()  # it is frozen, and has a gradient all the same


def test_in_place_the_network_makes_the_steps_too():
    x, y = classes()
    explained, trained = everything(), everything()
    bpx.explain(explained, x, y, 3, optimizer="adam", training=True, in_place=True)
    trained.fit(x, y, epochs=3, optimizer="adam")
    assert_same_bits(left_by_training(explained), left_by_training(trained))
    for net in (explained, trained):
        net.fit(x, y, epochs=2, optimizer="adam", batch_size=7)  # shuffles, masks and moments go on alike
    assert_same_bits(left_by_training(explained), left_by_training(trained))


def test_as_in_prediction_running_statistics_stay():
    x, y = classes()
    net = everything()
    before = on_host(net, net.state)
    bpx.explain(net, x, y, 2, in_place=True)
    assert_same_bits(on_host(net, net.state), before)


def test_the_callers_arrays_are_neither_changed_nor_needed_later():
    x, y = classes()
    net = bpx.mlp([4, 3, 3], dtype="float64")
    kept = x.copy()
    trace = bpx.explain(net, x, y, 2)
    np.testing.assert_array_equal(x, kept)
    before = trace.chain("0.weight[1,0]").total
    x[:] = 0.0
    assert trace.chain("0.weight[1,0]").total == before
    net.fit(kept, y, epochs=1)
    assert trace.chain("0.weight[1,0]").total == before


def test_penalties_and_clipping_are_part_of_the_step():
    x, y = classes()
    options = {"penalties": bpx.L2(0.1), "clip": bpx.ClipNorm(0.05)}
    explained, trained = (bpx.mlp([4, 5, 3], dtype="float64") for _ in range(2))
    trace = bpx.explain(explained, x, y, 2, optimizer=bpx.SGD(0.5), **options)
    trained.fit(x, y, epochs=2, optimizer=bpx.SGD(0.5), **options)
    assert_same_bits(new_params(trace), named_short(on_host(trained, trained.params)))
    formula = trace.steps[0].layers[0]["update w"].formula.text
    assert formula == "ΔW⁽¹⁾ = −0.5 · g,  g: the gradient after penalties and clipping"
    plain = bpx.explain(explained, x, y, optimizer=bpx.SGD(0.5)).steps[0].layers[0]
    assert plain["update w"].formula.text == "ΔW⁽¹⁾ = −0.5 · ∂L/∂W⁽¹⁾"
    np.testing.assert_array_equal(plain["dL/dw"], trace.steps[0].layers[0]["dL/dw"])  # the loss's own gradient in both


def test_frozen_parameters_count_in_no_norm():
    x, y = classes()
    layers = [bpx.Linear(4, 5, frozen=("bias",)), bpx.Tanh(), bpx.Linear(5, 3, frozen=("weight",))]
    explained, trained = (bpx.Network(layers, loss="cross_entropy", dtype="float64") for _ in range(2))
    trace = bpx.explain(explained, x, y, 2, optimizer=bpx.SGD(0.5), clip=bpx.ClipNorm(0.05))
    trained.fit(x, y, epochs=2, optimizer=bpx.SGD(0.5), clip=bpx.ClipNorm(0.05))
    assert_same_bits(new_params(trace), named_short(on_host(trained, trained.params)))


@pytest.mark.parametrize("training", [False, True])
def test_the_loss_after_a_step_is_that_before_the_next(training):
    x, y = classes()
    net = bpx.Network(
        [bpx.Linear(4, 5), bpx.BatchNorm(5), bpx.ReLU(), bpx.Linear(5, 3)], loss="cross_entropy", dtype="float64"
    )
    net.fit(x, y, epochs=1)
    first, second = bpx.explain(net, x, y, 2, training=training).steps
    assert first.loss_after == second.loss < first.loss


def test_a_lowered_rate_stays_lowered():
    x, y = classes()
    explained, trained = (bpx.mlp([4, 5, 3], dtype="float64") for _ in range(2))
    for net in (explained, trained):
        net.fit(x, y, epochs=1, optimizer=bpx.SGD(0.5))
        net.training.rate_scale = 0.25  # as a ReduceOnPlateau leaves it
    trace = bpx.explain(explained, x, y)
    trained.fit(x, y, epochs=1, optimizer=bpx.SGD(0.5))
    assert trace.steps[0].learning_rate == 0.125
    assert_same_bits(new_params(trace), named_short(on_host(trained, trained.params)))


def test_sample_weights_are_those_of_training():
    x, y = classes()
    weight = np.linspace(0.0, 2.0, len(x))
    net = bpx.mlp([4, 5, 3], dtype="float64")
    step = bpx.explain(net, x, y, sample_weight=weight).steps[0]
    loss, gradients = net.gradients(x, y, weight)
    assert step.loss == loss
    np.testing.assert_array_equal(step.layers[2]["dL/dw"], gradients[2]["weight"])
    assert step["error"].formula.text == "δ⁽²⁾ = wₙ (softmax(z⁽²⁾) − y) / Σₙ wₙ"
    assert np.dot(step["losses"].values, weight) / weight.sum() == pytest.approx(loss, rel=1e-12)


def test_the_learning_rate_is_that_of_the_schedule():
    from bpx.optimizers.schedules import StepDecay  # any schedule that moves

    x, y = classes()
    schedule = StepDecay(0.4, every=1, factor=0.5)
    trace = bpx.explain(bpx.mlp([4, 3], dtype="float64"), x, y, 3, optimizer=bpx.SGD(schedule))
    assert [step.learning_rate for step in trace.steps] == [0.4, 0.2, 0.1]
    assert "−0.1 ·" in trace.steps[2].layers[0]["update w"].formula.text


def test_without_an_optimizer_it_is_the_networks_own_or_plain_descent():
    x, y = classes()
    net = bpx.mlp([4, 3], dtype="float64")
    assert bpx.explain(net, x, y).optimizer == repr(bpx.SGD())
    net.fit(x, y, epochs=1, optimizer=bpx.RMSprop(0.01))
    assert bpx.explain(net, x, y).optimizer == repr(bpx.RMSprop(0.01))


def test_float32_numbers_come_exactly():
    x, y = classes()
    net = bpx.mlp([4, 5, 3], dtype="float32", backend=make("array-api-strict:device1").backend)
    layer = bpx.explain(net, x, y).steps[0].layers[0]
    for key in ("inputs", "w", "z", "delta", "dL/dw", "new w"):
        assert layer[key].values.dtype == np.float64
        np.testing.assert_array_equal(layer[key].values, layer[key].values.astype(np.float32))
    np.testing.assert_array_equal(layer["w"], bpx.to_numpy(net.params[0]["weight"]))
