"""Normalisation: what it standardises, and the running statistics."""

import numpy as np
import pytest
from closeness import assert_close

import bpx
from bpx.layers import Context


def _unit(layer, backend):
    return backend.arrays(layer.init(np.random.default_rng(0)))


def test_layer_norm_standardises_each_sample(backend, generator):
    layer = bpx.LayerNorm(50, eps=1e-12)
    y, _ = layer.forward(backend.xp, _unit(layer, backend), backend.array(generator.normal(3.0, 5.0, size=(4, 50))))
    np.testing.assert_allclose(backend.numpy(y).mean(axis=1), 0.0, atol=1e-6)
    np.testing.assert_allclose(backend.numpy(y).std(axis=1), 1.0, rtol=1e-6)


def test_batch_norm_standardises_each_feature(backend, generator):
    layer = bpx.BatchNorm(3, eps=1e-12)
    y, _ = layer.forward(backend.xp, _unit(layer, backend), backend.array(generator.normal(3.0, 5.0, size=(50, 3))))
    np.testing.assert_allclose(backend.numpy(y).mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(backend.numpy(y).std(axis=0), 1.0, rtol=1e-6)


def test_running_statistics_are_those_of_pytorch(backend, generator, torch):
    layer, theirs = bpx.BatchNorm(3, momentum=0.2), torch.nn.BatchNorm1d(3, momentum=0.2, dtype=torch.float64)
    state = backend.arrays(layer.init_state())
    for rows in (7, 2, 30):
        x = generator.normal(2.0, 3.0, size=(rows, 3))
        context = Context(True, None, state)
        _, cache = layer.forward(backend.xp, _unit(layer, backend), backend.array(x), context)
        state = layer.next_state(backend.xp, context, cache)
        theirs(torch.tensor(x))
    expected = {"running_mean": theirs.running_mean.numpy(), "running_var": theirs.running_var.numpy()}
    assert_close(backend, state, expected, backend.either(1e-12, 1e-5))


def test_predictions_use_the_running_statistics_and_leave_them(backend, generator):
    net = bpx.Network([bpx.BatchNorm(3), bpx.Linear(3, 1)], dtype=backend.dtype, backend=backend.spec)
    x, y = generator.normal(2.0, 3.0, size=(16, 3)), generator.normal(size=(16, 1))
    net.fit(backend.array(x), backend.array(y), epochs=3)
    before = [backend.numpy(net.state[0][name]).copy() for name in ("running_mean", "running_var")]
    assert np.abs(before[0]).min() > 0.0
    together = backend.numpy(net.predict(backend.array(x)))
    alone = backend.numpy(net.predict(backend.array(x[:1])))
    net.evaluate(backend.array(x), backend.array(y))
    np.testing.assert_allclose(alone, together[:1], rtol=1e-6)
    for was, name in zip(before, ("running_mean", "running_var"), strict=True):
        np.testing.assert_array_equal(backend.numpy(net.state[0][name]), was)


def test_a_batch_of_one_row_gives_the_bias_and_leaves_the_running_statistics(backend):
    layer = bpx.BatchNorm(2)
    params = backend.arrays({"weight": [2.0, 2.0], "bias": [0.5, -0.5]})
    state = {"running_mean": [1.0, 2.0], "running_var": [4.0, 9.0]}
    context = Context(True, None, backend.arrays(state))
    y, cache = layer.forward(backend.xp, params, backend.array([[3.0, 4.0]]), context)
    assert_close(backend, y, [[0.5, -0.5]], 0.0)
    dx, _ = layer.backward(backend.xp, params, cache, backend.array([[1.0, 1.0]]))
    assert_close(backend, dx, [[0.0, 0.0]], 0.0)
    assert_close(backend, layer.next_state(backend.xp, context, cache), state, 0.0)


@pytest.mark.parametrize("source", ["arrays", "batches"])
@pytest.mark.parametrize("block", [False, True])
def test_a_last_batch_of_one_row_does_not_enter_the_running_statistics(backend, generator, source, block):
    x, y = generator.normal(5.0, 3.0, size=(33, 2)), generator.normal(size=(33, 2))
    first, second = (backend.array(a) for a in (x[:32], y[:32])), (backend.array(a) for a in (x[32:], y[32:]))
    layer = bpx.Residual([bpx.BatchNorm(2)]) if block else bpx.BatchNorm(2)
    net = bpx.Network([layer, bpx.Linear(2, 2)], loss="squared_error", dtype=backend.dtype, backend=backend.spec)
    epochs = 150  # enough for a step that is replayed or recorded
    if source == "arrays":
        net.fit(backend.array(x), backend.array(y), epochs=epochs, batch_size=32, shuffle=False)
    else:
        net.fit([tuple(first), tuple(second)], epochs=epochs, shuffle=False)
    share = 0.9**epochs
    expected = {
        "running_mean": (1.0 - share) * x[:32].mean(axis=0),
        "running_var": share + (1.0 - share) * x[:32].var(axis=0, ddof=1),
    }
    state = {name.removeprefix("0."): array for name, array in net.state[0].items()}
    assert_close(backend, state, expected, backend.either(1e-10, 1e-4))


@pytest.mark.parametrize("layer", [bpx.BatchNorm, bpx.LayerNorm])
def test_frozen_names_and_sizes_are_checked(layer):
    with pytest.raises(bpx.InputError, match="no parameter 'running_mean' to freeze; it has 'weight', 'bias'"):
        layer(3, frozen=("running_mean",))
    with pytest.raises(bpx.InputError, match="n_features must be at least 1, got 0"):
        layer(0)
    with pytest.raises(bpx.InputError, match="eps must be above 0"):
        layer(3, eps=0.0)


@pytest.mark.parametrize("momentum", [0.0, -0.1, 1.1])
def test_momentum_is_a_share(momentum):
    with pytest.raises(bpx.InputError, match="momentum must be above 0.0 and at most 1.0"):
        bpx.BatchNorm(3, momentum=momentum)
