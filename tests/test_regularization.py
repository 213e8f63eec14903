"""Penalties and limits: their gradients, what they apply to, and what they do in a training."""

import numpy as np
import pytest
from closeness import assert_close, relative_difference
from differences import central_differences
from networks import numbers, on_host

import bpx
from bpx.core.regularization import make_penalize

PENALTIES = [bpx.L2(0.3), bpx.L2(0.3, per_sample=True), bpx.L1(0.2), bpx.L1(0.2, per_sample=True)]


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_the_gradient_of_a_penalty_is_its_derivative(penalty, backend, generator):
    w = generator.normal(size=(3, 4))
    value, gradient = penalty.term(backend.xp, backend.array(w), 5)
    numpy = bpx.get_backend("numpy").xp
    expected = central_differences(lambda moved: float(penalty.term(numpy, moved["w"], 5)[0]), {"w": w})["w"]
    assert_close(backend, gradient, expected, backend.either(1e-8, 1e-5))
    power = 0.15 * (w**2).sum() if isinstance(penalty, bpx.L2) else 0.2 * np.abs(w).sum()
    assert float(value) == pytest.approx(power / (5 if penalty.per_sample else 1), rel=backend.either(1e-14, 1e-6))


@pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
def test_a_step_with_a_penalty_goes_down_both_and_spares_biases(penalty, backend):
    x, y = numbers(8)
    make = {"sizes": [4, 3, 2], "loss": "squared_error", "init": "uniform", "dtype": backend.dtype}
    plain, penalized = (bpx.mlp(**make, backend=backend.spec) for _ in range(2))
    start = on_host(plain, plain.params)
    loss = plain.fit(backend.array(x), backend.array(y), epochs=1, optimizer=bpx.SGD(0.1)).loss[0]
    more = penalized.fit(backend.array(x), backend.array(y), epochs=1, optimizer=bpx.SGD(0.1), penalties=penalty).loss[
        0
    ]
    expected, numpy = loss, bpx.get_backend("numpy").xp
    for was, without, with_it in zip(
        start, on_host(plain, plain.params), on_host(penalized, penalized.params), strict=True
    ):
        for name in was:
            if name == "weight":
                value, gradient = penalty.term(numpy, was[name].astype(np.float64), 8)
                expected += float(value)
                change = without[name] - 0.1 * gradient
                assert relative_difference(with_it[name], change) < backend.either(1e-12, 1e-5)
            else:
                np.testing.assert_array_equal(with_it[name], without[name])
    assert more == pytest.approx(expected, rel=backend.either(1e-12, 1e-5))


def test_penalties_add_up(on_numpy):
    x, y = numbers(8)
    net = bpx.mlp([4, 2], loss="squared_error", dtype="float64")
    plain = net.fit(x, y, epochs=1).loss[0]
    weight = bpx.mlp([4, 2], dtype="float64").params[0]["weight"]
    both = net.reset().fit(x, y, epochs=1, penalties=[bpx.L1(0.1), bpx.L2(0.2)]).loss[0]
    assert both == pytest.approx(plain + 0.1 * np.abs(weight).sum() + 0.1 * (weight**2).sum(), rel=1e-13)


def test_a_limit_on_values_cuts_each_element(backend, generator):
    g = generator.normal(size=(3, 4))
    grads = [{"weight": backend.array(g)}, {}, {"bias": backend.array(g[0])}]
    bpx.ClipValue(0.5).apply(backend.xp, grads)
    assert_close(backend, grads[0]["weight"], np.clip(g, -0.5, 0.5), backend.either(0.0, 1e-7))
    assert_close(backend, grads[2]["bias"], np.clip(g[0], -0.5, 0.5), backend.either(0.0, 1e-7))


@pytest.mark.parametrize("limit", [0.5, 1e6])
def test_a_limit_on_the_norm_shrinks_all_alike_and_only_if_it_must(limit, backend, generator):
    g, b = generator.normal(size=(3, 4)), generator.normal(size=4)
    norm = np.sqrt((g**2).sum() + (b**2).sum())
    grads = [{}, {"weight": backend.array(g), "bias": backend.array(b)}]
    bpx.ClipNorm(limit).apply(backend.xp, grads)
    expected = {"weight": g * min(1.0, limit / norm), "bias": b * min(1.0, limit / norm)}
    assert_close(backend, grads[1], expected, backend.either(1e-14, 1e-6))


def test_a_limit_on_the_norm_leaves_gradients_of_zero_alone(backend):
    grads = [{"weight": backend.array(np.zeros((2, 2)))}]
    with backend.backend.computing():
        bpx.ClipNorm(1.0).apply(backend.xp, grads)
    assert_close(backend, grads[0]["weight"], np.zeros((2, 2)), 0.0)


@pytest.mark.parametrize("clip", [bpx.ClipNorm(1e-3), bpx.ClipValue(1e-3)], ids=repr)
def test_a_limit_bounds_the_steps_of_a_training(clip, backend):
    x, y = numbers(8)
    net = bpx.mlp([4, 3, 2], loss="squared_error", dtype=backend.dtype, backend=backend.spec)
    before = on_host(net, net.params)
    net.fit(backend.array(x), backend.array(y), epochs=1, optimizer=bpx.SGD(1.0), clip=clip)
    steps = [now[n] - was[n] for was, now in zip(before, on_host(net, net.params), strict=True) for n in was]
    largest = max(np.abs(step).max() for step in steps)
    norm = np.sqrt(sum((step**2).sum() for step in steps))
    if isinstance(clip, bpx.ClipValue):
        assert largest == pytest.approx(1e-3, rel=1e-3)
    else:
        assert norm == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("cls", [bpx.L1, bpx.L2])
def test_a_strength_is_at_least_zero(cls):
    with pytest.raises(bpx.InputError, match="strength must be at least 0.0, got -1"):
        cls(-1.0)


@pytest.mark.parametrize("cls", [bpx.ClipValue, bpx.ClipNorm])
def test_a_limit_is_above_zero(cls):
    with pytest.raises(bpx.InputError, match="limit must be above 0.0, got 0"):
        cls(0.0)


@pytest.mark.parametrize("size", [2.0**-60, 1.0, 2.0**100])
def test_a_limit_on_the_norm_holds_where_squares_overflow_or_vanish(size, backend, generator):
    dw, db = generator.normal(size=(4, 3)), generator.normal(size=3)
    grads = [backend.arrays({"weight": dw * size, "bias": db * size})]
    bpx.ClipNorm(1e-3 * min(size, 1.0)).apply(backend.xp, grads)
    norm = np.sqrt((dw**2).sum() + (db**2).sum())
    expected = {"weight": dw / norm, "bias": db / norm}
    scaled = [{name: array / (1e-3 * min(size, 1.0)) for name, array in part.items()} for part in grads]
    if size >= 1.0:
        assert_close(backend, scaled[0], expected, backend.either(1e-12, 1e-5))
    bpx.ClipNorm(1.0).apply(backend.xp, [{}])  # nothing to limit


@pytest.mark.parametrize("penalty", [bpx.L1(0.3, per_sample=True), bpx.L2(0.3, per_sample=True)])
@pytest.mark.parametrize("source", ["arrays", "batches", "classes"])
def test_a_batch_whose_samples_all_weigh_0_has_no_penalty_per_sample(penalty, source, backend, generator):
    x, y = generator.normal(size=(12, 3)), np.repeat([0, 1, 2], 4)
    weight = np.where(y == 2, 0.0, 1.0)

    def trained(epochs, rows):
        net = bpx.mlp([3, 4, 3], dtype=backend.dtype, backend=backend.spec)
        options = {"epochs": epochs, "shuffle": False, "optimizer": bpx.SGD(0.1), "penalties": penalty}
        xs, ys, ws = (backend.array(a) for a in (x[:rows], y[:rows], weight[:rows]))
        if source == "arrays":
            history = net.fit(xs, ys, batch_size=4, sample_weight=ws, **options)
        elif source == "classes":
            history = net.fit(xs, ys, batch_size=4, class_weight={2: 0.0}, **options)
        else:
            parts = [tuple(a[i : i + 4, ...] for a in (xs, ys, ws)) for i in range(0, rows, 4)]
            history = net.fit(parts, **options)
        return net, history.loss

    for epochs in (1, 60):  # plainly, and replayed, recorded or compiled
        (with_it, losses), (without, expected) = trained(epochs, 12), trained(epochs, 8)
        np.testing.assert_allclose(losses, expected, rtol=backend.either(1e-12, 1e-5))
        for mine, theirs in zip(with_it.params, without.params, strict=True):
            assert_close(backend, mine, {n: backend.numpy(a) for n, a in theirs.items()}, backend.either(1e-12, 1e-5))


@pytest.mark.parametrize(
    ("layer", "weights"),
    [
        (bpx.Linear(4, 3), ["weight"]),
        (bpx.BatchNorm(4), []),
        (bpx.Embedding(5, 3), ["weight"]),
        (bpx.Members(4, k=2), []),
        (bpx.MemberLinear(4, 3, k=2), ["weight"]),
        (bpx.MemberLinear(4, 3, k=2, own=("weight", "bias")), ["weight"]),
        (bpx.Periodic(4, 3, 2), ["sine", "cosine"]),
        (bpx.PBLD(4), ["weight"]),
        (bpx.Residual([bpx.LayerNorm(4), bpx.Linear(4, 4)]), ["1.weight"]),
        (bpx.Columns([3, 1], [bpx.Periodic(3, 2, 2), bpx.Embedding(2, 2)]), ["0.sine", "0.cosine", "1.weight"]),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, bpx.Layer) else "",
)
def test_weights_alone_are_penalized_whatever_their_axes(layer, weights, generator):
    """Biases and factors of members have two axes, and weights of members three."""
    xp = bpx.get_backend("numpy").xp
    params = {name: array + 0.5 for name, array in layer.init(generator).items()}
    grads = {name: np.zeros_like(array) for name, array in params.items()}
    value = make_penalize(xp, [bpx.L2(0.2), bpx.L1(0.1)], [layer])([params], [grads], 1)
    expected = sum((0.1 * params[name] ** 2 + 0.1 * np.abs(params[name])).sum() for name in weights)
    assert float(value) == pytest.approx(expected, rel=1e-13)
    assert [name for name in layer.param_names if np.any(grads[name])] == weights


def test_a_layer_of_ones_own_says_what_its_weights_are():
    class Shifted(bpx.Layer):
        param_names = ("kernel", "offset", "gain")

        def init(self, generator):
            return {"kernel": np.ones((2, 2)), "offset": np.ones(2), "gain": np.ones((2, 2))}

    assert Shifted().weight_names == ("kernel", "gain")

    class Named(Shifted):
        weight_names = ("kernel",)

    assert Named().weight_names == ("kernel",)
