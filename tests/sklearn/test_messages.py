"""What goes wrong is said in scikit-learn's words, or in clearer ones."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import warnings
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import sklearn.neural_network as theirs
import weights
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError

import bpx
import bpx.sklearn as ours


def said(home: Any, act: Any) -> tuple[Any, str, list[Any]]:
    """Return what kind of error and warnings a call ends with, and their words."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", RuntimeWarning)  # overflows of scikit-learn's own arithmetic
        try:
            act(home)
            error: Any = (None, "")
        except Exception as raised:
            error = (type(raised), str(raised))
    return (*error, [(w.category, str(w.message)) for w in caught])


X = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 8.0]])
Y = [0, 1, 0, 1]

CASES = {
    "max_iter": lambda m: m.MLPClassifier(max_iter=2).fit(X, Y),
    "large batch": lambda m: m.MLPClassifier(max_iter=1, batch_size=50).fit(X, Y),
    "lbfgs at its limit": lambda m: m.MLPRegressor(solver="lbfgs", max_iter=2, random_state=0).fit(X, X[:, 0] ** 2),
    "lbfgs at its evaluations": lambda m: m.MLPRegressor(solver="lbfgs", max_fun=3, random_state=0).fit(X, X[:, 0]),
    "column of targets": lambda m: m.MLPRegressor(max_iter=1).fit(X, np.ones((4, 1))),
    "a size of 0": lambda m: m.MLPClassifier(hidden_layer_sizes=(3, 0)).fit(X, Y),
    "size below 0": lambda m: m.MLPClassifier(hidden_layer_sizes=-1).fit(X, Y),
    "alpha": lambda m: m.MLPClassifier(alpha=-1.0).fit(X, Y),
    "batch_size": lambda m: m.MLPClassifier(batch_size=0).fit(X, Y),
    "momentum": lambda m: m.MLPRegressor(momentum=1.5).fit(X, Y),
    "beta_1": lambda m: m.MLPRegressor(beta_1=1).fit(X, Y),
    "n_iter_no_change": lambda m: m.MLPRegressor(n_iter_no_change=1.5).fit(X, Y),
    "random_state": lambda m: m.MLPRegressor(random_state="seed").fit(X, Y),
    "few of a class": lambda m: m.MLPClassifier(early_stopping=True).fit(X, [0, 0, 0, 1]),
    "few to validate": lambda m: m.MLPRegressor(early_stopping=True).fit(X, Y),
    "early partial_fit": lambda m: m.MLPClassifier(early_stopping=True).partial_fit(X, Y, classes=[0, 1]),
    "no classes": lambda m: m.MLPClassifier().partial_fit(X, Y),
    "other classes": lambda m: m.MLPClassifier(max_iter=300).fit(X, Y).partial_fit(X, Y, classes=[0, 1, 2]),
    "unseen class": lambda m: m.MLPClassifier().partial_fit(X, Y, classes=[0, 1]).partial_fit(X, [0, 1, 2, 1]),
    "warm start": lambda m: m.MLPClassifier(warm_start=True).fit(X, Y).fit(X, [0, 1, 2, 1]),
    "values as classes": lambda m: m.MLPClassifier().fit(X, [0.5, 1.5, 0.1, 1.0]),
    "NaN": lambda m: m.MLPClassifier().fit(X * np.nan, Y),
    "lengths": lambda m: m.MLPClassifier().fit(X, Y[:3]),
    "weights' shape": lambda m: m.MLPClassifier().fit(X, Y, sample_weight=[1.0, 2.0]),
    "weights of zero": lambda m: m.MLPClassifier().fit(X, Y, sample_weight=[0.0] * 4),
    "other features": lambda m: m.MLPClassifier(max_iter=1).fit(X, Y).predict(X[:, :1]),
    "huge numbers": lambda m: m.MLPRegressor(max_iter=3).fit(X * 1e307, Y),
    "huge numbers, lbfgs": lambda m: m.MLPRegressor(solver="lbfgs", activation="identity").fit(X * 1e160, Y),
    "not fitted": lambda m: m.MLPClassifier().predict(X),
    "not fitted, probabilities": lambda m: m.MLPClassifier().predict_proba(X),
    "not fitted, values": lambda m: m.MLPRegressor().predict(X),
}


def _in_order(words: str) -> list[str]:
    """Return words in an order of their own: a set of names is printed in any."""
    return sorted(re.findall(r"[\w.']+", words))


@pytest.mark.parametrize("case", CASES)
def test_the_same_words(case):
    kind, words, caught = said(theirs, CASES[case])
    found, mine, mine_caught = said(ours, CASES[case])
    assert found is kind
    assert mine == words or ("{" in words and _in_order(mine) == _in_order(words))
    if kind is None:
        assert mine_caught == caught
        assert caught


@pytest.mark.parametrize(
    "parameters",
    [
        {"tol": 10.0, "n_iter_no_change": 2},
        {"tol": 10.0, "n_iter_no_change": 2, "early_stopping": True, "validation_fraction": 0.5},
        {"tol": 10.0, "n_iter_no_change": 1, "learning_rate": "adaptive", "learning_rate_init": 1e-4},
        {"max_iter": 2},
    ],
    ids=str,
)
def test_the_same_lines_are_printed(capsys, parameters):
    lines = []
    for home in (theirs, ours):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            settings = {"solver": "sgd", "random_state": 0, "verbose": True, **parameters}
            home.MLPClassifier(**settings).fit(np.tile(X, (5, 1)), Y * 5)
        lines.append(capsys.readouterr().out)
    assert lines[0].count("Iteration") >= 2
    assert lines[1] == lines[0]


def test_warnings_point_at_the_line_of_the_caller():
    with pytest.warns(ConvergenceWarning) as caught:
        ours.MLPClassifier(max_iter=1).fit(X, Y)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="Got `batch_size` less than 1 or larger than sample size") as caught:
        ours.MLPClassifier(max_iter=2, batch_size=9).partial_fit(X, Y, classes=[0, 1])
    assert caught[0].filename == __file__
    with pytest.warns(DataConversionWarning):
        ours.MLPRegressor(max_iter=400, random_state=0, tol=10.0).fit(X, np.ones((4, 1)))


def test_not_fitted_says_so():
    with pytest.raises(NotFittedError, match="This MLPClassifier instance is not fitted yet"):
        ours.MLPClassifier().predict_log_proba(X)


def test_there_is_no_partial_fit_with_lbfgs():
    for cls in (ours.MLPClassifier, ours.MLPRegressor):
        assert not hasattr(cls(solver="lbfgs"), "partial_fit")
        with pytest.raises(AttributeError, match="has no attribute 'partial_fit'"):
            cls(solver="lbfgs").partial_fit(X, Y)
        assert hasattr(cls(), "partial_fit")


@pytest.mark.parametrize("dtype", ["m8[s]", "m8[ns]", "M8[D]", "M8[ns]"])
@pytest.mark.parametrize("shape", [(4,), (4, 2)])
def test_dates_and_durations_are_no_targets(dtype, shape):
    y, said = np.arange(np.prod(shape)).reshape(shape).astype(dtype), "expected y to be numbers, got d.* such as"
    for made in (ours.MLPRegressor(max_iter=1), ours.NetworkRegressor(max_iter=1)):
        with pytest.raises(bpx.InputError, match=said):
            made.fit(X, y)
        with pytest.warns(ConvergenceWarning) if isinstance(made, ours.MLPRegressor) else contextlib.nullcontext():
            made.fit(X, y.astype("i8"))
        with pytest.raises(bpx.InputError, match=said):
            made.partial_fit(X, y)
    with pytest.raises(bpx.InputError, match=said):
        made.encode(X, y)


def test_counts_below_zero_are_refused():
    with pytest.raises(ValueError, match="out of the valid range of the loss 'poisson'"):
        ours.MLPRegressor(loss="poisson").fit(X, [1.0, -1.0, 0.0, 2.0])


def test_another_number_of_outputs_is_refused():
    e = ours.MLPRegressor(random_state=0).partial_fit(X, X)
    with pytest.raises(ValueError, match="y has 1 outputs, the fitted network has 2"):
        e.partial_fit(X, X[:, 0])


def test_ctrl_c_keeps_what_was_learned():
    def press(run):
        if run.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)

    e = ours.MLPClassifier(random_state=0, max_iter=50, callbacks=press)
    with pytest.warns(UserWarning, match="Training interrupted by user."):
        e.fit(X, Y)
    assert e.n_iter_ == 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert weights.same_bits(e, ours.MLPClassifier(random_state=0, max_iter=3).fit(X, Y))


def test_a_diverging_loss_ends_no_early_stopping():
    for home in (theirs, ours):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            e = home.MLPRegressor(
                activation="identity",
                solver="sgd",
                learning_rate_init=1.0,
                max_iter=20,
                early_stopping=True,
                random_state=0,
            ).fit(np.tile(X, (10, 1)), np.tile(Y, 10))
        assert np.isnan(e.validation_scores_[-1])
        assert np.isfinite(e.coefs_[0]).all()
        assert e.n_iter_ == 20


MASKED = np.ma.array(X, mask=X > 7.0)


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_masked_and_complex_values_are_refused(name, torch):
    def fitted(**arguments: Any) -> Any:
        return getattr(ours, name)(max_iter=1).fit(**{"X": X, "y": Y, **arguments})

    masked_column = np.ma.array(Y, mask=[0, 0, 0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator = fitted()
        for call in (
            lambda: fitted(X=MASKED),
            lambda: fitted(X=list(MASKED)),
            lambda: fitted(y=masked_column),
            lambda: fitted(sample_weight=masked_column),
            lambda: fitted(validation_data=(MASKED, Y)),
            lambda: fitted(validation_data=(X, masked_column)),
            lambda: fitted(validation_data=(X, Y, masked_column)),
            lambda: estimator.predict(MASKED),
        ):
            with pytest.raises(ValueError, match="has masked values, which are no numbers"):
                call()
        for call in (lambda x: fitted(X=x), estimator.predict):
            with pytest.raises(ValueError, match="X must hold real numbers, got dtype torch.complex128"):
                call(torch.tensor(X + 1j))
        expected = estimator.predict(X)
        for tensor in (torch.tensor(X).bfloat16(), torch.tensor(X).requires_grad_()):
            np.testing.assert_array_equal(estimator.predict(tensor), expected)  # whole numbers, exact in bfloat16


def test_weights_that_no_loss_can_be_divided_by_are_refused():
    x, e = X.astype(np.float32), ours.MLPClassifier((3,), max_iter=1, random_state=0)
    options = {"hidden_layer_sizes": (3,), "random_state": 0}
    half = ours.MLPRegressor(max_iter=1, early_stopping=True, validation_fraction=0.5, **options)
    for call, words in (
        (lambda: e.fit(x, Y, sample_weight=np.full(4, 3e37)), "the sum of sample_weight is above 4.3e\\+37"),
        (lambda: e.fit(x, Y, sample_weight=np.zeros(4)), "at least one non-zero number|is 0 for every sample"),
        (lambda: e.fit(x, Y, validation_data=(x, Y, np.zeros(4))), "at least one non-zero number|is 0 for every"),
        (lambda: e.set_params(class_weight={0: 1e39, 1: 1.0}).fit(x, Y), "times those of their classes is above"),
        (lambda: e.set_params(class_weight={0: 0.0, 1: 0.0}).fit(x, Y), "times those of their classes is 0 for every"),
        (
            lambda: half.fit(x, Y, sample_weight=[1.0, 0.0, 0.0, 0.0]),
            "All samples .* have a weight of 0",
        ),
        (
            lambda: ours.MLPRegressor(max_iter=3, **options).fit(x * 1e10, x[:, 0] * 1e10),
            "squares of the gradients are beyond float32, and no weight would move",
        ),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            with pytest.raises(ValueError, match=words):
                call()


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_a_batch_whose_classes_all_weigh_0_is_a_batch_of_nothing(solver):
    x, y = np.vstack([X, X]), np.array([0, 1, 0, 1, 2, 2, 2, 2])
    e = ours.MLPClassifier(
        (3,), solver=solver, batch_size=4, max_iter=5, shuffle=False, class_weight={0: 1, 1: 1, 2: 0}, alpha=1.0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        e.fit(x, y)
    assert np.isfinite(e.loss_curve_).all()
    assert all(np.isfinite(a).all() for a in (*e.coefs_, *e.intercepts_))


@pytest.mark.parametrize(
    "parameters, words",
    [
        ({"solver": "rprop"}, ["'lbfgs'", "'adamw'", "'rmsprop'", "bpx.optimizers.base.Optimizer"]),
        ({"learning_rate": "wild"}, ["'constant'", "'adaptive'", "bpx.optimizers.schedules.Schedule"]),
        ({"loss": "hinge"}, ["'squared_error'", "'huber'", "'quantile'", "bpx.losses.base.Loss"]),
        ({"normalization": "group"}, ["'batch'", "'layer'", "None"]),
    ],
    ids=str,
)
def test_what_scikit_learn_has_fewer_of_is_listed(parameters, words):
    (name,) = parameters
    with pytest.raises(ValueError, match=f"The '{name}' parameter of MLPRegressor must be") as raised:
        ours.MLPRegressor(**parameters).fit(X, Y)
    assert all(word in str(raised.value) for word in words)
