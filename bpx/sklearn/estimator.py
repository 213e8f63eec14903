"""What the classifier and the regressor share: checking, starting, continuing, and computing outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from bpx.backend.base import Array, Backend, name_dtype
from bpx.backend.selection import get_backend
from bpx.backend.transfer import backend_of, convert_like, to_numpy
from bpx.core.samples import check_mass, place_weights
from bpx.errors import InputError
from bpx.layers import Layer, Linear, Params
from bpx.losses import one_hot
from bpx.network import Network
from bpx.sklearn.architecture import (
    NOT_FINITE,
    build_layers,
    draw_weights,
    is_finite,
    list_hidden_activations,
    list_hidden_sizes,
    list_normalizations,
    start_normalizations,
)
from bpx.sklearn.fitting import CURVES, fit_by_batches, fit_by_lbfgs
from bpx.sklearn.internals import (
    TellsCallbacks,
    check_same_namespace,
    check_sample_weight,
    get_namespace_and_device,
    supported_float_dtypes,
)
from bpx.sklearn.keeping import Kept, describe_arrays, name_features
from bpx.sklearn.objectives import make_objective, make_plain
from bpx.sklearn.parameters import CONSTRAINTS
from bpx.sklearn.ranks import draw_alike, joining
from bpx.sklearn.samples import (
    Samples,
    check_given,
    draw_dropout_seed,
    get_sparse_numpy,
    is_sparse,
    place,
    refuse_times,
    require_dtype,
    require_precision,
)
from bpx.sklearn.session import Session
from bpx.sklearn.solvers import is_stochastic

if TYPE_CHECKING:
    from bpx.distributed.communicator import Communicator


def _draw_as_usual(layer: Layer) -> Layer:
    """Return a layer of an estimator as `bpx.mlp` has it: its weights would be drawn by ``reset``."""
    return Linear(layer.n_in, layer.n_out) if isinstance(layer, Linear) else layer


class MultilayerPerceptron(Kept, TellsCallbacks, BaseEstimator, ABC):  # type: ignore[misc]
    """A multilayer perceptron with scikit-learn's interface; the base of the classifier and the regressor."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    coefs_: list[Array]
    intercepts_: list[Array]
    normalizations_: list[Params]
    loss_: float
    loss_curve_: list[float]
    best_loss_: Any
    validation_scores_: Any
    validation_loss_curve_: Any
    best_validation_score_: Any
    n_iter_: int
    t_: int
    _no_improvement_count: int
    _session: Session

    def _keep(self, parameters: dict[str, Any]) -> None:
        """Keep the arguments of ``__init__`` as attributes, as they are; they are checked when a fit begins."""
        for name, value in parameters.items():
            if name != "self":
                setattr(self, name, value)

    # -- what the two differ in ---------------------------------------------------------------------------

    @abstractmethod
    def _learn_targets(self, y: Any, incremental: bool) -> Any:
        """Check targets, set what they tell (the classes), and return them."""

    @abstractmethod
    def _encode(self, backend: Backend, y: Any, dtype: str) -> Array:
        """Return targets as the network takes them, on its device."""

    @abstractmethod
    def _name_out_activation(self) -> str:
        """Return the name of the output's activation."""

    @abstractmethod
    def score_outputs(self, net: Network, z: Array, samples: Samples) -> float:
        """Return the score of a network's outputs for samples: accuracy or R²."""

    def _weigh_classes(self, backend: Backend, y: Array, dtype: str) -> Array | None:
        """Return the weight of each sample's class, or None."""
        return None

    # -- fitting ------------------------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation_data: Any, incremental: bool) -> None:
        distributed = getattr(self, "distributed", False)  # estimators of earlier versions have none
        with joining(distributed, lambda: self._choose_backend(check_given("X", X))) as communicator:
            self._train(X, y, sample_weight, validation_data, incremental, communicator)

    def _train(
        self, X: Any, y: Any, sample_weight: Any, validation_data: Any, incremental: bool,
        communicator: Communicator | None,
    ) -> None:  # fmt: skip
        sizes = list_hidden_sizes(self.hidden_layer_sizes)
        stochastic = is_stochastic(self.solver)
        if communicator is not None and not stochastic:
            from bpx.training.sharing import NO_LBFGS

            raise InputError(NO_LBFGS)
        first = not hasattr(self, "coefs_") or not (self.warm_start or incremental)
        if not first:
            self._check_same_architecture(sizes)
        given = X, y
        X, y = self._check(X, y, reset=first)
        y = self._learn_targets(y, incremental)
        if sample_weight is not None:
            check_given("sample_weight", sample_weight)
            sample_weight = check_sample_weight(sample_weight, X)
        if incremental and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        backend = self._choose_backend(X)
        if communicator is not None and backend.name == "jax":
            raise InputError(
                f"{type(self).__name__} cannot be trained by several processes of JAX, which share rows out inside of "
                "the network's own loop: use NetworkClassifier or NetworkRegressor, or another backend"
            )
        dtype = name_dtype(X) if first else name_dtype(self.coefs_[0])
        require_dtype(backend, dtype)
        precision = getattr(self, "precision", "float32")  # estimators of earlier versions have none
        require_precision(precision, dtype)
        samples = self._place(backend, X, y, sample_weight, dtype, whole=not incremental)
        validation = self._place_validation(backend, validation_data, dtype)
        n_outputs = self.classes_.shape[0] if samples.y.ndim == 1 else samples.y.shape[1]
        if first:
            draws = draw_alike(self.random_state, communicator)
            self._start(X, [X.shape[1], *sizes, n_outputs], dtype, draws)
        elif n_outputs != self.coefs_[-1].shape[1]:
            raise ValueError(
                f"y has {n_outputs} outputs, the fitted network has {self.coefs_[-1].shape[1]}: fit a new estimator"
            )
        self.n_outputs_ = n_outputs
        self._fitted_precision = precision
        net = self._make_network(backend)
        fit = fit_by_batches if stochastic else fit_by_lbfgs
        leads = communicator is None or communicator.rank == 0
        tasks = self.tell_callbacks(1 if incremental else self.max_iter, *given, sample_weight, leads=leads)
        with net.occupancy:
            best = fit(self, net, samples, validation, incremental, tasks, communicator)
            self.coefs_, self.intercepts_, self.normalizations_ = self._session.hand_out(net, best, X)
        tasks.end()
        if not is_finite(net):
            raise ValueError(NOT_FINITE)

    def _check(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        """Return samples and targets as arrays of one library on one device; labels that are text stay on the host."""
        X, y = check_given("X", X), check_given("y", y)
        xp, _, device = get_namespace_and_device(X)
        floats = [dtype for dtype in supported_float_dtypes(xp, device) if dtype in (xp.float64, xp.float32)]
        X, y = validate_data(
            self, X, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=is_regressor(self),
            dtype=floats, reset=reset,
        )  # fmt: skip
        if is_regressor(self):
            refuse_times(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        source = backend_of(X)
        if source is not None and source.name != "numpy" and not is_sparse(y):
            host = backend_of(y)
            if host is None or host.name != "numpy" or y.dtype.kind in "biuf":
                y = source.asarray(y)
        return X, y

    def _place(self, backend: Backend, X: Any, y: Any, sample_weight: Any, dtype: str, whole: bool) -> Samples:
        """Return samples, targets and weights on the network's device; of the ``whole`` set some must weigh."""
        targets = self._encode(backend, y, dtype)
        with backend.computing():
            given = weight = place_weights(backend, sample_weight, X.shape[0], dtype, whole)
        of_classes = self._weigh_classes(backend, targets, dtype)
        if of_classes is not None:
            with backend.computing():
                weight = of_classes if given is None else given * of_classes
                mass = float(backend.xp.sum(weight))
            check_mass("the samples' weights times those of their classes", mass, dtype, whole)
        targets = self._one_hot(backend, targets, X.shape[1], dtype)
        return Samples(place(backend, X, dtype), targets, weight, given, X)

    def _place_validation(self, backend: Backend, validation_data: Any, dtype: str) -> Samples | None:
        """Return the samples given to validate on, on the network's device."""
        if validation_data is None:
            return None
        if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
            raise InputError("validation_data must be (X, y) or (X, y, sample_weight)")
        for entry in validation_data[2:]:
            check_given("sample_weight of validation_data", entry)
        X, y = self._check(validation_data[0], validation_data[1], reset=False)
        weight = check_sample_weight(validation_data[2], X) if len(validation_data) == 3 else None
        targets = self._one_hot(backend, self._encode(backend, self._check_targets(y), dtype), X.shape[1], dtype)
        with backend.computing():
            given = place_weights(backend, weight, X.shape[0], dtype)
        return Samples(place(backend, X, dtype), targets, given, given, X)

    def _one_hot(self, backend: Backend, targets: Array, features: int, dtype: str) -> Array:
        """Return integer classes as rows of zeros with a one, where these take no more room than the samples."""
        if targets.ndim != 1 or self.classes_.shape[0] > max(features, 16):
            return targets
        return one_hot(backend.xp, targets, self.classes_.shape[0], getattr(backend.xp, dtype))

    def _check_targets(self, y: Any) -> Any:
        """Return targets of a validation set, checked."""
        return y

    def _start(self, X: Any, sizes: list[int], dtype: str, random_state: np.random.RandomState) -> None:
        """Draw the first weights, and forget an earlier training."""
        coefs, intercepts = draw_weights(random_state, sizes, self.activation, dtype)
        self._session = Session(random_state, seed=draw_dropout_seed(random_state))
        self.coefs_, self.intercepts_ = (
            [convert_like(X, a, get_sparse_numpy()) for a in arrays] for arrays in (coefs, intercepts)
        )
        layers = build_layers(sizes, self.activation, 0.0, self.normalization)
        self.normalizations_ = [
            {name: convert_like(X, a, get_sparse_numpy()) for name, a in part.items()}
            for part in start_normalizations(layers, dtype)
        ]
        self.n_iter_ = self.t_ = 0
        self.n_layers_ = len(sizes)
        self._architecture = self._describe_architecture(len(sizes) - 2)
        self.out_activation_ = self._name_out_activation()
        for name in CURVES:
            self.__dict__.pop(name, None)

    def _describe_architecture(self, hidden: int) -> tuple[Any, ...]:
        """Return what the fitted weights mean something for: hidden activations, the loss, and normalizations."""
        normalization = list_normalizations(self.normalization, hidden)
        return list_hidden_activations(self.activation, hidden), self.loss, normalization

    def _check_same_architecture(self, sizes: list[int]) -> None:
        """Raise unless the parameters still describe the network whose weights are to be trained on.

        Raises
        ------
        ValueError
            If the hidden layers' sizes, their activations or normalizations or the loss were changed after the first
            fit.
        """
        fitted = [c.shape[1] for c in self.coefs_[:-1]]
        advice = "set it back, or fit a new estimator (sklearn.base.clone), which draws new weights"
        if sizes != fitted:
            raise ValueError(
                f"hidden_layer_sizes is {tuple(sizes)}, and the fitted network, whose training is to continue, has "
                f"{tuple(fitted)}: {advice}"
            )
        names = ("activation", "loss", "normalization")
        known = getattr(self, "_architecture", ())  # earlier versions did not keep it, or not all of it
        for name, now, then in zip(names, self._describe_architecture(len(sizes)), known, strict=False):
            if now != then:
                raise ValueError(f"{name} is {now!r}, and the fitted network was made with {then!r}: {advice}")

    def _make_network(self, backend: Backend) -> Network:
        """Return the network on a backend, computing with ``coefs_`` and ``intercepts_``."""
        if not hasattr(self, "_session"):
            random_state = check_random_state(self.random_state)
            self._session = Session(random_state, seed=draw_dropout_seed(random_state))
        sizes = [self.coefs_[0].shape[0], *(c.shape[1] for c in self.coefs_)]
        fitted: tuple[Any, ...] = getattr(self, "_architecture", (self.activation, self.loss))  # as at the fit
        activation, loss = fitted[:2]
        normalization = fitted[2] if len(fitted) > 2 else None
        layers = build_layers(sizes, activation, self.dropout, normalization)
        return self._session.network(
            layers, make_objective(loss, self.out_activation_, sizes[-1]), self.coefs_, self.intercepts_,
            getattr(self, "normalizations_", []), backend, self._precision,
        )  # fmt: skip

    def _choose_backend(self, array: Any) -> Backend:
        """Return the backend that the parameters name; without one, an array's own, or bpx's default for the host's."""
        named = self.backend is not None or self.device is not None
        source = backend_of(array)
        if not named and source is not None and source.name != "numpy":
            return source
        backend = get_backend(self.backend)
        if self.device is not None:
            backend = get_backend(f"{backend.name}:{self.device}")
        return get_sparse_numpy() if backend.name == "numpy" else backend

    @property
    def _precision(self) -> str:
        """The precision of the last fit; estimators that earlier versions fitted did not keep one."""
        return getattr(self, "_fitted_precision", "float32")

    @property
    def _optimizer(self) -> Any:
        """The solver in use; its ``learning_rate`` is that of the epoch to come."""
        return self._session.solver

    # -- the network --------------------------------------------------------------------------------------

    @property
    def network_(self) -> Network:  # type: ignore[override] # made on demand
        """The fitted network, with the optimizer's state: a copy, whose training changes nothing here.

        It takes samples of ``n_features_in_`` numbers, in the dtype of the fit, and predicts probabilities (of two
        classes that of the second one), or values. Its loss is bpx's own.
        """
        check_is_fitted(self)
        backend = self._choose_backend(self.coefs_[0])
        live = self._make_network(backend).copy()
        if live.backend is get_sparse_numpy():
            backend = get_backend("numpy")
        net = Network.without_arrays(
            layers=[_draw_as_usual(layer) for layer in live.layers], loss=make_plain(live.loss), dtype=live.dtype,
            seed=live.seed, backend=backend, precision=live.precision,
        )  # fmt: skip
        net.adopt(live.params, live.state)
        net.training = live.training
        return net

    def encode(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return samples and targets as ``network_`` takes them: for `bpx.explain`, or to train it further.

        Parameters
        ----------
        X : array-like or sparse matrix (samples, features)
        y : array-like (samples,) or (samples, outputs)

        Returns
        -------
        x : array (samples, features)
            On the network's device, in its dtype.
        targets : array
            Numbers of the classes (samples,); or a column for each output: 0 and 1 for two classes and for labels,
            values of a regression.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.
        ValueError
            If a class is none of the fitted ones, or the samples do not fit.
        """
        check_is_fitted(self)
        X, y = self._check(X, y, reset=False)
        backend = self._choose_backend(self.coefs_[0])
        dtype = name_dtype(self.coefs_[0])
        targets = self._encode(backend, self._check_targets(y), dtype)
        return place(backend, X.toarray() if is_sparse(X) else X, dtype), targets

    def _describe_preprocessing(self) -> Any:
        classes = getattr(self, "classes_", None)
        several = self.n_outputs_ > 1 and self.out_activation_ != "softmax"
        return None if several else describe_arrays(name_features(self), None if classes is None else to_numpy(classes))

    # -- computing ----------------------------------------------------------------------------------------

    @property
    def _any_weights(self) -> Any:
        """The first weights: they tell where the estimator was fitted."""
        return self.coefs_[0]

    def _predict(self, X: Any, method: str) -> Array:
        """Return probabilities (samples, outputs), or values, as an array of the samples' library."""
        check_is_fitted(self)
        X = check_given("X", X)
        check_same_namespace(X, self, attribute="_any_weights", method=method)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        backend = self._choose_backend(self.coefs_[0])
        net = self._make_network(backend)
        with backend.computing():
            return convert_like(X, net.compute_predictions(place(backend, X, net.dtype)), backend)

    def _check_solver(self) -> bool:
        """Tell whether the solver can continue batch by batch; raise otherwise."""
        if not is_stochastic(self.solver):
            raise AttributeError(
                f"partial_fit is only available for stochastic optimizers. {self.solver} is not stochastic."
            )
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.array_api_support = True
        return tags
