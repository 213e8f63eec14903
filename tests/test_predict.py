"""Predictions and evaluations: arrays come back where they came from, and the numbers are right."""

import importlib.util
from functools import partial

import numpy as np
import pytest
from backend_cases import BackendCase
from closeness import assert_close, relative_difference
from networks import classes, everything

import bpx
from bpx.core.model import PREDICT_ROWS

HOMES = ["numpy", "torch:cpu", "jax:cpu:0", "mlx:cpu:0", "array-api-strict"]


def _softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("source", [*HOMES, "array-api-strict:device1"])
@pytest.mark.parametrize("home", HOMES)
def test_arrays_come_back_where_they_came_from(source, home, request):
    for spec in (source, home):
        request.getfixturevalue({"t": "torch", "j": "jax", "m": "mlx", "a": "strict", "n": "on_numpy"}[spec[0]])
    if source == "array-api-strict:device1":
        home = source
    x, y = classes(6)
    place = bpx.get_backend(source)
    case = BackendCase(source, place, True)
    net = everything(home)
    reference = everything("numpy")
    arrays = place.asarray(x), place.asarray(y)
    assert_close(case, net.predict(arrays[0]), reference.predict(x), 1e-12)
    _, gradients = net.gradients(*arrays)
    for mine, theirs in zip(gradients, reference.gradients(x, y)[1], strict=True):
        assert_close(case, mine, theirs, 1e-10)


X = np.arange(12.0).reshape(3, 4)


def _frame(library):
    return importlib.import_module(library).DataFrame(dict(zip("abcd", X.T, strict=True)))


NO_ARRAYS = {
    "list": X.tolist,
    "tuple": lambda: tuple(map(tuple, X)),
    "ints": lambda: X.astype(int).tolist(),
    **{name: partial(_frame, name) for name in ("pandas", "polars") if importlib.util.find_spec(name)},
}


@pytest.mark.parametrize("kind", NO_ARRAYS)
def test_what_is_no_array_gives_numpy(kind, backend):
    data = NO_ARRAYS[kind]()
    net = everything(backend)
    got = net.predict(data)
    assert type(got) is np.ndarray
    assert got.dtype == backend.dtype
    # A table lies in memory by columns, and some libraries multiply such a matrix in another order.
    np.testing.assert_allclose(got, net.predict(X), rtol=backend.either(1e-12, 1e-5))
    expected = net.gradients(X, [0, 1, 2])[0]
    assert net.gradients(data, [0, 1, 2])[0] == pytest.approx(expected, rel=backend.either(1e-12, 1e-5))


@pytest.mark.parametrize("given", ["float32", "float64", "int64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predictions_are_in_the_networks_dtype(dtype, given):
    net = bpx.mlp([4, 3], dtype=dtype)
    assert net.predict(np.ones((2, 4), dtype=given)).dtype == dtype
    _, gradients = net.gradients(np.ones((2, 4), dtype=given), [0, 1])
    assert gradients[0]["weight"].dtype == dtype


@pytest.mark.parametrize(
    ("loss", "meaning"),
    [
        ("squared_error", lambda z: z),
        ("absolute_error", lambda z: z),
        ("huber", lambda z: z),
        ("cross_entropy", _softmax),
        ("binary_cross_entropy", lambda z: 1 / (1 + np.exp(-z))),
        ("poisson", np.exp),
    ],
)
def test_predictions_are_what_the_loss_means(loss, meaning, backend, generator):
    x = generator.normal(size=(5, 4))
    net = bpx.mlp([4, 3, 2], activation="tanh", loss=loss, dtype=backend.dtype, backend=backend.spec)
    weights = [{n: np.asarray(bpx.to_numpy(a), dtype=np.float64) for n, a in part.items()} for part in net.params]
    z = np.tanh(x @ weights[0]["weight"]) @ weights[2]["weight"]
    assert_close(backend, net.predict(backend.array(x)), meaning(z), backend.either(1e-13, 1e-6))


def test_many_samples_go_through_in_pieces(backend):
    x = np.linspace(-1.0, 1.0, 2 * (PREDICT_ROWS + 3)).reshape(-1, 2)
    y = np.arange(len(x)) % 3
    net = bpx.mlp([2, 3], dtype=backend.dtype, backend=backend.spec)
    net.params = [{"weight": [[1.0, -1.0, 0.5], [0.3, 0.0, -2.0]], "bias": [0.1, 0.2, 0.3]}]
    whole = _softmax(x @ np.array([[1.0, -1.0, 0.5], [0.3, 0.0, -2.0]]) + [0.1, 0.2, 0.3])
    assert_close(backend, net.predict(backend.array(x)), whole, backend.either(1e-13, 1e-6))
    weight = np.r_[np.zeros(PREDICT_ROWS), np.ones(3)]  # nothing in the first piece counts
    for w, rows in ((None, slice(None)), (weight, slice(PREDICT_ROWS, None))):
        got = net.evaluate(x, y, w)
        assert got["loss"] == pytest.approx(-np.log(whole[rows][np.arange(len(y[rows])), y[rows]]).mean(), rel=1e-5)
        assert got["accuracy"] == pytest.approx((whole[rows].argmax(axis=1) == y[rows]).mean(), rel=1e-6)


def test_predictions_take_one_sample_at_a_time_as_they_take_many(backend):
    x, _ = classes(5)
    net = everything(backend)
    together = net.predict(x)
    for i in range(5):
        assert relative_difference(net.predict(x[i : i + 1]), together[i : i + 1]) < backend.either(1e-13, 1e-5)


EVALUATIONS = {
    "classes": ("cross_entropy", [0, 1, 1], [[3.0, 1.0], [0.0, 2.0], [5.0, 0.0]], 2 / 3),
    "one-hot": ("cross_entropy", [[1, 0], [0, 1], [0, 1]], [[3.0, 1.0], [0.0, 2.0], [5.0, 0.0]], 2 / 3),
    "yes or no": ("binary_cross_entropy", [[1], [0], [1]], [[2.0], [0.05], [0.05]], 2 / 3),
    "two questions": ("binary_cross_entropy", [[1, 0], [0, 1], [1, 1]], [[2.0, 1.0], [-0.05, 0.05], [0.5, 3.0]], 2 / 3),
}


@pytest.mark.parametrize("kind", EVALUATIONS)
def test_accuracy_is_the_share_of_right_samples(kind, backend):
    loss, y, z, accuracy = EVALUATIONS[kind]
    width = len(z[0])
    net = bpx.Network([bpx.Linear(width, width, bias=False)], loss=loss, dtype=backend.dtype, backend=backend.spec)
    net.params = [{"weight": np.eye(width)}]
    got = net.evaluate(backend.array(z), backend.array(y))
    assert got["accuracy"] == pytest.approx(accuracy, rel=1e-6)
    assert got["loss"] == pytest.approx(net.gradients(z, y)[0], rel=1e-5)
    assert all(type(value) is float for value in got.values())
    weighted = net.evaluate(z, y, [0.0, 0.0, 3.0])["accuracy"]
    assert weighted == pytest.approx(float(kind == "yes or no" or kind == "two questions"))


def test_a_sigmoid_at_the_end_decides_at_one_half(backend):
    net = bpx.Network([bpx.Linear(1, 1), bpx.Sigmoid()], dtype=backend.dtype, backend=backend.spec)
    net.params = [{"weight": [[1.0]], "bias": [0.0]}, {}]
    assert net.evaluate([[1.0], [-1.0], [2.0], [-3.0]], [1.0, 0.0, 0.0, 0.0])["accuracy"] == 0.75


def test_values_have_no_accuracy(on_numpy):
    assert sorted(bpx.mlp([2, 1], loss="squared_error").evaluate([[0.0, 1.0]], [1.0])) == ["loss"]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_of_an_evaluation_is_reduced_as_the_loss_says(reduction, backend):
    net = bpx.Network([bpx.Linear(1, 1)], loss=bpx.SquaredError(reduction), dtype=backend.dtype, backend=backend.spec)
    net.params = [{"weight": [[0.0]], "bias": [0.0]}]
    x, y = [[0.0]] * 3, [2.0, 4.0, 6.0]
    each = np.array([2.0, 8.0, 18.0])
    assert net.evaluate(x, y)["loss"] == pytest.approx(each.sum() / (3 if reduction == "mean" else 1), rel=1e-6)
    w = np.array([1.0, 0.0, 3.0])
    expected = (w * each).sum() / (w.sum() if reduction == "mean" else 1)
    assert net.evaluate(x, y, w)["loss"] == pytest.approx(expected, rel=1e-6)
