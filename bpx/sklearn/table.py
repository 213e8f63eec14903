"""Estimators for tables as people have them: frames of mixed columns in, the preprocessing inside."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from bpx.backend.precision import MANTISSA_BITS
from bpx.backend.selection import get_backend
from bpx.errors import InputError
from bpx.losses import Loss
from bpx.network import Network
from bpx.optimizers import LBFGS, OPTIMIZERS, Optimizer, get_optimizer
from bpx.recipes.building import build_network, find_bins
from bpx.recipes.intervals import Residuals
from bpx.recipes.presets import PRESETS, choose_recipe
from bpx.recipes.settings import average_weights
from bpx.recipes.training import Rows, train_network
from bpx.sklearn.internals import (
    Interval,
    StrOptions,
    Tasks,
    TellsCallbacks,
    check_feature_names,
    check_n_features,
    check_sample_weight,
    check_y,
    fit_context,
)
from bpx.sklearn.keeping import Kept, name_labels
from bpx.sklearn.monitor import TaskTeller
from bpx.sklearn.ranks import draw_alike, joining
from bpx.sklearn.samples import check_on_host, refuse_times
from bpx.tables import Preprocessor
from bpx.tables.frames import ColumnType, check_types, take_frame
from bpx.tables.messages import counted
from bpx.tables.splitting import split
from bpx.tables.target import NumberTarget
from bpx.training.callback import Callback, Run
from bpx.training.history import History

if TYPE_CHECKING:
    import polars as pl

Array = np.ndarray[Any, Any]


_LOSSES = ("squared_error", "absolute_error", "huber", "quantile")
"""The losses of a regression by name; counts are not among them, because targets are standardized."""


def _check_loss(loss: str | Loss) -> Any:
    """Return the loss of a regression; one that is none of a single value is refused.

    Raises
    ------
    InputError
        If it takes other targets than values, or has several outputs for one.
    """
    if isinstance(loss, Loss) and (loss.targets != "values" or isinstance(getattr(loss, "q", None), tuple)):
        raise InputError(
            f"the loss of a table's target is one of values with one output, as bpx.Huber() is, got {loss!r}"
        )
    return loss


class _MembersTeller(Callback):
    """Tell scikit-learn's callbacks of each network of an ensemble, and of each epoch of it.

    Parameters
    ----------
    tasks : Tasks
        The whole fit.
    preprocessor : Preprocessor
        What makes a fitted estimator of a network.
    """

    def __init__(self, tasks: Tasks, preprocessor: Preprocessor) -> None:
        self.tasks, self.preprocessor = tasks, preprocessor

    def _make_fitted(self, net: Any) -> dict[str, Any]:
        return {"network_": net.copy(), "preprocessor_": self.preprocessor}

    def on_train_begin(self, run: Run) -> None:
        self.member = self.tasks.split("network", run.epochs)
        self.epochs = TaskTeller(self.member, self._make_fitted)
        self.epochs.on_train_begin(run)

    def on_epoch_end(self, run: Run) -> None:
        self.epochs.on_epoch_end(run)

    def on_train_end(self, run: Run) -> None:
        self.epochs.on_train_end(run)
        self.member.end(lambda: self._make_fitted(run.net))


class TableEstimator(Kept, TellsCallbacks, BaseEstimator):  # type: ignore[misc]
    """What the classifier and the regressor for tables share."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "preset": [StrOptions(set(PRESETS))],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left"), None],
        "members": [Interval(Integral, 1, None, closed="left"), None],
        "max_iter": [Interval(Integral, 1, None, closed="left"), None],
        "dropout": [Interval(Real, 0, 1, closed="left"), None],
        "optimizer": [StrOptions(set(OPTIMIZERS)), Optimizer, None],
        "types": [Mapping, None],
        "random_state": ["random_state"],
        "backend": [str, None],
        "precision": [StrOptions(set(MANTISSA_BITS))],
        "progress": ["boolean", None],
        "distributed": ["boolean"],
    }

    network_: Network
    preprocessor_: Preprocessor
    history_: History
    notes_: tuple[str, ...]
    temperature_: float
    n_features_in_: int

    def _keep(self, parameters: dict[str, Any]) -> None:
        """Keep the arguments of ``__init__`` as attributes, as they are; they are checked when a fit begins."""
        for name, value in parameters.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _fit(
        self,
        frame: pl.DataFrame,
        types: dict[str, Any],
        y: Array,
        sample_weight: Any,
        class_weight: Any,
        given: tuple[Any, Any],
    ) -> tuple[Array, Array]:
        """Train on rows and encoded targets; return rows that no weight was learned from, and what is foretold of them.

        The rows are those that were held out of everything, if any were, and else those that networks set aside.
        """
        with joining(self.distributed, lambda: get_backend(self.backend)) as communicator:
            seed = int(draw_alike(self.random_state, communicator).randint(2**31 - 1))
            leads = communicator is None or communicator.rank == 0
            return self._train(frame, types, y, sample_weight, class_weight, given, seed, leads)

    def _train(
        self,
        frame: pl.DataFrame,
        types: dict[str, Any],
        y: Array,
        sample_weight: Any,
        class_weight: Any,
        given: tuple[Any, Any],
        seed: int,
        leads: bool,
    ) -> tuple[Array, Array]:
        """Do what `_fit` does, by a seed; ``leads`` says whether this process tells scikit-learn's callbacks."""
        check_consistent_length(y, np.empty(frame.height))
        classes = y.dtype.kind == "i"
        weight = (
            None if sample_weight is None else check_sample_weight(check_on_host("sample_weight", sample_weight), y)
        )
        backend = get_backend(self.backend)
        if self.types is not None:
            check_types(frame, self.types, ())
            types = types | dict(self.types)
        learned, held = _find_rows_that_count(len(y), weight), np.arange(0)
        if share := getattr(self, "held_out", 0.0):
            learned, held = (learned[part] for part in split(len(learned), float(share), seed))
        target = _name_target(frame)
        import polars as pl

        table = frame.with_columns(pl.Series(target, y))
        preprocessor = Preprocessor.fit(
            table,
            target,
            task="classification" if classes else "regression",
            types=types,
            rows=None if len(learned) == len(y) else learned,
            codes=True,
        )
        x, targets = preprocessor.transform(table), preprocessor.encode_target(table)
        rows = Rows(x, targets, weight, targets if classes else None)
        settings = self._choose_settings(len(learned), classes, seed)
        settings = dataclasses.replace(settings, class_weight=class_weight)
        taught = rows if len(learned) == len(y) else rows.take(learned)
        numbers, n_outputs = preprocessor.are_numbers, preprocessor.n_outputs
        edges = find_bins(settings, taught.x, numbers)
        tasks = self.tell_callbacks(settings.members, *given, sample_weight, leads=leads)
        named = dataclasses.replace(preprocessor, target=self._name_target(preprocessor.target))
        tellers = [_MembersTeller(tasks, named)] if tasks.listened else []
        trained = train_network(
            settings,
            taught,
            lambda i: build_network(
                settings,
                taught.x,
                numbers,
                n_outputs,
                "identity",
                backend,
                i,
                codes=preprocessor.n_codes,
                edges=edges,
            ),
            progress=self.progress,
            distributed=self.distributed,
            callbacks=tellers,
        )
        preprocessor = named
        self.network_, self.preprocessor_, self.history_ = trained.network, preprocessor, trained.history
        self.n_iter_, self.temperature_ = len(trained.history), trained.temperature
        self.notes_ = preprocessor.notes
        tasks.end()
        if held.size:
            return held, np.asarray(trained.network.predict(x[held]))
        return learned[trained.aside], trained.outputs

    def _name_target(self, target: Any) -> Any:
        """Return what a target was found to be, with the labels that the caller knows."""
        return target

    def encode(self, X: Any, y: Any) -> tuple[Array, Array]:
        """Return samples and targets as ``network_`` takes them: for `bpx.explain`, or to train it further.

        Parameters
        ----------
        X : data frame or array-like (samples, features)
        y : array-like (samples,)

        Returns
        -------
        x : array (samples, inputs)
            What the preprocessing makes of the columns.
        targets : array
            Numbers of the classes (samples,), or standardized numbers (samples, 1).

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If a class is none of the fitted ones, or the samples do not fit.
        """
        check_is_fitted(self)
        frame, _ = self._take(X, reset=False)
        y = column_or_1d(_check_labels(self, y), warn=True)
        check_consistent_length(y, np.empty(frame.height))
        return self.preprocessor_.transform(frame), self._encode_targets(y)

    @abstractmethod
    def _encode_targets(self, y: Array) -> Array:
        """Return targets as the network takes them."""

    def _describe_preprocessing(self) -> Preprocessor:
        return self.preprocessor_

    def _choose_settings(self, rows: int, classes: bool, seed: int) -> Any:
        recipe = choose_recipe(self.preset, rows, classes=classes)
        sizes = self.hidden_layer_sizes
        hidden = None if sizes is None else tuple(int(size) for size in np.atleast_1d(sizes).tolist())
        loss = getattr(self, "loss", "squared_error")
        recipe = recipe.change(
            hidden=hidden,
            members=self.members,
            epochs=self.max_iter,
            dropout=self.dropout,
            loss=None if isinstance(loss, str) and loss == "squared_error" else _check_loss(loss),
        )
        settings = recipe.decide(seed=seed, precision=self.precision)
        settings = average_weights(settings, rows) if recipe.average else settings
        if self.optimizer is not None:
            optimizer = get_optimizer(self.optimizer)
            if isinstance(optimizer, LBFGS):
                raise InputError("networks for tables are trained in batches, which optimizer 'lbfgs' does not take")
            settings = dataclasses.replace(settings, optimizer=optimizer)
        return settings

    def _list_array(self) -> None:
        return None

    def _take(self, X: Any, *, reset: bool) -> tuple[pl.DataFrame, dict[str, Any]]:
        """Return samples as a table, and the types of its columns that are declared: all of an array's are numbers."""
        import polars as pl

        if hasattr(X, "columns") or hasattr(X, "column_names"):
            frame = take_frame(X)
            if not frame.width:
                raise InputError("expected a table with one column or more, got one without columns")
            check_feature_names(self, X, reset=reset)
            check_n_features(self, X, reset=reset)
            if frame.height < 1 + reset:
                raise InputError(f"expected {1 + reset} or more samples, got n_samples = {frame.height}")
            return frame, {}
        X = check_on_host("X", X)
        dtype = None if _is_of_objects(X) else "numeric"
        X = validate_data(
            self, X, dtype=dtype, ensure_all_finite="allow-nan", ensure_min_samples=1 + reset, reset=reset
        )
        names = [f"x{i}" for i in range(X.shape[1])]
        columns = [pl.Series(name, X[:, i].tolist() if X.dtype == object else X[:, i], strict=False)
                   for i, name in enumerate(names)]  # fmt: skip
        return pl.DataFrame(columns), {} if X.dtype == object else dict.fromkeys(names, "number")

    def _predict(self, X: Any) -> Array:
        """Return what the network makes of samples: probabilities, or standardized numbers."""
        check_is_fitted(self)
        frame, _ = self._take(X, reset=False)
        return np.asarray(self.network_.predict(self.preprocessor_.transform(frame)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags


class TableClassifier(ClassifierMixin, TableEstimator):  # type: ignore[misc]
    """A network that decides for classes, for tables as people have them.

    Takes frames of numbers, text, dates and gaps (pandas, polars, pyarrow and others), or arrays of numbers, and does
    what ``bpx train`` does: the preprocessing is inside, and the recipe is the same.

    Parameters
    ----------
    preset : {"fast", "default", "best"}
        "fast" is one small network, "default" an ensemble of a few over folds of the samples, "best" several ensembles
        that differ, trained for longer. Each network of an ensemble sets other samples aside, which tell its best
        epoch, and in "best" which of the ensembles to average; all are learned from by most.
    hidden_layer_sizes : int or array-like of int, optional
        Widths of the hidden layers, in place of the preset's.
    members : int, optional
        Networks whose predictions are averaged, in place of the preset's number.
    max_iter : int, optional
        Epochs at most, in place of the preset's.
    dropout : float, optional
        Share of the hidden units left out at a step, in place of the preset's.
    optimizer : str or Optimizer, optional
        In place of the preset's: as for `bpx.Network.fit`, with a schedule, rates of its own for some layers
        (`bpx.ParameterGroup`) or averages of the weights (`bpx.Averaged`); all but "lbfgs".
    class_weight : dict, "balanced" or None
        Weights of the classes in the loss, on top of ``sample_weight``. "balanced" is ``n_samples / (n_classes * n_c)``
        for a class of n_c samples.
    types : dict from str to {"text", "number", "category"}, optional
        Columns whose type is declared, as for `bpx.tables.Preprocessor.fit`; those of an array are called "x0", "x1"
        and so on.
    random_state : int, RandomState or None
    backend : str or None
        Where the network computes, as for `bpx.get_backend`.
    precision : {"float32", "tf32", "bfloat16"}
        How the operands of matrix products are rounded.
    progress : bool or None
        As for ``bpx.Network.fit``.
    distributed : bool
        Whether the processes that ``mpirun``, ``srun`` or ``torchrun`` started train together, as for
        ``bpx.Network.fit``: all call ``fit`` with the same samples. Where ``random_state`` is no number, the first
        process's draw is taken. Predictions are each process's own.

    Attributes
    ----------
    classes_ : array (n_classes,)
    network_ : bpx.Network
        The trained network, of several members where there are some.
    preprocessor_ : bpx.tables.Preprocessor
        From a table to the network's inputs.
    history_ : bpx.History
        The mean of the members' curves.
    notes_ : tuple of str
        What was decided about the columns.
    temperature_ : float
        What the logits were divided by, so that probabilities fit the samples that networks set aside; 1 where these
        are fewer than 100, and with ``class_weight``.
    n_features_in_ : int
    feature_names_in_ : array of str
        Where the samples had names.
    n_iter_ : int
        Epochs of the longest training.

    See Also
    --------
    bpx.sklearn.TableRegressor : Numbers, from tables of mixed columns.
    bpx.sklearn.MLPClassifier : Classes, from arrays.
    bpx.tables.prepare : Split a table and encode both parts.

    Examples
    --------
    >>> import polars as pl
    >>> from bpx.sklearn import TableClassifier
    >>> sizes, kinds = [1.0, 1.2, None, 3.1, 2.9, 3.3] * 10, ["a", "a", "a", "b", "b", None] * 10
    >>> table = pl.DataFrame({"size": sizes, "kind": kinds})
    >>> found = TableClassifier(preset="fast", random_state=0).fit(
    ...     table, ["small", "small", "small", "big", "big", "big"] * 10
    ... )
    >>> found.predict(pl.DataFrame({"size": [1.1, None], "kind": ["a", "b"]})).tolist()
    ['small', 'big']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TableEstimator._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    classes_: Array

    def __init__(
        self,
        preset: str = "default",
        *,
        hidden_layer_sizes: Any = None,
        members: int | None = None,
        max_iter: int | None = None,
        dropout: float | None = None,
        optimizer: str | Optimizer | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        types: Mapping[str, ColumnType] | None = None,
        random_state: Any = None,
        backend: str | None = None,
        precision: str = "float32",
        progress: bool | None = None,
        distributed: bool = False,
    ) -> None:
        self._keep(locals())

    @fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the preprocessing and train the network.

        Parameters
        ----------
        X : data frame or array-like (samples, features)
        y : array-like (samples,)
            Labels.
        sample_weight : array-like (samples,) or None
            Samples of weight 0 are as if they were not there, but for the types of columns and the labels.

        Returns
        -------
        TableClassifier
            Itself.
        """
        frame, types = self._take(X, reset=True)
        y = column_or_1d(_check_labels(self, y), warn=True)
        check_classification_targets(y)
        self.classes_, ids = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"expected two classes or more, got 1 class: all samples are {self.classes_.tolist()[0]!r}"
            )
        weight = self.class_weight
        if isinstance(weight, Mapping):
            known = {label: i for i, label in enumerate(self.classes_.tolist())}
            unknown = [label for label in weight if label not in known]
            if unknown:
                raise ValueError(f"class_weight names classes that y does not have: {unknown}")
            weight = {known[label]: float(factor) for label, factor in weight.items()}
        self._fit(frame, types, ids.astype(np.int64), sample_weight, weight, (X, y))
        return self

    def _name_target(self, target: Any) -> Any:
        kind, labels = name_labels(self.classes_)
        return dataclasses.replace(target, label_type=kind, labels=labels)

    def _encode_targets(self, y: Array) -> Array:
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y holds classes that are not among the fitted ones: {unknown.tolist()[:5]}")
        return np.searchsorted(self.classes_, y)

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, shape (samples, classes), in the order of ``classes_``."""
        outputs = self._predict(X)
        return np.stack([1.0 - outputs[:, 0], outputs[:, 0]], axis=1) if outputs.shape[1] == 1 else outputs

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each sample, shape (samples,)."""
        best = self.predict_proba(X).argmax(axis=1)
        labels: Array = self.classes_[best]
        return labels


class TableRegressor(RegressorMixin, TableEstimator):  # type: ignore[misc]
    """A network that predicts a number, for tables as people have them; with intervals.

    The target is standardized inside. `TableClassifier` says the rest.

    Parameters
    ----------
    preset, hidden_layer_sizes, members, max_iter, dropout, optimizer, types, random_state, backend, precision,
    progress, distributed
        As for `TableClassifier`.
    loss : {"squared_error", "absolute_error", "huber", "quantile"} or Loss
        What the networks learn by. With "squared_error" most of the preset "best" learn by the Huber loss, are shifted
        so that they are right on average, and are kept where that lowers the squared error. "quantile" is the median;
        ``bpx.Quantile(0.9)`` another one. Of the standardized target, so that ``delta`` in ``bpx.Huber(delta=0.5)`` is
        in standard deviations.
    held_out : float
        Share of the samples that nothing is learned from, which gives `predict_interval` its guarantee; 0 for samples
        that networks of an ensemble set aside.

    Attributes
    ----------
    network_, preprocessor_, history_, notes_, n_features_in_, feature_names_in_, n_iter_
        As for `TableClassifier`.
    residuals_ : Residuals or None
        Errors on samples that no weight was learned from; None where there are none.

    See Also
    --------
    bpx.sklearn.TableClassifier : Classes, from tables of mixed columns.
    bpx.sklearn.MLPRegressor : Numbers, from arrays.
    bpx.tables.prepare : Split a table and encode both parts.

    Examples
    --------
    >>> import numpy as np
    >>> from bpx.sklearn import TableRegressor
    >>> x = np.linspace(0.0, 1.0, 200)[:, None]
    >>> found = TableRegressor(preset="fast", held_out=0.2, random_state=0).fit(x, 3.0 * x[:, 0])
    >>> found.predict_interval(x[:5], coverage=0.9).shape
    (5, 2)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TableEstimator._parameter_constraints,
        "loss": [StrOptions(set(_LOSSES)), Loss],
        "held_out": [Interval(Real, 0, 1, closed="left")],
    }

    residuals_: Residuals | None

    def __init__(
        self,
        preset: str = "default",
        *,
        hidden_layer_sizes: Any = None,
        members: int | None = None,
        max_iter: int | None = None,
        dropout: float | None = None,
        optimizer: str | Optimizer | None = None,
        loss: str | Loss = "squared_error",
        held_out: float = 0.0,
        types: Mapping[str, ColumnType] | None = None,
        random_state: Any = None,
        backend: str | None = None,
        precision: str = "float32",
        progress: bool | None = None,
        distributed: bool = False,
    ) -> None:
        self._keep(locals())

    @fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the preprocessing and train the network.

        Parameters
        ----------
        X : data frame or array-like (samples, features)
        y : array-like (samples,)
            Numbers. Dates and durations are refused: what number stands for one depends on a unit.
        sample_weight : array-like (samples,) or None
            Samples of weight 0 are as if they were not there, but for the types of columns and the labels.

        Returns
        -------
        TableRegressor
            Itself.
        """
        frame, types = self._take(X, reset=True)
        y = check_y(_check_labels(self, y), y_numeric=True, estimator=self).astype(np.float64)
        rows, outputs = self._fit(frame, types, y, sample_weight, None, (X, y))
        self.residuals_ = None
        if len(rows):
            errors = self.preprocessor_.decode_target(outputs) - y[rows]
            self.residuals_ = Residuals.of(errors, held_out=bool(self.held_out))
        return self

    def _encode_targets(self, y: Array) -> Array:
        target = self.preprocessor_.target
        assert isinstance(target, NumberTarget)
        return ((y.astype(np.float64) - target.mean) / target.std)[:, None]

    def predict(self, X: Any) -> Array:
        """Return a number for each sample, shape (samples,), float64."""
        outputs = self._predict(X)
        return self.preprocessor_.decode_target(outputs)

    def predict_interval(self, X: Any, coverage: float = 0.9) -> Array:
        """Return an interval for each sample, which holds the true number for a share of them.

        Parameters
        ----------
        X : data frame or array-like (samples, features)
        coverage : float
            The share, above 0 and below 1.

        Returns
        -------
        array (samples, 2)
            Lower and upper ends, of one width for all.

        Raises
        ------
        InputError
            If nothing was held out, or too little for this coverage.

        Notes
        -----
        With ``held_out`` above 0 this is split conformal prediction: for new samples drawn like those of the fit the
        probability of a hit is at least ``coverage``, whatever the data. With 0 the errors are those on samples that
        networks set aside to stop by, and there is no guarantee: on the tables that the presets were chosen on, 0.85 to
        0.92 of new samples were inside where 0.9 was asked for (with "best" 0.84 to 0.98), 0.90 on average.
        `bpx.recipes.intervals.Residuals` has the formula and sources.
        """
        predictions = self.predict(X)
        if self.residuals_ is None:
            raise InputError(
                "this network set no samples aside, so that nothing is known of its errors on others: fit with "
                "held_out=0.2, or with preset='default'"
            )
        width = self.residuals_.find_width(coverage)
        return np.stack([predictions - width, predictions + width], axis=1)


def _find_rows_that_count(n: int, weight: Array | None) -> Array:
    """Return the samples that have a weight; all where none has, which is refused where it is learned from."""
    rows = np.arange(n) if weight is None else np.flatnonzero(weight)
    return rows if len(rows) else np.arange(n)


def _check_labels(estimator: Any, y: Any) -> Any:
    """Return targets of any library as an array of the host.

    Raises
    ------
    ValueError
        If there are none, or one is missing; or if numbers are predicted, and these are dates or durations.
    """
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y is None."
        )
    y = check_on_host("y", y)
    takes_arrays = not hasattr(y, "to_numpy") or hasattr(y, "to_pylist")  # pyarrow's to_numpy copies nothing
    labels = np.asarray(y) if takes_arrays else y.to_numpy()
    if labels.dtype.kind in "OmM":
        flat = labels.reshape(-1)
        missing = np.flatnonzero([_is_missing(label) for label in flat] if labels.dtype == object else np.isnat(flat))
        if len(missing):
            raise ValueError(
                f"y is missing in {counted(len(missing), 'sample')}, the first of which is sample {missing[0]} "
                "(counted from 0); leave these samples out"
            )
        if isinstance(estimator, RegressorMixin):
            refuse_times(labels)
    return labels


def _is_missing(label: Any) -> bool:
    """Tell whether a label is none: NaN, ``None``, or what pandas has in their place."""
    return (
        label is None
        or type(label).__name__ in ("NAType", "NaTType")
        or (isinstance(label, float | np.floating) and label != label)
    )


def _is_of_objects(X: Any) -> bool:
    return np.asarray(X).dtype == object if not hasattr(X, "dtype") else X.dtype == object


def _name_target(frame: pl.DataFrame) -> str:
    """Return a name for the target that no column has."""
    name = "target"
    while name in frame.columns:
        name += "_"
    return name
