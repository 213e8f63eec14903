"""L-BFGS: SciPy leads, the network's own backend computes loss and gradient."""

from __future__ import annotations

import subprocess
import sys

import networks
import numpy as np
import pytest

import bpx
from bpx.training.lbfgs import minimize

optimize = pytest.importorskip("scipy.optimize", reason="SciPy is not installed")


def network(backend: object = None, dtype: str = "float64", **options: object) -> bpx.Network:
    return bpx.mlp([4, 6, 3], "tanh", dtype=dtype, seed=2, backend=backend, **options)  # type: ignore[arg-type]


def test_follows_scipy_on_the_same_function():
    x, y = networks.classes(40)
    net, by_hand = network(), network()

    def objective(flat):
        sizes = [24, 18, 6, 3]
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        weights, biases = [parts[0].reshape(4, 6), parts[1].reshape(6, 3)], parts[2:]
        by_hand.params = [{"weight": weights[0], "bias": biases[0]}, {}, {"weight": weights[1], "bias": biases[1]}]
        loss, gradients = by_hand.gradients(x, y)
        chosen = [gradients[0]["weight"], gradients[2]["weight"], gradients[0]["bias"], gradients[2]["bias"]]
        return loss, np.concatenate([g.ravel() for g in chosen])

    start = [
        by_hand.params[0]["weight"],
        by_hand.params[2]["weight"],
        by_hand.params[0]["bias"],
        by_hand.params[2]["bias"],
    ]
    result = optimize.minimize(
        objective, np.concatenate([a.ravel() for a in start]), method="L-BFGS-B", jac=True, options={"maxiter": 12}
    )
    history = net.fit(x, y, epochs=12, optimizer="lbfgs")
    assert history.loss[-1] == pytest.approx(result.fun, rel=1e-12)
    np.testing.assert_allclose(net.params[0]["weight"].ravel(), result.x[:24], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(net.params[2]["bias"], result.x[-3:], rtol=1e-9, atol=1e-12)


def test_converges_where_the_gradient_vanishes(backend):
    x, y = networks.numbers(60, outputs=1)
    net = bpx.mlp([4, 1], loss="squared_error", dtype=backend.dtype, backend=backend.spec)
    tolerance = backend.either(1e-9, 1e-4)
    history = net.fit(x, y, epochs=300, optimizer=bpx.LBFGS(gradient_tolerance=tolerance, loss_tolerance=0.0))
    assert len(history) < 300
    assert "CONVERGENCE" in history.stop_reason or "ABNORMAL" in history.stop_reason
    assert history.loss == sorted(history.loss, reverse=True)
    solution = np.linalg.lstsq(np.c_[x, np.ones(60)], y, rcond=None)[0]
    np.testing.assert_allclose(backend.numpy(net.params[0]["weight"]), solution[:4], atol=backend.either(1e-7, 1e-3))
    np.testing.assert_allclose(backend.numpy(net.params[0]["bias"]), solution[4], atol=backend.either(1e-7, 1e-3))


def test_an_epoch_is_an_iteration_that_callbacks_see():
    x, y = networks.classes(40)
    seen = []

    def look(run):
        seen.append((run.epoch, run.logs["loss"], run.net.evaluate(x, y)["loss"], run.logs["validation_loss"]))
        if len(seen) == 5:
            run.stop("enough")

    net = network()
    history = net.fit(x, y, epochs=50, optimizer="lbfgs", callbacks=look, validation_data=(x, y))
    assert [epoch for epoch, *_ in seen] == [1, 2, 3, 4, 5] == history.epoch
    for _, loss, evaluated, validation in seen:
        assert loss == pytest.approx(evaluated, rel=1e-12)
        assert validation == pytest.approx(evaluated, rel=1e-12)
    assert history.stop_reason == "enough"
    assert net.fit(x, y, epochs=2, optimizer="lbfgs").epoch == [6, 7]


def test_penalties_and_weights_are_minimized_with_the_loss():
    x, y = networks.classes(40)
    weight = 1.0 + np.arange(40) % 3
    net = network()
    net.fit(x, y, epochs=400, optimizer=bpx.LBFGS(gradient_tolerance=1e-8, loss_tolerance=0.0), sample_weight=weight,
            penalties=bpx.L2(2.0, per_sample=True))  # fmt: skip
    _, gradients = net.gradients(x, y, sample_weight=weight)
    for part, gradient in zip(net.params, gradients, strict=True):
        if part:
            np.testing.assert_allclose(gradient["weight"], -2.0 * part["weight"] / weight.sum(), atol=1e-6)
            np.testing.assert_allclose(gradient["bias"], 0.0, atol=1e-6)


def test_frozen_parameters_stay():
    x, y = networks.classes(30)
    net = bpx.Network(
        [bpx.Linear(4, 5, frozen=("weight",)), bpx.Tanh(), bpx.Linear(5, 3, frozen=("bias",), bias_init="uniform")],
        loss="cross_entropy", dtype="float64",
    )  # fmt: skip
    before = [{name: np.array(a) for name, a in part.items()} for part in net.params]
    loss = net.fit(x, y, epochs=20, optimizer="lbfgs").loss
    assert loss[-1] < 0.7 * loss[0]
    np.testing.assert_array_equal(net.params[0]["weight"], before[0]["weight"])
    np.testing.assert_array_equal(net.params[2]["bias"], before[2]["bias"])
    assert not np.array_equal(net.params[0]["bias"], before[0]["bias"])
    assert not np.array_equal(net.params[2]["weight"], before[2]["weight"])


def test_normalization_layers_without_statistics_are_fine():
    x, y = networks.classes(30)
    net = bpx.Network([bpx.Linear(4, 5), bpx.LayerNorm(5), bpx.Linear(5, 3)], loss="cross_entropy", dtype="float64")
    loss = net.fit(x, y, epochs=15, optimizer="lbfgs").loss
    assert loss[-1] < 0.5 * loss[0]


def test_float32_networks_keep_their_dtype():
    x, y = networks.classes(30)
    net = network(dtype="float32")
    net.fit(x, y, epochs=10, optimizer="lbfgs")
    assert net.params[0]["weight"].dtype == np.float32
    assert net.evaluate(x, y)["loss"] < 0.4


def test_another_optimizer_goes_on_from_the_weights():
    x, y = networks.classes(30)
    net = network()
    reached = net.fit(x, y, epochs=10, optimizer="lbfgs").loss[-1]
    loss = net.fit(x, y, epochs=2, optimizer=bpx.SGD(1e-6)).loss
    assert loss[0] == pytest.approx(reached, rel=1e-9)


@pytest.mark.parametrize(
    "layers, options, said",
    [
        ([bpx.Linear(4, 3)], {"batch_size": 10}, "takes the whole set at each step; leave batch_size out"),
        ([bpx.Linear(4, 3)], {"clip": bpx.ClipNorm(1.0)}, "clip must be None, got ClipNorm"),
        ([bpx.Linear(4, 3), bpx.Dropout(0.5)], {}, "same loss at each evaluation, which Dropout"),
        ([bpx.Linear(4, 3), bpx.BatchNorm(3)], {}, "same loss at each evaluation, which BatchNorm"),
        ([bpx.Linear(4, 3)], {"checkpoint": "run"}, "cannot be resumed to the bit"),
    ],
)
def test_what_it_cannot_do_is_refused_before_any_work(tmp_path, monkeypatch, layers, options, said):
    monkeypatch.chdir(tmp_path)
    x, y = networks.classes(30)
    net = bpx.Network(layers, loss="cross_entropy", dtype="float64")
    before = np.array(net.params[0]["weight"])
    with pytest.raises(bpx.InputError, match=said):
        net.fit(x, y, epochs=3, optimizer="lbfgs", **options)
    np.testing.assert_array_equal(net.params[0]["weight"], before)
    assert list(tmp_path.iterdir()) == []


def test_batches_of_an_iterable_are_refused():
    x, y = networks.classes(30)
    with pytest.raises(bpx.InputError, match="takes the whole set at each step"):
        network().fit([(x[:10], y[:10]), (x[10:], y[10:])], epochs=3, optimizer="lbfgs")


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"memory": 0}, "memory must be at least 1"),
        ({"gradient_tolerance": -1.0}, "gradient_tolerance must be at least 0"),
        ({"loss_tolerance": -1.0}, "loss_tolerance must be at least 0"),
        ({"max_evaluations": 1.5}, "max_evaluations must be a whole number"),
    ],
)
def test_settings_are_checked(settings, said):
    with pytest.raises(bpx.InputError, match=said):
        bpx.LBFGS(**settings)


def test_settings_reach_scipy():
    x, y = networks.classes(40)
    net = network()
    outcome = minimize(net, net.place(x, y, None), bpx.LBFGS(max_evaluations=4), 100)
    assert outcome.status == 1
    assert "EVALUATIONS" in outcome.message
    assert outcome.nfev <= 6
    assert minimize(net, net.place(x, y, None), bpx.LBFGS(loss_tolerance=0.5), 100).nit <= 3
    assert minimize(net, net.place(x, y, None), bpx.LBFGS(gradient_tolerance=10.0), 100).nit == 0
    short, long = network(), network()
    short.fit(x, y, epochs=12, optimizer=bpx.LBFGS(memory=1))
    long.fit(x, y, epochs=12, optimizer=bpx.LBFGS(memory=10))
    assert not np.allclose(short.params[0]["weight"], long.params[0]["weight"], rtol=1e-6)


def test_an_infinite_loss_is_an_error():
    x, y = networks.numbers(20, outputs=1)
    net = bpx.mlp([4, 1], loss="squared_error", dtype="float64")
    with pytest.raises(bpx.DivergenceError, match="L-BFGS; try inputs scaled"):
        net.fit(x * 1e200, y, epochs=5, optimizer="lbfgs")


def test_there_is_no_update_of_one_array():
    with pytest.raises(bpx.InputError, match="use it as the optimizer of fit"):
        _ = bpx.LBFGS().update


def test_without_scipy_the_error_has_the_line_that_installs_it():
    code = (
        "import sys; sys.modules['scipy'] = None; import bpx\n"
        "try:\n    bpx.mlp([2, 1], loss='squared_error').fit(*bpx.datasets.xor(), epochs=1, optimizer='lbfgs')\n"
        "except bpx.InputError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'need scipy, which is not installed: pip install "bpx-backprop[sklearn]"' in done.stdout
