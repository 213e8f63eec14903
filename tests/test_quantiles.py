"""The loss of quantiles: by hand, where it is least, and in all that a network with several outputs a target does."""

from __future__ import annotations

import importlib

import networks
import numpy as np
import pytest
from closeness import assert_same_bits

import bpx

LEVELS = (0.1, 0.5, 0.9)


def make(levels=LEVELS, backend="numpy", dtype="float64", outputs=3):
    layers = [bpx.Linear(4, 8), bpx.Tanh(), bpx.Linear(8, outputs)]
    return bpx.Network(layers, loss=bpx.Quantile(levels), dtype=dtype, backend=backend, seed=2)


def data(rows=22):
    x, y = networks.numbers(rows, outputs=1)
    return x, y[:, 0]


def test_value_and_gradient_by_hand(backend):
    z, y = np.array([[1.0, 2.0, 5.0], [0.0, 0.0, 0.0]]), np.array([[3.0], [0.0]])
    for levels, expected, slopes in (
        (LEVELS, [0.1 * 2, 0.5 * 1, 0.1 * 2], [-0.1, -0.5, 1 - 0.9]),
        (0.9, [0.9 * 2, 0.9 * 1, 0.1 * 2], [-0.9, -0.9, 1 - 0.9]),
    ):
        loss = bpx.Quantile(levels)
        targets = y if isinstance(levels, tuple) else np.repeat(y, 3, axis=1)
        value, cache = loss.forward(backend.xp, backend.array(z), backend.array(targets))
        assert float(value) == pytest.approx(sum(expected) / 2, rel=1e-6)
        dz = backend.numpy(loss.backward(backend.xp, cache))
        np.testing.assert_allclose(dz, [np.array(slopes) / 2, np.zeros(3)], rtol=1e-6)  # 0 at the kink


def test_it_is_least_at_the_quantiles():
    """An output that is a bias alone goes to the quantile of its targets."""
    y = np.random.default_rng(0).gamma(2.0, size=2001)
    layer = bpx.Linear(1, 3, weight_init="zeros", frozen="weight")
    net = bpx.Network([layer], loss=bpx.Quantile(LEVELS), dtype="float64")
    net.fit(np.zeros((2001, 1)), y, epochs=4000, batch_size=None, optimizer=bpx.SGD(bpx.CosineDecay(1.0, 4000)))
    np.testing.assert_allclose(net.predict([[0.0]])[0], np.quantile(y, LEVELS), atol=0.01)


def test_half_the_absolute_error_is_that_of_the_median(backend):
    x, y = networks.numbers()
    layers = [bpx.Linear(4, 2)]
    nets = [bpx.Network(layers, loss=name, dtype=backend.dtype, backend=backend.spec)
            for name in ("quantile", "absolute_error")]  # fmt: skip
    losses = [net.fit(x, y, epochs=5, optimizer=bpx.SGD(rate)).loss for net, rate in zip(nets, (0.2, 0.1), strict=True)]
    np.testing.assert_allclose(np.multiply(losses[0], 2.0), losses[1], rtol=backend.either(1e-12, 1e-5))


@pytest.mark.parametrize("levels", [LEVELS, 0.8], ids=str)
def test_backends_agree(levels, backend):
    x, y = data() if isinstance(levels, tuple) else networks.numbers(outputs=3)
    nets = make(levels, backend.spec, backend.dtype), make(levels)
    options = {"epochs": 20, "batch_size": 5, "optimizer": bpx.SGD(0.05), "sample_weight": np.linspace(0.0, 2.0, 22)}
    losses = [net.fit(x, y, **options).loss for net in nets]
    np.testing.assert_allclose(losses[0], losses[1], rtol=backend.either(1e-10, 1e-4))
    ours, theirs = (bpx.to_numpy(net.predict(x)) for net in nets)
    np.testing.assert_allclose(ours, theirs, rtol=backend.either(1e-9, 1e-3), atol=1e-4)


def test_the_gradient_check_passes():
    x, y = data()
    assert bpx.check_gradients(make(), x, y).passed


def test_targets_are_one_for_all_outputs():
    x, y = data()
    net = make()
    assert net.evaluate(x, y) == net.evaluate(x, y[:, None])
    with pytest.raises(bpx.InputError, match=r"shape \(22, 1\), one target for all 3 outputs, got \(22, 3\)"):
        net.evaluate(x, np.repeat(y[:, None], 3, axis=1))
    for metric in ("r2", "mean_absolute_error"):
        with pytest.raises(bpx.InputError, match="needs one output for a target; this network has 3 quantiles of it"):
            net.fit(x, y, epochs=1, metrics=[metric])

    def covered(y_true, y_pred):
        return np.mean((y_pred[:, 0] <= y_true) & (y_true <= y_pred[:, 2]))

    history = net.fit(x, y, epochs=60, optimizer=bpx.Adam(0.02), metrics=[covered], validation_data=(x, y))
    assert history.metrics["covered"][-1] > 0.5
    single = make(0.5)
    single.fit(*networks.numbers(outputs=3), epochs=1, metrics=["mean_absolute_error"])


def test_it_is_kept_in_files(tmp_path):
    net = make()
    net.fit(*data(), epochs=2)
    net.save(tmp_path / "net")
    again = bpx.load(tmp_path / "net")
    assert again.loss == bpx.Quantile(LEVELS)
    assert_same_bits(again.params, net.params)


def test_members_learn_quantiles():
    layers = [bpx.Members(4, k=2), bpx.MemberLinear(4, 3, k=2, own=("weight", "bias"))]
    net = bpx.Network(layers, loss=bpx.MeanOverMembers(loss=bpx.Quantile(LEVELS)), dtype="float64")
    x, y = data()
    assert bpx.check_gradients(net, x, y).passed
    assert net.predict(x).shape == (22, 3)
    with pytest.raises(bpx.InputError, match="2 quantiles need as many outputs"):
        bpx.Network(layers, loss=bpx.MeanOverMembers(loss=bpx.Quantile((0.1, 0.9))))


def test_an_explanation_writes_it():
    x, y = data(4)
    step = bpx.explain(make(), x, y, optimizer=bpx.SGD(0.1)).steps[0]
    z = step["outputs"].values
    expected = np.maximum((1 - np.array(LEVELS)) * (z - y[:, None]), -np.array(LEVELS) * (z - y[:, None])).sum(axis=1)
    np.testing.assert_allclose(step["losses"].values, expected, rtol=1e-12)
    assert step["losses"].formula.text.endswith("max((1 − qₖ) dₖ, −qₖ dₖ), d = z⁽²⁾ − y, q = (0.1, 0.5, 0.9)")
    assert "1 − q where z⁽²⁾ > y, −q where z⁽²⁾ < y" in step["error"].formula.text


def test_a_training_step_in_an_onnx_file_has_it(tmp_path):
    try:
        runtime = importlib.import_module("onnxruntime")
        importlib.import_module("ndonnx")
    except ImportError as error:
        pytest.skip(str(error))
    x, y = data(6)
    net = make(dtype="float32")
    net.export_training_onnx(tmp_path / "step.onnx", batch_size=6, optimizer=bpx.SGD(0.1))
    session = runtime.InferenceSession(tmp_path / "step.onnx", providers=["CPUExecutionProvider"])
    dtypes = {"tensor(float)": "f4", "tensor(int32)": "i4", "tensor(bool)": "?"}
    given = {i.name: np.zeros(i.shape, dtypes[i.type]) for i in session.get_inputs()}
    assert given["y"].shape == (6, 1)
    given |= {"x": x.astype("f4"), "y": y[:, None].astype("f4")}
    made = dict(zip([o.name for o in session.get_outputs()], session.run(None, given), strict=True))
    history = net.fit(x, y, epochs=1, batch_size=None, optimizer=bpx.SGD(0.1))
    assert float(made["loss"]) == pytest.approx(history.loss[0], rel=1e-5)
    np.testing.assert_allclose(made["next.2.weight"], net.params[2]["weight"], rtol=1e-5, atol=1e-6)
