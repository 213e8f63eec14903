"""Fits of estimators, saved as arrays: run alone, and by mpirun or torchrun with any number of ranks.

``python rank_estimators.py OUT BACKEND NAMES`` writes ``OUT/NAME.RANK.npz`` for each of the cases that a JSON list
names. Behind that, for jax.distributed, an address, the number of the process, and how many there are. Draws that no
number fixes differ from rank to rank, so that only rank 0's can give the numbers of one process.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GridSearchCV

import bpx
from bpx.sklearn import MLPClassifier, MLPRegressor, NetworkClassifier, NetworkRegressor

ROWS, WIDTH = 53, 6
HOW = {"hidden_layer_sizes": (7,), "batch_size": 8, "max_iter": 4, "random_state": 0, "distributed": True}


def make_data():
    """Return samples, three classes, numbers with two columns, and weights of which some are 0."""
    draw = np.random.default_rng(5)
    x = draw.normal(size=(ROWS, WIDTH))
    numbers = np.stack([np.sin(x[:, 0]) + x[:, 1], x[:, 2] * x[:, 3]], axis=1)
    weight = draw.uniform(0.0, 2.0, size=ROWS) * (draw.uniform(size=ROWS) > 0.2)
    return x, draw.integers(0, 3, size=ROWS), numbers, weight


def fit_classifier(more=(), weight=None, x=None, y=None, **parameters):
    """Fit a perceptron, and let it go on by further calls; return it with the samples."""
    x = make_data()[0] if x is None else x
    y = make_data()[1] if y is None else y
    model = MLPClassifier(**{**HOW, **parameters}).fit(x, y, weight)
    for call in more:
        getattr(model, call)(x, y)
    return model, x


def build(n_features, n_outputs, *, width=6, loss="cross_entropy", seed=0):
    """Build a network with all that looks at a batch."""
    layers = [bpx.Linear(n_features, width, bias=False), bpx.BatchNorm(width), bpx.Tanh(), bpx.Dropout(0.2)]
    layers.append(bpx.Linear(width, n_outputs))
    return bpx.Network(layers, loss=loss, dtype="float64", seed=seed, backend=HOW.get("backend"))


def fit_network(kind, data, more=(), weight=None, validation=None, **parameters):
    """Fit an estimator of a network, and let it go on by further calls."""
    x, y = make_data()[0], make_data()[data]
    how = {name: value for name, value in HOW.items() if name not in ("hidden_layer_sizes", "backend")}
    model = kind(**{**how, **parameters}).fit(x, y, weight, validation_data=validation)
    for call in more:
        getattr(model, call)(x, y)
    return model, x


def search():
    """Search over settings, all fits of which fail for one of them; each rank goes through all of them."""
    x, y, _, _ = make_data()
    grid = {"alpha": [1e-4, 1.0], "random_state": [0, None], "hidden_layer_sizes": [(7,), (0,)]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitFailedWarning)
        found = GridSearchCV(MLPClassifier(**HOW), grid, cv=3, error_score=-1.0).fit(x, y)
    return found, x


def follow_generator():
    """Fit with a generator that is given; it goes on alike on all ranks afterwards."""
    generator = np.random.RandomState(100 + bpx.distributed.rank())
    model, x = fit_classifier(random_state=generator)
    model.after_ = generator.uniform(size=3)
    return model, x


def list_cases():
    """Return functions by name; each returns an estimator and the samples that it is to predict."""
    x, y, numbers, weight = make_data()
    stopping = {"early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 2, "max_iter": 15}
    sgd = {"solver": "sgd", "learning_rate_init": 0.2}
    aside = (x[:20] + 0.1, y[:20])
    return {
        "classes": fit_classifier,
        "whole": lambda: fit_classifier(batch_size=ROWS, more=["partial_fit"]),
        "small batches": lambda: fit_classifier(batch_size=2, weight=weight),
        "two classes stopping": lambda: fit_classifier(
            y=y > 0, weight=weight + 0.1, class_weight="balanced", **stopping
        ),
        "stopping goes on": lambda: fit_classifier(warm_start=True, more=["fit"], **stopping),
        "adaptive": lambda: fit_classifier(
            **sgd, learning_rate="adaptive", tol=0.1, n_iter_no_change=1, max_iter=12, class_weight={0: 2.0, 1: 0.5}
        ),
        "invscaling": lambda: fit_classifier(**sgd, learning_rate="invscaling", more=["partial_fit"]),
        "batch of each": lambda: fit_classifier(**sgd, normalization="batch", dropout=0.3),
        "schedule": lambda: fit_classifier(solver="adamw", learning_rate=bpx.CosineDecay(0.01, length=4)),
        "labels": lambda: fit_classifier(y=np.stack([y > 0, numbers[:, 0] > 0], axis=1).astype(int)),
        "sparse": lambda: fit_classifier(x=sparse.csr_matrix(np.where(x > 0.3, x, 0.0)), more=["partial_fit"]),
        "sparse whole": lambda: fit_classifier(x=sparse.csr_array(np.where(x > 0.3, x, 0.0)), batch_size=ROWS),
        "warm": lambda: fit_classifier(warm_start=True, more=["fit", "fit"]),
        "parts": lambda: fit_classifier(max_iter=1, more=["partial_fit", "partial_fit"], random_state=None),
        "any draws": lambda: fit_classifier(random_state=None, **stopping),
        "generator": follow_generator,
        "values": lambda: (MLPRegressor("huber", **HOW).fit(x, numbers[:, 0]), x),
        "several values": lambda: (
            MLPRegressor(**{**HOW, **stopping}).fit(x, numbers, validation_data=(x[:9] + 0.1, numbers[:9])), x
        ),
        "network": lambda: fit_network(
            NetworkClassifier, 1, build=build, random_state=None, weight=weight + 0.1, class_weight="balanced",
            metrics=["accuracy"], **stopping,
        ),
        "network goes on": lambda: fit_network(
            NetworkClassifier, 1, build=build, warm_start=True, more=["fit", "partial_fit"], validation=aside
        ),
        "network of values": lambda: fit_network(
            NetworkRegressor, 2, build=build, build_args={"loss": "squared_error"}, penalties=bpx.L2(0.1),
            clip=bpx.ClipNorm(0.5), more=["partial_fit"],
        ),
        "search": search,
    }  # fmt: skip


def collect(model, x):
    """Return what an estimator has learned as named arrays."""
    found = {}
    if isinstance(model, GridSearchCV):
        for name in ("mean_test_score", "split0_test_score", "split2_test_score"):
            found[name] = np.array(model.cv_results_[name])
        found["best"] = np.array(model.best_index_)
        model = model.best_estimator_
    for name in ("loss_curve_", "validation_scores_", "validation_loss_curve_", "n_iter_", "t_", "after_"):
        if getattr(model, name, None) is not None:
            found[name] = np.array(getattr(model, name))
    found |= {f"history.{name}": np.array(values) for name, values in model.history_.curves().items()}
    net = model.network_
    for kind, parts in (("params", net.params), ("state", net.state)):
        found |= {f"{kind}.{i}.{n}": bpx.to_numpy(a) for i, part in enumerate(parts) for n, a in part.items()}
    for name in ("predict", "predict_proba"):
        if hasattr(model, name):
            found[name] = np.asarray(getattr(model, name)(x))
    return found


def main() -> None:
    out = Path(sys.argv[1])
    rank = bpx.distributed.rank()
    if len(sys.argv) > 4:
        import jax

        rank = int(sys.argv[5])
        jax.distributed.initialize(sys.argv[4], process_id=rank, num_processes=int(sys.argv[6]))
    if sys.argv[2] != "numpy":
        HOW["backend"] = sys.argv[2]
    cases = list_cases()
    names = json.loads(sys.argv[3]) if len(sys.argv) > 3 else list(cases)
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", message=".*ranks share the|.*is bound to one|.*of them have none")
    for name in names:
        np.random.seed(rank)  # noqa: NPY002 - what estimators draw from by default
        np.savez(out / f"{name}.{rank}.npz", **collect(*cases[name]()))


if __name__ == "__main__":
    main()
