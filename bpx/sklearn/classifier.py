"""The classifier."""

from __future__ import annotations

from typing import Any, ClassVar

from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if

from bpx.sklearn.classes import ClassTargets, check_weights_of_batches, decode
from bpx.sklearn.internals import StrOptions, fit_context, get_namespace
from bpx.sklearn.parameters import CONSTRAINTS


class MLPClassifier(ClassifierMixin, ClassTargets):  # type: ignore[misc]
    """A multilayer perceptron that decides for classes, in place of ``sklearn.neural_network.MLPClassifier``.

    Minimizes the cross-entropy. With the same ``random_state`` it takes the same steps as scikit-learn's, to rounding.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int
        Widths of the hidden layers; an empty one makes a linear model.
    activation : str, Layer, or a list with one for each hidden layer
        "identity", "logistic", "tanh" or "relu", and beyond scikit-learn "leaky_relu", "gelu", "silu", "softplus",
        "mish", "selu", or a layer such as ``bpx.LeakyReLU(0.2)``.
    solver : {"lbfgs", "sgd", "adam", "adamw", "rmsprop"} or Optimizer
        L-BFGS takes the whole set at each iteration, the others batches. An optimizer of bpx has its learning rate or
        schedule, its moments and decay itself, and may have rates of its own for some layers (``bpx.AdamW(0.01,
        groups=[bpx.ParameterGroup("0.*", 6.0)])``) or average the weights (``bpx.Averaged(bpx.Adam(0.01))``); the
        parameters below of such names then do nothing.
    alpha : float
        Strength of the L2 penalty on weights (not on biases): half of it, times the sum of squares, over the samples
        of the batch.
    batch_size : int or "auto"
        Samples of a step; "auto" is at most 200.
    learning_rate : {"constant", "invscaling", "adaptive"} or Schedule
        How "sgd" moves its rate: not; as ``learning_rate_init / (1 + t) ** power_t``, t being the samples seen; or to a
        fifth whenever nothing improves. A schedule of bpx, such as ``bpx.CosineDecay(0.01, length=100)``, is the rate
        of any solver that takes batches.
    learning_rate_init : float
        The rate at the start, where no schedule says it.
    power_t : float
        Exponent of "invscaling".
    max_iter : int
        Epochs, or iterations of L-BFGS, at most.
    shuffle : bool
        Whether each epoch has an order of its own.
    random_state : int, RandomState or None
        Of weights, shuffles, the validation set and dropout masks: the same draws in the same order as scikit-learn's.
    tol : float
        Improvement of loss or score that counts; for "lbfgs", size of the gradient's largest element at the end.
    verbose : bool
        Whether to print loss (and validation score) of each epoch.
    warm_start : bool
        Whether `fit` continues exactly where the last one ended: two fits of 10 epochs equal one of 20.
    momentum : float
        Momentum of "sgd".
    nesterovs_momentum : bool
        Whether it is Nesterov's.
    early_stopping : bool
        Whether the score on a validation set ends the training, and the weights of its best epoch are kept; the set is
        ``validation_data`` of `fit`, or else drawn from the samples.
    validation_fraction : float
        Share of the samples that is drawn for it; with the same share of both classes where there are
        two.
    beta_1, beta_2, epsilon : float
        Of "adam" and "adamw".
    n_iter_no_change : int
        Training ends when this many epochs in a row, and one more, have not improved.
    max_fun : int
        Evaluations of the loss by "lbfgs", at most.
    class_weight : dict, "balanced", a list of dicts (one for each label), or None
        Weights of the classes in the loss, on top of ``sample_weight``.
    dropout : float, or a list with one for each hidden layer
        Share of a hidden layer's units that is left out at each training step; not for "lbfgs".
    normalization : {"batch", "layer"}, None, or a list with one for each hidden layer
        What standardizes the values that a hidden layer's activation is given: over the batch, or over the layer's
        units. "batch" is not for "lbfgs".
    backend : str or None
        Where to compute, as for `bpx.get_backend`; None is the device of X where it is on one, else bpx's default.
    device : str or None
        Of that backend: "cuda:0", "mps".
    precision : {"float32", "tf32", "bfloat16"}
        How the operands of matrix products are rounded, as for `bpx.Network`; below "float32" only where X is float32.
    callbacks : list of callables or bpx.Callback, or None
        As for ``Network.fit``.
    progress : bool or None
        Whether to show a progress bar; None: on a terminal, if training takes a while.
    distributed : bool
        Whether the processes that ``mpirun``, ``srun`` or ``torchrun`` started train together, as for ``Network.fit``:
        all call `fit` or `partial_fit` with the same samples. Where ``random_state`` is no number, the first process's
        draws are taken; not for "lbfgs". Predictions are each process's own.

    Attributes
    ----------
    classes_ : array
        The classes, sorted.
    coefs_, intercepts_ : list of arrays
        Weights (n_in, n_out) and biases (n_out,) of each layer.
    normalizations_ : list of dict
        The arrays of each normalization by name, running statistics too.
    loss_ : float
        Loss of the last epoch, penalty included.
    loss_curve_ : list of float
        That of each epoch; not for "lbfgs".
    best_loss_ : float or None
        The least of them; None with early stopping. Not for "lbfgs".
    validation_scores_, validation_loss_curve_ : list of float or None
        Accuracy and loss on the validation set after each epoch; None without one.
    best_validation_score_ : float or None
        The best of the scores.
    network_ : bpx.Network
        The fitted network, a copy: `bpx.explain` and `bpx.diagnose` take the estimator itself.
    history_ : bpx.History
        What the last call recorded.
    n_iter_ : int
        Epochs, or iterations, of the last call.
    t_ : int
        Samples seen in batches over all calls.
    n_layers_, n_outputs_ : int
        Layers, the input's included, and units of the output.
    out_activation_ : str
        "softmax" for three or more classes, "logistic" for two or for several labels a sample.
    n_features_in_ : int
        Features of X.
    feature_names_in_ : array of str
        Their names; only where X has names that are text.

    See Also
    --------
    bpx.sklearn.MLPRegressor : Numbers, from arrays.
    bpx.sklearn.TableClassifier : Classes, from tables of mixed columns.
    mlp : Build a multilayer perceptron.

    Notes
    -----
    With scikit-learn's ``array_api_dispatch``, PyTorch and CuPy arrays stay on their device: only counts of classes,
    losses and scores come to the host. Sparse matrices stay sparse on NumPy; other backends make them dense.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating errors", 1986.
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from bpx.sklearn import MLPClassifier
    >>> x, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), MLPClassifier(learning_rate_init=0.01, random_state=0))
    >>> model.fit(x, y).predict(x[:3])
    array([0, 0, 0])
    >>> model.score(x, y) > 0.95
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "class_weight": [StrOptions({"balanced"}), dict, list, None],
    }

    loss = "log_loss"

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        class_weight: Any = None,
        dropout: Any = 0.0,
        normalization: Any = None,
        backend: Any = None,
        device: str | None = None,
        precision: str = "float32",
        callbacks: Any = None,
        progress: bool | None = False,
        distributed: bool = False,
    ) -> None:
        self._keep(locals())

    @fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> MLPClassifier:
        """Fit the network to samples and their classes.

        Parameters
        ----------
        X : array-like or sparse matrix (samples, features)
            float32 stays float32; anything else is computed in float64.
        y : array-like (samples,) or (samples, labels)
            Classes, or 0 and 1 for each label.
        sample_weight : array-like (samples,) or None
        validation_data : tuple (X, y) or (X, y, sample_weight), or None
            Measured after each epoch; with ``early_stopping`` it takes the place of the set that is drawn.

        Returns
        -------
        MLPClassifier
            The estimator itself.

        Raises
        ------
        ValueError
            If a parameter or an array is not as described, or the weights become NaN or infinite.
        """
        self._fit(X, y, sample_weight, validation_data, incremental=False)
        return self

    @available_if(lambda estimator: estimator._check_solver())  # type: ignore[untyped-decorator]
    @fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Continue for one epoch over the given samples.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.
        classes : array-like or None
            All classes of all calls; needed in the first.

        Returns
        -------
        MLPClassifier
            The estimator itself.

        Raises
        ------
        AttributeError
            With ``solver="lbfgs"``, which takes no batches.
        ValueError
            If there is early stopping, y holds other classes, or class_weight is "balanced".
        """
        check_weights_of_batches(self.class_weight)
        if classes is not None:
            self._learn_classes(classes, y)
        elif not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        self._fit(X, y, sample_weight, None, incremental=True)
        return self

    def predict(self, X: Any) -> Any:
        """Return the class of each sample, (samples,), or 0 and 1 for each label, (samples, labels).

        Parameters
        ----------
        X : array-like or sparse matrix (samples, features)
        """
        probabilities = self._predict(X, "predict")
        return decode(self._label_binarizer, probabilities)

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class (or label), (samples, classes), of X's library and device.

        Parameters
        ----------
        X : array-like or sparse matrix (samples, features)
        """
        return self._predict_probabilities(X, "predict_proba")

    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithm of the probability of each class (or label), in nats, (samples, classes).

        Parameters
        ----------
        X : array-like or sparse matrix (samples, features)
        """
        p = self._predict_probabilities(X, "predict_log_proba")
        return get_namespace(p)[0].log(p)

    def _predict_probabilities(self, X: Any, method: str) -> Any:
        p = self._predict(X, method)
        if p.shape[1] != 1:
            return p
        return get_namespace(p)[0].concat([1.0 - p, p], axis=1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
