"""What estimators refuse, say and tell callbacks on several ranks: ``python rank_estimator_checks.py``, by mpirun."""

import pickle
import re
import sys
import warnings

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import bpx
from bpx.distributed.communicator import connect
from bpx.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier, TableClassifier

QUICK = {"max_iter": 2, "random_state": 0, "distributed": True}


class Listener:
    """A callback of scikit-learn's that counts what it is told."""

    def __init__(self):
        self.told = []

    def setup(self, estimator, context):
        self.told.append("setup")

    def on_fit_task_begin(self, context, estimator, **data):
        self.told.append("begin")

    def on_fit_task_end(self, context, estimator, **data):
        self.told.append("end")

    def teardown(self, estimator, context):
        self.told.append("teardown")


def refuses(text, estimator, x, y, kind=bpx.InputError):
    """Assert that ``fit`` raises an error with a text, on every rank, and that the ranks can go on."""
    with pytest.raises(kind, match=re.escape(text)):
        estimator.fit(x, y)


def main() -> None:
    rank, size = bpx.distributed.rank(), bpx.distributed.size()
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(40, 3)), draw.integers(0, 2, size=40)
    warnings.filterwarnings("ignore", message=".*ranks share the|.*is bound to one|.*of them have none")

    # What is said is said once; scikit-learn's callbacks and the user's are told by rank 0.
    told = []
    listener = Listener()
    model = MLPClassifier(4, **QUICK, batch_size=99, verbose=True, callbacks=lambda run: told.append(run.done))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.set_callbacks(listener).fit(x, y)
    own = [warning for warning in caught if re.search(r"Maximum iterations|batch_size", str(warning.message))]
    assert [warning.filename for warning in own] == [__file__] * 2 * (rank == 0), own
    assert told == [1, 2] * (rank == 0), told
    assert len(listener.told) == 8 * (rank == 0), listener.told
    warnings.simplefilter("ignore", ConvergenceWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        refuses("Maximum iterations (2) reached", model.set_callbacks(), x, y, ConvergenceWarning)

    # An estimator is a parameter more: kept, copied, predicting without the others.
    model.set_params(callbacks=None)
    assert pickle.loads(pickle.dumps(model)).distributed
    assert clone(model).get_params()["distributed"] is True
    if rank == 0:
        assert model.predict(x).shape == (40,)
        model.set_params(distributed=False).fit(x, y)
    communicator = connect(bpx.get_backend("numpy"))
    assert (communicator.rank, communicator.size) == (rank, size)

    seedless = NetworkClassifier(
        lambda n_features, n_outputs: bpx.mlp([n_features, 5, n_outputs], loss="cross_entropy", seed=None),
        max_iter=2, distributed=True,
    ).fit(x, y)  # fmt: skip
    assert len(set(communicator.gather(seedless.network_.params[0]["weight"].tobytes()))) == 1

    lbfgs = "optimizer 'lbfgs' cannot be used by several processes"
    refuses(lbfgs, MLPClassifier(solver="lbfgs", distributed=True), x, y)
    refuses(lbfgs, MLPRegressor(solver=bpx.LBFGS(), distributed=True), x, y)
    refuses(lbfgs, NetworkClassifier(optimizer="lbfgs", distributed=True), x, y)
    other = "rank 1 of 2 was started with something else than rank 0"
    for kind in (MLPClassifier, NetworkClassifier):
        refuses(f"{other}: network.seed is", kind(**{**QUICK, "random_state": rank}), x, y)
        refuses(f"{other}: data.x holds other numbers", kind(**QUICK), x + rank, y)
    refuses("estimator.tol is 1.0 on rank 1 and 0.0 on rank 0", MLPClassifier(**QUICK, tol=float(rank)), x, y)
    going_on = MLPClassifier(**{**QUICK, "warm_start": True, "distributed": False}).fit(x, y)
    if rank == 1:
        going_on.fit(x, y)
    refuses("estimator.fitted holds other numbers", going_on.set_params(distributed=True), x, y)
    with pytest.raises(ValueError, match="hidden_layer_sizes must be > 0"):
        MLPClassifier((0,), distributed=True).fit(x, y)

    # What a rank starts beside itself is no rank: it says so, and nobody waits.
    TableClassifier("fast", **QUICK).fit(x, y)  # polars is imported now, and not by two threads at once
    said = "in one of several threads of a rank.*leave n_jobs at None"
    for kind in (MLPClassifier(4, **QUICK), NetworkClassifier(**QUICK), TableClassifier("fast", **QUICK)):
        search = GridSearchCV(kind, {"random_state": [0, 1]}, cv=2, n_jobs=2, error_score="raise")
        with pytest.raises(bpx.InputError, match=said), joblib.parallel_config("threading"):
            search.fit(x, y)
    search = GridSearchCV(MLPClassifier(4, **QUICK), {"random_state": [0, 1]}, cv=2, n_jobs=2, error_score="raise")
    with pytest.raises(bpx.InputError, match="for a process that a rank has started, and that is no rank"):
        search.fit(x, y)

    MLPClassifier(4, **QUICK).fit(x, y)
    sys.stdout.write(f"rank {rank} of {size} is done\n")


if __name__ == "__main__":
    main()
