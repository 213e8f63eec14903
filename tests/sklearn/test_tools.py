"""The estimators at work in scikit-learn's tools."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import sklearn.neural_network as theirs
import weights
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingRegressor
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

import bpx
from bpx.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_the_parameters_are_those_of_scikit_learn_and_some_more(name):
    mine = dict(inspect.signature({"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor}[name]).parameters)
    known = inspect.signature(getattr(theirs, name)).parameters
    assert list(mine)[: len(known)] == list(known)
    for parameter, their in known.items():
        assert mine[parameter].default == their.default
        assert mine[parameter].kind == their.kind
    more = set(mine) - set(known)
    of_bpx = {"normalization", "dropout", "backend", "device", "callbacks", "precision", "progress", "distributed"}
    assert more == of_bpx | ({"class_weight"} if name == "MLPClassifier" else set())


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_every_fitted_attribute_of_scikit_learn_is_there(iris, name, solver):
    a = getattr(theirs, name)(max_iter=2, solver=solver).fit(*iris)
    b = getattr(bpx.sklearn, name)(max_iter=2, solver=solver).fit(*iris)
    public = {key for key in vars(a) if key.endswith("_") and not key.startswith("_")}
    assert public <= set(vars(b))
    for key in public:
        assert isinstance(getattr(a, key), type(getattr(b, key))), key  # a NumPy float is a float


def test_tags():
    for cls, their in ((MLPClassifier, theirs.MLPClassifier), (MLPRegressor, theirs.MLPRegressor)):
        mine, known = get_tags(cls()), get_tags(their())
        assert mine.array_api_support
        mine.array_api_support = known.array_api_support
        assert mine == known
    assert is_classifier(MLPClassifier())
    assert is_regressor(MLPRegressor())
    assert get_tags(MLPRegressor(loss="poisson")).target_tags.positive_only


def test_parameters_are_taken_and_given(iris):
    e = MLPClassifier((3, 4), activation=["tanh", bpx.GELU()], dropout=0.1, callbacks=[len], random_state=4)
    copy = clone(e)
    assert copy.get_params()["hidden_layer_sizes"] == (3, 4)
    assert copy.get_params()["activation"] == ["tanh", bpx.GELU()]
    assert copy.set_params(alpha=2.0).alpha == 2.0
    with pytest.raises(ValueError, match="Invalid parameter 'alhpa'"):
        copy.set_params(alhpa=1.0)
    assert "random_state=4" in repr(e)
    assert repr(MLPRegressor()) == "MLPRegressor()"
    assert "MLPRegressor" in MLPRegressor()._repr_html_()
    fitted = clone(e.set_params(callbacks=None).fit(*iris))
    assert not hasattr(fitted, "coefs_")


def test_pipelines_and_grid_search_in_other_processes(iris):
    x, y = iris
    model = make_pipeline(StandardScaler(), MLPClassifier(hidden_layer_sizes=5, max_iter=15, random_state=0))
    grid = {"mlpclassifier__activation": ["relu", ["tanh"]]}
    search = GridSearchCV(model, grid, cv=2, n_jobs=2).fit(x, y)
    alone = GridSearchCV(model, grid, cv=2).fit(x, y)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert weights.same_bits(search.best_estimator_[-1], alone.best_estimator_[-1])
    their_model = make_pipeline(
        StandardScaler(), theirs.MLPClassifier(hidden_layer_sizes=5, max_iter=15, random_state=0)
    )
    np.testing.assert_array_equal(cross_val_score(model, x, y), cross_val_score(their_model, x, y))
    np.testing.assert_array_equal(cross_val_predict(model, x, y), cross_val_predict(their_model, x, y))


def test_validation_data_and_weights_reach_the_last_step_of_a_pipeline(iris):
    x, y = iris
    model = make_pipeline(StandardScaler(), MLPClassifier(max_iter=3, random_state=0))
    model.fit(x, y, mlpclassifier__validation_data=(x, y), mlpclassifier__sample_weight=np.ones(150))
    assert len(model[-1].validation_scores_) == 3
    with config_context(enable_metadata_routing=True):
        routed = MLPClassifier(max_iter=3, random_state=0).set_fit_request(validation_data=True, sample_weight=True)
        model = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), routed)
        model.fit(x, y, validation_data=(x, y), sample_weight=np.ones(150))
    assert len(model[-1].validation_scores_) == 3


def test_ensembles(cancer, diabetes):
    bagged = BaggingRegressor(MLPRegressor(max_iter=3, hidden_layer_sizes=4), n_estimators=3, random_state=0)
    reference = BaggingRegressor(theirs.MLPRegressor(max_iter=3, hidden_layer_sizes=4), n_estimators=3, random_state=0)
    np.testing.assert_allclose(
        bagged.fit(*diabetes).predict(diabetes[0]), reference.fit(*diabetes).predict(diabetes[0])
    )
    calibrated = CalibratedClassifierCV(MLPClassifier(max_iter=3, random_state=0), cv=2).fit(*cancer)
    assert calibrated.score(*cancer) > 0.8


def test_names_of_features(iris):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    x = pandas.DataFrame(iris[0], columns=["a", "b", "c", "d"])
    for parameters in ({}, {"early_stopping": True}):
        e = MLPClassifier(max_iter=3, random_state=0, **parameters).fit(
            x, iris[1], validation_data=(x[:9], iris[1][:9])
        )
        assert list(e.feature_names_in_) == ["a", "b", "c", "d"]
        e.predict(x)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        e.predict(iris[0])
    with pytest.raises(ValueError, match="The feature names should match"):
        e.predict(x[["b", "a", "c", "d"]])
    table = pytest.importorskip("polars", reason="polars is not installed").DataFrame(dict(x))
    assert list(MLPClassifier(max_iter=1).fit(table, iris[1]).feature_names_in_) == ["a", "b", "c", "d"]


def test_the_docstrings_name_every_parameter_and_attribute(iris):
    for cls in (MLPClassifier, MLPRegressor):
        described = inspect.getdoc(cls).partition("See Also\n")[0]  # not indented, whichever the Python
        e = cls(max_iter=1).fit(*iris, validation_data=iris)
        names = [*cls().get_params(), *(n for n in vars(e) if n.endswith("_") and not n.startswith("_"))]
        entries = re.findall(r"^(\w+(?:, \w+)*) : ", described, flags=re.MULTILINE)
        documented = {name for entry in entries for name in entry.split(", ")}
        assert set(names) <= documented | {"feature_names_in_"}
        assert documented <= {*names, "network_", "feature_names_in_"}
        assert isinstance(e.network_, bpx.Network)
