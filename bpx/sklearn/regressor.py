"""The regressor."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if

from bpx.backend.base import Array, Backend
from bpx.backend.transfer import convert_like
from bpx.losses import Loss
from bpx.network import Network
from bpx.sklearn.estimator import MultilayerPerceptron
from bpx.sklearn.internals import StrOptions, fit_context
from bpx.sklearn.objectives import VALUE_LOSSES, is_poisson
from bpx.sklearn.parameters import CONSTRAINTS
from bpx.sklearn.samples import Samples


class MLPRegressor(RegressorMixin, MultilayerPerceptron):  # type: ignore[misc]
    """A multilayer perceptron that predicts values, in place of ``sklearn.neural_network.MLPRegressor``.

    Minimizes half the squared error, or another loss of values. With the same ``random_state`` it takes the same
    steps as scikit-learn's, to rounding.

    Parameters
    ----------
    loss : {"squared_error", "absolute_error", "huber", "quantile", "poisson"} or Loss
        "quantile" is the median; ``bpx.Quantile(0.9)`` and ``bpx.Huber(delta=2.0)`` have settings. "poisson" is for
        counts: the outputs are logarithms of rates, and y is at least 0.
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
        Share of the samples that is drawn for it.
    beta_1, beta_2, epsilon : float
        Of "adam" and "adamw".
    n_iter_no_change : int
        Training ends when this many epochs in a row, and one more, have not improved.
    max_fun : int
        Evaluations of the loss by "lbfgs", at most.
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
        R² and loss on the validation set after each epoch; None without one.
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
        "identity", or "exp" for "poisson".
    n_features_in_ : int
        Features of X.
    feature_names_in_ : array of str
        Their names; only where X has names that are text.

    See Also
    --------
    bpx.sklearn.MLPClassifier : Classes, from arrays.
    bpx.sklearn.TableRegressor : Numbers, from tables of mixed columns.
    mlp : Build a multilayer perceptron.

    Notes
    -----
    With several outputs the loss is reported as their mean, as by scikit-learn, while the steps follow the gradient of
    their sum. Arrays of PyTorch and CuPy, and sparse matrices, are treated as by `MLPClassifier`.

    References
    ----------
    D. E. Rumelhart, G. E. Hinton, R. J. Williams, "Learning representations by back-propagating errors", 1986.
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from bpx.sklearn import MLPRegressor
    >>> x, y = load_diabetes(return_X_y=True)
    >>> model = MLPRegressor(hidden_layer_sizes=16, alpha=1.0, learning_rate_init=0.01, tol=0.01, random_state=0)
    >>> model.fit(scale(x), scale(y)).score(scale(x), scale(y)) > 0.5
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "loss": [StrOptions(set(VALUE_LOSSES)), Loss],
    }

    def __init__(
        self,
        loss: Any = "squared_error",
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
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, validation_data: Any = None) -> MLPRegressor:
        """Fit the network to samples and their values.

        Parameters
        ----------
        X : array-like or sparse matrix (samples, features)
            float32 stays float32; anything else is computed in float64.
        y : array-like (samples,) or (samples, outputs)
        sample_weight : array-like (samples,) or None
        validation_data : tuple (X, y) or (X, y, sample_weight), or None
            Measured after each epoch; with ``early_stopping`` it takes the place of the set that is drawn.

        Returns
        -------
        MLPRegressor
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
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Continue for one epoch over the given samples.

        Parameters
        ----------
        X, y, sample_weight
            As for `fit`.

        Returns
        -------
        MLPRegressor
            The estimator itself.

        Raises
        ------
        AttributeError
            With ``solver="lbfgs"``, which takes no batches.
        ValueError
            If there is early stopping.
        """
        self._fit(X, y, sample_weight, None, incremental=True)
        return self

    def predict(self, X: Any) -> Any:
        """Return the value of each sample, (samples,), or values, (samples, outputs), of X's library and device.

        Parameters
        ----------
        X : array-like or sparse matrix (samples, features)
        """
        values = self._predict(X, "predict")
        return values[:, 0] if values.shape[1] == 1 else values

    # -- targets ------------------------------------------------------------------------------------------

    def _learn_targets(self, y: Any, incremental: bool) -> Any:
        if is_poisson(self.loss) and bool((y < 0).any()):
            raise ValueError("Some value(s) of y are out of the valid range of the loss 'poisson': it takes y >= 0.")
        return y

    def _encode(self, backend: Backend, y: Any, dtype: str) -> Array:
        y = backend.asarray(y, dtype)
        return backend.xp.reshape(y, (-1, 1)) if y.ndim == 1 else y

    def _name_out_activation(self) -> str:
        return "exp" if is_poisson(self.loss) else "identity"

    def score_outputs(self, net: Network, z: Array, samples: Samples) -> float:
        """Return R², the mean over the outputs; NaN where a value is not finite."""
        xp = net.backend.xp
        values = net.loss.probabilities(xp, z)
        if not bool(xp.all(xp.isfinite(values))):
            return float(np.nan)
        arrays = (samples.y, values, samples.score_weight)
        y, values, weight = (None if a is None else convert_like(samples.given, a, net.backend) for a in arrays)
        return float(r2_score(y, values, sample_weight=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = is_poisson(self.loss)
        return tags
