"""scikit-learn's own callbacks (SLEP023) are told of the estimators' fits."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")
pytest.importorskip("sklearn.callback", reason="this scikit-learn has no callbacks (SLEP023)")

from sklearn import callback
from sklearn.base import clone
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bpx.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Recorder:
    """A callback of scikit-learn's protocol that notes what it is told."""

    def __init__(self, stop_after=None):
        self.events, self.scores, self.shown, self.stop_after = [], [], [], stop_after

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.events.append(f"end {context.task_name}")
        if context.task_name == "epoch" and fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X, y))
            self.shown.append(metadata)
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_is_told_of_the_fit_and_of_each_epoch(iris, solver):
    recorder = Recorder()
    e = MLPClassifier((5,), solver=solver, max_iter=3, random_state=0).set_callbacks(recorder).fit(*iris)
    epochs = ["begin epoch", "end epoch"] * 3
    assert recorder.events == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    plain = MLPClassifier((5,), solver=solver, max_iter=3, random_state=0).fit(*iris)
    for mine, theirs in zip(e.coefs_, plain.coefs_, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_copy_that_callbacks_get_is_the_estimator_after_that_epoch(iris):
    x, y = iris
    recorder, weight = Recorder(), np.ones(150)
    settings = {"hidden_layer_sizes": (5,), "random_state": 0, "normalization": "batch"}
    MLPClassifier(max_iter=4, **settings).set_callbacks(recorder).fit(x, y, weight)
    each = [MLPClassifier(max_iter=n, **settings).fit(x, y, weight) for n in range(1, 5)]
    expected = [accuracy_score(y, e.predict(x)) for e in each]
    assert recorder.scores == expected
    assert all(shown["sample_weight"] is weight for shown in recorder.shown)


def test_a_callback_ends_the_fit(iris):
    recorder = Recorder(stop_after=2)
    e = MLPClassifier(max_iter=10, random_state=0).set_callbacks(recorder).fit(*iris)
    assert e.n_iter_ == 2
    assert e.history_.stop_reason == "a callback of scikit-learn asked for it"
    assert recorder.events[-3:] == ["end epoch", "end fit", "teardown"]


def test_what_ends_early_leaves_no_step_open(diabetes):
    recorder = Recorder()
    e = MLPRegressor(solver="lbfgs", alpha=10.0, max_iter=1000, hidden_layer_sizes=()).set_callbacks(recorder)
    assert e.fit(*diabetes).n_iter_ < 1000
    begun, ended = (sum(event == f"{what} epoch" for event in recorder.events) for what in ("begin", "end"))
    assert begun == ended > 1


def test_an_error_tears_callbacks_down(diabetes):
    x, y = diabetes
    recorder = Recorder()
    with pytest.raises(ValueError, match="non-finite"):
        MLPRegressor(max_iter=5, solver="sgd", learning_rate_init=1e200).set_callbacks(recorder).fit(x, y * 1e100)
    assert recorder.events[-1] == "teardown"


def test_partial_fit_tells_of_one_epoch(iris):
    recorder = Recorder()
    e = MLPClassifier(random_state=0).set_callbacks(recorder)
    e.partial_fit(*iris, classes=[0, 1, 2]).partial_fit(*iris)
    assert recorder.events == ["setup", "begin fit", "begin epoch", "end epoch", "end fit", "teardown"] * 2


def test_scores_of_each_epoch_are_monitored(cancer):
    monitor = callback.ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    e = MLPClassifier(max_iter=4, random_state=0).set_callbacks(monitor).fit(*cancer)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in rows] == [0, 1, 2, 3]
    assert rows[-1]["accuracy"] == e.score(*cancer)
    assert rows[-1]["neg_log_loss"] > rows[0]["neg_log_loss"]


def test_monitors_and_bars_go_through_searches_and_pipelines(iris, capsys):
    pytest.importorskip("rich", reason="scikit-learn's ProgressBar needs rich")
    monitor = callback.ScoringMonitor(scoring="accuracy")
    e = MLPClassifier(max_iter=2, random_state=0).set_callbacks(monitor)
    bar = callback.ProgressBar(max_propagation_depth=None)
    GridSearchCV(e, {"alpha": [1e-3, 1e-1]}, cv=2).set_callbacks(bar).fit(*iris)
    shown = capsys.readouterr().out
    assert "GridSearchCV" in shown
    assert "MLPClassifier - fit" in shown
    assert sum(row["task_name"] == "epoch" for row in monitor.get_logs().data) == (4 + 1) * 2
    recorder = Recorder()
    make_pipeline(StandardScaler(), MLPClassifier(max_iter=2).set_callbacks(recorder)).fit(*iris)
    assert recorder.events.count("end epoch") == 2


def test_clones_have_the_callbacks(iris):
    recorder = Recorder()
    clone(MLPClassifier(max_iter=1).set_callbacks(recorder)).fit(*iris)
    assert "end epoch" in recorder.events
