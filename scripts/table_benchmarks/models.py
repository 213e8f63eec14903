"""The models, each given the same rows and one thread, with the defaults of its library.

A maker imports its library and returns the work, so that imports are neither timed nor weighed. The work takes a
`Split` and returns a `Prediction`.

Other libraries are given what a sensible user gives them: columns of text are categories, of the kind that the library
takes, or one-hot columns; columns of more than 100 texts, and of dates, are left out; columns of numbers that the
library cannot have gaps in are filled with the median, with indicators beside them. bpx is given the columns as they
are, or the file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from typing import Any

from table_benchmarks.choice import CLASSES
from table_benchmarks.data import Split

MOST_TEXTS = 100
"""Columns with more different texts than this are left out for the libraries that have no use for them."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of the test rows.

    Parameters
    ----------
    values : array
        Probabilities of shape (n, k) for classes, else numbers of shape (n,).
    classes : tuple of str
        The classes of the columns, where the target is one.
    """

    values: Any
    classes: tuple[str, ...] = ()


Work = Callable[[Split], Prediction]


@dataclass(frozen=True)
class Model:
    """A model by name: the distribution it comes in, and what makes its work for a task."""

    name: str
    distribution: str
    make: Callable[[str], Work]

    def version(self) -> str:
        """Return the version of its library.

        Raises
        ------
        importlib.metadata.PackageNotFoundError
            If it is not installed.
        """
        if self.distribution == "bpx":
            import bpx

            return bpx.__version__
        return version(self.distribution)


def make_sklearn_mlp(task: str, early_stopping: bool) -> Work:
    """Return the work of scikit-learn's MLP, on scaled and one-hot columns, for a scaled target."""
    from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_column_selector(dtype_exclude="category")
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), make_column_selector(dtype_include="category")),
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (MissingIndicator(error_on_new=False), numbers),
    )
    network = (MLPClassifier if task == CLASSES else MLPRegressor)(early_stopping=early_stopping, random_state=0)
    if task != CLASSES:
        network = TransformedTargetRegressor(network, transformer=StandardScaler())
    return partial(_fit_and_predict, make_pipeline(columns, network))


def make_hist_gradient_boosting(task: str) -> Work:
    """Return the work of scikit-learn's boosted trees, which take categories and gaps as they are."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    maker = HistGradientBoostingClassifier if task == CLASSES else HistGradientBoostingRegressor
    return partial(_fit_and_predict, maker(random_state=0))


def make_lightgbm(task: str) -> Work:
    """Return the work of LightGBM, which takes categories and gaps as they are."""
    from lightgbm import LGBMClassifier, LGBMRegressor

    maker = LGBMClassifier if task == CLASSES else LGBMRegressor
    return partial(_fit_and_predict, maker(n_jobs=1, random_state=0, verbosity=-1))


def make_catboost(task: str) -> Work:
    """Return the work of CatBoost, told which columns are categories; a gap in them is a category of its own."""
    from catboost import CatBoostClassifier, CatBoostRegressor

    maker = CatBoostClassifier if task == CLASSES else CatBoostRegressor

    def work(split: Split) -> Prediction:
        categories = [place for place, dtype in enumerate(_sift(split)[0].dtypes) if dtype == "category"]
        estimator = maker(
            cat_features=categories, thread_count=1, random_seed=0, verbose=False, allow_writing_files=False
        )
        return _fit_and_predict(estimator, split, fill_categories=True)

    return work


def make_realmlp(task: str) -> Work:
    """Return the work of RealMLP with its tuned defaults, which takes categories, and no gaps in numbers.

    References
    ----------
    D. Holzmueller, L. Grinsztajn, I. Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on tabular
    data", 2024: RealMLP-TD.
    """
    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    columns = make_column_transformer(
        (SimpleImputer(strategy="median", add_indicator=True), make_column_selector(dtype_exclude="category")),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    maker = RealMLP_TD_Classifier if task == CLASSES else RealMLP_TD_Regressor
    network = maker(device="cpu", n_threads=1, random_state=0)
    return partial(_fit_and_predict, make_pipeline(columns, network), fill_categories=True)


def make_command(task: str) -> Work:
    """Return the work of ``bpx train`` and ``bpx predict`` on the files, in this process, whose start is not timed."""
    from bpx.cli import app  # noqa: F401 (imported before the time is taken)

    def work(split: Split) -> Prediction:
        import pandas as pd

        with tempfile.TemporaryDirectory() as folder:
            model, predicted = str(Path(folder) / "model.safetensors"), str(Path(folder) / "predicted.csv")
            target = ("--target", split.target, "--task", task)
            _run_bpx("train", str(split.train_file), *target, "--validation", "0", "--output", model)
            _run_bpx("predict", model, str(split.test_file), "--output", predicted)
            rows = pd.read_csv(predicted)
        if task != CLASSES:
            return Prediction(rows["prediction"].to_numpy())
        classes = tuple(sorted(split.train_target.unique()))
        return Prediction(rows[[f"probability_{label}" for label in classes]].to_numpy(), classes)

    return work


def make_preset(task: str, preset: str) -> Work:
    """Return the work of bpx's estimator of tables, with one of its presets."""
    from bpx import sklearn

    maker = getattr(sklearn, "TableClassifier" if task == CLASSES else "TableRegressor")

    def work(split: Split) -> Prediction:
        estimator = maker(preset=preset, random_state=0).fit(split.train, split.train_target)
        if task != CLASSES:
            return Prediction(estimator.predict(split.test))
        return Prediction(estimator.predict_proba(split.test), tuple(map(str, estimator.classes_)))

    return work


MLP, STOPPED_MLP = "MLP", "MLP stopped early"
BOOSTING, REALMLP = "HistGradientBoosting", "RealMLP"

MODELS = {
    model.name: model
    for model in (
        Model("bpx train", "bpx", make_command),
        Model("bpx fast", "bpx", partial(make_preset, preset="fast")),
        Model("bpx default", "bpx", partial(make_preset, preset="default")),
        Model("bpx best", "bpx", partial(make_preset, preset="best")),
        Model(MLP, "scikit-learn", partial(make_sklearn_mlp, early_stopping=False)),
        Model(STOPPED_MLP, "scikit-learn", partial(make_sklearn_mlp, early_stopping=True)),
        Model(BOOSTING, "scikit-learn", make_hist_gradient_boosting),
        Model("LightGBM", "lightgbm", make_lightgbm),
        Model("CatBoost", "catboost", make_catboost),
        Model(REALMLP, "pytabkit", make_realmlp),
    )
}
"""In the order of the report."""


def _fit_and_predict(estimator: Any, split: Split, fill_categories: bool = False) -> Prediction:
    train, test = _sift(split, fill_categories)
    if split.task != CLASSES:
        return Prediction(estimator.fit(train, split.train_target.to_numpy(dtype=float)).predict(test))
    classes, codes = _encode(split.train_target)
    return Prediction(estimator.fit(train, codes).predict_proba(test), classes)


def _encode(labels: Any) -> tuple[tuple[str, ...], Any]:
    """Return the classes in order, and the place of each label among them."""
    import numpy as np

    classes, codes = np.unique(labels.to_numpy(dtype=str), return_inverse=True)
    return tuple(map(str, classes)), codes


def _sift(split: Split, fill_categories: bool = False) -> tuple[Any, Any]:
    """Return the columns that every library can use, of both parts: numbers, and texts as pandas' categories.

    Columns are renamed by their place, because LightGBM refuses some names. Texts that training does not have are
    gaps. Gaps in texts become a category where that is asked for.
    """
    import pandas as pd

    train, test = pd.DataFrame(), pd.DataFrame()
    for place, name in enumerate(split.train.columns):
        ours, theirs = split.train[name], split.test[name]
        if ours.notna().sum() == 0:
            continue
        if pd.api.types.is_numeric_dtype(ours):
            ours, theirs = ours.astype(float), pd.to_numeric(theirs, errors="coerce").astype(float)
        else:
            ours, theirs = (part.astype(str).where(part.notna()) for part in (ours, theirs))
            if ours.nunique() > MOST_TEXTS or _are_dates(ours):
                continue
            known = set(ours.dropna())
            theirs = theirs.where(theirs.isin(known))
            if fill_categories:
                ours, theirs = ours.fillna("missing"), theirs.fillna("missing")
                known.add("missing")
            kind = pd.CategoricalDtype(sorted(known))
            ours, theirs = ours.astype(kind), theirs.astype(kind)
        train[f"column {place}"], test[f"column {place}"] = ours, theirs
    return train, test


def _are_dates(texts: Any) -> bool:
    """Return whether all of them are dates as ISO 8601 has them: 2024-02-29, with or without a time."""
    import pandas as pd

    return bool(pd.to_datetime(texts.dropna(), format="ISO8601", errors="coerce").notna().all())


def _run_bpx(*arguments: str) -> None:
    from bpx.cli import main

    said = StringIO()
    try:
        with redirect_stdout(said):
            main(arguments)
    except SystemExit as stop:
        if stop.code not in (0, None):
            raise RuntimeError(f"bpx {arguments[0]} ended with the exit code {stop.code}") from None
