"""What scikit-learn's estimators lack."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import weights
from sklearn.metrics import accuracy_score, log_loss, r2_score
from sklearn.utils.class_weight import compute_sample_weight

import bpx
from bpx.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# -- classes that weigh differently ----------------------------------------------------------------------------


@pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 2: 0.25}], ids=str)
def test_class_weights_are_sample_weights(iris, class_weight):
    x, y = iris[0][:120], iris[1][:120]  # 50, 50 and 20
    given = 1.0 + np.arange(120) % 3
    by_class = MLPClassifier(class_weight=class_weight, random_state=0, max_iter=6).fit(x, y, sample_weight=given)
    by_sample = MLPClassifier(random_state=0, max_iter=6).fit(
        x, y, sample_weight=given * compute_sample_weight(class_weight, y)
    )
    assert weights.same_bits(by_class, by_sample)
    assert not weights.same_bits(by_class, MLPClassifier(random_state=0, max_iter=6).fit(x, y, sample_weight=given))


@pytest.mark.parametrize("class_weight", ["balanced", [{0: 1.0, 1: 5.0}, {1: 2.0}, {0: 0.5, 1: 0.5}]], ids=str)
def test_class_weights_of_several_labels_multiply(flags, class_weight):
    x, y = flags
    expected = compute_sample_weight(class_weight, y)
    a = MLPClassifier(class_weight=class_weight, random_state=0, max_iter=4).fit(x, y)
    b = MLPClassifier(random_state=0, max_iter=4).fit(x, y, sample_weight=expected)
    assert weights.furthest(a, b) < 1e-12


def test_rare_classes_are_found_when_the_classes_are_balanced():
    generator = np.random.default_rng(0)
    y = (np.arange(1000) % 25 == 0).astype(int)
    x = generator.normal(size=(1000, 2)) + y[:, None] * 1.5
    found = [
        MLPClassifier(class_weight=w, random_state=0, max_iter=30, batch_size=50).fit(x, y).predict(x)[y == 1].mean()
        for w in (None, "balanced")
    ]
    assert found[0] < 0.5
    assert found[1] > 0.75


def test_scores_on_the_validation_set_do_not_weigh_classes(cancer):
    e = MLPClassifier(class_weight={0: 50.0}, random_state=0, max_iter=3, early_stopping=True).fit(*cancer)
    rows = 57
    assert all(abs(score * rows - round(score * rows)) < 1e-9 for score in e.validation_scores_)


def test_class_weights_that_do_not_fit_are_refused(iris, flags):
    with pytest.raises(ValueError, match="The classes, \\[0, 1\\], are not in class_weight|not in class_weight"):
        MLPClassifier(class_weight={7: 2.0}).fit(*iris)
    with pytest.raises(ValueError, match="class_weight should be a list of dicts"):
        MLPClassifier(class_weight={0: 2.0}).fit(*flags)
    with pytest.raises(ValueError, match="should match number of outputs: got 2 for 3"):
        MLPClassifier(class_weight=[{0: 2.0}, {1: 1.0}]).fit(*flags)


# -- layers ----------------------------------------------------------------------------------------------------


def test_one_activation_a_layer(iris):
    e = MLPClassifier((6, 5, 4), ["tanh", "gelu", bpx.LeakyReLU(0.2)], random_state=0, max_iter=30).fit(*iris)
    kinds = [layer for layer in e._session.net.layers if not isinstance(layer, bpx.Linear)]
    assert kinds == [bpx.Tanh(), bpx.GELU(), bpx.LeakyReLU(0.2)]
    same = MLPClassifier((6, 5), ["relu", "relu"], random_state=0, max_iter=5).fit(*iris)
    assert weights.same_bits(same, MLPClassifier((6, 5), "relu", random_state=0, max_iter=5).fit(*iris))
    logistic = MLPClassifier((6, 5), ["logistic", "relu"], random_state=0, max_iter=1, learning_rate_init=1e-9).fit(
        *iris
    )
    for coef, factor in zip(logistic.coefs_, (2.0, 6.0, 6.0), strict=True):
        bound = np.sqrt(factor / sum(coef.shape))
        assert 0.7 * bound < np.abs(coef).max() < bound + 1e-6


@pytest.mark.parametrize("activation", [["relu"], ["relu", "tanh", "tanh"], []], ids=str)
def test_as_many_activations_as_hidden_layers(iris, activation):
    said = rf"activation must be one value, or one for each of the 2 hidden layers, got {len(activation)}"
    with pytest.raises(ValueError, match=said):
        MLPClassifier((5, 5), activation).fit(*iris)


def test_an_unknown_activation_names_the_known_ones(iris):
    with pytest.raises(ValueError, match="'activation' parameter of MLPClassifier must be a str among .*'gelu'"):
        MLPClassifier(activation="swishy").fit(*iris)
    with pytest.raises(ValueError, match="unknown activation 'relus'; did you mean 'relu'"):
        MLPClassifier((5,), ["relus"]).fit(*iris)


def test_dropout_leaves_out_units_while_training_only(iris):
    x, y = iris
    e = MLPClassifier((40, 30), dropout=[0.0, 0.5], random_state=0, max_iter=2).fit(x, y)
    assert [layer for layer in e._session.net.layers if isinstance(layer, bpx.Dropout)] == [bpx.Dropout(0.5)]
    np.testing.assert_array_equal(e.predict_proba(x), e.predict_proba(x))
    assert weights.same_bits(e, MLPClassifier((40, 30), dropout=[0.0, 0.5], random_state=0, max_iter=2).fit(x, y))
    other = MLPClassifier((40, 30), dropout=[0.0, 0.5], random_state=1, max_iter=2).fit(x, y)
    assert other._session.net.seed != e._session.net.seed
    start = MLPClassifier((40, 30), random_state=0, max_iter=2).fit(x, y)
    assert not weights.same_bits(e, start)
    with pytest.raises(ValueError, match="one for each of the 2 hidden layers, got 1"):
        MLPClassifier((4, 3), dropout=[0.1]).fit(x, y)
    with pytest.raises(ValueError, match="'dropout' parameter of MLPClassifier"):
        MLPClassifier(dropout=1.0).fit(x, y)
    with pytest.raises(ValueError, match="needs the same loss at each evaluation, which Dropout"):
        MLPClassifier(dropout=0.2, solver="lbfgs").fit(x, y)


# -- validation ------------------------------------------------------------------------------------------------


def test_curves_on_validation_data(iris):
    x, y = iris
    held = x[::3], y[::3]
    e = MLPClassifier(random_state=0, max_iter=8, batch_size=30).fit(x, y, validation_data=held)
    assert len(e.validation_scores_) == len(e.validation_loss_curve_) == len(e.loss_curve_) == 8
    assert e.validation_scores_[-1] == accuracy_score(held[1], e.predict(held[0]))
    assert e.validation_loss_curve_[-1] == pytest.approx(log_loss(held[1], e.predict_proba(held[0])))
    assert e.best_validation_score_ == max(e.validation_scores_)
    assert e.history_.validation_loss == e.validation_loss_curve_
    assert e.history_.loss == e.loss_curve_
    without = MLPClassifier(random_state=0, max_iter=8, batch_size=30).fit(x, y)
    assert weights.same_bits(e, without)
    assert without.validation_scores_ is None
    assert without.validation_loss_curve_ is None
    assert e.best_loss_ == without.best_loss_


def test_curves_of_a_regressor_weigh_the_validation_samples(diabetes):
    x, y = diabetes
    weight = 1.0 + np.arange(100)
    e = MLPRegressor(random_state=0, max_iter=5).fit(x, y, validation_data=(x[:100], y[:100], weight))
    assert e.validation_scores_[-1] == pytest.approx(r2_score(y[:100], e.predict(x[:100]), sample_weight=weight))
    half = np.average((y[:100] - e.predict(x[:100])) ** 2, weights=weight) / 2.0
    assert e.validation_loss_curve_[-1] == pytest.approx(half)


def test_lbfgs_has_validation_curves_too(diabetes):
    x, y = diabetes
    e = MLPRegressor(solver="lbfgs", random_state=0, max_iter=7).fit(x, y, validation_data=(x[:50], y[:50]))
    assert len(e.validation_scores_) == 7
    assert e.validation_scores_[-1] == pytest.approx(r2_score(y[:50], e.predict(x[:50])))


def test_early_stopping_takes_the_validation_data_that_is_given(iris):
    x, y = iris
    held = x[1::2], y[1::2]
    parameters = {"random_state": 0, "max_iter": 60, "early_stopping": True, "n_iter_no_change": 3}
    parameters |= {"batch_size": 20, "learning_rate_init": 0.05}
    e = MLPClassifier(**parameters).fit(x[::2], y[::2], validation_data=held)
    assert e.n_iter_ < 60
    assert e.t_ == 75 * e.n_iter_
    assert accuracy_score(held[1], e.predict(held[0])) == e.best_validation_score_ == max(e.validation_scores_)
    assert e.best_loss_ is None


def test_validation_data_is_checked(iris):
    x, y = iris
    e = MLPClassifier(max_iter=1)
    with pytest.raises(ValueError, match=r"validation_data must be \(X, y\) or \(X, y, sample_weight\)"):
        e.fit(x, y, validation_data=(x,))
    with pytest.raises(ValueError, match="X has 3 features, but MLPClassifier is expecting 4"):
        e.fit(x, y, validation_data=(x[:, :3], y))
    with pytest.raises(
        ValueError, match=r"validation_data holds classes that are not among those to be learned: \[3\]"
    ):
        e.fit(x, y, validation_data=(x, y + 1))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        e.fit(x, y, validation_data=(x, y[:5]))


# -- callbacks, progress ---------------------------------------------------------------------------------------


def test_callbacks_see_each_epoch_and_can_stop(iris):
    x, y = iris
    seen = []

    def look(run):
        seen.append((run.epoch, run.logs["loss"], run.logs["validation_loss"]))
        if run.epoch == 4:
            run.stop("enough")

    e = MLPClassifier(random_state=0, max_iter=50, callbacks=look).fit(x, y, validation_data=(x, y))
    assert [epoch for epoch, _, _ in seen] == [1, 2, 3, 4]
    assert [loss for _, loss, _ in seen] == e.loss_curve_
    assert [loss for _, _, loss in seen] == e.validation_loss_curve_
    assert e.n_iter_ == 4
    assert e.history_.stop_reason == "enough"
    e = MLPClassifier(random_state=0, max_iter=50, solver="lbfgs", callbacks=[look]).fit(x, y, validation_data=(x, y))
    assert e.n_iter_ == 4


def test_bpx_own_callbacks_listen(iris):
    x, y = iris
    stopping = bpx.EarlyStopping(monitor="validation_loss", patience=2, min_delta=10.0)
    e = MLPClassifier(random_state=0, max_iter=50, callbacks=[stopping]).fit(x, y, validation_data=(x, y))
    assert e.n_iter_ == 3


def test_a_progress_bar_on_request(iris, capsys):
    MLPClassifier(random_state=0, max_iter=3).fit(*iris)
    assert capsys.readouterr().err == ""
    MLPClassifier(random_state=0, max_iter=3, progress=True).fit(*iris)
    assert "3/3 epochs" in capsys.readouterr().err


# -- backends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("spec", ["torch", "array-api-strict:device1"])
def test_the_same_numbers_on_other_backends(request, digits, diabetes, spec, solver):
    request.getfixturevalue("torch" if spec == "torch" else "strict")
    for cls, (x, y) in ((MLPClassifier, digits), (MLPRegressor, diabetes)):
        a = cls(random_state=0, max_iter=4, solver=solver).fit(x[:200], y[:200])
        b = cls(random_state=0, max_iter=4, solver=solver, backend=spec).fit(x[:200], y[:200])
        assert b._session.net.backend.spec.startswith(spec)
        assert isinstance(b.coefs_[0], np.ndarray)
        assert weights.furthest(a, b) < 1e-9
        assert isinstance(b.predict(x), np.ndarray)
        np.testing.assert_allclose(b.predict(x), a.predict(x), atol=1e-9)


def test_backend_and_device_name_the_place(iris, strict):
    e = MLPClassifier(backend="array-api-strict", device="device1", max_iter=1).fit(*iris)
    assert e._session.net.backend.spec == "array-api-strict:device1"
    with bpx.use_backend("array-api-strict:device1"):
        assert MLPClassifier(max_iter=1).fit(*iris)._session.net.backend.spec == "array-api-strict:device1"
    with pytest.raises(bpx.BackendError, match="has no device 'device7'"):
        MLPClassifier(backend="array-api-strict", device="device7").fit(*iris)
    with pytest.raises(bpx.BackendError, match="numpy has the device 'cpu' only"):
        MLPClassifier(device="cuda:0").fit(*iris)
    with pytest.raises(ValueError, match="unknown backend 'nunpy'; did you mean 'numpy'"):
        MLPClassifier(backend="nunpy").fit(*iris)


def test_a_device_without_the_dtype_of_x_says_what_to_do(iris, strict):
    x, y = iris
    e = MLPClassifier(backend="array-api-strict:no_float64", max_iter=2)
    with pytest.raises(bpx.BackendError, match="computes in the dtype of X: give X as float32"):
        e.fit(x, y)
    assert e.fit(x.astype(np.float32), y).predict_proba(x.astype(np.float32)).dtype == np.float32


# -- products in fewer bits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_products_are_rounded_to_the_precision_asked_for(iris, solver, precision):
    x, y = iris[0].astype(np.float32), iris[1]
    how = {"random_state": 0, "max_iter": 20, "solver": solver}
    full, rounded = MLPClassifier(**how).fit(x, y), MLPClassifier(**how, precision=precision).fit(x, y)
    assert weights.furthest(full, rounded) > 0.0
    assert not weights.same_bits(full, rounded)
    assert abs(full.score(x, y) - rounded.score(x, y)) < 0.1
    by_hand = bpx.Network(
        [bpx.Linear(4, 100), bpx.ReLU(), bpx.Linear(100, 3)], loss="cross_entropy", precision=precision
    )
    by_hand.params = [
        {"weight": rounded.coefs_[0], "bias": rounded.intercepts_[0]}, {},
        {"weight": rounded.coefs_[1], "bias": rounded.intercepts_[1]},
    ]  # fmt: skip
    np.testing.assert_array_equal(rounded.predict_proba(x), by_hand.predict(x))


def test_samples_in_float64_have_no_other_precision(iris):
    with pytest.raises(ValueError, match="dtype float64 has none.*give X as float32"):
        MLPClassifier(precision="tf32").fit(*iris)
    with pytest.raises(ValueError, match="precision"):
        MLPClassifier(precision="float16").fit(*iris)


def test_the_precision_may_change_between_two_fits(iris):
    x, y = iris[0].astype(np.float32), iris[1]
    e = MLPClassifier(random_state=0, max_iter=5, warm_start=True).fit(x, y)
    before = e.predict_proba(x)
    e.set_params(precision="bfloat16").fit(x, y)
    assert e._session.net.precision == "bfloat16"
    state = {name: value for name, value in vars(e).items() if "precision" not in name}
    earlier = MLPClassifier.__new__(MLPClassifier)
    earlier.__setstate__(state)  # as a pickle of an earlier version does
    assert np.abs(earlier.predict_proba(x) - before).max() < 0.2
    assert earlier._session.net.precision == "float32"


def test_sparse_samples_are_rounded_as_dense_ones_are():
    from scipy import sparse

    generator = np.random.default_rng(0)
    x = (generator.normal(size=(60, 12)) * (generator.random((60, 12)) < 0.3)).astype(np.float32)
    y = x.sum(axis=1)
    e = [
        MLPRegressor(random_state=0, max_iter=5, precision="bfloat16").fit(kind(x), y)
        for kind in (np.array, sparse.csr_matrix)
    ]
    assert weights.furthest(*e) < 1e-4
    full = MLPRegressor(random_state=0, max_iter=5).fit(sparse.csr_matrix(x), y)
    assert weights.furthest(full, e[1]) > weights.furthest(*e)


def test_predictions_have_the_precision_of_the_fit(iris):
    x, y = iris[0].astype(np.float32), iris[1]
    for first, then in (("float32", "bfloat16"), ("bfloat16", "float32")):
        e = MLPClassifier(random_state=0, max_iter=5, precision=first).fit(x, y)
        before = e.predict_proba(x)
        e.set_params(precision=then)
        np.testing.assert_array_equal(e.predict_proba(x), before)
    e = MLPClassifier(random_state=0, max_iter=5).fit(*iris).set_params(precision="tf32")
    assert np.isfinite(e.predict_proba(iris[0])).all()
    with pytest.raises(ValueError, match="unknown precision 'fp8'[^(]*$"):
        MLPClassifier(random_state=0, max_iter=5).fit(x, y).set_params(precision="fp8").partial_fit(x, y)
