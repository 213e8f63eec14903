"""Metrics: against scikit-learn, by hand, and as functions of the user's own."""

from __future__ import annotations

import sys

import networks
import numpy as np
import pytest

import bpx
from bpx.metrics import METRICS, get_metric, list_metrics, scores

ROWS = 40


def _cases(generator):
    """Return name, y_true, y_pred of classes, of yes and no, of several questions, and of values."""
    p = generator.dirichlet(np.ones(4), ROWS)
    yes = np.round(generator.random(ROWS), 1)  # with ties
    several = generator.random((ROWS, 3))
    y = generator.normal(size=(ROWS, 2))
    return {
        "classes": (generator.integers(0, 4, ROWS), p),
        "two classes": (generator.integers(0, 2, ROWS), p[:, :2] / p[:, :2].sum(axis=1, keepdims=True)),
        "yes or no": ((generator.random(ROWS) < 0.3).astype(int), yes),
        "questions": ((generator.random((ROWS, 3)) < 0.5).astype(int), several),
        "values": (y, y + generator.normal(size=y.shape)),
        "one value": (y[:, 0], y[:, 0] + generator.normal(size=ROWS)),
    }


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", [name for name in METRICS if name != "accuracy"])
def test_without_scikit_learn_the_numbers_are_the_same(name, weighted, generator, monkeypatch):
    pytest.importorskip("sklearn")
    kinds = ("values", "one value") if METRICS[name].kind == "values" else (
        "classes", "two classes", "yes or no", "questions",
    )  # fmt: skip
    weight = generator.uniform(0.1, 2.0, ROWS) if weighted else None
    for kind in kinds:
        y, p = _cases(generator)[kind]
        theirs = METRICS[name].compute(y, p, weight)
        with monkeypatch.context() as without:
            without.setitem(sys.modules, "sklearn", None)
            without.setitem(sys.modules, "sklearn.metrics", None)
            own = METRICS[name].compute(y, p, weight)
        assert own == pytest.approx(theirs, rel=1e-12), kind
        assert 0.0 < own < 3.0 or name in ("r2", "matthews_corrcoef")


def test_scikit_learn_is_the_reference(generator):
    """The adapters hand scikit-learn what its functions take for the whole problem, not only column by column."""
    reference = pytest.importorskip("sklearn.metrics")
    y, p = _cases(generator)["classes"]
    assert METRICS["roc_auc"].compute(y, p, None) == pytest.approx(reference.roc_auc_score(y, p, multi_class="ovr"))
    assert METRICS["macro_f1"].compute(y, p, None) == pytest.approx(
        reference.f1_score(y, p.argmax(axis=1), average="macro")
    )
    decided = p.argmax(axis=1)
    assert METRICS["balanced_accuracy"].compute(y, p, None) == reference.balanced_accuracy_score(y, decided)
    assert METRICS["matthews_corrcoef"].compute(y, p, None) == reference.matthews_corrcoef(y, decided)
    assert METRICS["log_loss"].compute(y, p, None) == reference.log_loss(y, p)
    assert METRICS["brier_score"].compute(y, p, None) == pytest.approx(reference.brier_score_loss(y, p))
    assert METRICS["average_precision"].compute(y, p, None) == pytest.approx(
        reference.average_precision_score(np.eye(4)[y], p, average="macro")
    )
    for k in (1, 2, 3):
        assert scores.top_k_accuracy(y, p, k) == reference.top_k_accuracy_score(y, p, k=k)
        weight = generator.uniform(0.1, 2.0, ROWS)
        assert scores.top_k_accuracy(y, p, k, weight) == pytest.approx(
            reference.top_k_accuracy_score(y, p, k=k, sample_weight=weight)
        )
    y, p = _cases(generator)["questions"]
    assert METRICS["roc_auc"].compute(y, p, None) == pytest.approx(reference.roc_auc_score(y, p))


def test_ties_count_for_the_later_class_as_in_scikit_learn():
    reference = pytest.importorskip("sklearn.metrics")
    p = np.array([[0.3, 0.3, 0.3, 0.1], [0.25, 0.25, 0.25, 0.25], [0.1, 0.4, 0.4, 0.1]])
    for y in ([0, 1, 1], [1, 2, 2], [2, 3, 0]):
        theirs = reference.top_k_accuracy_score(y, p, k=1, labels=range(4))
        assert scores.top_k_accuracy(np.array(y), p, 1) == theirs


def test_a_class_that_does_not_occur_is_left_out_of_the_mean():
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.5, 0.4, 0.1]])
    y = np.array([0, 1, 1])
    assert METRICS["roc_auc"].compute(y, p, None) == 1.0
    assert METRICS["macro_f1"].compute(y, p, None) == pytest.approx(2 / 3)
    assert scores.macro_f1(y, p.argmax(axis=1)) == pytest.approx(2 / 3)


def test_r2_of_a_constant_is_one_or_nothing():
    y = np.ones((3, 1))
    assert scores.r2(y, y) == 1.0
    assert scores.r2(y, y + 0.1) == 0.0


def test_metrics_are_measured_on_every_backend_after_each_epoch(backend):
    x, y = networks.classes(ROWS)
    held_out = networks.classes(20, seed=2)
    names = ["accuracy", "top_2_accuracy", "macro_f1", "roc_auc"]
    results = []
    for spec in (backend.spec, "numpy"):
        net = bpx.mlp([4, 3], seed=1, dtype=backend.dtype, backend=spec)
        history = net.fit(x, y, epochs=2, batch_size=20, metrics=names, validation_data=held_out)
        assert list(history.metrics) == list(history.validation_metrics) == names
        results.append(history)
    for name in names:
        np.testing.assert_allclose(results[0].metrics[name], results[1].metrics[name], rtol=1e-6)
        np.testing.assert_allclose(results[0].validation_metrics[name], results[1].validation_metrics[name], rtol=1e-6)
    p = net.predict(held_out[0])
    assert history.validation_metrics["accuracy"][-1] == (p.argmax(axis=1) == held_out[1]).mean()
    assert history.validation_metrics["roc_auc"][-1] == pytest.approx(METRICS["roc_auc"].compute(held_out[1], p, None))


def test_regressions_have_metrics_of_values():
    x, y = networks.numbers(ROWS)
    net = bpx.mlp([4, 8, 2], loss="squared_error", seed=1, dtype="float64")
    history = net.fit(x, y, epochs=3, metrics=["r2", "mean_absolute_error"])
    p = net.predict(x)
    assert history.metrics["mean_absolute_error"][-1] == pytest.approx(np.abs(y - p).mean())
    spread = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    assert history.metrics["r2"][-1] == pytest.approx((1 - ((y - p) ** 2).sum(axis=0) / spread).mean())


def test_metrics_heed_sample_weights():
    x, y = networks.classes(ROWS)
    weight = np.linspace(0.1, 2.0, ROWS)
    net = bpx.mlp([4, 3], seed=1, dtype="float64")
    history = net.fit(x, y, epochs=1, sample_weight=weight, metrics=["accuracy", "top_2_accuracy", "macro_f1"])
    p = net.predict(x)
    assert history.metrics["accuracy"][0] == pytest.approx(np.average(p.argmax(axis=1) == y, weights=weight))
    assert history.metrics["top_2_accuracy"][0] == pytest.approx(scores.top_k_accuracy(y, p, 2, weight))
    assert history.metrics["macro_f1"][0] == pytest.approx(scores.macro_f1(y, p.argmax(axis=1), weight))


@pytest.mark.parametrize(
    "net, y, true, predicted",
    [
        (bpx.mlp([4, 3], dtype="float64"), np.arange(ROWS) % 3, (ROWS,), (ROWS, 3)),
        (bpx.mlp([4, 3], dtype="float64"), np.eye(3)[np.arange(ROWS) % 3], (ROWS,), (ROWS, 3)),
        (bpx.mlp([4, 1], loss="binary_cross_entropy"), np.arange(ROWS) % 2, (ROWS,), (ROWS,)),
        (bpx.mlp([4, 2], loss="binary_cross_entropy"), np.eye(2)[np.arange(ROWS) % 2], (ROWS, 2), (ROWS, 2)),
        (bpx.mlp([4, 1], loss="squared_error"), np.arange(ROWS) / ROWS, (ROWS,), (ROWS,)),
        (bpx.mlp([4, 2], loss="squared_error"), np.ones((ROWS, 2)), (ROWS, 2), (ROWS, 2)),
    ],
    ids=["classes", "one-hot", "yes or no", "questions", "one value", "values"],
)
def test_a_function_is_given_numpy_arrays_of_targets_and_predictions(net, y, true, predicted):
    x, _ = networks.classes(ROWS)
    seen = []

    def shapes(y_true, y_pred):
        assert type(y_true) is type(y_pred) is np.ndarray
        seen.append((y_true.shape, y_pred.shape, y_true))
        return 0.5

    history = net.fit(x, y, epochs=2, metrics=shapes)
    assert history.metrics == {"shapes": [0.5, 0.5]}
    assert seen[0][:2] == (true, predicted)
    expected = np.argmax(y, axis=1) if true == (ROWS,) and y.ndim == 2 else y
    np.testing.assert_allclose(seen[0][2], expected, rtol=1e-6)


def test_a_metric_of_many_rows_sees_all_of_them_in_order():
    x = np.arange(20000.0)[:, None] / 20000
    net = bpx.mlp([1, 1], loss="squared_error", dtype="float64")

    def in_order(y_true, y_pred):
        np.testing.assert_array_equal(y_true, x[:, 0])
        np.testing.assert_allclose(y_pred, net.predict(x)[:, 0], rtol=1e-12)
        return len(y_true)

    history = net.fit(x, x, epochs=1, batch_size=5000, metrics=in_order)
    assert history.metrics["in_order"] == [20000.0]


@pytest.mark.parametrize(
    "metric, message",
    [
        ("acuracy", "unknown metric 'acuracy'; did you mean 'accuracy'?"),
        ("top_0_accuracy", "unknown metric 'top_0_accuracy'; did you mean 'top_"),
        (3, "a metric is a name, a function f(y_true, y_pred) or a pair (name, function), got 3"),
        (dict, "a metric is a name, a function f(y_true, y_pred) or a pair (name, function), got <class 'dict'>"),
        (lambda y, p: 0, "a metric needs a name; give the pair ('name', function)"),
        ((3, max), "a metric needs a name"),
    ],
)
def test_what_is_no_metric_is_refused(metric, message):
    with pytest.raises(bpx.InputError) as caught:
        get_metric(metric)
    assert message in str(caught.value)


def test_two_metrics_of_one_name_are_refused_and_so_is_one_named_loss():
    with pytest.raises(bpx.InputError, match="two metrics named 'accuracy'"):
        list_metrics(["accuracy", ("accuracy", max)])
    with pytest.raises(bpx.InputError, match="cannot be named 'loss'"):
        list_metrics([("loss", max)])


@pytest.mark.parametrize(
    "loss, metric, y, message",
    [
        ("squared_error", "accuracy", np.ones(ROWS), "accuracy needs classes; the loss 'squared_error' is one"),
        ("squared_error", "r2", np.ones(ROWS)[:1], "r2 needs at least two samples, got one"),
        ("binary_cross_entropy", "r2", np.ones(ROWS), "r2 needs values; this network decides for classes"),
        ("binary_cross_entropy", "top_3_accuracy", np.ones(ROWS), "decides for one of several classes"),
        ("binary_cross_entropy", "roc_auc", np.ones(ROWS), "roc_auc needs samples of at least two classes"),
    ],
)
def test_a_metric_that_is_not_defined_is_refused_before_any_work(loss, metric, y, message):
    x, _ = networks.classes(len(y))
    net = bpx.mlp([4, 1], loss=loss)
    with pytest.raises(bpx.InputError) as caught:
        net.fit(x, y, epochs=1, metrics=metric)
    assert message in str(caught.value)
    assert net.training is None
    fine = np.arange(ROWS) % 2
    with pytest.raises(bpx.InputError) as caught:
        net.fit(networks.classes(ROWS)[0], fine, epochs=1, metrics=metric, validation_data=(x, y))
    assert message in str(caught.value)
    assert net.training is None


def test_a_function_that_returns_no_number_is_an_error():
    x, y = networks.classes(ROWS)
    with pytest.raises(bpx.InputError, match="the metric 'broken' must return a number, got None"):
        bpx.mlp([4, 3]).fit(x, y, epochs=1, metrics=[("broken", lambda y, p: None)])


@pytest.mark.parametrize("installed", [True, False])
def test_metrics_of_classes_by_hand(installed, monkeypatch):
    if installed:
        pytest.importorskip("sklearn")
    else:
        monkeypatch.setitem(sys.modules, "sklearn", None)
    y, p = np.array([0, 0, 0, 1]), np.array([0.1, 0.2, 0.9, 0.8])  # three of four are right
    names = ("balanced_accuracy", "matthews_corrcoef", "average_precision", "log_loss", "brier_score")
    found = {name: METRICS[name].compute(y, p, None) for name in names}
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["matthews_corrcoef"] == pytest.approx((1 * 2 - 1 * 0) / np.sqrt(2 * 1 * 3 * 2))
    assert found["average_precision"] == pytest.approx(1 / 2)
    assert found["log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.1, 0.8]).mean())
    assert found["brier_score"] == pytest.approx(np.mean([0.01, 0.04, 0.81, 0.04]))
    sure = METRICS["log_loss"].compute(y, np.array([1.0, 0.0, 0.0, 1.0], np.float32), None)
    assert sure == pytest.approx(-np.log(np.finfo(np.float32).eps) / 4, rel=1e-5)  # wrong with certainty: not infinite
    alone = np.zeros(4, int)
    assert METRICS["balanced_accuracy"].compute(alone, p, None) == 0.5
    assert METRICS["matthews_corrcoef"].compute(alone, np.full(4, 0.1), None) == 0.0


def test_metrics_of_probabilities_are_followed_and_lower_ones_are_better():
    x, y = bpx.datasets.moons(120, seed=0)
    net = bpx.mlp([2, 8, 1], loss="binary_cross_entropy", seed=0)
    names = ["log_loss", "brier_score", "average_precision", "balanced_accuracy", "matthews_corrcoef"]
    stop = bpx.EarlyStopping("validation_brier_score", patience=50)
    history = net.fit(
        x, y, epochs=20, optimizer=bpx.Adam(0.02), metrics=names, validation_data=(x, y), callbacks=[stop]
    )  # fmt: skip
    assert stop.best == min(history.validation_metrics["brier_score"])
    assert history.metrics["log_loss"] == pytest.approx(history.validation_loss, rel=1e-5)
    with pytest.raises(bpx.InputError, match="average_precision needs samples of at least two classes"):
        net.evaluate(x, np.zeros(120), metrics=names)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "macro_f1", "balanced_accuracy", "log_loss"])
def test_samples_of_weight_0_are_as_if_they_were_not_there(name, generator):
    x, y = generator.normal(size=(80, 3)), generator.integers(0, 4, 80)
    weight = np.where(y == 3, 0.0, 1.0 + generator.random(80))
    kept, net = weight > 0.0, bpx.mlp([3, 5, 4], seed=1)
    weighted = net.evaluate(x, y, weight, metrics=[name])[name]
    assert weighted == pytest.approx(net.evaluate(x[kept], y[kept], weight[kept], metrics=[name])[name], rel=1e-6)


def test_a_class_whose_samples_all_weigh_0_does_not_occur():
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    net = bpx.mlp([3, 1], loss="binary_cross_entropy", seed=1)
    with pytest.raises(bpx.InputError, match="roc_auc needs samples of at least two classes"):
        net.evaluate(x, y, np.where(y == 1, 0.0, 1.0), metrics=["roc_auc"])
