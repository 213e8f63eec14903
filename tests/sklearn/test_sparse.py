"""Sparse samples give the numbers of dense ones, and stay sparse on NumPy."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import sklearn.neural_network as theirs
import weights
from scipy import sparse

from bpx.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FORMS = [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, sparse.csc_array]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_sparse_and_dense_samples_agree(digits, form, solver):
    x, y = np.where(digits[0] > 0.5, digits[0], 0.0), digits[1]
    e = MLPClassifier(random_state=0, max_iter=4, solver=solver).fit(form(x), y)
    dense = MLPClassifier(random_state=0, max_iter=4, solver=solver).fit(x, y)
    assert weights.furthest(e, dense) < 1e-12
    assert weights.furthest(e, theirs.MLPClassifier(random_state=0, max_iter=4, solver=solver).fit(form(x), y)) < 1e-12
    for one, other in ((e, dense), (dense, e)):
        np.testing.assert_allclose(one.predict_proba(form(x)), other.predict_proba(x), atol=1e-12)
    assert isinstance(e.predict_proba(form(x)), np.ndarray)


def test_sparse_samples_in_order_agree_with_dense_ones(digits):
    x, y = np.where(digits[0] > 0.5, digits[0], 0.0), digits[1]
    options = {"random_state": 0, "max_iter": 4, "solver": "sgd", "shuffle": False}
    e, dense = (MLPClassifier(**options).fit(samples, y) for samples in (sparse.csr_array(x), x))
    assert weights.furthest(e, dense) < 1e-12


def test_early_stopping_and_validation_data_may_be_sparse(digits):
    x, y = digits
    e = MLPClassifier(random_state=0, max_iter=5, early_stopping=True).fit(sparse.csr_array(x), y)
    a = theirs.MLPClassifier(random_state=0, max_iter=5, early_stopping=True).fit(x, y)
    assert e.validation_scores_ == a.validation_scores_
    held = (sparse.csr_array(x[:50]), y[:50])
    e = MLPClassifier(random_state=0, max_iter=5).fit(sparse.csr_array(x), y, validation_data=held)
    assert e.validation_scores_[-1] == e.score(x[:50], y[:50])


def test_samples_are_never_made_dense_on_numpy(monkeypatch):
    columns = np.random.default_rng(0).integers(0, 200_000, size=6000)
    wide = sparse.csr_array((np.ones(6000), columns, np.arange(0, 6001, 20)), shape=(300, 200_000))  # 480 MB if dense
    for cls in (sparse.csr_array, sparse.csc_array):
        monkeypatch.setattr(cls, "toarray", lambda *args, **options: pytest.fail("the samples were made dense"))
    y = np.arange(300) % 2
    e = MLPClassifier(hidden_layer_sizes=2, max_iter=2, batch_size=50, random_state=0, early_stopping=True)
    assert e.fit(wide, y).predict(wide).shape == (300,)


def test_more_rows_than_go_through_at_once():
    x = sparse.random_array((20_000, 6), density=0.4, format="csr", random_state=0)
    y = np.asarray(x.sum(axis=1)).ravel()
    e = MLPRegressor(hidden_layer_sizes=3, max_iter=1, random_state=0).fit(x, y)
    np.testing.assert_allclose(e.predict(x), e.predict(x.toarray()), atol=1e-12)


def test_other_backends_take_sparse_samples_as_dense_ones(digits, torch):
    x, y = digits
    a = MLPClassifier(random_state=0, max_iter=3).fit(x, y)
    e = MLPClassifier(random_state=0, max_iter=3, backend="torch").fit(sparse.csr_array(x), y)
    assert weights.furthest(a, e) < 1e-9
    np.testing.assert_allclose(e.predict_proba(sparse.csr_array(x)), a.predict_proba(x), atol=1e-9)


def test_sparse_labels_come_back_sparse(flags):
    x, y = flags
    e = MLPClassifier(random_state=0, max_iter=30, learning_rate_init=0.05).fit(x, sparse.csr_array(y))
    dense = MLPClassifier(random_state=0, max_iter=30, learning_rate_init=0.05).fit(x, y)
    assert weights.same_bits(e, dense)
    assert sparse.issparse(e.predict(x))
    np.testing.assert_array_equal(e.predict(x).toarray(), dense.predict(x))
