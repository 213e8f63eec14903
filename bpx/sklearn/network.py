"""Estimators around a network of one's own: a function builds it, and pipelines and searches train it."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from abc import abstractmethod
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from bpx.callbacks import EarlyStopping
from bpx.core.evaluation import has_classes
from bpx.core.regularization import ClipNorm, ClipValue
from bpx.errors import InputError
from bpx.network import Network
from bpx.optimizers import LBFGS, OPTIMIZERS, Optimizer, get_optimizer
from bpx.perceptron import mlp
from bpx.sklearn.classes import check_weights_of_batches
from bpx.sklearn.internals import Interval, StrOptions, TellsCallbacks, check_sample_weight, fit_context
from bpx.sklearn.keeping import Kept, describe_arrays, name_features
from bpx.sklearn.monitor import TaskTeller
from bpx.sklearn.ranks import draw_alike, joining
from bpx.sklearn.samples import check_on_host, refuse_times
from bpx.tables import Preprocessor
from bpx.training.callback import list_callbacks
from bpx.training.history import History

Array = np.ndarray[Any, Any]

_GIVEN = ("n_features", "n_outputs", "seed")
"""What a fit tells a building function; all its other parameters are the user's."""


def build_perceptron(n_features: int, n_outputs: int, *, loss: str, seed: int = 0) -> Network:
    """Build the network of an estimator that was given none: one hidden layer of 100 rectified units, in float64."""
    return mlp([n_features, 100, n_outputs], loss=loss, dtype="float64", seed=seed)


def _bring(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Return what `fit` is given, checked, on the host."""
    return check_on_host("X", X), check_on_host("y", y), check_on_host("sample_weight", sample_weight)


def _draw_seed(draws: np.random.RandomState) -> int:
    return int(draws.randint(2**31 - 1))


class NetworkEstimator(Kept, TellsCallbacks, BaseEstimator):  # type: ignore[misc]
    """What the classifier and the regressor around a network of one's own share."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "build": [callable, None],
        "build_args": [dict, None],
        "optimizer": [StrOptions({*OPTIMIZERS, LBFGS.name}), Optimizer],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left"), None],
        "shuffle": ["boolean"],
        "penalties": "no_validation",  # type: ignore[dict-item] # by fit
        "clip": [ClipNorm, ClipValue, None],
        "metrics": "no_validation",  # type: ignore[dict-item] # by fit
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "callbacks": "no_validation",  # type: ignore[dict-item] # by fit
        "progress": ["boolean", None],
        "distributed": ["boolean"],
    }

    build: Callable[..., Network] | None
    build_args: dict[str, Any] | None
    optimizer: str | Optimizer

    network_: Network
    history_: History
    n_outputs_: int
    n_iter_: int
    n_features_in_: int

    def _keep(self, parameters: dict[str, Any]) -> None:
        """Keep the arguments of ``__init__`` as attributes, as they are; they are checked when a fit begins."""
        for name, value in parameters.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    # -- parameters of the building function and of the optimizer --------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; with ``deep`` those of ``build`` as ``build__NAME``, of the optimizer likewise.

        Parameters
        ----------
        deep : bool
        """
        params: dict[str, Any] = super().get_params(deep=deep)
        if deep:
            params |= {f"build__{name}": value for name, value in self._list_build_args().items()}
            fields = dataclasses.fields(optimizer) if (optimizer := self._find_optimizer()) else ()
            params |= {f"optimizer__{f.name}": getattr(optimizer, f.name) for f in fields if f.init}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; ``build__NAME`` is put into ``build_args``, ``optimizer__NAME`` makes another optimizer.

        Raises
        ------
        ValueError
            If there is no parameter of a name.
        """
        plain = {name: value for name, value in params.items() if not name.startswith(("build__", "optimizer__"))}
        super().set_params(**plain)
        of_build, of_optimizer = (
            {name.removeprefix(start): value for name, value in params.items() if name.startswith(start)}
            for start in ("build__", "optimizer__")
        )
        if of_build:
            known = list(self._list_build_args())
            unknown = [name for name in of_build if name not in known]
            if unknown and not self._takes_any:
                raise ValueError(
                    f"Invalid parameter {unknown[0]!r} for the function that builds the network. Valid parameters are: "
                    f"{known!r}."
                )
            self.build_args = {**(self.build_args or {}), **of_build}
        if of_optimizer:
            optimizer = self._find_optimizer()
            known = [f.name for f in dataclasses.fields(optimizer) if f.init] if optimizer else []
            unknown = [name for name in of_optimizer if name not in known]
            if unknown:
                raise ValueError(
                    f"Invalid parameter {unknown[0]!r} for the optimizer {self.optimizer!r}. Valid parameters are: "
                    f"{known!r}."
                )
            self.optimizer = dataclasses.replace(optimizer, **of_optimizer)
        return self

    def _find_optimizer(self) -> Any:
        """Return the optimizer, or None where the parameter is none that there is."""
        try:
            return get_optimizer(self.optimizer)
        except InputError:
            return None

    @property
    def _signature(self) -> Mapping[str, inspect.Parameter]:
        try:
            return inspect.signature(self.build).parameters if callable(self.build) else {}
        except ValueError:  # a function that says nothing of its parameters
            return {}

    @property
    def _takes_any(self) -> bool:
        """Whether the building function takes arguments of any name."""
        return any(parameter.kind is parameter.VAR_KEYWORD for parameter in self._signature.values())

    def _list_build_args(self) -> dict[str, Any]:
        """Return the arguments of the building function that are the user's: what is given, and its defaults."""
        named = {
            name: parameter.default
            for name, parameter in self._signature.items()
            if name not in _GIVEN
            and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
            and parameter.default is not parameter.empty
        }
        return {**named, **(self.build_args if isinstance(self.build_args, dict) else {})}

    # -- the network ------------------------------------------------------------------------------------------

    @abstractmethod
    def _choose_loss(self) -> str:
        """Return the loss of the network that is built where no function is given."""

    @abstractmethod
    def _check_network(self, net: Network) -> None:
        """Raise unless the network fits the targets."""

    def _build(self, seed: int) -> Network:
        """Return a new network for the samples at hand.

        Raises
        ------
        InputError
            If the function returns none, one for other samples, or takes no seed where one is asked for.
        """
        sizes = {"n_features": self.n_features_in_, "n_outputs": self.n_outputs_}
        if self.build is None:
            return build_perceptron(**sizes, loss=self._choose_loss(), seed=seed)
        takes_seed = "seed" in self._signature or self._takes_any
        if self.random_state is not None and not takes_seed:
            raise InputError(
                "random_state is given, and build takes no seed: let it, as in def build(n_features, n_outputs, *, "
                "seed=0), and hand it on to bpx.Network(..., seed=seed); or leave random_state out"
            )
        seeds = {"seed": seed} if takes_seed else {}
        net = self.build(**sizes, **seeds, **(self.build_args or {}))
        if not isinstance(net, Network):
            raise InputError(f"build must return a bpx.Network, got {type(net).__name__}")
        if net.input_shape not in (None, (self.n_features_in_,)):
            raise InputError(
                f"the samples have {self.n_features_in_} features, and build's network takes {net.input_shape}"
            )
        return net

    def _fit_network(
        self, X: Array, y: Array, sample_weight: Any, validation_data: Any, given: tuple[Any, Any], incremental: bool
    ) -> None:
        """Train the network on samples and targets as it takes them, a new one unless the last is to go on."""
        new = not (hasattr(self, "network_") and (self.warm_start or incremental))
        own_seed = _draw_seed(copy.deepcopy(check_random_state(self.random_state)))
        net = self._build(own_seed) if new else self.network_
        with joining(getattr(self, "distributed", False), lambda: net.backend) as communicator:
            draws = draw_alike(self.random_state, communicator)
            seed, split_seed = _draw_seed(draws), _draw_seed(draws)
            if new:
                net = net if seed == own_seed else self._build(seed)
                self._check_network(net)
                self.network_ = net
            leads = communicator is None or communicator.rank == 0
            self._train(X, y, sample_weight, validation_data, given, incremental, split_seed, leads)

    def _train(
        self, X: Array, y: Array, sample_weight: Any, validation_data: Any, given: tuple[Any, Any], incremental: bool,
        split_seed: int, leads: bool,
    ) -> None:  # fmt: skip
        """Train the network that is there; ``leads`` says whether this process tells scikit-learn's callbacks."""
        net, targets = self.network_, self._encode_targets(y)
        if validation_data is not None:
            validation_data = self._encode_validation(validation_data)
        elif self.early_stopping and not incremental:
            X, targets, sample_weight, validation_data = self._set_aside(X, y, targets, sample_weight, split_seed)
        epochs = 1 if incremental else self.max_iter
        tasks = self.tell_callbacks(epochs, *given, sample_weight, leads=leads)
        callbacks = list_callbacks(() if self.callbacks is None else self.callbacks)
        if self.early_stopping and not incremental:
            callbacks.append(EarlyStopping(patience=self.n_iter_no_change))
        if tasks.listened:
            callbacks.append(TaskTeller(tasks, lambda live: {"network_": live.copy()}))
        self.history_ = net.fit(
            X, targets, epochs=epochs, batch_size=self.batch_size, optimizer=self.optimizer, shuffle=self.shuffle,
            sample_weight=sample_weight, validation_data=validation_data, metrics=self.metrics, callbacks=callbacks,
            penalties=self.penalties, clip=self.clip, progress=self.progress,
            distributed=getattr(self, "distributed", False),
        )  # fmt: skip
        self.n_iter_ = len(self.history_)
        tasks.end()

    def _set_aside(self, X: Array, y: Array, targets: Array, weight: Any, seed: int) -> tuple[Any, Any, Any, Any]:
        """Return the samples to train on, and those that early stopping looks at."""
        train, held = train_test_split(
            np.arange(len(X)), test_size=self.validation_fraction, random_state=seed, stratify=self._stratify(y)
        )
        aside = (X[held], targets[held]) if weight is None else (X[held], targets[held], weight[held])
        return X[train], targets[train], None if weight is None else weight[train], aside

    def _stratify(self, y: Array) -> Array | None:
        """Return the classes whose shares are to be the same in both parts."""
        return None

    def _encode_validation(self, data: Any) -> tuple[Any, ...]:
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise InputError("validation_data must be (X, y) or (X, y, sample_weight)")
        return (*self.encode(*data[:2]), *(check_on_host("sample_weight of validation_data", w) for w in data[2:]))

    @abstractmethod
    def _encode_targets(self, y: Array) -> Array:
        """Return checked targets as the network takes them."""

    @abstractmethod
    def _check_targets(self, y: Any) -> Array:
        """Return targets, checked; those that a fitted estimator does not know are refused."""

    def encode(self, X: Any, y: Any) -> tuple[Array, Array]:
        """Return samples and targets as ``network_`` takes them: for `bpx.explain`, or to train it further.

        Parameters
        ----------
        X : array-like (samples, features)
        y : array-like (samples,) or (samples, outputs)

        Returns
        -------
        x : array (samples, features)
        targets : array
            Classes by number, a column of 0 and 1, or one-hot rows, as the network's loss takes them; or values.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If a class is none of the fitted ones, or the samples do not fit.
        """
        check_is_fitted(self)
        X, y = check_on_host("X", X), check_on_host("y", y)
        X, y = validate_data(self, X, y, reset=False, dtype=[np.float64, np.float32], multi_output=True)
        return X, self._encode_targets(self._check_targets(y))

    def _predict(self, X: Any) -> Array:
        check_is_fitted(self)
        X = validate_data(self, check_on_host("X", X), reset=False, dtype=[np.float64, np.float32])
        return np.asarray(self.network_.predict(X))

    def _describe_preprocessing(self) -> Preprocessor | None:
        classes = getattr(self, "classes_", None)
        if classes is None and (self.network_.output_shape or ())[-1:] != (1,):
            return None
        return describe_arrays(name_features(self), classes)


class NetworkClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A network of one's own that decides for classes, for pipelines and searches.

    Parameters
    ----------
    build : callable or None
        ``build(n_features, n_outputs, **build_args)`` returns a new `bpx.Network` for samples of so many features and
        so many classes; its backend, dtype and loss are the network's. One that takes ``seed`` is given one by
        ``random_state``. The network has an output for each class, or one for two classes; its loss is a cross-entropy,
        or its last layer a sigmoid or softmax. None builds one hidden layer of 100 rectified units.
    build_args : dict or None
        Further arguments of ``build``. In searches and ``set_params`` each is a parameter ``build__NAME``, those with a
        default too.
    optimizer : str or Optimizer
        As for `bpx.Network.fit`: with schedules, rates of its own for some layers (`bpx.ParameterGroup`), or averages
        of the weights (`bpx.Averaged`). Its settings are parameters ``optimizer__NAME``, as in
        ``optimizer__learning_rate``.
    max_iter : int
        Epochs at most.
    batch_size : int, "auto" or None
    shuffle : bool
    penalties, clip, metrics, callbacks, progress
        As for `bpx.Network.fit`.
    class_weight : dict, "balanced" or None
        Weights of the classes in the loss, by their labels, on top of ``sample_weight``.
    early_stopping : bool
        Whether the loss on a validation set ends the training, and the weights of its best epoch are kept; the set is
        ``validation_data`` of `fit`, or else drawn from the samples.
    validation_fraction : float
        Share of the samples that is drawn for it, each class in proportion.
    n_iter_no_change : int
        Epochs in a row without a lower loss that end the training then.
    warm_start : bool
        Whether `fit` continues exactly where the last one ended.
    random_state : int, RandomState or None
        Of the seed that ``build`` is given, and of the validation set. None draws another seed at each fit.
    distributed : bool
        Whether the processes that ``mpirun``, ``srun`` or ``torchrun`` started train together, as for
        `bpx.Network.fit`: all call `fit` or `partial_fit` with the same samples. Where ``random_state`` is no number,
        the first process's draws are taken. Predictions are each process's own.

    Attributes
    ----------
    network_ : bpx.Network
        The trained network.
    history_ : bpx.History
        What the last call recorded.
    classes_ : array (n_classes,)
        The classes, sorted.
    n_outputs_ : int
        What ``build`` was told: how many classes there are.
    n_iter_ : int
        Epochs of the last call.
    n_features_in_ : int
    feature_names_in_ : array of str
        Where the samples had names.

    See Also
    --------
    bpx.sklearn.MLPClassifier : Perceptrons with the parameters of scikit-learn's.
    bpx.sklearn.TableClassifier : Classes, from tables of mixed columns.

    Examples
    --------
    >>> import bpx
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from bpx.sklearn import NetworkClassifier
    >>> def build(n_features, n_outputs, *, width=16, seed=0):
    ...     layers = [bpx.Linear(n_features, width), bpx.BatchNorm(width), bpx.SiLU(), bpx.Linear(width, n_outputs)]
    ...     return bpx.Network(layers, loss="cross_entropy", seed=seed)
    >>> model = NetworkClassifier(build, optimizer=bpx.Adam(0.03), max_iter=40, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), model)
    >>> search = GridSearchCV(pipeline, {"networkclassifier__build__width": [4, 16]}, cv=3)
    >>> x, y = load_iris(return_X_y=True)
    >>> bool(search.fit(x, y).best_score_ > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetworkEstimator._parameter_constraints,
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    classes_: Array

    def __init__(
        self,
        build: Callable[..., Network] | None = None,
        *,
        build_args: dict[str, Any] | None = None,
        optimizer: str | Optimizer = "adam",
        max_iter: int = 200,
        batch_size: Any = "auto",
        shuffle: bool = True,
        penalties: Any = (),
        clip: Any = None,
        class_weight: Any = None,
        metrics: Any = (),
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        random_state: Any = None,
        callbacks: Any = None,
        progress: bool | None = False,
        distributed: bool = False,
    ) -> None:
        self._keep(locals())

    @fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Self:
        """Build a network and train it.

        Parameters
        ----------
        X : array-like (samples, features)
        y : array-like (samples,)
            Classes.
        sample_weight : array-like (samples,) or None
        validation_data : tuple (X, y) or (X, y, sample_weight), or None
            Measured after each epoch; with ``early_stopping`` it takes the place of the set that is drawn.

        Returns
        -------
        NetworkClassifier
            Itself.

        Raises
        ------
        ValueError
            If a parameter or an array is not as described, or the network does not fit the samples.
        """
        self._fit(X, y, sample_weight, validation_data, None, incremental=False)
        return self

    @fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Continue for one epoch over the given samples.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array-like or None
            All classes of all calls; needed in the first.

        Returns
        -------
        NetworkClassifier
            Itself.

        Raises
        ------
        ValueError
            If y holds other classes, none are known yet, or class_weight is "balanced".
        """
        check_weights_of_batches(self.class_weight)
        if classes is None and not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        self._fit(X, y, sample_weight, None, classes, incremental=True)
        return self

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation_data: Any, classes: Any, incremental: bool) -> None:
        given, go_on = (X, y), hasattr(self, "network_") and (self.warm_start or incremental)
        X, y, sample_weight = _bring(X, y, sample_weight)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32], reset=not go_on)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        if not go_on:
            self.classes_ = np.unique(y if classes is None else classes)
            self.n_outputs_ = len(self.classes_)
            if self.n_outputs_ < 2:
                raise ValueError(f"expected two classes or more, got 1 class: {self.classes_.tolist()[0]!r} alone")
        y = self._check_targets(y)
        weight = None if sample_weight is None else check_sample_weight(sample_weight, X)
        if self.class_weight is not None:
            of_classes = compute_sample_weight(self.class_weight, y)
            weight = of_classes if weight is None else weight * of_classes
        self._fit_network(X, y, weight, validation_data, given, incremental)

    def _choose_loss(self) -> str:
        return "cross_entropy"

    def _check_network(self, net: Network) -> None:
        n_out = (net.output_shape or (self.n_outputs_,))[-1]
        if not has_classes(net):
            raise InputError(
                f"a classifier's network has the loss cross_entropy or binary_cross_entropy, or ends with a sigmoid or "
                f"softmax layer; build's has the loss {net.loss.name!r} and ends with {net.layers[-1]!r}"
            )
        if n_out != self.n_outputs_ and not (n_out == 1 and self.n_outputs_ == 2):
            raise InputError(f"there are {self.n_outputs_} classes, and build's network has {n_out} outputs")

    def _stratify(self, y: Array) -> Array:
        return y

    def _check_targets(self, y: Any) -> Array:
        y = column_or_1d(y)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y holds classes that are not among the fitted ones: {unknown.tolist()[:5]}")
        return np.asarray(y)

    def _encode_targets(self, y: Array) -> Array:
        ids = np.searchsorted(self.classes_, y)
        if self.network_.loss.targets == "classes":
            return ids
        if (self.network_.output_shape or ())[-1:] == (1,):
            return ids[:, None].astype(np.float64)
        return np.eye(self.n_outputs_)[ids]

    def predict_proba(self, X: Any) -> Array:
        """Return the probability of each class, (samples, classes), in the order of ``classes_``.

        Parameters
        ----------
        X : array-like (samples, features)
        """
        p = self._predict(X)
        return np.concatenate([1.0 - p, p], axis=1) if p.shape[1] == 1 else p

    def predict(self, X: Any) -> Array:
        """Return the most probable class of each sample, (samples,).

        Parameters
        ----------
        X : array-like (samples, features)
        """
        best = self.predict_proba(X).argmax(axis=1)
        labels: Array = self.classes_[best]
        return labels


class NetworkRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A network of one's own that predicts values, for pipelines and searches.

    Targets are taken as they are: ``sklearn.compose.TransformedTargetRegressor`` standardizes them around it.

    Parameters
    ----------
    build : callable or None
        ``build(n_features, n_outputs, **build_args)`` returns a new `bpx.Network` for samples of so many features and
        targets; with a loss such as ``bpx.Quantile((0.1, 0.5, 0.9))`` it may have several outputs for one target, all
        of which `predict` returns. None builds one hidden layer of 100 rectified units for the squared error.
    build_args, optimizer, max_iter, batch_size, shuffle, penalties, clip, metrics
        As for `NetworkClassifier`.
    early_stopping, validation_fraction, n_iter_no_change, warm_start, random_state, callbacks, progress, distributed
        As for `NetworkClassifier`.

    Attributes
    ----------
    network_, history_, n_iter_, n_features_in_, feature_names_in_
        As for `NetworkClassifier`.
    n_outputs_ : int
        What ``build`` was told: how many targets a sample has.

    See Also
    --------
    bpx.sklearn.MLPRegressor : Perceptrons with the parameters of scikit-learn's.
    bpx.sklearn.TableRegressor : Numbers, from tables of mixed columns.

    Examples
    --------
    >>> import bpx
    >>> import numpy as np
    >>> from bpx.sklearn import NetworkRegressor
    >>> def build(n_features, n_outputs, *, width=16, seed=0):
    ...     layers = [bpx.Linear(n_features, width), bpx.Tanh(), bpx.Linear(width, 3)]
    ...     return bpx.Network(layers, loss=bpx.Quantile((0.1, 0.5, 0.9)), seed=seed)
    >>> x = np.linspace(-1.0, 1.0, 100)[:, None]
    >>> model = NetworkRegressor(build, build_args={"width": 8}, optimizer=bpx.Adam(0.01), random_state=0)
    >>> model.fit(x, x[:, 0] ** 2).predict(x[:5]).shape
    (5, 3)
    """

    def __init__(
        self,
        build: Callable[..., Network] | None = None,
        *,
        build_args: dict[str, Any] | None = None,
        optimizer: str | Optimizer = "adam",
        max_iter: int = 200,
        batch_size: Any = "auto",
        shuffle: bool = True,
        penalties: Any = (),
        clip: Any = None,
        metrics: Any = (),
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        warm_start: bool = False,
        random_state: Any = None,
        callbacks: Any = None,
        progress: bool | None = False,
        distributed: bool = False,
    ) -> None:
        self._keep(locals())

    @fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> Self:
        """Build a network and train it.

        Parameters
        ----------
        X : array-like (samples, features)
        y : array-like (samples,) or (samples, targets)
        sample_weight : array-like (samples,) or None
        validation_data : tuple (X, y) or (X, y, sample_weight), or None
            Measured after each epoch; with ``early_stopping`` it takes the place of the set that is drawn.

        Returns
        -------
        NetworkRegressor
            Itself.

        Raises
        ------
        ValueError
            If a parameter or an array is not as described, or the network does not fit the samples.
        """
        self._fit(X, y, sample_weight, validation_data, incremental=False)
        return self

    @fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Continue for one epoch over the given samples.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        NetworkRegressor
            Itself.
        """
        self._fit(X, y, sample_weight, None, incremental=True)
        return self

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation_data: Any, incremental: bool) -> None:
        given, go_on = (X, y), hasattr(self, "network_") and (self.warm_start or incremental)
        X, y, sample_weight = _bring(X, y, sample_weight)
        X, y = validate_data(
            self, X, y, dtype=[np.float64, np.float32], reset=not go_on, multi_output=True, y_numeric=True
        )
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        n_targets = 1 if y.ndim == 1 else y.shape[1]
        if not go_on:
            self.n_outputs_ = n_targets
        y = self._check_targets(y)
        weight = None if sample_weight is None else check_sample_weight(sample_weight, X)
        self._fit_network(X, y, weight, validation_data, given, incremental)

    def _choose_loss(self) -> str:
        return "squared_error"

    def _check_network(self, net: Network) -> None:
        if net.loss.targets not in ("values", "counts"):
            raise InputError(
                f"a regressor's network has a loss of values, as squared_error is; build's has {net.loss.name!r}"
            )
        n_out = (net.output_shape or (self.n_outputs_,))[-1]
        if net.loss.count_targets(n_out) != self.n_outputs_:
            raise InputError(f"a sample has {self.n_outputs_} targets, and build's network has {n_out} outputs")

    def _check_targets(self, y: Any) -> Array:
        refuse_times(y)
        values: Array = np.asarray(y).astype(np.float64)
        found = 1 if values.ndim == 1 else values.shape[1]
        if found != self.n_outputs_:
            raise ValueError(f"y has {found} targets a sample, and the network was built for {self.n_outputs_}")
        return values

    def _encode_targets(self, y: Array) -> Array:
        columns: Array = y.reshape(len(y), self.n_outputs_)
        return columns

    def predict(self, X: Any) -> Array:
        """Return the value of each sample, (samples,), or the network's outputs, (samples, outputs).

        Parameters
        ----------
        X : array-like (samples, features)
        """
        values = self._predict(X)
        return values[:, 0] if values.shape[1] == 1 else values
